"""The command line: ``lesionviz dashboard``, ``lesionviz train``, ``lesionviz evaluate``.

It reads options, calls the library and prints sentences; a :class:`LesionvizError` becomes one line
and exit status 1. Nothing is computed here.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import inspect
import io
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import lesionviz
from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    _print_on_any_terminal()
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # The doctor must be able to look at an installation in which nothing else can be imported.
        options = _parser(complete=given[:1] != ["doctor"]).parse_args(given)
        result: int = options.run(options)
    except LesionvizError as error:
        print(f"lesionviz: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"lesionviz: {error}. A package is missing or broken; lesionviz doctor says which.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lesionviz: stopped.", file=sys.stderr)
        return 130
    return result


def _parser(complete: bool = True) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lesionviz",
        description="Train, question and show a skin-lesion classifier. For research and teaching.",
    )
    parser.add_argument("--version", action="version", version=f"lesionviz {lesionviz.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    dashboard = commands.add_parser("dashboard", help="open the Explorer in a browser, no code in sight")
    dashboard.set_defaults(run=_dashboard)
    _model(dashboard)
    dashboard.add_argument("--port", type=int, default=8866, help="where to listen (default: 8866; 0: any free one)")
    dashboard.add_argument(
        "--base-url", default="/", metavar="PATH", help="path under which a proxy shows the page, such as /lesions/"
    )
    dashboard.add_argument("--no-browser", action="store_true", help="only print the address")
    dashboard.add_argument("--dark", action="store_true", help="light letters on a dark page")

    doctor = commands.add_parser("doctor", help="look at this installation, and say what to do about what is wrong")
    doctor.set_defaults(run=_doctor)

    if complete:
        _other_commands(commands)
    return parser


def _other_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from lesionviz.recipe import CHOICES, Recipe

    evaluate = commands.add_parser("evaluate", help="judge a model on images that it was not trained on")
    evaluate.set_defaults(run=_evaluate)
    _data_and_out(evaluate)
    _model(evaluate)
    evaluate.add_argument(
        "--part",
        default="test",
        metavar="test|validation|train|all",
        help="part of the model's split (default: test), or all images of a collection that is new to it",
    )

    evaluate.add_argument(
        "--other-source",
        action="append",
        default=[],
        metavar="NAME",
        help="a clinic in the other collections that is judged alone, too, on all that is new to the model",
    )
    for name, what in (
        (
            "--other",
            "labelled images of other clinics; of those trained on, the test part; may be given several times",
        ),
        ("--unlike", "pictures that should get no diagnosis, by subfolder; may be given several times"),
    ):
        evaluate.add_argument(name, type=Path, action="append", default=[], metavar="DIR", help=what)

    evaluate.add_argument(
        "--masks",
        type=Path,
        metavar="DIR",
        help="<image>_segmentation.png outlines: how much of the evidence lies inside the lesion?",
    )
    evaluate.add_argument(
        "--views",
        type=int,
        default=1,
        metavar="1|8",
        help="8 averages every answer over the symmetries of the square, at eight times the cost (default: 1)",
    )

    compare = commands.add_parser("compare", help="put two models side by side on the same images")
    compare.set_defaults(run=_compare)
    compare.add_argument("first", type=Path, metavar="FILE", help="a best_model.pth")
    compare.add_argument("second", type=Path, metavar="FILE", help="another")
    _data_and_out(compare)
    compare.add_argument("--part", default="test", metavar="test|validation|train|all", help="default: test")

    calibrated = commands.add_parser(
        "calibrate", help="fit temperature, thresholds and refusal of a model on its validation images"
    )
    calibrated.set_defaults(run=_calibrate)
    calibrated.add_argument("--data", type=Path, required=True, metavar="DIR", help="what it was trained on")
    calibrated.add_argument(
        "--also", type=Path, action="append", default=[], metavar="DIR", help="what it was trained on besides, each"
    )
    calibrated.add_argument("--out", type=Path, required=True, metavar="FILE", help="the calibrated best_model.pth")
    calibrated.add_argument("--size", type=int, help="another side of the input in pixels (default: the model's)")
    calibrated.add_argument("--half", action="store_true", help="store weights in half precision (8 MB)")
    _model(calibrated)

    index = commands.add_parser("index", help="index your labelled images, to find cases similar to a picture")
    index.set_defaults(run=_index)
    index.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder or table of labelled images")
    index.add_argument("--part", default="train", metavar="train|all", help="of the model's split (default: train)")
    _model(index)

    faithful = commands.add_parser("faithfulness", help="judge the maps of every method and layer")
    faithful.set_defaults(run=_faithfulness)
    faithful.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="<image>_segmentation.png outlines"
    )
    shortcut = commands.add_parser("shortcuts", help="draw rulers, ink, hair and dark corners, and ask again")
    shortcut.set_defaults(run=_shortcuts)
    for command in (faithful, shortcut):
        _data_and_out(command)
        _model(command)
        command.add_argument("--images", type=int, default=500, help="how many test images (default: 500)")

    _data_commands(commands.add_parser("data", help="look at labelled images, or download the official ones"))

    train = commands.add_parser("train", help="fine-tune the classifier on a folder of images")
    train.set_defaults(run=_train)
    _data_and_out(train)
    train.add_argument(
        "--also",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="another collection to learn from, a part of which is kept out; may be given several times",
    )
    train.add_argument(
        "--keep-out",
        type=float,
        default=0.4,
        metavar="SHARE",
        help="test share of each --also, in steps of 0.05; another 0.1 is for validation (default: 0.4)",
    )
    train.add_argument(
        "--never",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="images that take no part, with their lesions: a folder of them, or ids in a text, CSV or JSON file; may be "
        "given several times",
    )
    train.add_argument(
        "--never-source",
        action="append",
        default=[],
        metavar="NAME",
        help="a clinic (source or attribution) that takes no part; may be given several times",
    )
    train.add_argument(
        "--twins",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with several collections, look for pictures that look the same, and learn from none whose twin is kept out "
        "(default: yes)",
    )
    train.add_argument(
        "--outlines",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="<image>_segmentation.png outlines of lesions, for --outline-weight; may be given several times",
    )
    train.add_argument(
        "--init",
        default="imagenet",
        metavar="imagenet|scratch|FILE",
        help="starting weights: torchvision's ImageNet ones (the default), none, or a state dict",
    )
    train.add_argument("--resume", action="store_true", help="go on with the unfinished training in --out")
    train.add_argument("--half", action="store_true", help="store the weights in half precision (8 MB)")
    train.add_argument("--cpu", action="store_true", help="use the CPU even where a GPU is at hand")
    train.add_argument("--workers", type=int, default=0, help="processes that decode images (default: 0)")
    train.add_argument("--split-seed", type=int, default=2019, help="of the split by lesion (default: 2019)")
    train.add_argument(
        "--processes", type=int, default=1, metavar="N", help="share every batch between N processes (default: 1)"
    )
    _skip_damaged(evaluate, compare, calibrated, index, faithful, shortcut, train)
    # How a training that was started on several processes is followed from the one that started it.
    train.add_argument("--progress-lines", action="store_true", help=argparse.SUPPRESS)
    train.add_argument("--stop-file", type=Path, help=argparse.SUPPRESS)
    recipe = train.add_argument_group("recipe")
    explained = _attributes(Recipe)
    for field in fields(Recipe):
        kind = type(field.default)
        how: dict[str, Any] = {"type": kind}
        if kind is bool:
            how = {"action": argparse.BooleanOptionalAction}
        elif field.name in CHOICES:
            how = {"choices": CHOICES[field.name], "metavar": "|".join(CHOICES[field.name])}
        recipe.add_argument(
            f"--{field.name.replace('_', '-')}",
            default=field.default,
            help=f"{explained[field.name]} (default: {field.default})",
            **how,
        )


def _attributes(described: type) -> dict[str, str]:
    """Return what a docstring says of each attribute, without reStructuredText or percent signs."""
    # Without its indentation, which Python 3.13 takes off by itself.
    text = (inspect.getdoc(described) or "").partition("Attributes:")[2].replace("``", "").replace("%", " percent")
    text = re.sub(r":\w+:`([^`]+)`", r"\1", text)
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(sentence.split()).rstrip(".") for name, sentence in found}


def _data_and_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder or table of labelled images")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")


def _data_commands(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = commands.add_parser("inspect", help="say what is in a folder: classes, sources, missing, broken, twice")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("places", type=Path, nargs="+", metavar="DIR", help="folders or tables of labelled images")
    inspect.add_argument(
        "--twins",
        action="store_true",
        help="also find pictures that look the same, across all folders and inside them",
    )
    inspect.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="also write the text, a figure and the list of all damaged images there",
    )
    inspect.add_argument("--split-seed", type=int, default=2019, help="of the split whose leakage is counted")
    download = commands.add_parser("download", help="fetch the ISIC 2019 training data (9.1 GB)")
    download.set_defaults(run=_download)
    download.add_argument("folder", type=Path, metavar="DIR", help="where to")
    download.add_argument("--accept-licence", action="store_true", help="do not ask whether you accept it")


def _skip_damaged(*commands: argparse.ArgumentParser) -> None:
    for command in commands:
        command.add_argument(
            "--skip-damaged",
            action="store_true",
            help="go on without images that cannot be used, and say how many (default: name them all and stop)",
        )


def _model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, metavar="FILE", help="a best_model.pth (default: the bundled one)")


def _dashboard(options: argparse.Namespace) -> int:
    from lesionviz.serving.dashboard import serve

    def announce(address: str) -> None:
        taken = "" if f":{options.port}/" in address or not options.port else f" (port {options.port} is taken)"
        _say(f"The dashboard is open at {address}{taken}. End it with Ctrl-C.")

    serve(
        announce,
        port=options.port,
        model=options.model,
        browser=not options.no_browser,
        dark=options.dark,
        base_url=options.base_url,
        tell=lambda sentence: print(f"lesionviz: {sentence}", file=sys.stderr),
    )
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from lesionviz.doctor import examine, to_text

    findings = examine()
    _say(to_text(findings))
    return int(any(finding.state == "WRONG" for finding in findings))


def _evaluate(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.report.save import CARD, JSON, PICTURE, PREDICTIONS, REPORT
    from lesionviz.evaluation.report.words import damaged_sentences, headline

    evaluation = lesionviz.evaluate(
        options.data,
        options.model,
        options.out,
        options.part,
        other=options.other,
        other_sources=options.other_source,
        unlike=options.unlike,
        masks=options.masks,
        views=options.views,
        skip_damaged=options.skip_damaged,
    )
    for sentence in (*evaluation.notes, *damaged_sentences(evaluation)):
        _say(sentence)
    _say(headline(evaluation))
    for code in CODES:
        figures = (evaluation.figures[f"{name}_{code}"] for name in ("sensitivity", "specificity"))
        _say("{:>4}: sensitivity {}, specificity {}".format(code, *figures))
    for other in evaluation.others:
        _say(f"{other.name}: {headline(other)}")
    for each in (evaluation, *evaluation.others):
        for row in each.silence.refusals.to_dict("records"):
            warned = f", a warning for {row['warned']:,}" if row["warned"] else ""
            _say(f"No answer for {row['refused']:,} of {row['images']:,} pictures{warned}: {row['pictures']}")
    _say(f"Written to {options.out}: {REPORT}, {CARD}, {JSON}, {PREDICTIONS}, {PICTURE}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.compare import compare

    comparison = compare(
        options.first, options.second, options.data, options.out, options.part, skip_damaged=options.skip_damaged
    )
    _say(comparison.to_markdown())
    _say(f"Written to {options.out}: comparison.md, comparison.json")
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from lesionviz.checkpoint import Checkpoint
    from lesionviz.data.read import read_collection
    from lesionviz.evaluation.parts import recorded_portions
    from lesionviz.training.calibration import calibrate

    checkpoint = Checkpoint.load(options.model)
    portions = recorded_portions(checkpoint, [read_collection(place) for place in (options.data, *options.also)])
    calibrated = calibrate(checkpoint, portions, size=options.size, skip_damaged=options.skip_damaged)
    calibrated.save(options.out, half=options.half)
    _say(
        f"Temperature {calibrated.temperature:.3f}; {calibrated.refusal['accepted']:.1%} of the validation images "
        f"are accepted. Saved as {options.out}."
    )
    return 0


def _index(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.index import make_index

    path = make_index(options.data, options.model, options.part, skip_damaged=options.skip_damaged, report=_say)
    _say(f"Written to {path}. It stays on this computer.")
    return 0


def _inspect(options: argparse.Namespace) -> int:
    import pandas as pd

    from lesionviz.data.inspection import inspect, inspect_twins
    from lesionviz.data.read import read_collection
    from lesionviz.data.split import leakage_text

    collections = [read_collection(place) for place in options.places]
    texts, written, damaged = [], ["inspection.txt"], []
    for collection in collections:
        inspection = inspect(collection)
        texts.append(inspection.to_text() + "\n\n" + leakage_text(collection, options.split_seed))
        _say(texts[-1] + "\n")
        damaged.append(inspection.damaged())
        if options.out:
            name = collection.folder.resolve().name
            written.append(f"inspection_{name}.png" if len(collections) > 1 else "inspection.png")
            with replacing(options.out / written[-1]) as temporary:
                inspection.figure().savefig(temporary, dpi=150)
    if options.twins:
        twins = inspect_twins(collections)
        texts.append("\n".join(twins.sentences()))
        _say(texts[-1] + "\n")
        if options.out:
            written.append("twins.csv")
            with replacing(options.out / written[-1]) as temporary:
                twins.table().drop(columns="torn").to_csv(temporary, index=False)
    if options.out and any(map(len, damaged)):
        written.append("damaged.csv")
        with replacing(options.out / written[-1]) as temporary:
            pd.concat(damaged).to_csv(temporary, index=False)
    if options.out:
        with replacing(options.out / written[0]) as temporary:
            temporary.write_text("\n\n".join(texts) + "\n", encoding="utf-8")
        _say(f"Written to {options.out}: {', '.join(written)}")
    return 0


def _download(options: argparse.Namespace) -> int:
    from lesionviz.data.download import LICENCE, download_isic2019

    _say(LICENCE)
    if not options.accept_licence:
        if not sys.stdin.isatty():
            raise LesionvizError("Nobody is here to accept the licence. Say so with --accept-licence.")
        if input("Do you accept this licence? [y/N] ").strip().lower() not in {"y", "yes"}:
            _say("Nothing was downloaded.")
            return 1
    download_isic2019(options.folder)
    _say(f"Complete. Look at it with: lesionviz data inspect {options.folder}")
    return 0


def _faithfulness(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.faithfulness import faithfulness
    from lesionviz.evaluation.usable import left_out

    report = faithfulness(
        options.data,
        options.masks,
        options.model,
        options.out,
        options.images,
        skip_damaged=options.skip_damaged,
    )
    lost = f" {left_out(report.damaged)}" if report.damaged else ""
    _say(f"{report.images:,} images judged.{lost} Written to {options.out}: faithfulness.csv, .json, .md, .png")
    return 0


def _shortcuts(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.shortcuts import shortcuts

    report = shortcuts(options.data, options.model, options.out, options.images, skip_damaged=options.skip_damaged)
    _say(report.to_markdown())
    _say(f"Written to {options.out}: shortcuts.csv, .json, .md")
    return 0


def _train(options: argparse.Namespace) -> int:
    from lesionviz.recipe import Recipe

    recipe = Recipe(**{f.name: getattr(options, f.name) for f in fields(Recipe)})
    from lesionviz.doctor import check_shared_memory
    from lesionviz.training.launch import train_on_processes

    # Floats of three channels; validation batches are twice as large.
    check_shared_memory(options.workers * options.processes, 2 * recipe.batch_size * 3 * recipe.size**2 * 4)

    stop_file: Path | None = options.stop_file
    result = train_on_processes(
        options.processes,
        options.data,
        options.out,
        also=options.also,
        keep_out=options.keep_out,
        never=options.never,
        never_sources=options.never_source,
        twins=options.twins,
        outlines=options.outlines,
        init=options.init,
        recipe=recipe,
        split_seed=options.split_seed,
        resume=options.resume,
        half=options.half,
        cpu=options.cpu,
        workers=options.workers,
        skip_damaged=options.skip_damaged,
        report=_say,
        watch=(lambda event: _say(event.to_line())) if options.progress_lines else None,
        stop=stop_file.exists if stop_file else None,
    )
    if options.progress_lines:  # somebody else tells the end
        return 0
    _say(f"Best epoch: {result.best_epoch}. Saved as {result.checkpoint}.")
    return 130 if result.interrupted else 0


PLAIN = {
    "×": "x",
    "–": "-",
    "−": "-",
    "…": "...",
    "·": "-",
    "≥": ">=",
    "≤": "<=",
    "“": '"',
    "”": '"',
    "’": "'",
    "→": "->",
}
"""What stands for a sign on a terminal that cannot show it; a question mark for any other."""


def _print_on_any_terminal() -> None:
    """Replace the signs that the terminal cannot show, instead of ending with an error in the middle of a sentence."""
    codecs.register_error("lesionviz-plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # and no stream of somebody's own
            with contextlib.suppress(ValueError):  # closed
                stream.reconfigure(errors="lesionviz-plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end


def _say(sentence: str) -> None:
    print(sentence, flush=True)
