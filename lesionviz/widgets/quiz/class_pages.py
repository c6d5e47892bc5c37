"""What the browser gets of a class's quiz, one function for each phase, made from what the class tells the learner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.widgets.case.answer import answer_html
from lesionviz.widgets.quiz.pages import Page

if TYPE_CHECKING:
    from lesionviz.case import Case

LOOKING = "Looking for your class …"
FAR = "Your class cannot be reached just now. This page goes on by itself as soon as it can; your answers are kept."


def far_page(error: str = "") -> Page:
    """Return the page of a class that was not reached yet."""
    return {"phase": "far", "words": LOOKING, "error": error, "refusals": 0}


def class_page(view: Mapping[str, Any], case: Case | None, *, insisted: bool = False, renaming: bool = False) -> Page:
    """Return the page of a learner's view; whoever shows it adds what could not be done.

    Args:
        view: what :func:`lesionviz.game.class_views.learner_view` says.
        case: what the model saw of the case on view, once that is revealed.
        insisted: whether the person wants to see an answer that the model refused.
        renaming: whether the person wants another name.
    """
    if not view["name"] or (renaming and view["phase"] == "waiting"):
        running = view["phase"] in {"question", "revealed"}
        return {"phase": "join", "name": view["name"], "waiting": view["waiting"], "running": running}
    known = {"learner": view["name"], "wished": view["wished"]}
    if view["phase"] == "waiting":
        return {"phase": "wait", **known}
    if view["phase"] == "over":
        return {"phase": "end", **known, **{k: view[k] for k in ("score", "matrices", "cases", "drawn")}}
    shared = ("quiz", "case", "of", "width", "height", "sure", "leftOut", "score", "answer", "sureness", "drawn")
    page = known | {key: view[key] for key in shared}
    if view["phase"] == "question":
        return {"phase": "question", **page, "answered": view["answered"], "here": view["here"]}
    return {
        "phase": "reveal",
        **page,
        **{key: view[key] for key in ("truth", "tally", "last")},
        "sentence": DIAGNOSES[CODES.index(view["truth"])].sentence,
        "map": case is not None,
        "model": _model(view["verdict"], case, insisted, view["drawn"]),
    }


def shows_map(view: Mapping[str, Any], insisted: bool) -> bool:
    """Whether the model's map is to be seen: the case is revealed, and it gave an answer, or the person insists."""
    verdict = view["verdict"] if view["phase"] == "revealed" and view["name"] else None
    return verdict is not None and (not verdict["reason"] or insisted)


def _model(verdict: Mapping[str, Any] | None, case: Case | None, insisted: bool, drawn: bool) -> Page | None:
    """Return the model's verdict with the answer as HTML, where that is to be seen."""
    if verdict is None:
        return None
    shown = case is not None and (not verdict["reason"] or insisted)
    return {**verdict, "html": answer_html(case.prediction, drawn=drawn) if shown and case is not None else ""}
