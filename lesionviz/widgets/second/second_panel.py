"""``SecondPanel``: takes a checkpoint from the browser as a second model, and shows what both say of the picture on view.

A file comes in pieces (:mod:`lesionviz.widgets.parts.upload`), of the size that models may have, and is read through the
door for all checkpoints (:mod:`lesionviz.checkpoint`), which runs nothing that is in it. Everything shown travels in one
trait, which a browser cannot set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import traitlets

from lesionviz.diagnoses import DIAGNOSES
from lesionviz.errors import LesionvizError
from lesionviz.trust.second_model import SecondModel
from lesionviz.trust.two_models import CAN_SHOW, CANNOT_SHOW, TwoModels
from lesionviz.weights.read import check_size
from lesionviz.widgets.parts.front_end import script, style
from lesionviz.widgets.parts.recovery import asks_again, say_again
from lesionviz.widgets.parts.upload import Arrived, Upload

LIMITS = f"{CAN_SHOW} {CANNOT_SHOW}"


class SecondPanel(anywidget.AnyWidget):
    """A fold to load a second model, and the two answers.

    Args:
        on_file: called with a whole file.
        on_remove: called when the second model is to go.
        on_maps: called when the person wants to see both maps.

    Attributes:
        state: ``busy`` (what is being done, in words), ``problem`` (why a file is no second model), ``model`` (``title``,
            ``words`` and ``alike`` of the second one, or None), ``note`` (why there is nothing to compare) and ``compared``
            (:func:`compared_page`, or None).
    """

    _esm = script("parts/dom", "parts/lifeline", "parts/recovery", "parts/upload", "second/second_panel")
    _css = style("parts/base", "second/second_panel")

    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self, on_file: Callable[[Arrived], None], on_remove: Callable[[], None], on_maps: Callable[[], None]
    ) -> None:
        super().__init__(state={"busy": "", "problem": "", "model": None, "note": "", "compared": None})
        self._upload, self._arrived = Upload(check_size), -1
        self._on_file, self._on_remove, self._on_maps = on_file, on_remove, on_maps
        self.on_msg(self._on_message)

    def say(self, **changes: Any) -> None:
        """Change some of what is shown; see ``state``."""
        self.state = {**self.state, **changes}

    def show_model(self, second: SecondModel | None) -> None:
        """Show which model is the second one; what was compared with the last goes."""
        model = second and {"title": second.model.title, "words": second.model.words, "alike": second.alike}
        self.say(busy="", problem="", model=model, note="", compared=None)

    def _on_message(self, _widget: object, content: Any, buffers: Sequence[memoryview]) -> None:
        """Take ``file``, ``piece``, ``remove`` and ``maps``; every message may be a stranger's."""
        if asks_again(content):
            say_again(self, [(self, ["state"])], arrived=self._arrived)
            return
        try:
            match content.get("kind") if isinstance(content, dict) else None:
                case "file":
                    name = self._upload.begin(content)
                    self.say(busy=f"Receiving {name} …", problem="")
                case "piece":
                    arrived = self._upload.add(content, buffers)
                    if arrived is not None:
                        self._arrived = arrived.id
                        self.say(busy=f"Reading {arrived.name} …")
                        self._on_file(arrived)
                case "remove":
                    self._on_remove()
                case "maps":
                    self._on_maps()
        except LesionvizError as error:
            self._arrived = self._upload.id
            self.say(busy="", problem=str(error))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take nothing from a browser: all of it is the kernel's to tell."""


def compared_page(found: TwoModels) -> dict[str, Any]:
    """Return a comparison as the panel shows it, plain words and numbers.

    Returns:
        ``verdict``, ``agree``, ``models`` (``title``, ``words``, ``answer``: a code, empty where it is refused), ``rows``
        (``code``, ``name``, ``shares``: of the first and of the second, and ``widest``), ``sentences`` and ``limits``.
    """
    return {
        "verdict": found.verdict,
        "agree": found.agree,
        "models": [
            {"title": model.title, "words": model.words, "answer": "" if answer.refusal else answer.diagnosis}
            for model, answer in zip(found.models, found.predictions, strict=True)
        ],
        "rows": [
            {
                "code": each.code,
                "name": each.name,
                "shares": [answer.probabilities[each.code] for answer in found.predictions],
                "widest": each.code == found.widest,
            }
            for each in DIAGNOSES
        ],
        "sentences": [found.in_probability, found.in_place],
        "limits": LIMITS,
    }
