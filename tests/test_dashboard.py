"""The real Voila in real Chromium, offline: what a person does, and what must not happen."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from dashboard_process import running_dashboard
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from lesionviz.classifier import load
from lesionviz.data.strangers import strangers
from lesionviz.diagnoses import DIAGNOSES
from lesionviz.widgets.answer import NOTICE

pytestmark = pytest.mark.browser
PATIENCE = 60_000  # milliseconds; a busy machine may be slow, nothing here is timed
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    folder = tmp_path_factory.mktemp("elsewhere")
    # Configuration in the working directory, which Voila would read, must not change the dashboard.
    (folder / "voila.json").write_text('{"VoilaConfiguration": {"template": "reveal", "show_tracebacks": true}}')
    with running_dashboard([Path(sys.executable).with_name("lesionviz")], folder) as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: tuple[str, int]) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    outside: list[str] = []

    def gate(route: object, request: object) -> None:
        url = request.url  # type: ignore[attr-defined]
        if url.startswith((server[0], "data:", "blob:")):
            route.continue_()  # type: ignore[attr-defined]
        else:
            outside.append(url)
            route.abort()  # type: ignore[attr-defined]

    page.route("**/*", gate)
    page.goto(server[0])
    expect(page.get_by_text("Choose an image")).to_be_visible()
    yield page
    page.goto("about:blank")  # ends the kernel
    page.close()
    assert outside == []


def upload(page: Page, path: Path) -> None:
    page.locator("input[type=file]").set_input_files(path)


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=2)


def overlay(page: Page) -> Locator:
    """The stacked picture, once every image in it is decoded."""
    page.wait_for_function("[...document.querySelectorAll('.lv-case img')].every(i => i.complete && i.naturalWidth)")
    return page.locator(".lv-stack")


def pixels(locator: Locator) -> np.ndarray:
    with Image.open(io.BytesIO(locator.screenshot())) as picture:
        return np.asarray(picture.convert("RGB"), float)


def set_alpha(page: Page, value: float) -> None:
    page.get_by_label("Alpha").fill(str(value))


def test_upload_read_the_diagnosis_then_change_class_layer_and_alpha(page: Page, photo: Path) -> None:
    prediction = load().predict(photo)
    name = next(d.name for d in DIAGNOSES if d.code == prediction.diagnosis)
    expect(page.get_by_text(NOTICE)).to_be_in_viewport()

    upload(page, photo)
    expect(heading(page)).to_contain_text(name.capitalize())
    expect(page.locator(".lv-source")).to_have_text(photo.name)
    for code, probability in prediction.probabilities.items():
        expect(page.get_by_role("row", name=re.compile(f"^{code} "))).to_contain_text(f"{probability:.1%}")

    expect(page.get_by_alt_text(f"Evidence for {name} at features.8")).to_be_visible()
    seen = pixels(overlay(page))
    other = next(d for d in DIAGNOSES if d.code != prediction.diagnosis)
    page.get_by_label("Explain").select_option(label=f"{other.name} ({other.code})")
    expect(page.get_by_alt_text(f"Evidence for {other.name} at features.8")).to_be_visible()
    after_class = pixels(overlay(page))
    assert np.abs(after_class - seen).mean() > 1

    page.get_by_label("Layer").select_option("features.3, 20 × 20 cells")
    expect(page.get_by_alt_text(f"Evidence for {other.name} at features.3")).to_be_visible()
    after_layer = pixels(overlay(page))
    assert np.abs(after_layer - after_class).mean() > 1

    set_alpha(page, 1)
    assert np.abs(pixels(overlay(page)) - after_layer).mean() > 1
    expect(page.get_by_text("100%")).to_be_visible()


def test_alpha_sends_no_kernel_message(browser: Browser, server: tuple[str, int], photo: Path) -> None:
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(server[0])
    upload(page, photo)
    expect(page.get_by_label("Alpha")).to_be_visible()
    half = pixels(overlay(page))
    before = len(sent)
    assert before > 0  # the upload itself was seen to travel
    slider = page.get_by_label("Alpha")
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    set_alpha(page, 0)
    assert np.abs(pixels(overlay(page)) - half).mean() > 1
    page.wait_for_timeout(1500)
    assert len(sent) == before
    page.get_by_label("Layer").select_option("features.5, 10 × 10 cells")
    page.wait_for_timeout(500)
    assert len(sent) > before  # whereas this does travel
    page.close()


def test_alpha_zero_shows_the_photo_alone(page: Page, photo: Path) -> None:
    upload(page, photo)
    expect(page.get_by_label("Alpha")).to_be_visible()
    set_alpha(page, 0)
    shown = pixels(overlay(page))
    page.add_style_tag(content=".lv-veil { display: none !important; }")
    assert np.array_equal(shown, pixels(overlay(page)))


def test_a_corrupt_file_clears_the_old_result_and_says_why(page: Page, photo: Path, tmp_path: Path) -> None:
    upload(page, photo)
    expect(heading(page)).to_be_visible()
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:3000])
    upload(page, broken)
    expect(page.get_by_role("alert")).to_contain_text("broken.jpg is damaged")
    expect(heading(page)).to_have_count(0)
    expect(page.get_by_text(photo.name)).to_have_count(0)
    expect(page.locator(".lv-stack")).to_be_hidden()
    upload(page, photo)
    expect(heading(page)).to_be_visible()


def test_a_file_larger_than_one_message_may_be_arrives_whole(page: Page, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2200, 2200, 3), np.uint8)
    path = tmp_path / "large.bmp"
    Image.fromarray(noise).save(path)
    assert path.stat().st_size > 13 * 2**20  # the connection would break at 10 MiB in one message
    upload(page, path)
    # Noise gets no diagnosis, but it came through.
    expect(page.get_by_text("large.bmp: the model gives no answer")).to_be_visible()


def test_a_file_above_the_limit_is_refused_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    with path.open("wb") as file:
        file.truncate(65 * 2**20)
    upload(page, path)
    expect(page.get_by_role("alert")).to_contain_text("scan.tif is empty or has more than 64 MiB")


def test_a_sample_is_one_click_away_and_named_synthetic(page: Page) -> None:
    page.get_by_role("button", name="Try the synthetic melanoma").click()
    expect(page.locator(".lv-source")).to_have_text("synthetic melanoma")


def test_a_narrow_phone_shows_everything_without_sideways_scrolling(page: Page, photo: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    upload(page, photo)
    expect(page.get_by_label("Alpha")).to_be_visible()
    overlay(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    edges = page.evaluate(
        "[...document.querySelectorAll('.lv-explorer *')].map(e => e.getBoundingClientRect().right)"
        ".reduce((a, b) => Math.max(a, b), 0)"
    )
    assert edges <= 390
    page.get_by_label("Alpha").scroll_into_view_if_needed()
    expect(page.get_by_text(NOTICE)).to_be_in_viewport()


def test_leaving_the_page_ends_its_kernel(browser: Browser, server: tuple[str, int]) -> None:
    def kernels() -> int:
        children = psutil.Process(server[1]).children(recursive=True)
        commands = [child.as_dict(["cmdline"], ad_value=[])["cmdline"] for child in children]
        return sum("ipykernel_launcher" in " ".join(command) for command in commands)

    before = kernels()
    page = browser.new_page()
    page.goto(server[0])
    expect(page.get_by_text("Choose an image")).to_be_visible()
    assert kernels() == before + 1
    page.goto("about:blank")
    for _ in range(60):
        if kernels() == before:
            break
        time.sleep(0.5)
    assert kernels() == before
    page.close()


def test_a_picture_of_something_else_gets_no_diagnosis_until_the_person_insists(page: Page, tmp_path: Path) -> None:
    strangers(1)["screenshots"][0].save(tmp_path / "screen.png")
    anyway = page.get_by_role("button", name="Show the answer anyway")
    expect(anyway).to_be_hidden()
    upload(page, tmp_path / "screen.png")
    expect(page.get_by_text("screen.png: the model gives no answer, because the picture")).to_be_visible()
    expect(heading(page)).to_be_hidden()
    anyway.click()
    expect(heading(page)).to_be_visible()
    expect(page.get_by_text("Do not rely on this answer")).to_be_visible()
    expect(anyway).to_be_hidden()
    expect(page.get_by_text("Forced answer, not valid")).to_be_visible()
    page.get_by_label("Threshold").select_option(label="find 90% of melanomas")
    expect(page.get_by_text("the threshold that found")).to_be_hidden()  # nothing lends weight to it


def test_a_threshold_is_held_against_a_photograph(page: Page, photo: Path) -> None:
    upload(page, photo)
    anyway = page.get_by_role("button", name="Show the answer anyway")
    expect(anyway.or_(heading(page))).to_be_visible()
    if anyway.is_visible():
        pytest.skip("needs a real photograph: drawn ones get no answer")
    page.get_by_label("Threshold").select_option(label="find 90% of melanomas")
    expect(page.get_by_text("the threshold that found 90% of the melanomas")).to_be_visible()
