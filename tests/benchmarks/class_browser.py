"""One real Chromium in a class: prints of each visit when its page could be used and when a picture had its answer.

    python tests/benchmarks/class_browser.py ADDRESS PICTURE [VISITS]

``class_load.py`` starts some of these, before its learners without a browser and beside them. The first visit finds the
browser's cache empty, later ones do not; between two of them the server has time to keep another kernel ready.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bare_chromium import bare_page
from conftest import FLAGS

NAMES = ("chromium", "chromium-browser", "google-chrome")


PAUSE = 8.0
"""Seconds between two visits."""


async def visits(address: str, picture: Path, times: int) -> None:
    """Open the page and send a picture, some times; print what that took."""
    executable = next(filter(None, map(shutil.which, NAMES)))
    async with bare_page(executable, FLAGS, 1400, 1000) as page:
        for number in range(times):
            if number:
                await asyncio.sleep(PAUSE)
            start = time.monotonic()
            await page.call("Page.navigate", url=address)
            await page.until("document.querySelector('.lv-picker input[type=file]')")
            opened = time.monotonic() - start
            start = time.monotonic()
            await page.choose_file(".lv-picker input[type=file]", picture)
            await page.until("document.querySelector('.lv-status')?.dataset.state === 'answered'")
            print(f"page {opened:.1f} s, answer {time.monotonic() - start:.1f} s", flush=True)
            await page.call("Page.navigate", url="about:blank")  # the page asks for its kernel's end


if __name__ == "__main__":
    asyncio.run(visits(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1))
