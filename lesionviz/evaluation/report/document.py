"""A report as plain parts, written as Markdown (the model card) or as one self-contained HTML page.

Parts are sections of paragraphs, lists, tables, commands and pictures. Everything is escaped on the way out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TypeAlias

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Command:
    """What a person types in a shell."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text under a header; the first column names the row."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure, with a sentence for those who do not see it; left out of Markdown."""

    figure: Figure
    alt: str


Part: TypeAlias = Paragraph | Bullets | Command | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: Sequence[Part] = field(default_factory=tuple)


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the document as Markdown."""
    blocks = [f"# {title}"]
    for section in sections:
        blocks.append(f"## {section.title}")
        blocks += [text for part in section.parts if (text := _markdown(part))]
    return "\n\n".join(blocks) + "\n"


def to_html(title: str, sections: Sequence[Section]) -> str:
    """Return the document as an HTML fragment; pictures are inside."""
    body = "".join(
        f"<section><h2>{escape(section.title)}</h2>{''.join(_html(part) for part in section.parts)}</section>"
        for section in sections
    )
    return f'<style>{STYLE}</style><article class="lv-report"><h1>{escape(title)}</h1>{body}</article>'


def to_page(title: str, sections: Sequence[Section]) -> str:
    """Return the document as one HTML page that needs nothing else."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>body {{ margin: 0; }}</style></head>"
        f"<body>{to_html(title, sections)}</body></html>\n"
    )


def _markdown(part: Part) -> str:
    match part:
        case Paragraph(text):
            return text
        case Bullets(items):
            return "\n".join(f"- {item}" for item in items)
        case Command(text):
            return f"```bash\n{text}\n```"
        case Table(header, rows, caption):
            lines = [header, ["---"] * len(header), *rows]
            table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
            return f"{caption}\n\n{table}" if caption else table
        case Picture():
            return ""


def _html(part: Part) -> str:
    match part:
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case Command(text):
            return f"<pre>{escape(text)}</pre>"
        case Table(header, rows, caption):
            head = "".join(f'<th scope="col">{_inline(cell)}</th>' for cell in header)
            body = "".join(
                f'<tr><th scope="row">{_inline(row[0])}</th>'
                + "".join(f"<td>{_inline(cell)}</td>" for cell in row[1:])
                + "</tr>"
                for row in rows
            )
            title = f"<caption>{_inline(caption)}</caption>" if caption else ""
            # Reached by keyboard, because on a phone it scrolls sideways.
            scroller = (
                f'<div class="lv-table" tabindex="0" role="region" aria-label="{escape(caption or header[0])}">'
            )
            return f"{scroller}<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        case Picture(figure, alt):
            return f"<figure>{svg(figure, alt)}</figure>"


def _inline(text: str) -> str:
    """Escape a text; words in backticks become code, in double stars bold."""
    escaped = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", escaped)


def svg(figure: Figure, alt: str, ink: str = "") -> str:
    """Return a figure as inline SVG with a name; ``ink``, a colour, becomes the colour of the page's letters."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    if ink:
        text = text.replace(ink, "currentColor")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1)


STYLE = """
.lv-report { max-width: 1100px; margin: 0 auto; padding: 16px; font: 15px/1.55 system-ui, sans-serif;
  color: #1c1c1c; background: #fff; box-sizing: border-box; }
.lv-report h1 { font-size: 26px; line-height: 1.25; margin: 8px 0 16px; }
.lv-report h2 { font-size: 19px; margin: 28px 0 8px; padding-top: 12px; border-top: 1px solid #ddd; }
.lv-report p, .lv-report ul { margin: 8px 0; max-width: 75ch; }
.lv-report pre { background: #f3f3f3; padding: 10px 14px; border-radius: 6px; overflow-x: auto; font-size: 13px; }
.lv-report code { background: #f3f3f3; padding: 0 3px; border-radius: 3px; overflow-wrap: anywhere; }
.lv-table { overflow-x: auto; margin: 12px 0; }
.lv-report table { border-collapse: collapse; font-size: 14px; color: inherit; }
.lv-report caption { text-align: left; font-weight: 600; padding: 4px 0; }
.lv-report th, .lv-report td { padding: 5px 12px 5px 0; border-bottom: 1px solid #e2e2e2; text-align: left;
  font-weight: 400; vertical-align: top; }
.lv-report td { font-variant-numeric: tabular-nums; white-space: nowrap; }
.lv-report thead th { font-weight: 600; }
.lv-report tbody th { min-width: 7em; }
.lv-report td:last-child { white-space: normal; min-width: 8em; }
@media (max-width: 700px) {
  .lv-report td { white-space: normal; min-width: 6.5em; }
  .lv-report tbody th { position: sticky; left: 0; background: #fff; min-width: 5.5em; }
}
.lv-report figure { margin: 12px 0; display: inline-block; max-width: 100%; }
.lv-report figure svg { max-width: 100%; height: auto; }
"""
