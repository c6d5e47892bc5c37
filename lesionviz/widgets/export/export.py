"""A case to keep: one HTML page in which class, layer and alpha still work with no kernel, or a sheet as PDF or PNG.

Each says which picture, which model on which split, when, and that it is not for diagnosis.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

import lesionviz
from lesionviz.checkpoint import DRAWINGS
from lesionviz.errors import LesionvizError
from lesionviz.explanation.methods import METHODS
from lesionviz.trust.two_models import CANNOT_SHOW
from lesionviz.widgets.case.answer import answer_html, notice_html, title_html
from lesionviz.widgets.case.bundle import pack_maps
from lesionviz.widgets.case.case_view import CHOICES, CaseView
from lesionviz.widgets.export.checked import checked_html
from lesionviz.widgets.parts.front_end import script, style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lesionviz.case import Case
    from lesionviz.checkpoint import Checkpoint
    from lesionviz.imaging import LesionImage
    from lesionviz.trust.two_models import TwoModels
    from lesionviz.widgets.checks.check import Kept

TRAITS = ("case", "maps", "classes", "tables", *CHOICES)
"""What of a :class:`CaseView` a page needs."""


def provenance(
    source: str, checkpoint: Checkpoint, when: datetime, second: TwoModels | None = None
) -> dict[str, str]:
    """Return where a result comes from, in words: picture, model, split, date, and a second model that answered, too."""
    other: dict[str, str] = {}
    if second is not None:
        model = second.models[1]
        other = {
            "Second": f"{model.name}, SHA-256 {model.sha256 or 'not known: never saved'}",
            "Together": " ".join((second.alike, second.verdict)).strip(),
        }
    return {
        "Picture": source,
        "Model": f"SHA-256 {checkpoint.file_sha256 or 'not known: never saved'}",
        "Split": f"SHA-256 {checkpoint.split.get('sha256') or 'not known'}",
        **other,
        "Made": f"{when:%Y-%m-%d %H:%M} with lesionviz {lesionviz.__version__}",
    }


def case_page(
    case: Case,
    view: CaseView,
    checkpoint: Checkpoint,
    when: datetime,
    point: Mapping[str, float] | None = None,
    checked: Sequence[Kept] = (),
    second: TwoModels | None = None,
) -> str:
    """Return the case on view as one HTML page that needs nothing else.

    The page holds the maps of every method that the case holds.

    Args:
        case: what to keep.
        view: that shows it, as it stands.
        checkpoint: of the model that gave it.
        when: date and time to print.
        point: an operating point to hold the probability of melanoma against.
        checked: what checks of the answer have found.
        second: what a second model says besides, where there is one.

    Raises:
        LesionvizError: the case is not on view.
    """
    _picture_on(view, case)
    prediction, drawn = case.prediction, checkpoint.subject == DRAWINGS
    traits: dict[str, Any] = {name: getattr(view, name) for name in TRAITS}
    traits["maps"] = {method: pack_maps(case, method) for method in METHODS}
    lines = provenance(prediction.source, checkpoint, when, second)
    if second is not None:
        lines["Compared"] = f"{second.in_probability} {second.in_place} {CANNOT_SHOW}"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in lines.items())
    # Inside a script element only "<" could end it early.
    content = json.dumps(traits, default=_base64).replace("<", "\\u003c")
    code = script("parts/dom", "case/maps", "case/stage", "case/controls", "case/case_view", "export/page")
    sheet = style(
        "parts/base", "case/stage", "case/case_view", "case/answer", "checks/checks", "checks/what_if", "export/page"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(code)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(prediction.source)} · lesionviz</title>"
        f"<style>{sheet}</style></head><body>"
        f'<main class="lv lv-page">{title_html()}{notice_html()}{answer_html(prediction, point, drawn)}'
        f'<div id="lv-case"></div>{checked_html(checked)}<dl class="lv-provenance">{facts}</dl></main>'
        f'<script type="application/json" id="lv-traits">{content}</script>'
        f"<script>{code}</script></body></html>\n"
    )


def case_sheet(
    case: Case,
    view: CaseView,
    checkpoint: Checkpoint,
    when: datetime,
    kind: Literal["pdf", "png"],
    point: Mapping[str, float] | None = None,
    checked: Sequence[Kept] = (),
    second: TwoModels | None = None,
) -> bytes:
    """Return the case on view as one A4 sheet in landscape; a PDF tells on a second one what checks have found.

    Args:
        case: what to keep.
        view: that shows it, as it stands.
        checkpoint: of the model that gave it.
        when: date and time to print.
        kind: ``"pdf"``, with letters as letters, or ``"png"`` at 180 pixels to the inch.
        point: an operating point to hold the probability of melanoma against.
        checked: what checks of the answer have found.
        second: what a second model says besides, where there is one.

    Raises:
        LesionvizError: the case is not on view, does not hold the map on view, or the kind is another.
    """
    if kind not in ("pdf", "png"):
        raise LesionvizError(f"A sheet can be a pdf or a png, not {kind!r}.")
    import matplotlib  # takes a while: only when a sheet is wanted
    from matplotlib.backends.backend_pdf import PdfPages

    from lesionviz.widgets.export.checked_sheet import draw_checked
    from lesionviz.widgets.export.paper import printable
    from lesionviz.widgets.export.sheet import Look, draw_sheet

    picture, prediction = _picture_on(view, case), case.prediction
    target = view.target or prediction.diagnosis
    against = view.against if view.against != target else ""
    lines = provenance(prediction.source, checkpoint, when, second)
    figure = draw_sheet(
        case.explanation(target, view.layer, view.method, against or None).on(picture),
        Image.fromarray(case.seen),
        prediction,
        checkpoint.preprocessing,
        Look(view.scale, view.colours, view.alpha, view.threshold, fade=view.blend == "by evidence"),
        lines,
        calibrated=checkpoint.temperature != 1,
        point=point,
        drawn=checkpoint.subject == DRAWINGS,
    )
    # What matplotlib would add by itself (its version, the clock) is left out: equal cases give equal files.
    buffer = io.BytesIO()
    if kind == "png":
        figure.savefig(buffer, format="png", dpi=180, metadata={"Software": None})
        return buffer.getvalue()
    metadata: dict[str, Any] = {
        "Title": f"{printable(prediction.source)} · lesionviz",
        "Creator": f"lesionviz {lesionviz.__version__}",
        "Producer": None,
        "CreationDate": when,
    }
    # TrueType: every letter can be searched and copied
    with matplotlib.rc_context({"pdf.fonttype": 42}), PdfPages(buffer, metadata=metadata) as pages:
        for page in (figure, *draw_checked(checked, prediction.source, lines)):
            pages.savefig(page, dpi=180)
    return buffer.getvalue()


def _picture_on(view: CaseView, case: Case) -> LesionImage:
    """Return the picture on view, if it is that of the case."""
    if view.looked is None or view.picture is None or view.looked.identity != case.identity:
        raise LesionvizError("There is no such case on view. Open a picture first.")
    return view.picture


def _policy(code: str) -> str:
    """Return what a page may do: show its own pictures and styles, run this one script, and reach nothing.

    The script is named by its hash: were a name ever to become markup, it still could not run anything.
    """
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src blob: data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _base64(value: object) -> dict[str, str]:
    """Return bytes as the page's script reads them."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} does not belong into a page")
    return {"base64": base64.b64encode(value).decode("ascii")}
