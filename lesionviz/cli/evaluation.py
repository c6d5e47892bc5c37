"""The commands that judge a model: ``evaluate``, ``compare``, ``faithfulness``, ``shortcuts``; and ``index``."""

from __future__ import annotations

import argparse
from pathlib import Path

import lesionviz
from lesionviz.cli.options import Commands, add_data_and_out, add_model, add_several, add_skip_damaged
from lesionviz.cli.terminal import say
from lesionviz.diagnoses import CODES


def add_evaluate(commands: Commands) -> None:
    """Add ``evaluate``."""
    evaluate = commands.add_parser("evaluate", help="judge a model on images that it was not trained on")
    evaluate.set_defaults(run=_evaluate)
    add_data_and_out(evaluate)
    add_model(evaluate)
    evaluate.add_argument(
        "--part",
        default="test",
        metavar="test|validation|train|all",
        help="part of the model's split (default: test), or all images of a collection that is new to it",
    )
    add_several(
        evaluate,
        "--other-source",
        "NAME",
        "a clinic in the other collections that is judged alone, too, on all that is new to the model",
        str,
    )
    add_several(
        evaluate,
        "--other",
        "DIR",
        "labelled images of other clinics; of those trained on, the test part; may be given several times",
    )
    add_several(
        evaluate,
        "--unlike",
        "DIR",
        "pictures that should get no diagnosis, by subfolder; may be given several times",
    )
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
    add_skip_damaged(evaluate)


def add_compare(commands: Commands) -> None:
    """Add ``compare``."""
    compare = commands.add_parser("compare", help="put two models side by side on the same images")
    compare.set_defaults(run=_compare)
    compare.add_argument("first", type=Path, metavar="FILE", help="a best_model.pth")
    compare.add_argument("second", type=Path, metavar="FILE", help="another")
    add_data_and_out(compare)
    compare.add_argument("--part", default="test", metavar="test|validation|train|all", help="default: test")
    add_skip_damaged(compare)


def add_index(commands: Commands) -> None:
    """Add ``index``."""
    index = commands.add_parser("index", help="index your labelled images, to find cases similar to a picture")
    index.set_defaults(run=_index)
    index.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder or table of labelled images")
    index.add_argument("--part", default="train", metavar="train|all", help="of the model's split (default: train)")
    add_model(index)
    add_skip_damaged(index)


def add_faithfulness_and_shortcuts(commands: Commands) -> None:
    """Add ``faithfulness`` and ``shortcuts``."""
    faithful = commands.add_parser("faithfulness", help="judge the maps of every method and layer")
    faithful.set_defaults(run=_faithfulness)
    faithful.add_argument(
        "--masks", type=Path, required=True, metavar="DIR", help="<image>_segmentation.png outlines"
    )
    shortcut = commands.add_parser("shortcuts", help="draw rulers, ink, hair and dark corners, and ask again")
    shortcut.set_defaults(run=_shortcuts)
    for command in (faithful, shortcut):
        add_data_and_out(command)
        add_model(command)
        command.add_argument("--images", type=int, default=500, help="how many test images (default: 500)")
        add_skip_damaged(command)


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
        say(sentence)
    say(headline(evaluation))
    for code in CODES:
        figures = (evaluation.figures[f"{name}_{code}"] for name in ("sensitivity", "specificity"))
        say("{:>4}: sensitivity {}, specificity {}".format(code, *figures))
    for other in evaluation.others:
        say(f"{other.name}: {headline(other)}")
    for each in (evaluation, *evaluation.others):
        for row in each.silence.refusals.to_dict("records"):
            warned = f", a warning for {row['warned']:,}" if row["warned"] else ""
            say(f"No answer for {row['refused']:,} of {row['images']:,} pictures{warned}: {row['pictures']}")
    say(f"Written to {options.out}: {REPORT}, {CARD}, {JSON}, {PREDICTIONS}, {PICTURE}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.compare import compare

    comparison = compare(
        options.first, options.second, options.data, options.out, options.part, skip_damaged=options.skip_damaged
    )
    say(comparison.to_markdown())
    say(f"Written to {options.out}: comparison.md, comparison.json")
    return 0


def _index(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.index import make_index

    path = make_index(options.data, options.model, options.part, skip_damaged=options.skip_damaged, report=say)
    say(f"Written to {path}. It stays on this computer.")
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
    say(f"{report.images:,} images judged.{lost} Written to {options.out}: faithfulness.csv, .json, .md, .png")
    return 0


def _shortcuts(options: argparse.Namespace) -> int:
    from lesionviz.evaluation.shortcuts import shortcuts

    report = shortcuts(options.data, options.model, options.out, options.images, skip_damaged=options.skip_damaged)
    say(report.to_markdown())
    say(f"Written to {options.out}: shortcuts.csv, .json, .md")
    return 0
