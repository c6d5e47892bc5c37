"""What the browser gets of a game, one function for each phase: nothing that the learner must not see yet.

Pages are plain data made from the game alone, so a page can be read in a test as in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.game import SURE, Game, Question, results
from lesionviz.game.sets import MAX_PROBLEMS
from lesionviz.widgets.case.answer import answer_html

Page: TypeAlias = dict[str, Any]


def start_page(game: Game, error: str, study: bool = False) -> Page:
    """Return ``set`` (name, counts, drawn, most, problems), ``cases``, ``learners``, ``suggested``, ``study``, ``error``.

    Args:
        game: that has not begun.
        error: what could not be done last, or empty.
        study: whether the page offers a reader study, too.
    """
    return {
        "phase": "start",
        "set": game.pictures.facts(),
        "cases": min(game.wanted, game.pictures.lesions),
        "learners": results.learners(game.answers),
        "suggested": game.free_name(),
        "study": study,
        "error": error,
    }


def question_page(game: Game) -> Page:
    """Return ``case``, ``of``, ``learner``, ``width`` and ``height`` (pixels), ``score``, ``leftOut``, ``drawn``."""
    assert game.picture is not None
    width, height = game.picture.pixels.size
    return {
        "phase": game.phase,
        "case": game.case,
        "of": len(game.questions),
        "learner": game.learner,
        "width": width,
        "height": height,
        "score": _score(game),
        "leftOut": len(game.left_out),
        "sure": list(SURE),
        "drawn": game.pictures.drawn,
    }


def revealed_page(game: Game, question: Question, insisted: bool, second: Page | None = None) -> Page:
    """Return the question and ``truth``, ``answer``, ``sentence``, ``image``, and ``model`` once it is there.

    ``model``: ``code`` (or ``NO_ANSWER``), ``reason``, ``html`` (the answer with its bars; for a refused picture
    only when the person insisted). ``second``: of a second model, as :mod:`.seconds` gives it.
    """
    mine = next(answer for answer in game.own if answer["case"] == question.number)
    verdict, model, drawn = question.verdict, None, question.item.drawn
    if verdict is not None:
        shown = verdict.prediction is not None and shows_answer(question, insisted)
        html = answer_html(verdict.prediction, drawn=drawn) if shown and verdict.prediction is not None else ""
        model = {**verdict.facts, "html": html}
    return {
        **question_page(game),
        "truth": mine["truth"],
        "answer": mine["answer"],
        "sureness": mine["sure"],
        "sentence": DIAGNOSES[CODES.index(mine["truth"])].sentence,
        "image": question.item.name,
        "model": model,
        "second": second,
        "last": question.number == len(game.questions),
    }


def shows_answer(question: Question, insisted: bool) -> bool:
    """Whether the model's answer is on view: it gave one, or the person wants to see the refused one."""
    return question.verdict is not None and (not question.verdict.reason or insisted)


def end_page(game: Game, thumbnails: Mapping[int, bytes], error: str) -> Page:
    """Return ``score``, ``matrices`` (``who``, ``title``, ``columns``, ``counts``), ``cases`` (answered), ``learners``.

    Args:
        game: that has ended.
        thumbnails: JPEG by the question's number.
        error: what could not be done last, or empty.
    """
    pool = results.learners(game.answers)
    return {
        "phase": "end",
        "learner": game.learner,
        "score": _score(game),
        "matrices": results.matrices(game.learner, game.own, game.answers, game.pictures.drawn),
        "cases": [
            {**{k: a[k] for k in ("case", "truth", "answer", "model", "image")}, "thumbnail": thumbnails[a["case"]]}
            for a in game.own
        ],
        "learners": pool,
        "leftOut": game.left_out[:MAX_PROBLEMS],
        "drawn": game.pictures.drawn,
        "error": error,
    }


def _score(game: Game) -> Page:
    own = game.own
    return {"right": game.score, "of": len(own), "model": results.model_score(own)}
