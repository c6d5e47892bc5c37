"""How soon the answer to a changed picture follows the hand: from the release of the brush to the painted answer.

    python tests/benchmarks/brush_speed.py [--strokes 100]

Measured in real Chromium on the real dashboard (Voila), with the mouse, on a photograph whose maps are all there: strokes
that paint out, and every thing that can be put in, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the servers of the tests

import numpy as np
from bare_chromium import BarePage, bare_page
from conftest import FLAGS
from explorer_speed import photograph
from servers import running_dashboard

from lesionviz.checkpoint import VARIABLE, Checkpoint
from lesionviz.trust.what_if import KINDS

LIMIT = 150
EACH = 10
"""Strokes before all is started over."""
WATCH = """(() => {
    const ground = document.querySelector(".lv-brush-ground");
    const table = document.querySelector(".lv-brush-table");
    ground.scrollIntoView({block: "center"});
    window.next = () => window.painted = new Promise(done => {
        let released = 0;
        ground.addEventListener("pointerup", (event) => { released = event.timeStamp; }, {capture: true, once: true});
        // It waits from when the changed picture is shown until the answer is; the next frame is seen.
        const observer = new MutationObserver(() => {
            if (table.getAttribute("aria-busy") !== "false") return;
            observer.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - released)));
        });
        observer.observe(table, { attributes: true, attributeFilter: ["aria-busy"] });
    });
})()"""
BOX = "(({x, y, width}) => [x, y, width])(document.querySelector('.lv-brush-ground').getBoundingClientRect())"


async def mouse(page: BarePage, kind: str, x: float, y: float) -> None:
    pressed: dict[str, Any] = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
    await page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=1, **pressed)


async def strokes(address: str, executable: str, path: Path, count: int) -> list[float]:
    """Milliseconds from each release to the painted answer."""
    found = []
    async with bare_page(executable, FLAGS, 1400, 1000) as page:
        await page.call("Page.navigate", url=address)
        await page.until("document.body?.innerText.includes('Model ready')")
        await page.choose_file(".lv-picker input[type=file]", path)
        await page.until("document.querySelector('.lv-brush-first img[src]')")
        await asyncio.sleep(4)  # the other maps arrive
        await page.evaluate(WATCH)
        tools = [0, *range(len(KINDS) + 1)]  # painting out twice as often
        for number in range(count):
            await page.evaluate(
                f"document.querySelectorAll('.lv-brush-tools input')[{tools[number % len(tools)]}].click()"
            )
            left, top, width = await page.evaluate(BOX)
            x, y = left + width * (0.25 + 0.05 * (number % EACH)), top + width * 0.3
            await page.evaluate("void window.next()")
            await mouse(page, "mousePressed", x, y)
            for step in range(1, 9):
                await mouse(page, "mouseMoved", x, y + step * width * 0.05)
            await mouse(page, "mouseReleased", x, y + 8 * width * 0.05)
            found.append(await page.evaluate("window.painted"))
            if number % EACH == EACH - 1:
                await page.evaluate("[...document.querySelectorAll('.lv-brush button')].at(-1).click()")
                await page.until(
                    "document.querySelector('.lv-brush-changed b').nextSibling.textContent.includes('nothing')"
                )
            await asyncio.sleep(0.2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strokes", type=int, default=100)
    count = parser.parse_args().strokes
    # Drawn pictures are refused by rights; a copy of the model that never refuses shows the whole way.
    bundled = replace(Checkpoint.load(), refusal={})
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        path, model = Path(folder) / "photo.jpg", Path(folder) / "never_refuses.pth"
        path.write_bytes(photograph(np.random.default_rng(0)))
        bundled.save(model)
        command = Path(sys.executable).with_name("lesionviz")
        with running_dashboard([command], Path(folder), **{VARIABLE: str(model)}) as (address, _):
            found = asyncio.run(strokes(address, executable, path, count))
    low, middle, high = statistics.quantiles(found, n=4)
    p95 = statistics.quantiles(found, n=20)[-1]
    print(
        f"{os.cpu_count()} cores, input {bundled.preprocessing.size} px, {count} strokes (the first {found[0]:.0f} ms)\n"
    )
    print(f"release to answer, ms        {middle:.0f} ({low:.0f} to {high:.0f})")
    print(f"19 of 20 within, ms          {p95:.0f}   (limit: {LIMIT})")


if __name__ == "__main__":
    main()
