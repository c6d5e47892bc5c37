"""What checks of an answer have found, as HTML for a kept page: words, numbers and pictures, and nothing to press."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.widgets.checks.checks import TITLE

if TYPE_CHECKING:
    from lesionviz.widgets.checks.check import Kept


def checked_html(kept: Sequence[Kept]) -> str:
    """Return a section for each check that has found something; nothing where none has."""
    if not kept:
        return ""
    return (
        f'<section class="lv-checks-kept" aria-labelledby="lv-checks"><h2 id="lv-checks">{TITLE}</h2>'
        f'<div class="lv-checks-sections">{"".join(map(_section, kept))}</div></section>'
    )


def _section(kept: Kept) -> str:
    badge = f'<span class="lv-check-badge">{escape(kept.badge)}</span>' if kept.badge else ""
    figures = "".join(_figure(*each) for each in kept.pictures)
    pictures = f'<div class="lv-check-beside">{figures}</div>' if figures else ""
    return (
        f'<section class="lv-check"><div class="lv-check-head"><h3>{escape(kept.title)}</h3>{badge}</div>'
        f'<p class="lv-check-words">{escape(kept.words)}</p>{pictures}{_bars(kept)}{_table(kept)}'
        f'<p class="lv-check-soft">{escape(kept.limits)}</p></section>'
    )


def _figure(caption: str, picture: bytes) -> str:
    encoded = base64.b64encode(picture).decode("ascii")
    return (
        f'<figure class="lv-check-figure"><img alt="" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _bars(kept: Kept) -> str:
    if not kept.shares:
        return ""
    rows = "".join(_bar(*each) for each in kept.shares)
    return (
        '<table class="lv-brush-table"><caption>Probability: upper bar as it is, lower bar changed</caption>'
        '<thead><tr><td></td><td></td><th scope="col">as it is</th><th scope="col">changed</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _bar(code: str, was: float, now: float) -> str:
    diagnosis = DIAGNOSES[target_index(code)]
    upper, lower = (f'<i style="width:{share:.1%};background:{diagnosis.colour}"></i>' for share in (was, now))
    return (
        f'<tr><th scope="row">{code}<span> {escape(diagnosis.name)}</span></th>'
        f'<td class="lv-brush-bars"><span class="lv-brush-was">{upper}</span><span>{lower}</span></td>'
        f"<td>{was:.1%}</td><td>{now:.1%}</td></tr>"
    )


def _table(kept: Kept) -> str:
    if not kept.rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in kept.columns)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in kept.rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>One by one</summary>{table}</details>"
