"""The photographed samples in real Chromium: offered, fetched, cancelled, shown, revealed; by keyboard, narrow and dark."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from isic_server import running_archive
from pages import PATIENCE, accessibility, offline_page, phone, sideways, theme
from playwright.sync_api import Browser, Page, expect
from servers import running_voila, write_notebook

from lesionviz.data.samples import VARIABLE, Sample, samples
from lesionviz.data.synthetic import draw_lesion
from lesionviz.machine import ONE_PERSON

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
LISTED = sorted(samples(), key=lambda sample: sample.isic_id)
CODE = """import os
os.environ["{one_person}"] = "1"
os.environ["{variable}"] = "{folder}"
import lesionviz.data.samples
lesionviz.data.samples.SERVER = "{server}"
lesionviz.Explorer()"""


def drawn(sample: Sample, seed: int) -> bytes:
    """A picture of the size that the archive has, small in bytes, with something on it to answer."""
    buffer = io.BytesIO()
    draw_lesion(sample.code, seed, (300, 225)).resize(sample.size).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def part(page: Page, state: str) -> None:
    """Wait until the photographs are in a state, readable and complete in both themes and as narrow as a phone."""
    expect(page.locator(".lv-photographs")).to_have_attribute("data-state", state)
    for dark in (True, False):
        theme(page, dark)
        assert accessibility(page, ".lv-photographs") == ""
    with phone(page):
        assert sideways(page, ".lv-explorer") == []


def test_photographs_come_when_the_button_is_pressed_and_are_there_the_next_time(
    browser: Browser, tmp_path: Path
) -> None:
    with running_archive() as archive:
        archive.files = {one.isic_id: drawn(one, seed) for seed, one in enumerate(samples())}
        code = CODE.format(one_person=ONE_PERSON, variable=VARIABLE, folder=tmp_path / "kept", server=archive.address)
        with (
            running_voila(write_notebook(tmp_path / "page.ipynb", code)) as (address, _),
            offline_page(browser, address, viewport={"width": 1280, "height": 1000}) as page,
        ):
            page.goto(address)
            strip = page.get_by_role("group", name="Photographed samples")
            press = page.get_by_role("button", name="Fetch twelve photographs")
            expect(press).to_have_accessible_description(re.compile(f"about 15 MB.*CC-0.*{tmp_path / 'kept'}"))
            part(page, "offer")
            assert archive.asked == []

            archive.hold(3)
            press.press("Enter")
            expect(page.get_by_role("progressbar", name="Photographs fetched")).to_have_js_property("value", 3)
            expect(page.get_by_text("3 of 12 are here.")).to_be_visible()
            expect(page.get_by_role("button", name="Cancel fetching")).to_be_focused()
            part(page, "fetching")
            page.keyboard.press("Enter")
            expect(press).to_be_focused()
            expect(page.get_by_text("3 of 12 are there already.")).to_be_visible()

            archive.hold(None)
            page.keyboard.press("Enter")
            expect(strip.get_by_role("button")).to_have_count(12)
            first = strip.get_by_role("button", name=f"Try the photograph {LISTED[0].isic_id}, Anonymous, CC-0")
            expect(first).to_be_focused()

            page.keyboard.press("Enter")
            status = page.locator(".lv-status")
            expect(status).to_have_attribute("data-state", "answered")
            expect(page.locator(".lv-explore .lv-answer .lv-source")).to_have_text(LISTED[0].isic_id)
            expect(page.locator(".lv-explore .lv-drawn")).to_have_count(0)  # the model answered
            expect(first).to_have_attribute("aria-current", "true")
            shows = page.get_by_text(f"Its diagnosis: {LISTED[0].truth}.")
            assert LISTED[0].diagnosis not in page.locator(".lv-photographs").inner_text()
            part(page, "there")
            page.get_by_role("button", name="Show its diagnosis").press("Enter")
            expect(shows).to_be_visible()
            expect(first).to_be_focused()

            page.get_by_role("button", name="Try the synthetic melanocytic nevus").click()
            expect(page.locator(".lv-explore .lv-drawn")).to_be_visible()
            expect(strip.locator("[aria-current]")).to_have_count(0)
            expect(shows).to_be_hidden()

            asked = len(archive.asked)
            page.goto(address)
            expect(strip.get_by_role("button")).to_have_count(12)
            expect(page.get_by_role("button", name="Show its diagnosis")).to_be_hidden()
            assert len(archive.asked) == asked
