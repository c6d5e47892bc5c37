"""The quiz in the real Voila, JupyterLab and Chromium, offline: a lesson as a class goes through it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import PATIENCE, accessibility, go, hear, offline_page, phone, sideways, still, theme, until
from playwright.sync_api import Browser, Page, expect
from servers import running, write_notebook

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
CELL = """
from pathlib import Path
import lesionviz.widgets
from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.preprocessing import Preprocessing

class Told(LesionClassifier):
    "Tells the test when it has answered, which the page must not."
    def examine(self, image):
        answer = super().examine(image)
        Path("answered").touch()
        return answer

weights = Checkpoint.load(BUNDLED).state_dict  # at 96 pixels, which is fast, and without refusals
quiz = lesionviz.widgets.Quiz("my_cases", Told(Checkpoint(state_dict=weights, preprocessing=Preprocessing(size=96))))
quiz
"""


def write_cases(folder: Path, seeds: tuple[int, ...]) -> Path:
    """Write one folder for each class."""
    for code in CODES:
        (folder / code).mkdir(parents=True)
        for seed in seeds:
            draw_lesion(code, seed, (120, 90)).save(folder / code / f"zebra{seed}.jpg")
    return folder


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four lesions."""
    folder = tmp_path_factory.mktemp("lesson")
    write_cases(folder / "my_cases", (1,))
    return folder


@pytest.fixture(scope="module", params=["voila", pytest.param("lab", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, lesson: Path) -> Iterator[tuple[str, str]]:
    """What shows a quiz of them, Voila or JupyterLab, and its address."""
    with running(request.param, write_notebook(lesson / f"{request.param}.ipynb", CELL)) as (address, _):
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
        expect(page.get_by_role("button", name="Start the quiz")).to_be_visible()
        yield page


def check_width(page: Page) -> None:
    with phone(page):
        assert sideways(page, ".lv-quiz-box") == []


def test_a_whole_round_by_keyboard_alone_with_nothing_given_away_before_the_commit(
    page: Page, frames: list[bytes], lesson: Path, tmp_path: Path
) -> None:
    heading = page.get_by_role("heading", level=2).first
    assert accessibility(page, ".lv-quiz-box") == ""
    check_width(page)
    name = page.locator(".lv-quiz-box").get_by_label("Name")
    name.focus()
    page.keyboard.type("Anna")
    expect(name).to_have_value("Anna")
    frames.clear()
    (lesson / "answered").unlink(missing_ok=True)
    page.keyboard.press("Enter")
    right = 0
    pairs = []
    for case in range(1, 5):
        expect(heading).to_have_text(f"Case {case} of 4: what is it?")
        expect(heading).to_be_focused()
        expect(page.get_by_role("img", name=f"Case {case} of 4, photograph of a lesion")).to_be_visible()
        expect(page.locator(".lv-quiz-figure img")).to_have_js_property("complete", True)
        if case == 1:
            until(page, (lesson / "answered").exists)  # the model has answered, for itself
            still(page)
            received = b"".join(frames)
            assert b'"question"' in received  # the frames can be read
            for secret in (b"zebra", b"my_cases/", b"truth", b"probabilit", b"lv-answer", b"predicted"):
                assert secret not in received
            assert "zebra" not in page.content()
            expect(page.locator(".lv-answer")).to_have_count(0)
            expect(page.locator(".lv-figures")).to_be_hidden()
            assert accessibility(page, ".lv-quiz-box") == ""
            check_width(page)
        expect(page.get_by_role("button", name="Commit")).to_be_disabled()
        page.keyboard.press("3")
        expect(page.get_by_role("radio", name="Melanoma MEL")).to_be_checked()
        page.keyboard.press("Enter")
        expect(heading).to_contain_text("ight: ")
        expect(heading).to_be_focused()
        truth = next(d for d in DIAGNOSES if d.name in heading.inner_text())
        hit = truth.code == "MEL"
        right += hit
        expect(heading).to_have_text(f"{'✓ Right' if hit else '✗ Not right'}: it is {truth.name}")
        expect(page.locator(".lv-quiz-sentence", has_text=truth.sentence)).to_be_visible()
        expect(page.get_by_text(f"Picture: {truth.code}/zebra1.jpg")).to_be_visible()
        expect(page.get_by_text("The model answers")).to_be_visible()
        expect(page.get_by_role("img", name="Overlay").or_(page.get_by_role("img", name="laid over"))).to_be_visible()
        pairs.append((truth.code, "MEL"))
        if case == 1:
            assert accessibility(page, ".lv-quiz-box") == ""
            check_width(page)
        if case % 2:
            page.keyboard.press("n")
        else:
            forward = page.get_by_role("button", name="To the result" if case == 4 else "Next case").first
            for _ in range(4):  # past the zoom
                page.keyboard.press("Tab")
                if forward.evaluate("node => node === document.activeElement"):
                    break
            expect(forward).to_be_focused()
            page.keyboard.press("Enter")
    assert sorted(pairs) == [(code, "MEL") for code in CODES]
    assert right == 1

    expect(heading).to_have_text("Anna: 1 of 4 right")
    expect(heading).to_be_focused()
    table = page.get_by_role("table", name="Anna")
    for code in CODES:  # all four classes went to the third column
        expect(table.get_by_role("row", name=re.compile(f"^{code} "))).to_have_text(f"{code}00101")
    model = page.get_by_role("table", name="The model, on the same cases")
    expect(model.get_by_role("columnheader", name="no answer")).to_be_visible()
    expect(page.get_by_text("still looking")).to_have_count(0)
    assert accessibility(page, ".lv-quiz-box") == ""
    check_width(page)

    with page.expect_download() as saved:
        page.get_by_role("button", name="Download answers").press("Enter")
    saved.value.save_as(tmp_path / "answers.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "answers.csv").read_text(encoding="utf-8-sig"))))
    assert [(row["truth"], row["answer"]) for row in rows] == pairs

    page.get_by_role("button", name="Look at case").first.press("Enter")
    expect(page.get_by_role("button", name="Back to the result")).to_be_visible()
    expect(page.locator(".lv-figures")).to_be_visible()
    page.keyboard.press("n")
    expect(heading).to_have_text("Anna: 1 of 4 right")
    page.get_by_role("button", name="Next learner").press("Enter")
    expect(page.get_by_text("The same 4 cases in a new order")).to_be_visible()


def test_a_teacher_makes_a_set_from_a_folder(page: Page, tmp_path: Path) -> None:
    theme(page, dark=True)
    folder = write_cases(tmp_path / "lesson two", (2, 3))
    (folder / "MEL" / "broken.jpg").write_bytes((folder / "MEL" / "zebra2.jpg").read_bytes()[:700])
    (folder / "holiday").mkdir()
    draw_lesion("NV", 9, (120, 90)).save(folder / "holiday" / "beach.jpg")
    page.locator("input[type=file]").set_input_files(folder)
    expect(page.get_by_role("heading", name="lesson two")).to_be_visible()
    expect(page.get_by_text("lesson two/MEL/broken.jpg is damaged")).to_be_visible()
    expect(page.get_by_text("1 file in the folder 'holiday' has no label")).to_be_visible()
    expect(page.get_by_role("slider", name="Cases")).to_have_attribute("aria-valuetext", "8 of 8")
    assert accessibility(page, ".lv-quiz-box") == ""
    check_width(page)
    page.get_by_role("button", name="Start the quiz").click()
    expect(page.get_by_role("heading", level=2).first).to_have_text("Case 1 of 8: what is it?")
    assert "zebra" not in page.content()
    page.get_by_role("radio", name="Melanocytic nevus NV").check()
    page.get_by_role("button", name="Commit").click()
    expect(page.get_by_text("Picture: lesson two/")).to_be_visible()
    assert accessibility(page, ".lv-quiz-box") == ""
