"""Class-activation maps: where in the picture the evidence for a class lies."""

from lesionviz.explanation.result import SCALES, Explanation

__all__ = ["SCALES", "Explanation"]
