"""The quiz without its page: rules, pictures, results. Knows nothing of widgets, and runs without torch."""

from lesionviz.game.rules import PHASES, SURE, Game, Question, Verdict
from lesionviz.game.sets import MAX_CASES, Item, QuizSet, drawn_set, set_of

__all__ = ["MAX_CASES", "PHASES", "SURE", "Game", "Item", "Question", "QuizSet", "Verdict", "drawn_set", "set_of"]
