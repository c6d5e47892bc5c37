"""A second model in the real Voila and JupyterLab, offline: loaded by hand, refused, compared, and asked about a batch."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pages import PATIENCE, accessibility, go, offline_page, phone, sideways, theme
from playwright.sync_api import Browser, Page, expect
from servers import running, write_notebook

from lesionviz.checkpoint import Checkpoint

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
CODE = """
import lesionviz
from lesionviz.classifier import load

explorer = lesionviz.Explorer(load("first.pth"))
explorer
"""


@pytest.fixture(scope="module")
def folder(small_checkpoint: Checkpoint, photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, the second with its head turned round, so that they never agree; a hostile file; a picture."""
    folder = tmp_path_factory.mktemp("second")
    turned = {
        name: small_checkpoint.state_dict[name].flip(0) for name in ("classifier.1.weight", "classifier.1.bias")
    }
    small_checkpoint.save(folder / "first.pth", half=True)
    replace(small_checkpoint, state_dict={**small_checkpoint.state_dict, **turned}).save(
        folder / "turned.pth", half=True
    )
    (folder / "evil.pth").write_bytes(pickle.dumps(print))
    shutil.copy(photo, folder / "arm.jpg")
    return folder


@pytest.fixture(scope="module", params=["voila", pytest.param("lab", marks=pytest.mark.slow)])
def page(request: pytest.FixtureRequest, browser: Browser, folder: Path) -> Iterator[Page]:
    notebook = write_notebook(folder / f"{request.param}.ipynb", CODE)
    with (
        running(request.param, notebook) as (address, _),
        offline_page(browser, address, viewport={"width": 1280, "height": 1000}) as page,
    ):
        go(page, request.param, address)
        expect(page.get_by_text("Model ready")).to_be_visible()
        yield page


def looked_at_well(page: Page, part: str) -> None:
    """Neither axe in light and dark nor a phone's width finds anything wrong with a part of the page."""
    for dark in (True, False):
        theme(page, dark)
        assert accessibility(page, part) == ""
    with phone(page):
        assert sideways(page, part) == []


def test_a_second_model_is_loaded_by_hand_refused_compared_and_asked_about_a_batch(page: Page, folder: Path) -> None:
    fold = page.locator(".lv-second")
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    fold.locator("input[type=file]").set_input_files(folder / "evil.pth")
    expect(fold.get_by_role("alert")).to_contain_text("Expected is a best_model.pth")
    fold.locator("input[type=file]").set_input_files(folder / "turned.pth")
    digest = Checkpoint.load(folder / "turned.pth").file_sha256[:8]
    expect(fold.locator("summary")).to_have_text(f"A second model turned.pth ({digest})")
    expect(fold.get_by_role("alert")).to_be_hidden()

    page.locator(".lv-picker input[type=file]").set_input_files(folder / "arm.jpg")
    expect(fold.get_by_text("They disagree: this page's model")).to_be_visible()
    expect(fold.locator("tbody tr")).to_have_count(4)
    looked_at_well(page, ".lv-second")

    fold.get_by_role("button", name="See both maps side by side").click()
    tiles = page.locator(".lv-compare .lv-tile:visible")
    expect(tiles).to_have_count(2)
    expect(tiles.nth(1)).to_contain_text(f"turned.pth ({digest})")
    expect(page.locator(".lv-compare .lv-meaning")).to_contain_text("logits of two networks are different units")
    expect(page.locator(".lv-compare").get_by_label("Scale")).to_have_value("each its own")
    looked_at_well(page, ".lv-compare")

    page.get_by_role("tab", name="Batch", exact=True).click()
    batch = page.locator(".lv-batch")
    batch.locator("input[type=file]").first.set_input_files([folder / "arm.jpg", folder / "evil.pth"])
    expect(batch.locator("tbody tr")).to_have_count(2)
    expect(batch.locator(".lv-batch-part").last).to_have_text("1 on which the models disagree")
    batch.get_by_label("Show", exact=True).select_option("models disagree")
    expect(batch.locator("tbody tr")).to_have_count(1)
    expect(batch.locator("tbody tr")).to_contain_text("Disagrees:")
    looked_at_well(page, ".lv-batch")
