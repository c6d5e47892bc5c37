"""Shows the game of :mod:`lesionviz.game`, whose rules are there: for one learner after another, a class, a study."""

from lesionviz.widgets.quiz.class_quiz import ClassQuiz
from lesionviz.widgets.quiz.quiz import Quiz
from lesionviz.widgets.quiz.study import ReaderStudy

__all__ = ["ClassQuiz", "Quiz", "ReaderStudy"]
