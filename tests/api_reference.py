"""Builds the API reference from the docstrings with pdoc: the public names, and the modules that pages speak of.

python tests/api_reference.py build/docs
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

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
    "lesionviz.data.drawings",
    "lesionviz.trust",
    "lesionviz.game",
    "lesionviz.game.study",
    "lesionviz.game.study_session",
    "lesionviz.game.study_store",
    "lesionviz.archive.schema",
    "lesionviz.archive.state",
)
FIRST = """\
{% block content %}
<header class="pdoc"><input type="search" placeholder="Search" aria-label="Search"></header>
<main class="pdoc"><section class="module-info">
<h1 class="modulename">lesionviz</h1>
<div class="docstring"><ul>
{% for name, module in all_modules.items() if "._" not in name %}
<li><a href="{{ name.replace(".", "/") }}.html">{{ name }}</a>
{{ (module.docstring.split("\n\n") | first).replace("\n", " ").replace(":mod:", "") | to_html | safe }}</li>
{% endfor %}
</ul></div>
</section></main>
{% include "search.html.jinja2" %}
{% endblock %}
"""
"""The first page: every module with its first sentences, on a phone, too."""
OWN = '{{% set root_module_name = false %}}{{% extends "default/{}.html.jinja2" %}}'
"""By itself pdoc begins with the page of ``lesionviz``, from which no link leads to the other modules."""
TEMPLATES = {"index": OWN.format("index") + FIRST, "module": OWN.format("module")}


def build(folder: Path) -> None:
    """Write the pages into a folder; ``index.html`` names them all."""
    for name in lesionviz.__all__:  # they are imported on first use, which pdoc would not cause
        getattr(lesionviz, name)
    with TemporaryDirectory() as templates, warnings.catch_warnings():
        for page, text in TEMPLATES.items():
            Path(templates, f"{page}.html.jinja2").write_text(text, encoding="utf-8")
        pdoc.render.configure(docformat="google", template_directory=Path(templates))
        # From here on: what old libraries say while they are imported is not about our pages.
        warnings.simplefilter("error")
        pdoc.pdoc(*MODULES, output_directory=folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    build(target)
    print(f"The reference is {target / 'index.html'}.")
