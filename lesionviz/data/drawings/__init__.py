"""Drawings of lesions to explain dermoscopy with: named structures on a plain lesion."""

from lesionviz.data.drawings.draw import draw
from lesionviz.data.drawings.structures import STRUCTURES, Structure, naming, typical

__all__ = ["STRUCTURES", "Structure", "draw", "naming", "typical"]
