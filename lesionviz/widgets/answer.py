"""The answer as HTML: diagnosis, confidence, a bar for each class. Everything from outside is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lesionviz.diagnoses import DIAGNOSES, target_index

if TYPE_CHECKING:
    from lesionviz.classifier import Prediction

NOTICE = (
    "For research and teaching. This is not a medical device, and its answer is not a diagnosis. "
    "Show a changing or worrying spot to a doctor."
)
FORCED = "The model must choose one of these four, even for a picture of something else."


def title_html() -> str:
    """Return the name of the thing."""
    return '<h1 class="lv-title">lesionviz <span>ask a skin-lesion classifier why</span></h1>'


def notice_html() -> str:
    """Return the notice that is always in view."""
    return f'<p class="lv-notice" role="note">{escape(NOTICE)}</p>'


def message_html(text: str, kind: str) -> str:
    """Return one sentence; ``kind`` is ``"hint"``, ``"working"`` or ``"error"``."""
    role = "alert" if kind == "error" else "status"
    return f'<p class="lv-message lv-{kind}" role="{role}">{escape(text)}</p>'


def answer_html(prediction: Prediction) -> str:
    """Return the answer for one picture, headed by the picture's name."""
    best = DIAGNOSES[target_index(prediction.diagnosis)]
    rows = ""
    for d in DIAGNOSES:
        share = f"{prediction.probabilities[d.code]:.1%}"
        name = f"{d.name}, malignant" if d.malignant else d.name
        rows += (
            f"<tr{' class=lv-best' if d is best else ''}>"
            f'<th scope="row">{d.code}<span> {escape(name)}</span></th>'
            f'<td class="lv-bar"><span><i style="width:{share};background:{d.colour}"></i></span></td>'
            f"<td>{share}</td></tr>"
        )
    share = f"probability {prediction.confidence:.1%}"
    return (
        f'<section class="lv-answer" role="status" aria-label="Answer for {escape(prediction.source)}">'
        f'<div><p class="lv-source">{escape(prediction.source)}</p>'
        f'<p class="lv-label">The model answers</p>'
        f"<h2>{escape(best.name.capitalize())} <small>{best.code}, {share}</small></h2>"
        f'<p class="lv-forced">{FORCED}</p><p class="lv-glossary">{escape(best.sentence)}</p></div>'
        f"<table><caption>Probability of each class</caption>{rows}</table></section>"
    )
