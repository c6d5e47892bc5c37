"""What a person touches, one room a part, its Python, JavaScript and CSS side by side.

Every picture and answer shown here comes from a ``LesionClassifier``.
"""

from lesionviz.widgets.batch import Batch
from lesionviz.widgets.case import CaseView
from lesionviz.widgets.compare import Compare
from lesionviz.widgets.explorer import Explorer, ImagePicker
from lesionviz.widgets.monitor import EvaluationReport, TrainingMonitor
from lesionviz.widgets.quiz import Quiz, ReaderStudy

__all__ = [
    "Batch",
    "CaseView",
    "Compare",
    "EvaluationReport",
    "Explorer",
    "ImagePicker",
    "Quiz",
    "ReaderStudy",
    "TrainingMonitor",
]
