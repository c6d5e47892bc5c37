"""The answer as HTML: diagnosis, confidence, a bar for each class. Everything from outside is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.refusal import UNLIKE
from lesionviz.three_questions import NOT_DERMOSCOPY

if TYPE_CHECKING:
    from lesionviz.prediction import Prediction
    from lesionviz.similarity import SimilarCase

NOTICE = (
    "For research and teaching. This is not a medical device, and its answer is not a diagnosis. "
    "Show a changing or worrying spot to a doctor."
)
IN_CLASS = "In a class, other models, training and reports on collections are switched off."
DRAWN = (
    "Answered by a small network that was trained on drawings alone. It knows no photographs, and its answer says nothing "
    "about skin."
)
"""Said of every answer to a drawn sample, which is never the real model's."""
FORCED = "The model can only name one of these four, even for a picture of something else."


def title_html() -> str:
    """Return the name of the thing."""
    return '<h1 class="lv-title">lesionviz <span>ask a skin-lesion classifier why</span></h1>'


def notice_html(in_class: bool = False) -> str:
    """Return the notice that is always in view; in a class with what is switched off there."""
    words = f"{NOTICE} {IN_CLASS}" if in_class else NOTICE
    return f'<p class="lv-notice" role="note">{escape(words)}</p>'


def refusal_sentence(prediction: Prediction) -> str:
    """Say that the model gives no answer, why, and what follows from that."""
    advice = "Try a sharp dermoscopic photograph of one lesion."
    if prediction.refusal == UNLIKE:
        advice = "It may be another kind of picture, or show a diagnosis that the model does not know."
    elif prediction.refusal == NOT_DERMOSCOPY:
        advice = "A phone's close-up is not enough: take the picture through a dermatoscope, with one lesion in view."
    return f"{prediction.source}: the model gives no answer, because {prediction.refusal}. {advice}"


def threshold_sentence(probability: float, point: Mapping[str, float]) -> str:
    """Say on which side of a threshold a probability of melanoma lies, and what the threshold costs."""
    suspicious = probability >= point["threshold"]
    verdict, side = ("Called suspicious", "at or above") if suspicious else ("Not called suspicious", "below")
    return (
        f"{verdict} at this threshold: melanoma {probability:.1%} is {side} {point['threshold']:.1%}. Among validation "
        f"images it found {point['sensitivity']:.0%} of the melanomas, and called {point['benign_per_melanoma']:.1f} "
        "benign lesions suspicious for each that it found."
    )


def answer_html(prediction: Prediction, point: Mapping[str, float] | None = None, drawn: bool = False) -> str:
    """Return the answer for one picture, headed by the picture's name.

    Args:
        prediction: the answer; a refusal in it becomes a warning.
        point: an operating point to hold the probability of melanoma against.
        drawn: whether the network answered that knows drawings alone.
    """
    best = DIAGNOSES[target_index(prediction.diagnosis)]
    if prediction.refusal:
        point = None  # nothing that would lend weight to it
    rows = ""
    for d in DIAGNOSES:
        share = f"{prediction.probabilities[d.code]:.1%}"
        name = f"{d.name}, malignant" if d.malignant else d.name
        tick = ""
        if point is not None and d.code == "MEL":
            tick = f'<b class="lv-tick" style="left:{point["threshold"]:.1%}"></b>'
        rows += (
            f"<tr{' class=lv-best' if d is best else ''}>"
            f'<th scope="row">{d.code}<span> {escape(name)}</span></th>'
            f'<td class="lv-bar"><span><i style="width:{share};background:{d.colour}"></i>{tick}</span></td>'
            f"<td>{share}</td></tr>"
        )
    invalid = " lv-invalid" if prediction.refusal else ""
    share = f"probability {prediction.confidence:.1%}"
    who = "small network" if drawn else "model"
    label = f"The {who} answers"
    lines = f'<p class="lv-forced">{FORCED.replace("model", who)}</p>'
    if prediction.refusal:
        label = "Forced answer, not valid"
        lines = f'<p class="lv-warning">Do not rely on this answer: {escape(prediction.refusal)}.</p>' + lines
    else:
        lines += f'<p class="lv-glossary">{escape(best.sentence)}</p>'
    if drawn:
        lines = f'<p class="lv-drawn">{DRAWN}</p>' + lines
    if prediction.warning:
        lines = f'<p class="lv-warning">Read it with care: {escape(prediction.warning)}.</p>' + lines
    if prediction.notes:
        lines += f'<p class="lv-notes">The picture is {escape(", ".join(prediction.notes))}.</p>'
    if point is not None:
        lines += f'<p class="lv-threshold">{escape(threshold_sentence(prediction.probabilities["MEL"], point))}</p>'
    return (
        f'<section class="lv-answer{invalid}" role="status" aria-label="Answer for {escape(prediction.source)}">'
        f'<div><p class="lv-source">{escape(prediction.source)}</p>'
        f'<p class="lv-label">{label}</p>'
        f"<h2>{escape(best.name.capitalize())} <small>{best.code}, {share}</small></h2>"
        f"{lines}</div>"
        f"<table><caption>Probability of each class</caption>{rows}</table></section>"
    )


def similar_html(cases: Sequence[tuple[SimilarCase, bytes]]) -> str:
    """Return similar cases of the user's own index as a row of pictures.

    Args:
        cases: each with a JPEG of it; empty bytes where its file is gone.
    """
    figures = ""
    for case, thumbnail in cases:
        name = DIAGNOSES[target_index(case.diagnosis)].name
        encoded = base64.b64encode(thumbnail).decode("ascii")
        picture = (
            f'<img alt="{escape(case.image)}, {escape(name)}" src="data:image/jpeg;base64,{encoded}">'
            if thumbnail
            else '<span class="lv-gone">file not found</span>'
        )
        figures += (
            f"<figure>{picture}<figcaption><b>{case.diagnosis}</b> {escape(case.image)}, "
            f"similarity {case.similarity:.2f}</figcaption></figure>"
        )
    return (
        '<section class="lv-similar" aria-label="Similar cases"><h3>Labelled images that look alike to the network</h3>'
        f"<div>{figures}</div></section>"
    )
