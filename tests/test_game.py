"""The quiz's rules, played without a widget and without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from PIL import Image

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import MAX_CASES, Game, Item, Question, QuizSet, Verdict
from lesionviz.game.results import NO_ANSWER
from lesionviz.imaging import LesionImage
from lesionviz.prediction import Prediction


def blank(name: str) -> LesionImage:
    return LesionImage(Image.new("RGB", (64, 64)), name)


def gone(name: str) -> LesionImage:
    raise LesionvizError(f"{name} cannot be read any more.")


def pictures(read: Callable[[str], LesionImage] = blank, each: int = 2) -> QuizSet:
    """So many lesions of each class, named after it."""
    names = [(code, f"{code} {number}") for code in CODES for number in range(each)]
    return QuizSet("my cases", tuple(Item(name, code, name, read) for code, name in names))


def says(code: str, refusal: str = "") -> Verdict:
    return Verdict(Prediction(code, 0.7, dict.fromkeys(CODES, 0.1) | {code: 0.7}, "x", refusal))


def on_view(game: Game) -> Question:
    assert game.question is not None
    return game.question


def play(game: Game, learner: str = "", model: str = "MEL") -> None:
    """Answer everything rightly; the model says one and the same."""
    game.start(learner)
    while game.phase == "question":
        game.enter(on_view(game), says(model))
        game.commit(on_view(game).item.truth)
        game.next_case()


def test_a_round_asks_every_lesion_once_and_counts_by_hand() -> None:
    game = Game(pictures())
    play(game, "Ada")
    assert (game.phase, game.case, game.learner) == ("end", 0, "Ada")
    assert sorted(answer["image"] for answer in game.answers) == sorted(item.name for item in pictures().items)
    assert (game.score, game.model_score) == (8, 2)  # two of the eight are melanomas
    assert game.confusion("learner").to_numpy().trace() == 8
    assert game.confusion("model")["MEL"].tolist() == [2, 2, 2, 2]


def test_nothing_counts_before_the_commit() -> None:
    game = Game(pictures())
    game.start()
    first = on_view(game)
    game.enter(first, says("NV"))
    game.next_case()  # no answer, no next case
    assert (game.phase, on_view(game), game.answers, game.score) == ("question", first, [], 0)
    assert game.picture is not None
    assert game.picture.name == "case 1"  # not the file's name, which tells the diagnosis
    assert game.commit(first.item.truth, "certain")
    assert (game.answers[0]["model"], game.answers[0]["probability"], game.answers[0]["sure"]) == (
        "NV",
        0.7,
        "certain",
    )
    assert not game.commit("NV")  # an answer stands
    assert len(game.answers) == 1


def test_a_verdict_that_comes_late_is_entered_beside_every_learner_who_had_the_case() -> None:
    game = Game(pictures(each=1))
    asked: dict[str, Question] = {}
    for learner in ("Ada", "Ben"):
        game.start(learner)
        while game.phase == "question":
            asked[on_view(game).item.name] = on_view(game)
            game.commit("NV")
            game.next_case()
    assert {answer["model"] for answer in game.answers} == {""}
    game.enter(asked["MEL 0"], says("MEL", refusal="the picture is too blurred"))
    entered = [answer for answer in game.answers if answer["model"]]
    assert [(a["learner"], a["model"], a["probability"], a["reason"]) for a in entered] == [
        (learner, NO_ANSWER, None, "the picture is too blurred") for learner in ("Ada", "Ben")
    ]


def test_the_second_learner_gets_the_same_cases_in_another_order_and_cannot_choose_how_many() -> None:
    game = Game(pictures(each=3), cases=8, seed=1)
    play(game)
    game.next_learner()
    game.start("Ben", cases=2)
    assert len(game.questions) == 8
    first = [answer["image"] for answer in game.answers]
    second = [question.item.name for question in game.questions]
    assert set(first) == set(second)
    assert first != second


def test_names_of_learners_are_theirs_alone_and_printable() -> None:
    game = Game(pictures(each=1))
    play(game, " Ada\n\u202e ")
    assert game.free_name("Ada") == "Ada (2)"
    assert game.free_name() == "Learner 2"
    assert len(game.free_name("x" * 500)) == 60


def test_a_picture_that_cannot_be_opened_is_left_out_and_said() -> None:
    items = pictures(each=1).items
    broken = QuizSet("my cases", (*items[:3], Item("NV 0", "NV", "NV 0", gone)))
    game = Game(broken)
    play(game)
    assert len(game.answers) == 3
    assert len(game.left_out) == 1
    with pytest.raises(LesionvizError, match="No picture of my cases can be opened"):
        Game(pictures(gone)).start()


def test_finishing_early_needs_an_answer_and_looking_again_needs_the_end() -> None:
    game = Game(pictures())
    game.start()
    game.finish()
    assert game.phase == "question"
    assert not game.look(1)
    game.commit("MEL")
    game.finish()
    assert game.phase == "end"
    assert not game.look(2)  # was not answered
    assert game.look(1)
    assert (game.phase, game.case) == ("look", 1)
    game.back()
    assert (game.phase, game.picture) == ("end", None)


def test_what_the_model_saw_is_dropped_with_the_question() -> None:
    game = Game(pictures())
    game.start()
    question = on_view(game)
    game.enter(question, Verdict(says("MEL").prediction, case=object()))  # type: ignore[arg-type]
    game.commit("MEL")
    game.next_case()
    assert question.verdict is not None
    assert question.verdict.case is None
    assert question.verdict.answer == "MEL"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cases": 0}, f"1 to {MAX_CASES}"),
        ({"cases": True}, "cases"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed"),
    ],
)
def test_numbers_outside_their_limits_are_refused(options: dict[str, int], words: str) -> None:
    with pytest.raises(LesionvizError, match=words):
        Game(pictures(), **options)


def test_answers_and_matrices_of_other_words_are_refused() -> None:
    game = Game(pictures())
    game.start()
    with pytest.raises(LesionvizError, match="melanom"):
        game.commit("melanom")
    with pytest.raises(LesionvizError, match="How sure"):
        game.commit("MEL", "very")
    with pytest.raises(LesionvizError, match="teacher"):
        game.confusion("teacher")
    assert game.phase == "question"


def test_the_game_runs_without_torch_and_without_widgets() -> None:
    code = (
        "import sys; from lesionviz.game import Game, drawn_set; game = Game(drawn_set()); game.start(); "
        "game.commit('MEL'); assert not {'torch', 'ipywidgets', 'anywidget'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
