"""``Compare`` in the real Voila and JupyterLab, offline: every comparison, one pointer, one scale, keys, phones, axe."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from pages import PATIENCE, accessibility, go, offline_page, phone, sideways, still, theme
from PIL import Image
from playwright.sync_api import Browser, Dialog, Page, expect
from servers import running, write_notebook

from lesionviz.explanation.methods import METHODS

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
CODE = """
import lesionviz
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.imaging import open_image
from lesionviz.widgets import Compare

first, second = synthetic_samples()[2:]
compare = Compare()
compare.show(open_image(first.pixels, "<img src=x onerror=alert(1)> arm.jpg"))
compare.add(second)
compare.mode = "by class"
compare
"""


@pytest.fixture(scope="module", params=["voila", pytest.param("lab", marks=pytest.mark.slow)])
def page(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Page]:
    """One page for all tests of this file: they leave the comparison at the classes."""
    notebook = write_notebook(tmp_path_factory.mktemp("compare") / "compare.ipynb", CODE)
    dialogs: list[str] = []

    def hear(dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # JupyterLab has not saved the notebook yet
            dialog.accept()
            return
        dialogs.append(dialog.message)
        dialog.dismiss()

    with (
        running(request.param, notebook) as (address, _),
        offline_page(browser, address, viewport={"width": 1280, "height": 1000}) as page,
    ):
        page.add_init_script(
            "window.messages = 0; const send = WebSocket.prototype.send; WebSocket.prototype.send = function (data) {"
            "const text = typeof data === 'string' ? data : new TextDecoder().decode(data);"
            # The page asks a kernel that was silent for long whether it is the same one; nothing on view hangs on it.
            "if (!text.includes('kernel_info_request')) window.messages += 1; return send.call(this, data); };"
        )
        page.on("dialog", hear)
        go(page, request.param, address)
        expect(page.locator(".lv-tile:visible")).to_have_count(4)
        yield page
    assert dialogs == []


@pytest.fixture(autouse=True)
def _at_the_classes(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 1000})
    compare(page, "Classes")


def compare(page: Page, what: str) -> None:
    page.get_by_role("radio", name=what, exact=True).check(force=True)


def values(page: Page) -> list[str]:
    return page.locator(".lv-tile:visible .lv-tile-value").all_inner_texts()


def drawings(page: Page) -> list[str]:
    drawn: list[str] = page.eval_on_selector_all(
        ".lv-tile:not([hidden]) canvas", "all => all.map((one) => one.toDataURL())"
    )
    return drawn


def difference(*drawn: str) -> int:
    """By how much two drawings differ where they differ most, in grey levels; a step of the colours is a few."""
    first, second = (Image.open(BytesIO(b64decode(each.partition(",")[2]))) for each in drawn)
    return int(np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).max())


def test_every_comparison_has_its_tiles_and_says_what_its_scale_means(page: Page) -> None:
    for what, count, words in (
        ("Classes", 4, "One scale for all four classes"),
        ("Layers", 9, "evidence per picture area"),
        ("Methods", len(METHODS), "Each method has its own scale"),
        ("Why not another", 3, "the third map is the first minus the second"),
        ("Two pictures", 2, "One scale for both pictures"),
    ):
        compare(page, what)
        expect(page.locator(".lv-tile:visible")).to_have_count(count)
        expect(page.locator(".lv-meaning")).to_contain_text(words)
        expect(page.locator(".lv-waiting")).to_be_empty()  # maps of further methods were asked for, and came
        shown = drawings(page)
        if what == "Methods":  # Grad-CAM and HiResCAM are one map at features.8, up to the last bit of a sum
            assert difference(*shown[:2]) <= 8
            del shown[0]
        assert len(set(shown)) == len(shown)
        for stage in page.locator(".lv-tile:visible [role=img]").all():
            assert "evidence for" in (stage.get_attribute("aria-label") or "")


def test_once_the_maps_are_there_nothing_is_asked_of_the_kernel(page: Page) -> None:
    expect(page.locator(".lv-waiting")).to_be_empty()
    before = page.evaluate("window.messages"), drawings(page)
    page.get_by_role("slider", name="Layer").fill("3")
    page.get_by_role("slider", name="Alpha").fill("0.4")
    page.get_by_role("slider", name="Threshold").fill("0.3")
    page.get_by_label("Scale").select_option("each its own")
    compare(page, "Layers")
    compare(page, "Classes")
    still(page)
    assert page.evaluate("window.messages") == before[0] > 0
    assert drawings(page) != before[1]
    page.get_by_role("slider", name="Threshold").fill("0")


def test_the_pointer_reads_every_tile_at_the_same_place(page: Page) -> None:
    assert all(text.startswith("largest") for text in values(page))
    page.locator(".lv-tile:visible .lv-stage").nth(1).hover()
    assert all(text.startswith("here") for text in values(page))
    assert page.locator(".lv-cross:visible").count() == 4
    page.locator(".lv-meaning").hover()
    assert all(text.startswith("largest") for text in values(page))


def test_zoom_is_one_for_all_tiles(page: Page) -> None:
    page.get_by_role("button", name="Zoom in").click()
    looks = page.eval_on_selector_all(
        ".lv-tile:not([hidden]) .lv-world:first-child", "all => all.map((one) => one.style.transform)"
    )
    assert len(set(looks)) == 1
    assert "scale(1.5)" in looks[0]
    page.get_by_role("button", name="Whole picture").click()


def test_the_keyboard_reaches_class_layer_and_reading_point(page: Page) -> None:
    compare(page, "Two pictures")
    page.get_by_role("group", name="Maps side by side").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="BCC")).to_be_checked()
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    assert page.get_by_role("slider", name="Layer").get_attribute("aria-valuetext", timeout=PATIENCE)
    assert (
        page.locator(".lv-compared strong")
        .inner_text()
        .startswith("The evidence for basal cell carcinoma at features.0")
    )
    page.keyboard.press("Shift+ArrowRight")
    middle = values(page)
    assert all(text.startswith("here") for text in middle)
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")
    assert values(page) != middle
    page.keyboard.press("Escape")
    assert all(text.startswith("largest") for text in values(page))
    for _ in range(8):
        page.keyboard.press("ArrowUp")


def test_methods_share_a_scale_only_when_the_person_says_so(page: Page) -> None:
    compare(page, "Methods")
    expect(page.get_by_label("Scale")).to_have_value("each its own")
    page.get_by_label("Scale").select_option("shared")
    expect(page.locator(".lv-meaning")).to_contain_text("compare places, not strengths")
    compare(page, "Classes")
    expect(page.get_by_label("Scale")).to_have_value("shared")
    compare(page, "Methods")
    expect(page.get_by_label("Scale")).to_have_value("each its own")


def test_a_contrast_shows_both_its_sides_until_the_person_chooses(page: Page) -> None:
    evidence = page.get_by_role("combobox", name="Evidence")
    expect(evidence).to_have_value("for")
    compare(page, "Why not another")
    expect(evidence).to_have_value("for and against")
    expect(page.locator(".lv-legend")).to_contain_text("against −")


def test_a_phone_shows_every_comparison_without_sideways_scrolling(page: Page) -> None:
    with phone(page):
        for what in ("Layers", "Why not another", "Two pictures", "Classes"):
            compare(page, what)
            assert sideways(page, ".lv-compare") == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_any_comparison(page: Page, dark: bool) -> None:
    theme(page, dark)
    for what in ("Classes", "Layers", "Methods", "Why not another", "Two pictures"):
        compare(page, what)
        assert accessibility(page, ".lv-compare") == ""
    theme(page, dark=False)
