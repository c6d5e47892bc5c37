"""What the browser gets of a reader study, one function for each phase: no truth before the debrief.

Pages are plain data made from the session alone, so a page can be read in a test as in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from lesionviz.evaluation.readers import ARMS, FIGURES, StudyResults
from lesionviz.game import results
from lesionviz.game.study import CONSENT, LIMITS, MOST_WRONG, RULE, SURE
from lesionviz.game.study_session import Reads, StudySession
from lesionviz.game.study_table import rows_of
from lesionviz.widgets.case.answer import answer_html

Page: TypeAlias = dict[str, Any]
NAMES = {
    "accuracy": "Right diagnosis",
    "sensitivity": "Malignant taken for malignant",
    "specificity": "Benign taken for benign",
    "sure": "How sure, 1 to 5",
    "seconds": "Seconds for a case",
    "accuracy, AI made wrong": "Right diagnosis where the AI was made wrong",
}
"""What the figures are called on the page."""


def setup_page(session: StudySession) -> Page:
    """Return what the form of a new study needs: ``set``, ``cases``, ``mostWrong``, ``consent``, ``limits``, ``rule``."""
    facts = session.pictures.facts()
    words = {"consent": CONSENT, "limits": LIMITS, "rule": RULE}
    return {"set": facts, "cases": min(20, facts["most"]), "mostWrong": MOST_WRONG, **words}


def desk_page(session: StudySession) -> Page:
    """Return how a study stands: of each reader how far he is, and nothing of how well he does."""
    kept = session.kept
    assert kept is not None
    of = len(kept.design.cases)
    readers = [
        {"place": one.place, "name": one.name, "done": len(kept.done(one.place)), "of": of} for one in kept.readers
    ]
    return {
        "source": kept.design.source,
        "drawn": kept.design.drawn,
        "of": of,
        "readers": readers,
        "answers": len(kept.readings),
        "withdrawn": kept.withdrawn,
        "missing": session.missing,
        "limits": LIMITS,
    }


def consent_page(session: StudySession) -> Page:
    """Return what a reader is asked to agree to, and whether drawings are shown."""
    return {"text": session.design.consent, "drawn": session.design.drawn, "of": len(session.design.cases)}


def reading_page(session: StudySession, overlay: bytes) -> Page:
    """Return the case on view, or what stands for it meanwhile, with the AI's answer where that belongs to it.

    ``case`` (the position), ``quiz`` (the reader's place), ``of``, ``reader``, ``withAi``; with the picture on view
    ``width``, ``height``, ``sure`` and ``ai``: its ``html``, ``overlay`` and ``words``, or ``words`` for why there is none.
    """
    reads = session.reads
    assert reads is not None
    page: Page = {
        "case": reads.position,
        "quiz": reads.reader.place,
        "of": len(session.design.cases),
        "reader": reads.reader.name,
        "withAi": reads.turn.with_ai,
    }
    if session.phase != "case" or reads.picture is None:
        return page
    width, height = reads.picture.pixels.size
    page |= {"width": width, "height": height, "sure": list(SURE), "ai": None}
    if reads.turn.with_ai:
        page["ai"] = _ai(reads, session.design.drawn, overlay)
    return page


def done_page(session: StudySession) -> Page:
    """Return who has finished."""
    assert session.finished is not None
    return {"reader": session.finished.name, "quiz": session.finished.place, "of": len(session.design.cases)}


def debrief_page(session: StudySession) -> Page:
    """Return the cases in which the AI was made wrong, by number, picture, truth, and what it was shown to say."""
    kept = session.kept
    assert kept is not None
    shown = {row["case"]: row for row in rows_of(kept) if row["ai_made_wrong"]}
    wrong = [
        {"case": case.number, "image": case.image, "truth": case.truth}
        | {name: shown[case.number][name] if case.number in shown else "" for name in ("ai", "model")}
        for case in kept.design.cases
        if case.wrong
    ]
    return {"wrong": wrong, "of": len(kept.design.cases), "rule": RULE, "drawn": kept.design.drawn}


def results_page(session: StudySession, found: StudyResults | None) -> Page:
    """Return the figures with their intervals, the agreement, the readers, and a confusion matrix for each arm.

    Args:
        session: that has ended.
        found: what came out; None while it is computed, or where nobody's answers are left.
    """
    kept = session.kept
    assert kept is not None
    page: Page = {
        "drawn": kept.design.drawn,
        "limits": LIMITS,
        "withdrawn": kept.withdrawn,
        "readers": [
            {"place": one.place, "name": one.name, "done": len(kept.done(one.place))} for one in kept.readers
        ],
        "computing": found is None and bool(kept.readings),
        "found": None,
    }
    if found is None:
        return page
    rows = list(rows_of(kept))
    arms = {"Without the AI": False, "With the AI": True}
    page["found"] = {
        "counts": {"readers": found.readers, "cases": found.cases, "answers": found.answers},
        "figures": [
            {"name": NAMES[name], "unit": "" if name in {"sure", "seconds"} else "%"}
            | {arm: _numbers(found.figures[name, arm]) for arm in ARMS}
            for name in FIGURES
            if not all(np.isnan(found.figures[name, arm].value) for arm in ARMS)
        ],
        "agreement": [{"arm": arm, "value": _numbers(one)} for arm, one in found.agreement.items()],
        "byReader": _plain(found.by_reader.to_dict("records")),
        "matrices": [
            {"who": "class", **results.matrix(title, [row for row in rows if row["with_ai"] == arm])}
            for title, arm in arms.items()
        ],
    }
    return page


def _ai(reads: Reads, drawn: bool, overlay: bytes) -> Page:
    """Return what the AI is shown to say, or why it says nothing."""
    if reads.shown is not None:
        words = f"Bright: where it found its evidence for {reads.shown.diagnosis}."
        return {"html": answer_html(reads.shown, drawn=drawn), "overlay": overlay, "words": words}
    reason = reads.verdict.reason if reads.verdict is not None else ""
    failed = reads.verdict is not None and reads.verdict.failure
    return {"html": "", "overlay": b"", "words": reason if failed else f"The AI gives no answer, because {reason}."}


def _numbers(one: Any) -> list[float | None]:
    """Return a value and its bounds; None for what could not be measured, as JSON knows no NaN."""
    return [None if np.isnan(number) else float(number) for number in (one.value, one.low, one.high)]


def _plain(rows: list[Mapping[Any, Any]]) -> list[Page]:
    return [
        {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
        for row in rows
    ]
