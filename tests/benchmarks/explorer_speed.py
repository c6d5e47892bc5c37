"""How quickly the Explorer answers a hand: measured in real Chromium on the real dashboard, against its own limits.

    python tests/benchmarks/explorer_speed.py [--rounds 9]

Printed are medians with quartiles: updates of alpha and threshold a second while dragging, time to paint another class
or layer, time from the drop of a 3 MB photograph to diagnosis and first map beside decoding it and one forward, bytes
over the wire for a case beside the way of one PNG for each change, and how many messages the kernel got meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the servers of the tests

import numpy as np
from bare_chromium import bare_page
from conftest import FLAGS
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from servers import running_dashboard

from lesionviz.checkpoint import VARIABLE, Checkpoint
from lesionviz.classifier import LesionClassifier, load
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.imaging import open_image
from lesionviz.imaging.encoding import png
from lesionviz.network import LAYERS

SECONDS = 2
LIMITS = {"drag": 50, "switch": 50, "drop": (1.5, 150)}
DRAG = """([name, milliseconds]) => new Promise(done => {
    const label = [...document.querySelectorAll(".lv-case label")].find(one => one.textContent === name);
    const slider = document.getElementById(label.htmlFor);
    let count = 0;
    const start = performance.now();
    (function step() {
        slider.value = (count % 101) / 100;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        count++;
        const passed = performance.now() - start;
        passed < milliseconds ? requestAnimationFrame(step) : done(count / passed * 1000);
    })();
})"""
SWITCH = """([selector, value, kind]) => new Promise(done => {
    const control = document.querySelector(selector);
    const painted = new Promise(seen => { window.onPaint = seen; });
    const start = performance.now();
    if (kind === "radio") control.checked = true; else control.value = value;
    control.dispatchEvent(new Event(kind === "radio" ? "change" : "input", {bubbles: true}));
    painted.then(() => requestAnimationFrame(() => done(performance.now() - start)));
})"""
COUNT = """
    window.sent = window.received = 0;
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (data) { window.sent += 1; return send.call(this, data); };
    const message = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
    Object.defineProperty(WebSocket.prototype, "onmessage", { ...message, set(heard) {
        message.set.call(this, (event) => {
            window.received += event.data.byteLength ?? event.data.size ?? event.data.length;
            heard.call(this, event);
        });
    } });
"""
WATCH = """() => {
    const put = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...rest) {
        put.apply(this, rest);
        if (this.canvas.classList.contains("lv-veil")) window.onPaint?.();
    };
    const status = document.querySelector(".lv-status");
    const input = document.querySelector(".lv-picker input[type=file]");
    input.addEventListener("change", () => {
        window.dropped = performance.now();
        window.answered = new Promise(done => {
            // The page shows the answer, its map already painted, when the status says so; the next frame is seen.
            const observer = new MutationObserver(() => {
                if (status.dataset.state !== "answered") return;
                observer.disconnect();
                requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - window.dropped)));
            });
            observer.observe(status, { attributes: true, attributeFilter: ["data-state"] });
        });
    }, true);
}"""


def photograph(rng: np.random.Generator) -> bytes:
    """A drawn lesion of 3000 × 2000 pixels with the grain of a camera, about 3 MB as JPEG."""
    pixels = np.asarray(draw_lesion("NV", 3, (3000, 2000)), np.int16)
    grain = rng.normal(0, 10, pixels.shape[:2])[..., None]
    buffer = io.BytesIO()
    Image.fromarray((pixels + grain).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=94)
    return buffer.getvalue()


def spread(values: list[float], digits: int = 1) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def one_answer(classifier: LesionClassifier, data: bytes) -> float:
    """Milliseconds to decode a photograph and run the network on it once."""
    start = time.perf_counter()
    classifier.predict(open_image(data, "photo.jpg"))
    return 1000 * (time.perf_counter() - start)


async def drop(
    address: str, executable: str, classifier: LesionClassifier, path: Path, rounds: int
) -> tuple[list[float], list[float]]:
    """Milliseconds from the choice of a file until diagnosis and first map are painted, and of one answer, interleaved."""
    data = path.read_bytes()
    drops, answers = [], []
    async with bare_page(executable, FLAGS, 1400, 1000) as page:
        await page.call("Page.navigate", url=address)
        await page.until("document.body?.innerText.includes('Model ready')")
        await page.evaluate(f"({WATCH})()")
        await page.evaluate("document.querySelector('.lv-picker-sample').click()")  # warms the kernel
        await page.until("document.querySelector('.lv-answer h2')")
        await asyncio.sleep(1.5)
        one_answer(classifier, data)
        for _ in range(rounds):
            answers.append(one_answer(classifier, data))
            await page.evaluate("void (window.answered = null)")
            await page.choose_file(".lv-picker input[type=file]", path)
            await page.until("window.answered")
            drops.append(await page.evaluate("window.answered"))
            await asyncio.sleep(1.5)  # the other maps arrive
    return drops, answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    # Drawn pictures are refused by rights; a copy of the model that never refuses shows the whole way.
    bundled = replace(Checkpoint.load(), refusal={})
    data = photograph(np.random.default_rng(0))
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        path.write_bytes(data)
        model = Path(folder) / "never_refuses.pth"
        bundled.save(model)
        classifier = load(model)
        command = Path(sys.executable).with_name("lesionviz")
        with running_dashboard([command], Path(folder), **{VARIABLE: str(model)}) as (address, _):
            drops, answers = asyncio.run(drop(address, executable, classifier, path, rounds))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
                page = browser.new_page(viewport={"width": 1400, "height": 1000})
                page.add_init_script(COUNT)
                page.goto(address)
                page.get_by_text("Model ready").wait_for()
                page.evaluate(WATCH)
                measure(page, classifier, path, drops, answers)
                browser.close()


def measure(page: Page, classifier: LesionClassifier, path: Path, drops: list[float], answers: list[float]) -> None:
    data = path.read_bytes()
    page.get_by_role("button", name="Try the synthetic melanoma").click()
    page.locator(".lv-answer h2").wait_for()
    page.wait_for_timeout(1500)
    before: int = page.evaluate("received")
    page.locator(".lv-picker input[type=file]").set_input_files(path)
    page.evaluate("() => window.answered")
    page.wait_for_timeout(2500)
    wire: int = page.evaluate("received") - before
    switches: list[float] = []
    counted: int = page.evaluate("sent")
    for _ in range(3):
        for index in range(len(LAYERS)):
            selector = ".lv-case .lv-layer input"
            switches.append(page.evaluate(SWITCH, [selector, str(index), "range"]))
            for code in CODES:
                selector = f'.lv-case input[type=radio][value="{code}"]'
                switches.append(page.evaluate(SWITCH, [selector, code, "radio"]))
    drags = {name: [page.evaluate(DRAG, [name, 1000 * SECONDS]) for _ in range(5)] for name in ("Alpha", "Threshold")}
    page.wait_for_timeout(1000)
    messages = page.evaluate("sent") - counted
    explanation = classifier.explain(data, "MEL", "features.3")
    each = len(png(explanation.heatmap().resize((900, 600)))) + len(png(explanation.overlay().resize((900, 600))))
    ratios = [(d - LIMITS["drop"][1]) / a for d, a in zip(drops, answers, strict=True)]  # type: ignore[index]
    print(f"{os.cpu_count()} cores, input {classifier.preprocessing.size} px, photograph {len(data) / 1e6:.1f} MB\n")
    print(f"drag of alpha, updates/s            {spread(drags['Alpha'])}   (limit: at least {LIMITS['drag']})")
    print(f"drag of threshold, updates/s        {spread(drags['Threshold'])}   (limit: at least {LIMITS['drag']})")
    print(f"class or layer switch to paint, ms  {spread(switches)}   (limit: {LIMITS['switch']})")
    print(f"kernel messages meanwhile           {messages}   (limit: 0)")
    print(f"drop to diagnosis and map, ms       {spread(drops, 0)}")
    print(f"decode + one forward, ms            {spread(answers, 0)}")
    print(f"(drop − 150 ms) / that              {spread(ratios, 2)}   (limit: 1.5)")
    print(f"bytes to the browser for a case     {wire / 1e6:.2f} MB, all 36 maps inside")
    print(f"a PNG pair for each change          {each / 1e6:.2f} MB, and {36 * each / 1e6:.1f} MB for the 36 maps")


if __name__ == "__main__":
    main()
