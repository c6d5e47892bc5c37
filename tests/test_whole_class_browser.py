"""A teacher and two learners at the real ``lesionviz dashboard --class``: sign-in, own pictures, one quiz together.

All of it below a path, as behind a proxy.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pages import PATIENCE, accessibility, offline_page, phone, sideways, still, theme
from playwright.sync_api import Browser, Page, expect
from servers import WholeClass, running_whole_class

from lesionviz.checkpoint import BUNDLED, Checkpoint
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.preprocessing import Preprocessing
from lesionviz.widgets.case.answer import DRAWN

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
ASKED = "question-of-the-teacher.png"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeClass]:
    folder = tmp_path_factory.mktemp("class")
    for number, code in enumerate(CODES):
        (folder / "set" / code).mkdir(parents=True)
        draw_lesion(code, 40 + number, (240, 180)).save(folder / "set" / code / ASKED)
    model = folder / "model.pth"
    known = Checkpoint.load(BUNDLED)
    Checkpoint(state_dict=known.state_dict, preprocessing=Preprocessing(size=96)).save(model)
    with running_whole_class(folder, 4, "--model", str(model), "--pool", "2", "--base-url", "/lesions/") as opened:
        yield opened


def signed_in(browser: Browser, address: str, stack: ExitStack) -> Page:
    """Open a page by a link with a token, as a person does who was handed it; the token leaves the address."""
    page = stack.enter_context(offline_page(browser, address, viewport={"width": 1280, "height": 900}))
    page.goto(address)
    expect(page).to_have_url(re.compile(r"^[^?]*$"))
    assert page.evaluate("document.cookie.includes('lesionviz-')") is False  # scripts cannot read who one is
    return page


def test_teacher_and_two_learners_meet_in_one_quiz(browser: Browser, opened: WholeClass, tmp_path: Path) -> None:
    with ExitStack() as stack:
        ada, ben = (signed_in(browser, opened.learners, stack) for _ in range(2))
        teacher = signed_in(browser, opened.teacher, stack)
        expect(teacher.get_by_role("img", name="QR code")).to_be_visible()
        expect(teacher.get_by_text(opened.learners)).to_be_visible()

        # Each has an Explorer, whose answers come from the workers.
        for number, page in enumerate((ada, ben)):
            expect(
                page.get_by_text("other models, training and reports on collections are switched off")
            ).to_be_visible()
            expect(page.locator(".lv-model")).to_contain_text("96 × 96 pixels")
            path = tmp_path / f"mole {number}.png"
            draw_lesion("NV", number, (240, 180)).save(path)
            page.locator(".lv-picker input[type=file]").set_input_files(path)
            expect(page.locator(".lv-status")).to_have_attribute("data-state", "answered")
            expect(page.locator(".lv-explore .lv-answer")).to_contain_text("%")

        # One quiz for all.
        for page, name in ((ada, "Ada"), (ben, "Ben")):
            page.get_by_role("tab", name="Quiz").click()
            page.get_by_label("Your name").fill(name)
            page.get_by_label("Your name").press("Enter")
            expect(page.get_by_role("heading", name="Waiting for your teacher")).to_be_visible()
            expect(teacher.locator(".lv-teacher-people", has_text=name)).to_be_visible()
        teacher.get_by_label("Folder or table").fill(str(Path(opened.server.cwd()) / "set"))
        teacher.get_by_label("Folder or table").press("Enter")
        expect(teacher.get_by_role("slider", name="Cases")).to_have_attribute("aria-valuetext", "4 of 4")
        teacher.get_by_role("button", name="Start the quiz").press("Enter")
        right = 0
        for case in range(1, 5):
            for page in (teacher, ada, ben):
                expect(page.get_by_role("img", name=f"Case {case} of 4, photograph")).to_be_visible()
            assert ASKED not in ada.content()
            ada.get_by_role("radio", name="Melanoma MEL").check()
            ada.get_by_role("button", name="Commit").click()
            expect(teacher.get_by_text("1 of 2 has answered")).to_be_visible()
            ben.get_by_role("radio", name="Melanocytic nevus NV").check()
            ben.get_by_role("button", name="Commit").click()
            expect(teacher.get_by_text("All 2 have answered")).to_be_visible()
            teacher.get_by_role("button", name="Reveal").click()
            heading = teacher.get_by_role("heading", level=2).first
            expect(heading).to_contain_text("it is ")
            truth = next(d for d in DIAGNOSES if heading.inner_text().endswith(f"it is {d.name}"))
            right += truth.code == "MEL"
            for page in (ada, ben):
                expect(page.locator(".lv-quiz h2").first).to_contain_text(f"it is {truth.name}")
                expect(page.locator(".lv-quiz-box").get_by_text("The model answers")).to_be_visible()
                expect(page.locator(".lv-quiz-box .lv-figures")).to_be_visible()
            if case == 1:
                still(ada)
                assert accessibility(ada, ".lv-explorer") == ""
                with phone(ada):
                    assert sideways(ada, ".lv-explorer") == []
                theme(ada, dark=True)
                still(ada)
                assert accessibility(ada, ".lv-explorer") == ""
                theme(ada, dark=False)
            teacher.get_by_role("button", name="To the results" if case == 4 else "Next case").click()
        expect(ada.locator(".lv-quiz h2").first).to_have_text(f"Ada: {right} of 4 right")
        with teacher.expect_download() as saved:
            teacher.get_by_role("link", name="Download answers").click()
        saved.value.save_as(tmp_path / "answers.csv")
        rows = list(csv.DictReader(io.StringIO((tmp_path / "answers.csv").read_text(encoding="utf-8-sig"))))
        assert sorted({(row["learner"], row["answer"]) for row in rows}) == [("Ada", "MEL"), ("Ben", "NV")]
        assert len(rows) == 8
        assert all(row["model"] for row in rows)

        # Drawings are answered by the network that knows them, in the next quiz and in the Explorer.
        teacher.get_by_role("button", name="drawn").click()
        expect(teacher.get_by_text("made by a program with the structures")).to_be_visible()
        teacher.get_by_role("button", name="Start the quiz").press("Enter")
        for page in (ada, ben):
            page.get_by_role("radio", name="Melanoma MEL").check()
            page.get_by_role("button", name="Commit").click()
        teacher.get_by_role("button", name="Reveal").click()
        expect(ada.locator(".lv-quiz-box").get_by_text("The small network answers")).to_be_visible()
        expect(ada.locator(".lv-quiz-box").get_by_text(DRAWN)).to_be_visible()
        expect(ada.locator(".lv-quiz-box .lv-figures")).to_be_visible()

        # The other pages stayed what they were.
        ben.get_by_role("tab", name="Explore").click()
        expect(ben.locator(".lv-status")).to_have_attribute("data-state", "answered")
        expect(ben.locator(".lv-explore .lv-answer")).to_contain_text("The model answers")
        ben.get_by_role("button", name="synthetic melanoma").click()
        expect(ben.locator(".lv-explore .lv-answer")).to_contain_text("synthetic melanoma")
        expect(ben.locator(".lv-explore .lv-answer")).to_contain_text(DRAWN)
        expect(ben.locator(".lv-explore .lv-answer")).to_contain_text("Melanoma")
