"""The whole instrument: a picture arrives, is looked at, and its answer is shown."""

from lesionviz.widgets.explorer.explorer import Explorer
from lesionviz.widgets.explorer.image_picker import ImagePicker

__all__ = ["Explorer", "ImagePicker"]
