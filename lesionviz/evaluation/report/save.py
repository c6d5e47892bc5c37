"""Writes what an evaluation leaves in a folder: every number, every answer, a figure, the page and the model card."""

from __future__ import annotations

import json
from pathlib import Path

from lesionviz.evaluation.report.figures import confusion_figure
from lesionviz.evaluation.report.model_card import model_card
from lesionviz.evaluation.report.page import report_page
from lesionviz.evaluation.result import Evaluation
from lesionviz.files import replacing

JSON, PREDICTIONS, REPORT, CARD = "metrics.json", "predictions.csv", "report.html", "MODEL_CARD.md"
PICTURE = "confusion_matrix.png"


def save_evaluation(evaluation: Evaluation, out: Path) -> None:
    """Write ``metrics.json``, ``predictions.csv``, ``confusion_matrix.png``, ``report.html``, ``MODEL_CARD.md``."""
    with replacing(out / JSON) as temporary:
        text = json.dumps(evaluation.to_dict(), indent=2, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    with replacing(out / PREDICTIONS) as temporary:
        evaluation.predictions.to_csv(temporary, index=False, float_format="%.6f")
    with replacing(out / PICTURE) as temporary:
        confusion_figure(evaluation.metrics).savefig(temporary, dpi=150)
    with replacing(out / REPORT) as temporary:
        temporary.write_text(report_page(evaluation), encoding="utf-8")
    with replacing(out / CARD) as temporary:
        temporary.write_text(model_card(evaluation), encoding="utf-8")
