"""``lesionviz score``: asks the model about every image of an archive."""

from __future__ import annotations

import argparse
from pathlib import Path

import lesionviz
from lesionviz.cli.options import Commands, add_model
from lesionviz.cli.terminal import complain, say
from lesionviz.errors import LesionvizError


def add_score(commands: Commands) -> None:
    """Add the command."""
    score = commands.add_parser("score", help="ask the model about a whole archive: one table, one page, resumable")
    score.set_defaults(run=_score)
    score.add_argument(
        "paths",
        nargs="*",
        metavar="PATHS",
        help="folders, images, patterns between quotes, or tables with a column of paths; with --resume none are needed",
    )
    score.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    score.add_argument("--resume", action="store_true", help="go on with the run in --out, where there is one")
    add_model(score)
    score.add_argument(
        "--second",
        type=Path,
        metavar="FILE",
        help="ask another best_model.pth, too, when the run is finished: two_models.parquet holds both answers",
    )
    score.add_argument(
        "--embeddings", action="store_true", default=None, help="add what the network's head sees (5 kB a row)"
    )
    score.add_argument(
        "--maps", action="store_true", default=None, help="add the maps of the last layer, all classes (1 kB a row)"
    )
    score.add_argument(
        "--batch-size", type=int, metavar="N", help="images in one run of the network (default: 8, on a GPU 64)"
    )
    score.add_argument(
        "--shard-size", type=int, metavar="N", help="images in one part, which an interruption costs (default: 512)"
    )
    score.add_argument(
        "--precision",
        metavar="float32|bfloat16",
        help="bfloat16 is faster where the processor computes with it, and rounds: of 1,000 diagnoses two to four "
        "become others (default: float32)",
    )
    score.add_argument(
        "--engine",
        metavar="auto|torch|openvino|cuda",
        help="what computes, the same numbers up to rounding: PyTorch, OpenVINO, faster on a processor, or cuda, PyTorch "
        "on a GPU of NVIDIA (default: OpenVINO where it is installed, else PyTorch; with --resume the run's own)",
    )
    score.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="how many decode and compute (default: one for each core, for many images in a process of its own; with "
        "--cluster local, one in each worker)",
    )
    many = score.add_argument_group("on several processes or machines")
    many.add_argument(
        "--cluster",
        metavar="local|ADDRESS",
        help="have Dask's workers compute: local starts some here, tls://host:8786 asks those of a scheduler that runs "
        "already. They read the paths themselves, as on a shared file system; what they cannot read is sent to them",
    )
    many.add_argument(
        "--cluster-certificates", type=Path, metavar="DIR", help="folder with its ca.pem, cert.pem and key.pem"
    )
    many.add_argument(
        "--workers", type=int, metavar="N", help="start so many, with --cluster local (default: by memory and cores)"
    )
    many.add_argument(
        "--dask-page", action="store_true", help="open Dask's page, for this machine alone, with --cluster local"
    )


def _score(options: argparse.Namespace) -> int:
    from lesionviz.archive.known import remember
    from lesionviz.archive.page import duration
    from lesionviz.archive.second import BOTH, score_second
    from lesionviz.checkpoint import Checkpoint

    try:
        remember(options.out)
    except LesionvizError as error:
        complain(f"{error} The page's list of runs will lack this one.")
    how = {
        "batch_size": options.batch_size,
        "shard_size": options.shard_size,
        "precision": options.precision,
        "threads": options.threads,
        "engine": options.engine,
        "cluster": options.cluster,
        "cluster_certificates": options.cluster_certificates,
        "workers": options.workers,
        "dask_page": options.dask_page,
    }
    if options.second is not None:
        Checkpoint.load(options.second)  # a wrong one is refused before the first is asked
    scored = lesionviz.score(
        options.paths or None,
        options.out,
        model=options.model,
        resume=options.resume,
        embeddings=options.embeddings,
        maps=options.maps,
        **how,
    )
    for note in scored.notes:
        say(note)
    again = f"lesionviz score --out {options.out} --resume{f' --second {options.second}' if options.second else ''}"
    if not scored.finished:
        complain(f"stopped: {scored.done:,} of {scored.images:,} images are done. Go on with: {again}")
        return 130
    failed = f", {scored.failed:,} of which could not be used" if scored.failed else ""
    say(f"{scored.images:,} images{failed}; this took {duration(scored.seconds)} with {scored.engine}.")
    say(f"Written to {options.out}: {scored.table.name}, {scored.page.name}")
    if options.second is not None:
        second = score_second(options.out, options.second, **how)
        if not second.finished:
            complain(f"stopped: the second model has done {second.done:,} of {second.images:,}. Go on with: {again}")
            return 130
        say(f"Both models' answers: {options.out / BOTH}")
    return 0
