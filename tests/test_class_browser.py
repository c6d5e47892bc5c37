"""A class's quiz in the real Voila and Chromium: a teacher's page and two learners' pages go through one lesson."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pages import PATIENCE, accessibility, offline_page, phone, sideways, still, theme, until
from playwright.sync_api import Browser, Page, expect
from quiz_server import LEARNER, class_server
from servers import running_voila, write_notebook

from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES
from lesionviz.game.class_store import ClassStore
from lesionviz.game.classroom import Classroom

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one lesion of each class."""
    folder = tmp_path_factory.mktemp("lesson") / "my cases"
    for code in CODES:
        (folder / code).mkdir(parents=True)
        draw_lesion(code, 1, (240, 180)).save(folder / code / "zebra1.jpg")
    return folder


@pytest.fixture
def room(tmp_path: Path) -> Classroom:
    return Classroom(ClassStore(tmp_path / "class.sqlite"))


@pytest.fixture
def heard() -> list[bytes]:
    """What went to the learners' kernels."""
    return []


@pytest.fixture
def served(room: Classroom, classifier: LesionClassifier, heard: list[bytes], lesson: Path) -> Iterator[str]:
    with class_server(room, classifier, heard, roots=[lesson.parent]) as address:
        yield address


def check(page: Page, part: str) -> None:
    """A page is as wide as its window, also on a phone, and anybody can use it, also in the dark."""
    still(page)
    assert accessibility(page, part) == ""
    assert sideways(page, part) == []
    with phone(page):
        assert sideways(page, part) == []


def check_teacher(page: Page) -> None:
    check(page, "#teacher")
    page.emulate_media(color_scheme="dark")
    still(page)
    assert accessibility(page, "#teacher") == ""
    page.emulate_media(color_scheme="light")


def check_learner(page: Page) -> None:
    check(page, ".lv-quiz-box")
    theme(page, dark=True)
    still(page)
    assert accessibility(page, ".lv-quiz-box") == ""
    theme(page, dark=False)


def heading(page: Page) -> str:
    return page.locator(".lv-quiz h2").first.inner_text()


def test_a_teacher_and_two_learners_go_through_one_quiz(
    browser: Browser, room: Classroom, served: str, heard: list[bytes], lesson: Path, tmp_path: Path
) -> None:
    cell = LEARNER.replace("ADDRESS", served)
    with ExitStack() as stack:
        voila, _ = stack.enter_context(running_voila(write_notebook(tmp_path / "learner.ipynb", cell)))
        teacher = stack.enter_context(offline_page(browser, served, viewport={"width": 1280, "height": 900}))
        ada = stack.enter_context(offline_page(browser, voila, viewport={"width": 1280, "height": 900}))
        ben = stack.enter_context(offline_page(browser, voila, viewport={"width": 390, "height": 844}))

        # Nothing is started: the teacher chooses a set, learners say their names.
        teacher.goto(f"{served}teacher")
        expect(teacher.get_by_text("Nobody yet")).to_be_visible()
        expect(teacher.get_by_role("img", name="QR code")).to_be_visible()
        expect(teacher.get_by_text("This is not a medical device")).to_be_visible()
        expect(teacher.get_by_text("Only this computer can open it")).to_be_visible()
        check_teacher(teacher)
        for page, name in ((ada, "Ada"), (ben, "Ben")):
            page.goto(voila)
            expect(page.get_by_role("heading", name="Join your class")).to_be_visible()
            if page is ada:
                check_learner(page)
            page.get_by_label("Your name").fill(name)
            page.get_by_label("Your name").press("Enter")
            expect(page.get_by_role("heading", name="Waiting for your teacher")).to_be_visible()
            expect(teacher.locator(".lv-teacher-people", has_text=name)).to_be_visible()
        check_learner(ada)
        for name, said in (
            ("ada", "Somebody in the class is ada already. You are in the class as ada (2)."),
            ("Ben", ""),
        ):
            ben.get_by_role("button", name="Change my name").click()
            ben.get_by_label("Your name").fill(name)
            ben.get_by_label("Your name").press("Enter")
            expect(ben.locator(".lv-class-wait")).to_contain_text(said or "You are in the class as Ben.")
        folder = teacher.get_by_label("Folder or table")
        folder.fill(str(lesson.parent / "nothing"))
        teacher.get_by_role("button", name="Read this folder").click()
        expect(teacher.locator(".lv-teacher-folder").get_by_role("alert")).to_contain_text("There is no folder")
        expect(folder).to_have_accessible_description(re.compile("There is no folder"))
        expect(folder).to_have_attribute("aria-invalid", "true")
        check_teacher(teacher)
        folder.fill(str(lesson))
        folder.press("Enter")
        expect(teacher.get_by_role("heading", name="my cases")).to_be_visible()
        expect(teacher.get_by_role("alert").filter(has_text="There is no folder")).to_be_hidden()
        expect(folder).not_to_have_attribute("aria-invalid", "true")
        expect(teacher.get_by_role("slider", name="Cases")).to_have_attribute("aria-valuetext", "4 of 4")
        teacher.get_by_role("button", name="Start the quiz").press("Enter")

        right = 0
        for case in range(1, 5):
            # All see the same picture, and nobody what it is.
            expect(teacher.get_by_role("heading", level=2).first).to_have_text(f"Case {case} of 4: what is it?")
            expect(teacher.get_by_role("heading", level=2).first).to_be_focused()
            for page in (teacher, ada, ben):
                expect(page.get_by_role("img", name=f"Case {case} of 4, photograph")).to_be_visible()
            expect(ada.locator(".lv-quiz-figure img")).to_have_js_property("complete", True)
            expect(teacher.get_by_text("0 of 2 have answered")).to_be_visible()
            if case == 1:
                until(teacher, lambda: room.sitting.unasked() is None)  # the model has answered, for itself
                received = b"".join(heard)
                assert b"question" in received
                for secret in (b"zebra", b"truth", b"verdict", b"tally"):
                    assert secret not in received
                assert "zebra" not in teacher.content()
                check_teacher(teacher)
                check_learner(ada)
            ada.bring_to_front()
            ada.keyboard.press("3") if case > 1 else ada.get_by_role("radio", name="Melanoma MEL").check()
            ada.get_by_role("button", name="Commit").click()
            expect(ada.get_by_text("You answered melanoma (MEL)")).to_be_visible()
            expect(ada.get_by_text("Waiting for the others: 1 of 2 has answered")).to_be_visible()
            expect(teacher.get_by_text("1 of 2 has answered")).to_be_visible()
            if case == 1:
                check_learner(ada)
            if case != 2:  # which Ben leaves out
                ben.get_by_role("radio", name="Melanocytic nevus NV").check()
                ben.get_by_role("button", name="Commit").click()
                expect(teacher.get_by_text("All 2 have answered")).to_be_visible()
            teacher.bring_to_front()
            teacher.keyboard.press("r")

            expect(teacher.get_by_role("heading", level=2).first).to_contain_text("it is ")
            found = teacher.get_by_role("heading", level=2).first.inner_text()
            truth = next(d for d in DIAGNOSES if found.endswith(f"it is {d.name}"))
            right += truth.code == "MEL"
            for page, answer in ((ada, "MEL"), (ben, "" if case == 2 else "NV")):
                verdict = (
                    "It is" if not answer else "✓ Right: it is" if answer == truth.code else "✗ Not right: it is"
                )
                expect(page.locator(".lv-quiz h2").first).to_have_text(f"{verdict} {truth.name}")
                expect(page.locator(".lv-quiz-sentence", has_text=truth.sentence)).to_be_visible()
                expect(page.get_by_text("The model answers")).to_be_visible()
                expect(page.locator(".lv-figures")).to_be_visible()
                expect(page.locator(".lv-tally li").nth(CODES.index("MEL")).locator("b")).to_have_text("1")
            expect(teacher.locator(".lv-quiz-verdict")).to_contain_text(re.compile("right|wrong"))
            expect(teacher.get_by_text(f"Picture: {truth.code}/zebra1.jpg")).to_be_visible()
            if case == 1:
                assert b"zebra" not in b"".join(heard)
                assert b"Ben" not in b"".join(one for one in heard if b"Ada" in one)
                check_teacher(teacher)
                check_learner(ada)
                teacher.keyboard.press("b")
                expect(teacher.get_by_text("Who is there")).to_be_hidden()
                assert "Ada" not in teacher.locator("body").inner_text()
                expect(teacher.get_by_role("button", name="End the quiz")).to_be_in_viewport(ratio=1)
                check_teacher(teacher)
                teacher.keyboard.press("Escape")
                expect(teacher.get_by_text("Who is there")).to_be_visible()
            teacher.keyboard.press("n")

        # Over: each sees his own, the teacher all.
        expect(ada.locator(".lv-quiz h2").first).to_have_text(f"Ada: {right} of 4 right")
        expect(ben.locator(".lv-quiz h2").first).to_contain_text("of 3 right")
        expect(ada.locator(".lv-figures")).to_be_hidden()
        assert "Ben" not in ada.content()
        expect(teacher.get_by_role("heading", name="Results", exact=True)).to_be_visible()
        table = teacher.get_by_role("table", name="The class, 2 learners")
        for code in CODES:
            expect(table.get_by_role("row", name=re.compile(f"^{code} "))).to_have_text(
                re.compile(f"^{code}001[01][12]$")
            )
        expect(teacher.locator(".lv-teacher-scores").get_by_role("row", name="Ada")).to_have_text(f"Ada{right}4")
        check_teacher(teacher)
        check_learner(ada)
        with teacher.expect_download() as saved:
            teacher.get_by_role("link", name="Download answers").click()
        saved.value.save_as(tmp_path / "answers.csv")
        rows = list(csv.DictReader(io.StringIO((tmp_path / "answers.csv").read_text(encoding="utf-8-sig"))))
        assert [row["answer"] for row in rows if row["learner"] == "Ada"] == ["MEL"] * 4
        assert [row["case"] for row in rows if row["learner"] == "Ben"] == ["1", "3", "4"]
        assert all(row["model"] for row in rows)

        teacher.get_by_role("button", name="Delete all names and answers").click()
        assert accessibility(teacher, "#teacher") == ""
        teacher.get_by_role("button", name="Delete all", exact=True).click()
        expect(teacher.get_by_text("Nobody yet")).to_be_visible()
        expect(ada.get_by_role("heading", name="Join your class")).to_be_visible()
        assert not (tmp_path / "class.sqlite").exists()


@pytest.mark.slow
def test_a_class_that_goes_away_is_said_on_every_page_and_comes_back_by_itself(
    browser: Browser, room: Classroom, tmp_path: Path
) -> None:
    with ExitStack() as pages:
        with class_server(room) as served:
            cell = LEARNER.replace("ADDRESS", served)
            voila, _ = pages.enter_context(running_voila(write_notebook(tmp_path / "learner.ipynb", cell)))
            teacher = pages.enter_context(offline_page(browser, served))
            ada = pages.enter_context(offline_page(browser, voila))
            teacher.goto(f"{served}teacher")
            ada.goto(voila)
            ada.get_by_label("Your name").fill("Ada")
            ada.get_by_role("button", name="Join").click()
            expect(ada.get_by_role("heading", name="Waiting for your teacher")).to_be_visible()
            teacher.get_by_role("button", name="Start the quiz").click()
            expect(ada.get_by_role("radio", name="Melanoma MEL")).to_be_visible()
        expect(teacher.get_by_role("alert").filter(has_text="No connection to the server")).to_be_visible()
        expect(ada.get_by_role("alert").filter(has_text="Your class cannot be reached just now")).to_be_visible()
        ada.get_by_role("radio", name="Melanoma MEL").check()
        ada.get_by_role("button", name="Commit").click()
        expect(ada.get_by_role("button", name="Commit", exact=True)).to_be_enabled()  # to be said again
        with class_server(room, port=int(served.rstrip("/").rpartition(":")[2])):
            expect(ada.get_by_role("alert").filter(has_text="Your class cannot be reached")).to_be_hidden()
            expect(teacher.get_by_role("alert").filter(has_text="No connection")).to_be_hidden()
            ada.get_by_role("button", name="Commit").click()
            expect(ada.get_by_text("You answered melanoma (MEL)")).to_be_visible()
            expect(teacher.get_by_text("The one who is here has answered")).to_be_visible()
