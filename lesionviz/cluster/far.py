"""A classifier in another process, asked over a line with named requests and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from lesionviz.answering import see
from lesionviz.case import Case
from lesionviz.checkpoint import DRAWINGS, Checkpoint
from lesionviz.diagnoses import CODES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.imaging import ImageSource, open_image
from lesionviz.prediction import Prediction
from lesionviz.similarity import SimilarCase
from lesionviz.trust.answer_sets import AnswerSets
from lesionviz.trust.pointing import Pointing
from lesionviz.trust.squares import Mask, Square, check_square, packed_mask
from lesionviz.trust.stillness import Stillness
from lesionviz.wire import pack, unpack


class Far:
    """A classifier in another process.

    Args:
        ask: takes the bytes of a question there and returns those of the answer; raises LesionvizError where there is none.
        drawn: whether to ask the network there that knows drawings alone.
    """

    def __init__(self, ask: Callable[[bytes], bytes], drawn: bool = False) -> None:
        self._ask, self._drawn = ask, drawn

    def answering(self, drawn: bool) -> Far:
        """See :class:`Examiner`."""
        return self._of_drawings if drawn and self.checkpoint.subject != DRAWINGS else self

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """What is known of the model, without its weights; asked for once."""
        return Checkpoint.from_facts(self._known["checkpoint"])

    @cached_property
    def answer_sets(self) -> AnswerSets | None:
        """See :class:`Examiner`."""
        plain = self._known["answer_sets"]
        return None if plain is None else AnswerSets.from_plain(plain)

    def examine(self, image: ImageSource) -> Case:
        """See :class:`Examiner`."""
        picture = open_image(image)
        seen = see(picture, self.checkpoint.preprocessing)
        plain = self._answer("examine", seen=np.array(seen.pixels), size=list(seen.size), notes=list(seen.notes))
        return Case.from_plain(plain, picture.name, picture.sha256)

    def complete(self, case: Case) -> Case:
        """See :class:`Examiner`."""
        if case.completed:
            return case
        told = self._answer("complete", seen=case.seen, logits=list(case.logits))
        return replace(case, maps={**{(method, layer): maps for method, layer, maps in told}, **case.maps})

    def similar(self, case: Case, k: int) -> list[tuple[SimilarCase, bytes]]:
        """See :class:`Examiner`."""
        found = self._answer("similar", embedding=case.embedding, k=k)
        return [
            (SimilarCase(image, lesion, diagnosis, path="", similarity=likeness), small)
            for image, lesion, diagnosis, likeness, small in found
        ]

    def pointing(self, case: Case, mask: Mask, target: str) -> Pointing:
        """See :class:`Examiner`."""
        code, bits = CODES[target_index(target)], packed_mask(mask, case.seen)
        return Pointing.from_plain(self._answer("pointing", seen=case.seen, marked=bits, target=code))

    def stillness(self, case: Case) -> Stillness:
        """See :class:`Examiner`."""
        return Stillness.from_plain(self._answer("stillness", seen=case.seen))

    def what_if(self, case: Case, changed: Square) -> Prediction:
        """See :class:`Examiner`."""
        plain = self._answer("whatif", seen=check_square(changed), size=list(case.size), notes=[])
        return Prediction.from_plain(plain, case.name)

    @cached_property
    def _known(self) -> dict[str, Any]:
        known: dict[str, Any] = self._answer("facts")["drawings" if self._drawn else "model"]
        return known

    @cached_property
    def _of_drawings(self) -> Far:
        return Far(self._ask, drawn=True)

    def _answer(self, name: str, **content: Any) -> Any:
        answer = unpack(self._ask(pack({"name": name, "drawn": self._drawn, **content})))
        if "error" in answer:
            raise LesionvizError(answer["error"])
        return answer["ok"]
