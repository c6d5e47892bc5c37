"""How much more than a plain forward a map costs: ours and three peers, interleaved, in one table.

Run it with ``make bench``, or ``python tests/benchmarks/explanation_speed.py --rounds 15``. Every figure is
the median over rounds of (time of the job / time of a plain forward under ``inference_mode`` in the same
round), with the quartiles; same weights, same picture, same threads. Limits are printed, not asserted:
a busy machine must not fail a build.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM as PeerGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torchcam.methods import GradCAM as TorchCAM

from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.explanation.engine import forward_with_all_maps, forward_with_gradient
from lesionviz.explanation.methods import METHODS, Method
from lesionviz.network import LAYERS
from lesionviz.preprocessing import Preprocessing

GRADCAM = METHODS["gradcam"]
LIMITS = {
    "map at features.8": 1.10,
    "map at features.3": 2.0,
    "4 classes x 9 layers": 6.0,
    "all methods": 6.5,
    "another class": 0.005,
}


def jobs(size: int) -> dict[tuple[str, str], Callable[[], object]]:
    """Return what is timed, by job and library; the plain forward is the unit."""
    checkpoint = replace(Checkpoint.load(), preprocessing=Preprocessing(size=size))
    classifier = LesionClassifier(checkpoint)
    network = classifier._network
    peer = checkpoint.network().to(memory_format=torch.channels_last).requires_grad_(True)
    picture = synthetic_samples()[2]
    batch = classifier._input([picture])

    def plain() -> object:
        with torch.inference_mode():
            return network(batch)

    def ours(layer: str) -> object:
        return forward_with_gradient(network, batch, layer, 2).maps(GRADCAM)

    def ours_all(methods: Iterable[Method]) -> object:
        return forward_with_all_maps(network, batch, methods)

    case = classifier.complete(classifier.examine(picture))
    steps = [(c, la, m) for m in METHODS for la in LAYERS for c in CODES]
    state = {"step": 0}

    def switch() -> object:
        """One class, layer or method after the other, through the public call."""
        code, layer, method = steps[state["step"] % len(steps)]
        state["step"] += 1
        return case.explanation(code, layer, method)

    def grad_cam(layers: tuple[str, ...], targets: tuple[int, ...]) -> None:
        for layer in layers:
            with PeerGradCAM(peer, [peer.get_submodule(layer)]) as cam:
                for target in targets:
                    cam(batch, [ClassifierOutputTarget(target)])

    def torchcam(layers: tuple[str, ...], targets: tuple[int, ...]) -> None:
        with TorchCAM(peer, list(layers)) as cam:
            scores = peer(batch)
            for target in targets:
                cam(target, scores, retain_graph=target != targets[-1])

    def captum(layers: tuple[str, ...], targets: tuple[int, ...]) -> None:
        for layer in layers:
            cam = LayerGradCam(peer, peer.get_submodule(layer))
            for target in targets:
                cam.attribute(batch, target=target)

    table: dict[tuple[str, str], Callable[[], object]] = {("plain forward", ""): plain}
    for layer in ("features.8", "features.3"):
        table[f"map at {layer}", "lesionviz"] = lambda layer=layer: ours(layer)  # type: ignore[misc]
    table["4 classes x 9 layers", "lesionviz"] = lambda: ours_all([GRADCAM])
    table["all methods", "lesionviz"] = lambda: ours_all(METHODS.values())
    table["another class", "lesionviz"] = switch
    for name, peer_job in {"grad-cam": grad_cam, "torchcam": torchcam, "captum": captum}.items():
        for layer in ("features.8", "features.3"):
            table[f"map at {layer}", name] = lambda job=peer_job, layer=layer: job((layer,), (2,))  # type: ignore[misc]
        table["4 classes x 9 layers", name] = lambda job=peer_job: job(LAYERS, (0, 1, 2, 3))  # type: ignore[misc]
        table["another class", name] = lambda job=peer_job: job(("features.8",), (1,))  # type: ignore[misc]
    return table


def measure(size: int, rounds: int) -> None:
    """Print the table for one input size."""
    todo = jobs(size)
    times: dict[tuple[str, str], list[float]] = {key: [] for key in todo}
    for round_number in range(rounds + 2):
        for key, job in todo.items():
            repeats = 50 if key == ("another class", "lesionviz") else 1
            start = time.perf_counter()
            for _ in range(repeats):
                job()
            if round_number >= 2:  # two rounds to warm up
                times[key].append((time.perf_counter() - start) / repeats)
    unit = np.array(times["plain forward", ""])
    print(f"\n{size} px, {torch.get_num_threads()} threads, {rounds} rounds interleaved")
    print(f"a plain forward takes {np.median(unit) * 1e3:.1f} ms (median)")
    print(f"{'job':<22}{'library':<11}{'x forward':>10}  (quartiles)       limit")
    for (job_name, library), seconds in times.items():
        if not library:
            continue
        low, middle, high = np.percentile(np.array(seconds) / unit, [25, 50, 75])
        limit = LIMITS[job_name] if library == "lesionviz" else None
        verdict = "" if limit is None else f"{limit:g}, {'met' if middle <= limit else 'MISSED'}"
        print(f"{job_name:<22}{library:<11}{middle:>10.4g}  ({low:.3g} to {high:.3g})   {verdict}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=[160, 224])
    options = parser.parse_args()
    for input_size in options.sizes:
        measure(input_size, options.rounds)
