"""lesionviz: train, question and show a skin-lesion classifier. For research and teaching.

The names below are the public ones. They are imported on first use, so that ``import lesionviz`` is
fast and torch is loaded only when a model is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lesionviz.archive.run import score
    from lesionviz.case import Case
    from lesionviz.classifier import LesionClassifier, load
    from lesionviz.data.read import read_collection
    from lesionviz.drawn import drawn_classifier
    from lesionviz.errors import LesionvizError
    from lesionviz.evaluation.evaluate import evaluate
    from lesionviz.evaluation.readers import study_results
    from lesionviz.explanation import Explanation
    from lesionviz.game.study_table import read_study
    from lesionviz.prediction import Prediction
    from lesionviz.recipe import Recipe
    from lesionviz.training.train import train
    from lesionviz.widgets import Batch, Explorer, TrainingMonitor

__version__ = "1.0.0"

_HOMES = {
    "Batch": "lesionviz.widgets",
    "Case": "lesionviz.case",
    "Explanation": "lesionviz.explanation",
    "Explorer": "lesionviz.widgets",
    "LesionClassifier": "lesionviz.classifier",
    "LesionvizError": "lesionviz.errors",
    "Prediction": "lesionviz.prediction",
    "Recipe": "lesionviz.recipe",
    "TrainingMonitor": "lesionviz.widgets",
    "drawn_classifier": "lesionviz.drawn",
    "evaluate": "lesionviz.evaluation.evaluate",
    "load": "lesionviz.classifier",
    "read_collection": "lesionviz.data.read",
    "read_study": "lesionviz.game.study_table",
    "score": "lesionviz.archive.run",
    "study_results": "lesionviz.evaluation.readers",
    "train": "lesionviz.training.train",
}

__all__ = [
    "Batch",
    "Case",
    "Explanation",
    "Explorer",
    "LesionClassifier",
    "LesionvizError",
    "Prediction",
    "Recipe",
    "TrainingMonitor",
    "drawn_classifier",
    "evaluate",
    "load",
    "read_collection",
    "read_study",
    "score",
    "study_results",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lesionviz' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
