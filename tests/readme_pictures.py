"""Takes the README's pictures anew: the real dashboard in real Chromium, drawn lesions only.

    python tests/readme_pictures.py

To be run, and the pictures looked at, whenever the screens or the bundled model have changed.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from conftest import FLAGS
from pages import theme
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from servers import running_dashboard

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
WIDTH = 1180


def explore(page: Page) -> None:
    """A drawn carcinoma, its answer and the evidence, the pointer on the heatmap."""
    page.get_by_role("button", name="Try the synthetic basal cell carcinoma").click()
    page.locator(".lv-explore .lv-answer h2").wait_for()
    page.locator(".lv-explore .lv-stage.lv-heatmap").hover(position={"x": 200, "y": 120})


def compare(page: Page) -> None:
    """The same lesion's evidence for each class, on one scale."""
    explore(page)
    page.mouse.move(0, 0)
    page.get_by_role("tab", name="Compare").click()
    part = page.locator(".lv-compare")
    part.get_by_label("Alpha", exact=True).fill("0.8")


def quiz(page: Page) -> None:
    """A drawn nevus that somebody took for a melanoma, revealed."""
    page.get_by_role("tab", name="Quiz").click()
    page.get_by_role("button", name="Start the quiz").click()
    page.get_by_role("radio", name="Melanoma MEL").check()
    page.get_by_role("button", name="Commit").click()
    page.locator(".lv-quiz .lv-stage.lv-heatmap, .lv-quiz .lv-stage").last.wait_for()
    page.evaluate("document.activeElement.blur()")


PICTURES: dict[str, tuple[Callable[[Page], None], bool, int]] = {
    "screenshot": (explore, False, 1205),
    "compare": (compare, False, 785),
    "quiz": (quiz, True, 1310),
}
"""By file, what to show, whether in the dark theme, and how many pixels of it."""


def main() -> None:
    """Write the pictures into ``dashboards/``, in at most 256 colours."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    command = Path(sys.executable).with_name("lesionviz")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_dashboard([command], Path(folder)) as (address, _),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for name, (prepare, dark, height) in PICTURES.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": height})
            page.set_default_timeout(30_000)
            page.goto(address)
            page.get_by_text("Model ready").wait_for()
            theme(page, dark)
            prepare(page)
            page.wait_for_timeout(800)
            page.evaluate("window.scrollTo(0, 0)")
            taken = Image.open(BytesIO(page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})))
            small = taken.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2)
            small.save(DASHBOARDS / f"{name}.png", optimize=True)
            page.goto("about:blank")  # ends its kernel
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
