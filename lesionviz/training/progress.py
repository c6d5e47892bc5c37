"""What a running training tells those who watch it: a bar, a widget, or another process."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

PREFIX = "lesionviz-progress "
"""Marks a line of a training's output that holds an event, when another process watches."""


@dataclass(frozen=True)
class Progress:
    """One event of a training.

    Attributes:
        phase: ``"training"`` or ``"validation"`` while under way, ``"epoch"`` when one has ended.
        epoch: the epoch it belongs to, counted from 1.
        epochs: how many there will be at most.
        step, steps: batches done and in this phase.
        loss: mean training loss of the epoch so far.
        row: after an epoch its row of ``history.csv``, else None.
    """

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    row: Mapping[str, Any] | None = None

    def to_line(self) -> str:
        """Return the event as one line of text."""
        return PREFIX + json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Progress | None:
        """Return the event that a line of output holds, or None for other output."""
        return cls(**json.loads(line.removeprefix(PREFIX))) if line.startswith(PREFIX) else None


Watcher: TypeAlias = Callable[[Progress], None]
"""Called with every event, on the thread that trains."""
