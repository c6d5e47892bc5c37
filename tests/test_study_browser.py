"""A reader study in the real Voila, JupyterLab and Chromium, offline: two readers, a pause, a debrief, a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import PATIENCE, accessibility, go, hear, offline_page, phone, sideways, theme
from playwright.sync_api import Browser, Locator, Page, expect
from servers import running, write_notebook

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
CELL = """
import lesionviz.widgets
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.preprocessing import Preprocessing

weights = Checkpoint.load(BUNDLED).state_dict  # at 96 pixels, which is fast, and without refusals
model = LesionClassifier(Checkpoint(state_dict=weights, preprocessing=Preprocessing(size=96)))
study = lesionviz.widgets.ReaderStudy("my_cases", model, "study.sqlite")
study
"""


@pytest.fixture(scope="module", params=["voila", pytest.param("lab", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """What shows a study on four lesions, Voila or JupyterLab, and its address."""
    folder = tmp_path_factory.mktemp("study")
    for code in CODES:
        (folder / "my_cases" / code).mkdir(parents=True)
        draw_lesion(code, 1, (120, 90)).save(folder / "my_cases" / code / "zebra.jpg")
    with running(request.param, write_notebook(folder / f"{request.param}.ipynb", CELL)) as (address, _):
        yield request.param, address


@pytest.fixture
def frames() -> list[bytes]:
    """What came over the websocket."""
    return []


@pytest.fixture
def page(browser: Browser, server: tuple[str, str], frames: list[bytes]) -> Iterator[Page]:
    with offline_page(browser, server[1], viewport={"width": 1280, "height": 900}) as page:
        hear(page, frames)
        go(page, *server)
        yield page


def check(page: Page) -> None:
    """What holds of every page: axe finds nothing, and nothing reaches out of a phone."""
    assert accessibility(page, ".lv-study") == ""
    with phone(page):
        assert sideways(page, ".lv-quiz-box") == []


def press(study: Locator, name: str) -> None:
    study.get_by_role("button", name=name, exact=True).press("Enter")


def hide(page: Page, hidden: bool) -> None:
    """Let the page believe that its reader has turned to another tab, or has come back."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_two_readers_go_through_a_study_by_keyboard_and_nothing_is_given_away_before_the_debrief(
    page: Page, frames: list[bytes], server: tuple[str, str], tmp_path: Path
) -> None:
    study, heading = page.locator(".lv-study"), page.get_by_role("heading", level=2).first
    expect(heading).to_have_text("A reader study")
    study.get_by_role("slider", name="AI deliberately wrong in").fill("25")
    expect(study.get_by_text("1 case (25 %)")).to_be_visible()
    expect(study.get_by_text("the page gives no ethics approval")).to_be_visible()
    expect(study.locator("code")).to_contain_text("study.sqlite")
    check(page)
    press(study, "Begin the study")
    seen: set[bool] = set()
    ticked = "MEL"
    for reader in ("Ada", "Ben"):
        press(study, "New reader")
        expect(heading).to_be_focused()
        expect(study.get_by_text("Nothing is recorded before you agree")).to_be_visible()
        if reader == "Ada":
            check(page)
        study.get_by_label("Name or code").fill(reader)
        press(study, "I agree, begin")
        with_ai = 0
        for case in range(1, 5):
            expect(heading).to_have_text(f"Case {case} of 4: what is it?")
            expect(heading).to_be_focused()
            expect(study.locator(".lv-quiz-figure img")).to_have_js_property("complete", True)
            shown = "with the AI's answer" in study.locator(".lv-quiz-header").inner_text()
            with_ai += shown
            expect(study.get_by_role("region", name="The AI's answer")).to_have_count(int(shown))
            expect(study.get_by_role("img", name="The AI's map")).to_have_count(int(shown))
            if shown not in seen:
                seen.add(shown)
                theme(page, dark=shown)
                check(page)
            if reader == "Ada" and case == 2:
                press(study, "Pause")
                expect(heading).to_have_text("Paused")
                expect(study.locator(".lv-quiz-figure")).to_have_count(0)
                press(study, "Go on")
                expect(heading).to_have_text("Case 2 of 4: what is it?")
            if reader == "Ben" and case == 3:
                hide(page, True)
                expect(heading).to_have_text("Paused")
                hide(page, False)
                press(study, "Go on")
                expect(heading).to_have_text("Case 3 of 4: what is it?")
            expect(study.get_by_role("button", name="Commit")).to_be_disabled()
            page.keyboard.press("3")
            expect(study.get_by_role("radio", name=f"Melanoma {ticked}")).to_be_checked()
            expect(study.get_by_role("button", name="Commit")).to_be_disabled()  # how sure, too
            study.get_by_role("radio", name="4 very sure").check()
            press(study, "Commit")
        assert with_ai == 2
        expect(heading).to_have_text(f"Thank you, {reader}")
        press(study, "Hand over to the next reader")
        expect(study.get_by_role("listitem").filter(has_text=reader)).to_contain_text("has read all cases")
    assert seen == {True, False}
    check(page)
    assert b"zebra" not in b"".join(frames)
    assert "zebra" not in page.content()

    page.reload()  # another kernel: the study lies in the file
    if server[0] == "lab":
        go(page, *server)
    expect(heading).to_have_text("Who reads next?")
    expect(study.get_by_role("button", name="Save answers")).to_have_count(0)
    study.get_by_text("End the study", exact=True).press("Enter")
    press(study, "End the study and show the debrief")
    expect(heading).to_have_text("Debrief: for every reader")
    (row,) = study.get_by_role("row").filter(has_text="zebra").all()
    truth, told = row.get_by_role("cell").nth(1).inner_text(), row.get_by_role("cell").nth(2).inner_text()
    assert {truth, told} <= {diagnosis.name for diagnosis in DIAGNOSES}
    assert truth != told
    check(page)
    press(study, "The debrief was shown: to the results")
    expect(heading).to_have_text("What came out")
    expect(study.get_by_text("2 readers, 4 cases, 8 answers", exact=True)).to_be_visible()
    for name in ("Without the AI", "With the AI"):
        expect(study.get_by_role("table", name=name)).to_be_visible()
    check(page)
    with page.expect_download() as saved:
        press(study, "Save answers (CSV)")
    saved.value.save_as(tmp_path / "answers.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "answers.csv").read_text(encoding="utf-8-sig"))))
    assert [(row["reader"], row["answer"], row["sure"]) for row in rows] == [
        (reader, ticked, "4") for reader in ("Ada", "Ben") for _ in range(4)
    ]
    assert [row["pauses"] for row in rows] == [*"0100", *"0010"]
    assert {row["case"] for row in rows if row["with_ai"] == "True"} == {"1", "2", "3", "4"}  # each once with the AI
    (wrong,) = [row for row in rows if row["ai_made_wrong"] == "True"]
    assert wrong["ai"] != wrong["truth"]

    study.get_by_role("listitem").filter(has_text="Ada").get_by_text("Withdraw", exact=True).press("Enter")
    press(study, "Delete everything of Ada")
    expect(study.get_by_text("1 reader, 4 cases, 4 answers; 1 withdrawn", exact=True)).to_be_visible()
    expect(study.get_by_text("Ada")).to_have_count(0)
