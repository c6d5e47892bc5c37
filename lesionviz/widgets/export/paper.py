"""``Paper``: an A4 page in landscape with its letters: text is measured, wrapped and written, and places are made to draw.

Everything a person or a file named is text and nothing else: no mathematics in ``$``, no control characters, no
letter that the font lacks. Lengths are in inches from the page's upper left corner.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

WIDTH, HEIGHT = 11.69, 8.27
SPACING = 1.4
"""Height of a line, in sizes of its letters."""
INK, SOFT, LINE, ACCENT, WARNING = "#1c1c1c", "#565656", "#b9bdc1", "#00687a", "#9a3412"


class Paper:
    """A page that is written on from the top.

    Attributes:
        figure: the page itself, to be saved.
    """

    def __init__(self) -> None:
        self.figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Return axes without ticks and frame; their place on the page is in inches."""
        place = (left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT)
        axes: Axes = self.figure.add_axes(place)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        return axes

    def write(
        self,
        text: str,
        left: float,
        top: float,
        width: float,
        size: float = 9,
        colour: str = INK,
        bold: bool = False,
        lines: int = 4,
    ) -> float:
        """Write a text, wrapped; return where the next may begin, inches from the top.

        Args:
            text: from anywhere.
            left, top, width: of the block, inches.
            size: of the letters, points.
            colour: of the letters.
            bold: strong letters.
            lines: what is longer ends in an ellipsis.
        """
        wrapped = wrap(text, width, size, bold, lines)
        step = size * SPACING / 72
        for row, line in enumerate(wrapped, 1):
            self.figure.text(
                left / WIDTH,
                1 - (top + row * step - 0.35 * size / 72) / HEIGHT,
                line,
                fontsize=size,
                color=colour,
                weight="bold" if bold else "normal",
                va="baseline",
                parse_math=False,
            )
        return top + len(wrapped) * step


def printable(text: str) -> str:
    """Return a text in letters that the font has; others are named by their number, controls become blanks."""
    known = _letters()
    return "".join(
        " " if not letter.isprintable() else letter if ord(letter) in known else f"<U+{ord(letter):04X}>"
        for letter in text
    )


def wrap(text: str, width: float, size: float, bold: bool = False, lines: int = 4) -> list[str]:
    """Return a text in lines of at most a width (inches) at a size (points); a longer word is cut where it must be."""
    font = FontProperties(weight="bold" if bold else "normal", size=size)

    def fits(line: str) -> bool:
        measured, _, _ = text_to_path.get_text_width_height_descent(line, font, ismath=False)
        return bool(measured <= 0.97 * width * 72)  # letters on a pixel grid come out a little wider

    found: list[str] = []
    line = ""
    for word in printable(text)[: lines * 400].split():
        if line and not fits(f"{line} {word}") and fits(word):
            found.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while not fits(line):
            cut = max(1, bisect_left(range(1, len(line) + 1), True, key=lambda n: not fits(line[:n])))
            found.append(line[:cut])
            line = line[cut:]
    found.append(line)
    if len(found) <= lines:
        return found
    last = found[lines - 1]
    while last and not fits(f"{last} …"):
        last = last[:-1]
    return [*found[: lines - 1], f"{last} …"]


@cache
def _letters() -> frozenset[int]:
    """Return the numbers of the letters that matplotlib's own font has."""
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
