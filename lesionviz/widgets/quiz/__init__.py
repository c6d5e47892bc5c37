"""Shows the game of :mod:`lesionviz.game`, for one learner after another or for a class; the rules are there."""

from lesionviz.widgets.quiz.class_quiz import ClassQuiz
from lesionviz.widgets.quiz.quiz import Quiz

__all__ = ["ClassQuiz", "Quiz"]
