"""``Second``: the second model of a page, or none; all parts of the page look here, and may watch it."""

from __future__ import annotations

import traitlets

from lesionviz.trust.second_model import SecondModel

NONE_IN_CLASS = "In a class other models are switched off, so no second one can stand beside the server's."


class Second(traitlets.HasTraits):
    """Holds a second model.

    Attributes:
        model: it; None while there is none. Whoever asks it takes it from here once, for another may come meanwhile.
    """

    model: traitlets.Instance[SecondModel | None] = traitlets.Instance(SecondModel, allow_none=True)
