"""What a training and an evaluation look like in a notebook."""

from lesionviz.widgets.monitor.evaluation_report import EvaluationReport
from lesionviz.widgets.monitor.training_monitor import TrainingMonitor

__all__ = ["EvaluationReport", "TrainingMonitor"]
