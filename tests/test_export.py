"""What a person keeps of a case: the sheet as bytes, and the page in a browser from a file with no network at all."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image

from lesionviz.case import Case
from lesionviz.checkpoint import Checkpoint
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import draw_lesion
from lesionviz.errors import LesionvizError
from lesionviz.imaging import LesionImage
from lesionviz.widgets.case.answer import NOTICE, threshold_sentence
from lesionviz.widgets.case.case_view import CaseView
from lesionviz.widgets.export.export import case_page, case_sheet, provenance
from lesionviz.widgets.export.paper import printable, wrap

WHEN = datetime(2026, 11, 25, 17, 30)
HOSTILE = "</script><img src=x onerror=\"document.title='pwned'\"><b>$\\frac{1}{0}$ arm.jpg"
POINT = {"threshold": 0.2, "sensitivity": 0.9, "specificity": 0.7, "benign_per_melanoma": 2.0}


def case(classifier: LesionClassifier, name: str = HOSTILE, **traits: Any) -> tuple[Case, CaseView]:
    picture = LesionImage(draw_lesion("MEL", 5, (300, 220)), name)
    view = CaseView(classifier, picture, **traits)
    assert view.looked is not None
    return view.looked, view


@pytest.fixture(scope="module")
def drawn(classifier: LesionClassifier) -> tuple[Case, CaseView]:
    return case(classifier)


def texts(case: Case, view: CaseView, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> str:
    """All that stands on the sheet, line by line."""
    from lesionviz.widgets.export import sheet

    figures = []
    draw = sheet.draw_sheet
    monkeypatch.setattr(sheet, "draw_sheet", lambda *a, **k: figures.append(draw(*a, **k)) or figures[-1])
    case_sheet(case, view, checkpoint, WHEN, "png", POINT)
    return " ".join(text.get_text() for text in figures[0].texts)


def test_a_png_sheet_is_an_a4_page_in_landscape_and_says_nothing_of_its_maker(
    drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint
) -> None:
    sheet = Image.open(io.BytesIO(case_sheet(*drawn, small_checkpoint, WHEN, "png")))
    assert (sheet.width / 180, sheet.height / 180) == pytest.approx((11.69, 8.27), abs=0.01)
    assert set(sheet.info) <= {"dpi"}


@pytest.mark.heavy
def test_a_pdf_sheet_has_one_page_letters_and_no_path(
    drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint
) -> None:
    pdf = case_sheet(*drawn, small_checkpoint, WHEN, "pdf")
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    assert b"/Subtype /CIDFontType2" in pdf  # TrueType letters inside the file
    assert str(Path(__file__).parents[1]).encode() not in pdf
    assert b"matplotlib" not in pdf.lower()
    assert pdf == case_sheet(*drawn, small_checkpoint, WHEN, "pdf")


def test_the_sheet_says_the_answer_the_map_the_threshold_where_from_and_the_notice(
    drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, view = drawn
    prediction = case.prediction
    written = texts(case, view, small_checkpoint, monkeypatch)
    finding = case.explanation().finding
    for sentence in (
        f"probability {prediction.confidence:.1%}",
        finding,
        "found 90% of the melanomas",
        "$\\frac{1}{0}$ arm.jpg",
        *(provenance(prediction.source, small_checkpoint, WHEN)[name] for name in ("Model", "Split", "Made")),
        NOTICE,
    ):
        assert sentence in written


def test_the_page_holds_the_threshold_beside_the_answer(
    drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint
) -> None:
    assert "lv-tick" not in (without := case_page(*drawn, small_checkpoint, WHEN)).split("<main")[1]
    assert "suspicious at this threshold" not in without
    page = case_page(*drawn, small_checkpoint, WHEN, POINT)
    assert threshold_sentence(drawn[0].prediction.probabilities["MEL"], POINT) in page
    assert 'class="lv-tick" style="left:20.0%"' in page


def test_a_refused_case_says_so_and_no_threshold_lends_it_weight(
    drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, view = drawn
    refusal = replace(case.prediction, source="arm.jpg", refusal="the picture is too blurred")
    written = texts(replace(case, prediction=refusal), view, small_checkpoint, monkeypatch)
    assert "arm.jpg: the model gives no answer, because the picture is too blurred." in written
    assert "Forced answer, not valid" in written
    assert "suspicious" not in written
    assert "The model answers" not in written


@pytest.mark.heavy
@pytest.mark.parametrize(
    "traits",
    [
        {"scale": "signed", "threshold": 0.4, "layer": "features.3", "blend": "evenly"},
        {"scale": "shared across classes", "target": "BCC", "colours": "jet", "alpha": 0.0},
        {"scale": "shared across classes", "target": "MEL", "against": "BKL", "method": "hirescam"},
    ],
)
def test_every_look_of_the_view_can_be_kept(
    traits: dict[str, Any], classifier: LesionClassifier, small_checkpoint: Checkpoint
) -> None:
    assert case_sheet(*case(classifier, "arm.jpg", **traits), small_checkpoint, WHEN, "png")


def test_a_sheet_of_nothing_or_of_another_kind_is_refused(
    drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint
) -> None:
    with pytest.raises(LesionvizError, match="Open a picture first"):
        case_sheet(drawn[0], CaseView(), small_checkpoint, WHEN, "pdf")
    kind: Literal["pdf"] = "docx"  # type: ignore[assignment]
    with pytest.raises(LesionvizError, match="a pdf or a png"):
        case_sheet(*drawn, small_checkpoint, WHEN, kind)


def test_names_are_printed_in_letters_that_the_font_has() -> None:
    assert printable("Fuß\n子\u202e.jpg") == "Fuß <U+5B50> .jpg"


def test_long_names_wrap_and_end_in_an_ellipsis() -> None:
    lines = wrap("IMG_" + "0" * 300 + ".jpg", width=3, size=10, lines=3)
    assert len(lines) == 3
    assert lines[0].startswith("IMG_000")
    assert lines[-1].endswith("…")
    assert wrap("two words", width=3, size=10) == ["two words"]
    assert wrap("", width=3, size=10) == [""]


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def page(browser: Any, drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint, tmp_path: Path) -> Iterator[Any]:
    """The exported page from a file, every request but the file itself blocked, and nothing said on the console."""
    path = tmp_path / "case.html"
    path.write_text(case_page(*drawn, small_checkpoint, WHEN), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    asked: list[str] = []
    complaints: list[str] = []

    def gate(route: Any) -> None:
        url = route.request.url
        if url == path.as_uri() or url.startswith("blob:"):
            route.continue_()
        else:
            asked.append(url)
            route.abort()

    page.route("**/*", gate)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert (asked, complaints) == ([], [])


def drawing(page: Any) -> str:
    """The pixels of the overlay's map and its opacity."""
    return str(
        page.evaluate(
            "(() => { const c = document.querySelector('.lv-overlay canvas'); return c.toDataURL() + c.style.opacity; })()"
        )
    )


@pytest.mark.browser
def test_in_the_exported_page_class_layer_and_alpha_work_with_no_kernel(page: Any) -> None:
    seen = [drawing(page)]
    page.get_by_role("radio", name="BCC").check(force=True)
    seen.append(drawing(page))
    page.get_by_role("slider", name="Layer").fill("3")
    seen.append(drawing(page))
    page.get_by_role("slider", name="Alpha").fill("0.9")
    seen.append(drawing(page))
    assert len(set(seen)) == 4
    assert page.get_by_text("features.3, 12 × 12 cells").count()
    assert page.locator("html").get_attribute("lang") == "en"
    page.wait_for_function(
        "[...document.querySelectorAll('img[src]')].every((one) => one.complete && one.naturalWidth)"
    )


@pytest.mark.browser
def test_a_hostile_name_is_text_in_the_exported_page(page: Any) -> None:
    assert page.title() == f"{HOSTILE} · lesionviz"
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("b").count() == 0
    assert page.get_by_text(HOSTILE).count() >= 2


@pytest.mark.browser
def test_the_exported_page_could_not_reach_anything_if_it_tried(
    browser: Any, drawn: tuple[Case, CaseView], small_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "case.html"
    path.write_text(case_page(*drawn, small_checkpoint, WHEN), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    directives = page.evaluate(
        """async () => {
          const broken = [];
          document.addEventListener("securitypolicyviolation", (event) => broken.push(event.effectiveDirective));
          await fetch("https://example.org/").catch(() => {});
          document.body.append(Object.assign(new Image(), { src: "https://example.org/a.png" }));
          document.body.insertAdjacentHTML("beforeend", '<p onclick="document.title = 1">x</p>');
          document.body.lastElementChild.click();
          await new Promise((resolve) => setTimeout(resolve, 200));
          return broken;
        }"""
    )
    assert {"connect-src", "img-src", "script-src-attr"} <= set(directives)
    assert page.title() == f"{HOSTILE} · lesionviz"
    page.close()
