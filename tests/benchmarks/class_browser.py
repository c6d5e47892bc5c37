"""One real Chromium in a class under load: prints when its page could be used and when a picture had its answer.

    python tests/benchmarks/class_browser.py ADDRESS PICTURE

``class_load.py`` starts some of these beside its learners without a browser.
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


async def visit(address: str, picture: Path) -> str:
    """Open the page and send a picture; return what that took."""
    executable = next(filter(None, map(shutil.which, NAMES)))
    async with bare_page(executable, FLAGS, 1400, 1000) as page:
        start = time.monotonic()
        await page.call("Page.navigate", url=address)
        await page.until("document.querySelector('.lv-picker input[type=file]')")
        opened = time.monotonic() - start
        start = time.monotonic()
        await page.choose_file(".lv-picker input[type=file]", picture)
        await page.until("document.querySelector('.lv-status')?.dataset.state === 'answered'")
        return f"page {opened:.1f} s, answer {time.monotonic() - start:.1f} s"


if __name__ == "__main__":
    print(asyncio.run(visit(sys.argv[1], Path(sys.argv[2]))))
