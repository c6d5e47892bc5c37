"""``Beside``: a second picture, which a person puts beside the one on view to compare the two."""

from __future__ import annotations

from collections.abc import Callable

from lesionviz.widgets.case.answer import refusal_sentence
from lesionviz.widgets.explorer.examined import Examined, examine_whole
from lesionviz.widgets.explorer.tabs import Tabs
from lesionviz.widgets.parts.background import Background, sentence
from lesionviz.widgets.parts.upload import Arrived


class Beside:
    """Looks at second pictures and takes them to the comparison; the picture on view stays whatever becomes of them.

    Args:
        background: looks at them.
        tabs: hold the comparison.
        label: writes a few words under the picture with a number, in the filmstrip.
    """

    def __init__(self, background: Background, tabs: Tabs, label: Callable[[int, str], None]) -> None:
        self._background, self._tabs, self._label = background, tabs, label
        self._film = -1

    def put(self, arrived: Arrived) -> None:
        """Examine a file and compare it with the picture on view."""
        if self._tabs.comparison is not None:
            self._tabs.comparison.clear_second()  # before it is looked at
        compare = self._tabs.turn_to_compare()
        if self._tabs.apart:
            compare.say(self._tabs.apart)
            return
        self._film = arrived.id

        def take(examined: Examined) -> None:
            compare.mode = "two pictures"
            if examined.prediction.refusal:
                compare.say(refusal_sentence(examined.prediction))
                self._label(arrived.id, "no answer")
            else:
                compare.put_second(examined.case, examined.photo)

        compare.await_second(arrived.name)
        job = self._background.submit(
            lambda examiner: examine_whole(examiner, arrived.data, arrived.name),
            take,
            lambda error: compare.say(sentence(error, arrived.name)),
        )
        compare.drop_with_second(job)

    def fail(self, words: str) -> None:
        """Say where it would have stood why a second picture could not be taken."""
        self._tabs.turn_to_compare().say(words)

    def remove(self, identity: int) -> None:
        """Forget the picture with this number, if it is the second one."""
        if identity == self._film and self._tabs.comparison is not None:
            self._tabs.comparison.clear_second()
