"""Builds the API reference from the docstrings with pdoc: the public names, and the modules that pages speak of.

python tests/api_reference.py build/docs
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render

import lesionviz

MODULES = (
    "lesionviz",
    "lesionviz.widgets",
    "lesionviz.explanation.methods",
    "lesionviz.diagnoses",
    "lesionviz.data.synthetic",
    "lesionviz.data.collection",
    "lesionviz.archive.schema",
    "lesionviz.archive.state",
)


def build(folder: Path) -> None:
    """Write the pages into a folder; the first is ``index.html``."""
    for name in lesionviz.__all__:  # they are imported on first use, which pdoc would not cause
        getattr(lesionviz, name)
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        # From here on: what old libraries say while they are imported is not about our pages.
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    build(target)
    print(f"The reference is {target / 'index.html'}.")
