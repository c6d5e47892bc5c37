"""What a person touches. Every picture and answer shown here comes from a ``LesionClassifier``."""

from lesionviz.widgets.batch import Batch
from lesionviz.widgets.case_view import CaseView
from lesionviz.widgets.compare import Compare
from lesionviz.widgets.evaluation_report import EvaluationReport
from lesionviz.widgets.explorer import Explorer
from lesionviz.widgets.image_picker import ImagePicker
from lesionviz.widgets.quiz import Quiz
from lesionviz.widgets.training_monitor import TrainingMonitor

__all__ = ["Batch", "CaseView", "Compare", "EvaluationReport", "Explorer", "ImagePicker", "Quiz", "TrainingMonitor"]
