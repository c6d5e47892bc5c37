"""Shows the game of :mod:`lesionviz.game`; the rules are there."""

from lesionviz.widgets.quiz.quiz import Quiz

__all__ = ["Quiz"]
