"""What a learner and what the teacher may see of a class's quiz, as plain data: nothing that must not be known yet.

Neither holds the truth or the model's answer of a case before it is revealed: the teacher's page stands on the wall, too.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from lesionviz.diagnoses import CODES
from lesionviz.game import results
from lesionviz.game.rules import SURE
from lesionviz.game.seats import Seats
from lesionviz.game.sets import MAX_PROBLEMS
from lesionviz.game.sitting import Sitting

View: TypeAlias = dict[str, Any]


def learner_view(sitting: Sitting, seats: Seats, name: str) -> View:
    """Return what the learner of a name may know.

    Always ``phase``, ``name`` (empty: he has none yet) and ``waiting`` (whether seats wait since a restart).
    With a name, ``wished`` (what he typed, where that was somebody else's), and during a quiz ``drawn`` (whether the
    pictures are drawings, which the small network answers); while a case is on view, what :func:`_case` says, and his own
    ``answer``, ``sureness`` and ``score``; after the reveal what :func:`_truth` says, and ``maps`` (how many there are to
    be had); at the end ``score``, ``matrices`` and ``cases``.
    """
    view: View = {"phase": sitting.phase, "name": name, "waiting": bool(seats.waiting)}
    if name:
        view["wished"] = seats.all[name].wished
    if not name or sitting.phase == "waiting":
        return view
    own, view["drawn"] = sitting.own(name), sitting.drawn
    view["score"] = {"right": results.score(own), "of": len(own), "model": results.model_score(own)}
    if sitting.phase == "over":
        keys = ("case", "truth", "answer", "model")
        view["cases"] = [{key: answer[key] for key in keys} for answer in own]
        view["matrices"] = results.matrices(name, own, sitting.answers, sitting.drawn)
        view["leftOut"] = len(sitting.left_out)
        return view
    mine = sitting.committed.get(name, {})
    view |= _case(sitting, seats) | {"answer": mine.get("answer", ""), "sureness": mine.get("sure", "")}
    if sitting.phase == "question":
        return view
    verdict = sitting.question.verdict if sitting.question is not None else None
    seen = verdict.case if verdict is not None else None
    return view | _truth(sitting) | {"maps": len(seen.maps) if seen is not None else 0}


def teacher_view(sitting: Sitting, seats: Seats) -> View:
    """Return what the teacher's page shows of the quiz.

    ``phase``, ``drawn`` (whether the pictures are drawings), ``learners`` (``name``, ``here``, ``answered``, and ``right``
    of ``of``, in revealed cases), ``counted`` (how many those are), ``score``, ``model`` and ``matrices`` of the class,
    ``problems`` (pictures left out); while a case is on view, what :func:`_case` says; after the reveal what :func:`_truth`
    says, and ``image``, where the picture is from.
    """
    scores = {one["name"]: one for one in results.learners(sitting.answers)}
    view: View = {
        "phase": sitting.phase,
        "drawn": sitting.drawn,
        "learners": [
            {
                "name": seat.name,
                "here": seat.here,
                "answered": seat.name in sitting.committed,
                "right": scores.get(seat.name, {}).get("right", 0),
                "of": scores.get(seat.name, {}).get("of", 0),
            }
            for seat in seats.all.values()
        ],
        "counted": len(sitting.revealed),
        "score": {"right": results.score(sitting.answers), "of": len(sitting.answers)},
        "model": results.model_score(sitting.answers),
        "matrices": results.matrices("", [], sitting.answers, sitting.drawn) if sitting.answers else [],
        "problems": sitting.left_out[:MAX_PROBLEMS],
    }
    if sitting.question is None:
        return view
    view |= _case(sitting, seats)
    if sitting.phase == "revealed":
        view |= {**_truth(sitting), "image": sitting.question.item.name}
    return view


def _case(sitting: Sitting, seats: Seats) -> View:
    """Return ``quiz``, ``case``, ``of``, ``width`` and ``height`` (pixels), ``sure`` (the words) …

    ``quiz`` tells one quiz from the next. ``answered`` and ``here`` are numbers of learners; who has answered is there.
    """
    assert sitting.opened is not None
    width, height = sitting.opened.image.pixels.size
    here = {seat.name for seat in seats.all.values() if seat.here}
    return {
        "quiz": sitting.number,
        "case": sitting.case,
        "of": len(sitting.questions),
        "width": width,
        "height": height,
        "sure": list(SURE),
        "answered": len(sitting.committed),
        "here": len(here | sitting.committed.keys()),
        "leftOut": len(sitting.left_out),
        "last": sitting.case == len(sitting.questions),
    }


def _truth(sitting: Sitting) -> View:
    """Return ``truth``, ``tally`` (how many answered which code) and ``verdict`` (of the model, once it has one)."""
    question = sitting.question
    assert question is not None
    verdict = question.verdict
    codes = [answer["answer"] for answer in sitting.committed.values()]
    tally = {code: codes.count(code) for code in CODES}
    return {"truth": question.item.truth, "tally": tally, "verdict": verdict.facts if verdict is not None else None}
