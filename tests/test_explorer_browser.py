"""The Explorer in real Chromium, in Voila and in JupyterLab, offline: what a person does, and what must not happen."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pages import PATIENCE, accessibility, go, offline_page, phone, sideways, still, theme, until
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from servers import running, running_dashboard, running_lab, write_notebook

from lesionviz.classifier import load
from lesionviz.data.strangers import strangers
from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES, DIAGNOSES, target_index
from lesionviz.explanation.methods import METHODS
from lesionviz.network import LAYERS
from lesionviz.widgets.case.answer import NOTICE

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
VOILA_THEN_LAB = pytest.mark.parametrize("kind", ["voila", pytest.param("lab", marks=pytest.mark.slow)])
"""For tests that start a server of their own: in JupyterLab behind the third door."""
ONE_PAGE_THEN_LAB = pytest.mark.parametrize(
    "place", ["voila", pytest.param("lab", marks=pytest.mark.slow)], indirect=True
)
"""For tests on the common page of what JupyterLab hardly changes: not uploads, keys, themes and what the kernel hears."""
CODE = "import lesionviz\nexplorer = lesionviz.Explorer()\nexplorer"


@dataclass
class Place:
    """One page with an Explorer, and what went over its wires to the kernel."""

    kind: str
    page: Page
    sent: list[Any] = field(default_factory=list)

    def open(self, address: str) -> None:
        self.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: self.sent.append(frame)))
        go(self.page, self.kind, address)
        expect(self.page.get_by_text("Choose images")).to_be_visible()
        expect(self.page.get_by_text("Model ready")).to_be_visible()


@pytest.fixture(scope="module", params=["voila", "lab"])
def place(
    request: pytest.FixtureRequest, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "voila":
        server = running_dashboard([Path(sys.executable).with_name("lesionviz")], folder)
    else:
        check = (
            "print([explorer.target, explorer.layer, round(explorer.alpha, 2), "
            "explorer.explanation and explorer.explanation.target])"
        )
        server = running_lab(write_notebook(folder / "explorer.ipynb", CODE, check))
    with server as (address, _), offline_page(browser, address) as page:
        place = Place(request.param, page)
        place.open(address)
        yield place


@pytest.fixture
def page(place: Place) -> Page:
    """The page as a person finds it, whatever an earlier test did: wide, light, nothing chosen."""
    page = place.page
    page.set_viewport_size({"width": 1400, "height": 1000})
    theme(page, dark=False)
    tab = page.get_by_role("tab", name="Explore", exact=True)
    if tab.get_attribute("aria-selected") != "true":
        tab.click()
    side_by_side = case(page).get_by_label("Side by side")
    if side_by_side.is_visible():
        side_by_side.check()
    return page


def home(page: Page) -> Locator:
    return page.locator(".lv-explorer")


def case(page: Page) -> Locator:
    """The Explorer's own case view; other tabs have one, too."""
    return page.locator(".lv-explore .lv-case")


def upload(page: Page, *paths: Path) -> str:
    """Choose files; give the name under which the page knows this choice, and no other."""
    page.locator(".lv-picker input[type=file]").set_input_files([*paths])
    return chosen(page)


def chosen(page: Page) -> str:
    """The page's name for the choice of a picture that it speaks of."""
    request = page.locator(".lv-status").get_attribute("data-request")
    assert request
    return request


def settled(page: Page, request: str, *kinds: str) -> str:
    """Wait until this very choice has come to an end, one of ``kinds`` where some are given; give it."""
    status = page.locator(f'.lv-status[data-request="{request}"]')
    ends = "|".join(kinds or ("answered", "refused", "failed"))
    expect(status).to_have_attribute("data-state", re.compile(f"^({ends})$"))
    expect(page.locator(".lv-outcome")).to_have_attribute("aria-busy", "false")
    return status.get_attribute("data-state") or ""


def answered(page: Page, request: str) -> None:
    """Wait for the answer of this choice, and insist on it where the model gives none by itself."""
    if settled(page, request, "answered", "refused") == "refused":
        page.get_by_role("button", name="Show the answer anyway").click()
        settled(page, request, "answered")


def upside_down(photo: Path, path: Path) -> Path:
    """Write another picture of the same lesion."""
    with Image.open(photo) as opened:
        opened.transpose(Image.Transpose.ROTATE_180).save(path)
    return path


def heading(page: Page) -> Locator:
    return page.locator(".lv-explore .lv-answer h2")


def shown(page: Page, name: str) -> None:
    """Wait until the sharp picture and all maps of a file whose answer is on view are there."""
    expect(page.locator(".lv-explore .lv-answer .lv-source")).to_have_text(name)
    page.wait_for_function(
        """() => [...document.querySelectorAll('.lv-explore .lv-view img[src]')].every(i => i.complete && i.naturalWidth)
            && !document.querySelector('.lv-explore .lv-original img').style.left"""  # what the network saw has made way
    )


def example(page: Page, photo: Path) -> None:
    """Show a photograph, insisting where it is a drawn one, and choose class, layer and alpha afresh."""
    answered(page, upload(page, photo))
    shown(page, photo.name)
    explain(page, "")
    choose_layer(page, "features.8")
    case(page).get_by_label("Alpha", exact=True).fill("0.5")
    case(page).get_by_label("Threshold", exact=True).fill("0")


def explain(page: Page, code: str) -> None:
    case(page).locator(f'input[type=radio][value="{code}"]').check()


def choose_layer(page: Page, layer: str) -> None:
    case(page).get_by_label("Layer", exact=True).fill(str(LAYERS.index(layer)))
    expect(case(page).locator(".lv-without-map")).to_have_count(0)


def stage(page: Page, name: str) -> Locator:
    return case(page).locator(f".lv-stage.lv-{name}")


def pixels(locator: Locator) -> np.ndarray:
    with Image.open(io.BytesIO(locator.screenshot())) as picture:
        return np.asarray(picture.convert("RGB"), float)


def differ(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).mean() > 1)


def name_of(code: str) -> str:
    return DIAGNOSES[target_index(code)].name


def test_upload_read_the_diagnosis_then_change_class_layer_and_alpha(page: Page, photo: Path) -> None:
    prediction = load().predict(photo)
    expect(page.locator(".lv-notice-box").get_by_text(NOTICE)).to_be_in_viewport()
    example(page, photo)
    expect(heading(page)).to_contain_text(name_of(prediction.diagnosis).capitalize())
    for code, probability in prediction.probabilities.items():
        bar = page.locator(".lv-explore .lv-answer").get_by_role("row", name=re.compile(f"^{code} "))
        expect(bar).to_contain_text(f"{probability:.1%}")
    heat = page.get_by_role("img", name=f"Grad-CAM evidence for {name_of(prediction.diagnosis)} at features.8")
    expect(heat).to_be_visible()
    first = pixels(stage(page, "overlay"))
    other = next(code for code in CODES if code != prediction.diagnosis)
    explain(page, other)
    expect(page.get_by_role("img", name=f"evidence for {name_of(other)} at features.8")).to_be_visible()
    after_class = pixels(stage(page, "overlay"))
    assert differ(after_class, first)
    choose_layer(page, "features.3")
    expect(page.get_by_role("img", name=f"evidence for {name_of(other)} at features.3")).to_be_visible()
    after_layer = pixels(stage(page, "overlay"))
    assert differ(after_layer, after_class)
    case(page).get_by_label("Alpha", exact=True).fill("1")
    assert differ(pixels(stage(page, "overlay")), after_layer)
    expect(case(page).locator(".lv-blend output").first).to_have_text("100%")


def test_nothing_that_is_turned_sends_a_kernel_message(page: Page, place: Place, photo: Path) -> None:
    example(page, photo)
    choose_layer(page, "features.0")  # the maps are all here
    before = len(place.sent)
    assert before > 0  # the upload itself was seen to travel
    first = pixels(stage(page, "heatmap"))
    for name, values in (("Alpha", 25), ("Threshold", 25)):
        slider = case(page).get_by_label(name, exact=True)
        slider.focus()
        for _ in range(values):
            slider.press("ArrowRight")
    expect(case(page).locator(".lv-blend output")).to_have_text(["75%", "hides below 25%"])
    assert differ(pixels(stage(page, "heatmap")), first)
    for code in CODES:
        explain(page, code)
    for layer in LAYERS:
        choose_layer(page, layer)
    case(page).get_by_text("More ways to look").click()
    case(page).get_by_label("Scale").select_option(label="for and against")
    case(page).get_by_label("Colours").select_option("inferno")
    case(page).get_by_label("Scale").select_option(label="for this map alone")
    case(page).get_by_label("Colours").select_option("viridis")
    case(page).get_by_text("More ways to look").click()
    case(page).get_by_role("button", name="Zoom in").click()
    stage(page, "original").hover()
    case(page).get_by_role("button", name="Whole picture").click()
    still(page)
    assert len(place.sent) == before
    page.get_by_role("tab", name="Explore", exact=True).focus()  # the focus leaves, and everything is handed over,
    until(page, lambda: len(place.sent) > before)
    assert len(place.sent) == before + 1  # before which nothing else had been on its way


def test_what_was_turned_is_handed_over_when_the_focus_leaves(page: Page, place: Place, photo: Path) -> None:
    example(page, photo)
    explain(page, "BKL")
    choose_layer(page, "features.4")
    case(page).get_by_label("Alpha", exact=True).fill("0.25")
    before = len(place.sent)
    if place.kind == "voila":
        page.get_by_role("tab", name="Explore", exact=True).focus()
        until(page, lambda: len(place.sent) > before)
        assert len(place.sent) == before + 1
        return
    page.locator(".jp-CodeCell .cm-content").nth(1).click()
    # JupyterLab hands what a widget tells to a thread of the kernel (a subshell), which a cell run in the same instant may
    # overtake; a person is slower than that.
    said = page.get_by_text("['BKL', 'features.4', 0.25, 'BKL']")
    for _ in range(20):
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(500)
        if said.is_visible():
            break
    expect(said).to_be_visible()


@ONE_PAGE_THEN_LAB
def test_alpha_zero_shows_the_photo_alone(page: Page, photo: Path) -> None:
    example(page, photo)
    case(page).get_by_label("Alpha", exact=True).fill("0")
    page.mouse.move(5, 5)
    alone = pixels(stage(page, "overlay"))[9:-9, 9:-9]  # round corners are smoothed anew each time
    style = page.add_style_tag(content=".lv-veil { display: none !important; }")
    # The browser composes fewer layers now, which may round otherwise by a grey level or two.
    assert np.abs(alone - pixels(stage(page, "overlay"))[9:-9, 9:-9]).max() <= 2
    style.evaluate("node => node.remove()")


def test_the_whole_view_works_by_keyboard(page: Page, photo: Path) -> None:
    example(page, photo)
    explain(page, "BCC")
    figures = page.get_by_role("group", name=re.compile("^Pictures of the case"))
    figures.focus()
    spoken = case(page).locator("[role=status]")
    page.keyboard.press("ArrowRight")
    expect(spoken).to_contain_text("benign keratosis, features.8")
    page.keyboard.press("ArrowDown")
    expect(spoken).to_contain_text("benign keratosis, features.7")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(spoken).to_contain_text("basal cell carcinoma, features.8")
    page.keyboard.press("]")
    expect(case(page).locator(".lv-blend output").first).to_have_text("55%")
    page.keyboard.press("[")
    page.keyboard.press("[")
    expect(case(page).locator(".lv-blend output").first).to_have_text("45%")
    page.keyboard.press("+")
    expect(case(page).locator(".lv-zoom-value")).to_have_text("150%")
    page.keyboard.press("0")
    expect(case(page).locator(".lv-zoom-value")).to_have_text("100%")


def test_zoom_and_pan_move_all_pictures_together(page: Page, photo: Path) -> None:
    example(page, photo)
    stage(page, "original").hover(position={"x": 30, "y": 30})  # wherever the page has been scrolled to
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    expect(case(page).locator(".lv-zoom-value")).not_to_have_text("100%")
    box = stage(page, "original").bounding_box()
    assert box
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 50, steps=4)
    page.mouse.up()
    moved = case(page).locator(".lv-world").evaluate_all("nodes => nodes.map(node => node.style.transform)")
    assert len(moved) == 9
    assert len(set(moved)) == 1
    assert "scale(1)" not in moved[0]
    case(page).get_by_role("button", name="Whole picture").click()


@ONE_PAGE_THEN_LAB
def test_the_pointer_reads_the_evidence_that_python_computes(page: Page, photo: Path) -> None:
    example(page, photo)
    explain(page, "NV")
    explanation = load().explain(photo, "NV", "features.8")
    left, top, right, bottom = explanation.box
    width, height = explanation.image.pixels.size
    cells = len(explanation.raw)
    row, column = cells - 1, 0
    u = (left + (column + 0.5) / cells * (right - left)) / width
    v = (top + (row + 0.5) / cells * (bottom - top)) / height
    box = stage(page, "heatmap").bounding_box()
    assert box
    stage(page, "heatmap").hover(position={"x": u * box["width"], "y": v * box["height"]})
    expect(case(page).locator(".lv-reading")).to_have_text(re.compile("^Here"))
    said = case(page).locator(".lv-reading").inner_text()
    found = re.match(r"Here ([−\d.e-]+)", said)
    assert found, said
    value = float(found[1].replace("−", "-"))
    assert value == pytest.approx(float(explanation.raw[row, column]), rel=0.15, abs=0.01)
    assert ("against" if value < 0 else "for melanocytic nevus") in said


@ONE_PAGE_THEN_LAB
def test_swipe_shows_one_large_picture_with_a_divider(page: Page, photo: Path) -> None:
    example(page, photo)
    small = stage(page, "overlay").bounding_box()
    case(page).get_by_label("Swipe").check()
    large = stage(page, "overlay").bounding_box()
    assert small
    assert large
    assert large["width"] > 1.5 * small["width"]
    case(page).get_by_label("Alpha", exact=True).fill("1")
    case(page).get_by_label("Divider").fill("1")
    bare = pixels(stage(page, "overlay"))
    case(page).get_by_label("Divider").fill("0.5")
    half = pixels(stage(page, "overlay"))
    middle = half.shape[1] // 2
    assert np.array_equal(bare[9:-9, 9 : middle - 20], half[9:-9, 9 : middle - 20])
    assert np.abs(bare[:, middle + 20 :] - half[:, middle + 20 :]).max() > 20
    case(page).get_by_label("Side by side").check()


@ONE_PAGE_THEN_LAB
def test_the_view_is_saved_as_a_png(page: Page, photo: Path, tmp_path: Path) -> None:
    example(page, photo)
    with page.expect_download() as waiting:
        case(page).get_by_role("button", name="Save as PNG").click()
    assert waiting.value.suggested_filename.endswith("features.8.png")
    waiting.value.save_as(tmp_path / "view.png")
    with Image.open(tmp_path / "view.png") as saved, Image.open(photo) as original:
        assert saved.width > 3 * original.width
        first = saved.convert("RGB").resize((saved.width, saved.height))
        gap = round(original.width / 40)
        part = np.asarray(first.crop((gap, gap, gap + original.width, gap + original.height)), float)
    assert np.abs(part - np.asarray(Image.open(photo).convert("RGB"), float)).mean() < 4  # JPEG once more


@pytest.mark.parametrize(
    ("label", "begins"), [("Web page", b"<!doctype html>"), ("PDF", b"%PDF"), ("Picture", b"\x89PNG")]
)
@ONE_PAGE_THEN_LAB
def test_a_case_is_kept_as_a_file(page: Page, photo: Path, tmp_path: Path, label: str, begins: bytes) -> None:
    example(page, photo)
    said = page.locator(".lv-downloads [role=status]")
    expect(said).to_be_empty()  # whatever was said of an earlier case
    with page.expect_download() as waiting:
        page.locator(".lv-downloads").get_by_role("button", name=label).click()
    waiting.value.save_as(tmp_path / "file")
    assert (tmp_path / "file").read_bytes().startswith(begins)
    expect(said).to_contain_text("is saved")


@ONE_PAGE_THEN_LAB
def test_a_corrupt_file_clears_the_old_result_and_says_why(page: Page, photo: Path, tmp_path: Path) -> None:
    example(page, photo)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:3000])
    settled(page, upload(page, broken), "failed")
    expect(page.get_by_role("alert").filter(has_text="broken.jpg is damaged")).to_be_visible()
    expect(heading(page)).to_have_count(0)
    expect(stage(page, "overlay")).to_be_hidden()
    example(page, photo)


def test_a_file_larger_than_one_message_may_be_arrives_whole(page: Page, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2200, 2200, 3), np.uint8)
    path = tmp_path / "large.bmp"
    Image.fromarray(noise).save(path)
    assert path.stat().st_size > 13 * 2**20  # the connection would break at 10 MiB in one message
    settled(page, upload(page, path), "refused")  # noise gets no diagnosis, but it came through
    expect(page.get_by_text("large.bmp: the model gives no answer")).to_be_visible()


@ONE_PAGE_THEN_LAB
def test_a_file_above_the_limit_is_held_back_with_a_choice(
    page: Page, place: Place, photo: Path, tmp_path: Path
) -> None:
    example(page, photo)
    path = tmp_path / "scan.bmp"
    Image.new("RGB", (5200, 4600), (190, 140, 120)).save(path)
    assert path.stat().st_size > 64 * 2**20
    sent = len(place.sent)
    settled(page, upload(page, path), "held")
    question = page.get_by_role("alertdialog", name="This file is too large to send")
    expect(question).to_contain_text("scan.bmp is 68 MiB; the limit is 64 MiB")
    expect(heading(page)).to_have_count(0)  # the old result does not stand beside a new file's name
    assert len(place.sent) < sent + 10
    held = chosen(page)
    question.get_by_role("button", name="Send a smaller copy").click()
    page.wait_for_function("held => document.querySelector('.lv-status').dataset.request !== held", arg=held)
    settled(page, chosen(page), "refused")
    expect(page.get_by_text(re.compile("scan.jpg: the model gives no answer"))).to_be_visible()
    broken = tmp_path / "scan.tif"
    with broken.open("wb") as file:
        file.truncate(65 * 2**20)
    upload(page, broken)
    question.get_by_role("button", name="Send a smaller copy").click()
    expect(question).to_contain_text("cannot be decoded by this browser")
    question.get_by_role("button", name="Do not send").click()
    expect(question).to_be_hidden()
    example(page, photo)


@ONE_PAGE_THEN_LAB
def test_a_picture_with_too_many_pixels_is_offered_smaller_by_the_same_door(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "phone.png"
    Image.new("RGBA", (8300, 6200), (190, 140, 120, 0)).save(path, compress_level=1)
    question = page.get_by_role("alertdialog", name="This picture has too many pixels")
    held = upload(page, path)
    settled(page, held, "failed")
    expect(page.locator(".lv-status")).to_contain_text("phone.png has 8300 × 6200 pixels")
    question.get_by_role("button", name="Send a smaller copy").click()
    page.wait_for_function("held => document.querySelector('.lv-status').dataset.request !== held", arg=held)
    expect(question).to_be_hidden()
    settled(page, chosen(page), "refused")
    expect(page.get_by_text(re.compile("phone.jpg: the model gives no answer"))).to_be_visible()
    shown = page.locator(".lv-status img")
    pixel = shown.evaluate(
        """image => {
            const pen = new OffscreenCanvas(1, 1).getContext("2d");
            pen.drawImage(image, 0, 0, 1, 1);
            return [...pen.getImageData(0, 0, 1, 1).data];
        }"""
    )
    assert min(pixel) > 250  # what was transparent is white


@ONE_PAGE_THEN_LAB
def test_of_a_picture_with_too_many_pixels_that_the_browser_cannot_reduce_it_is_said_what_to_do(
    page: Page, tmp_path: Path
) -> None:
    path = tmp_path / "scan.tif"
    Image.new("L", (8300, 6200), 140).save(path, compression="packbits")
    question = page.get_by_role("alertdialog", name="This picture has too many pixels")
    settled(page, upload(page, path), "failed")
    expect(question).to_contain_text("scan.tif cannot be decoded by this browser")
    expect(question).to_contain_text("Save it as a JPEG and choose that.")
    expect(question.get_by_role("button", name="Send a smaller copy")).to_have_count(0)
    question.get_by_role("button", name="Do not send").click()
    expect(question).to_be_hidden()
    expect(page.get_by_role("button", name="Take scan.tif out")).to_have_count(0)


@ONE_PAGE_THEN_LAB
def test_of_two_uploads_in_quick_succession_the_last_one_wins(page: Page, photo: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.png"
    with Image.open(photo) as opened:
        opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(second)
    first = upload(page, photo)
    last = upload(page, second)
    assert first != last
    answered(page, last)
    shown(page, "second.png")
    open_tab(page, "Compare")  # which Python opens, after whatever it had to say before
    page.get_by_role("tab", name="Explore", exact=True).click()
    expect(heading(page)).to_be_visible()
    assert chosen(page) == last
    shown(page, "second.png")


@ONE_PAGE_THEN_LAB
def test_several_files_make_a_filmstrip_to_go_back_in(page: Page, photo: Path, tmp_path: Path) -> None:
    turned = upside_down(photo, tmp_path / "turned.png")
    settled(page, upload(page, photo, turned))
    strip = page.get_by_role("group", name="Your pictures")
    last = strip.locator(".lv-film-one").nth(-1)
    expect(strip.locator("[aria-current=true]")).to_contain_text(photo.name)
    expect(strip.locator(".lv-film-one").nth(-2).locator(".lv-film-words")).not_to_be_empty()
    last.locator(".lv-film-open").click()
    answered(page, chosen(page))
    expect(strip.locator("[aria-current=true]")).to_contain_text("turned.png")
    expect(last.locator(".lv-film-words")).not_to_be_empty()
    shown(page, "turned.png")


@ONE_PAGE_THEN_LAB
def test_a_picture_is_taken_out_and_its_neighbour_takes_its_place(page: Page, photo: Path, tmp_path: Path) -> None:
    turned = upside_down(photo, tmp_path / "neighbour.png")
    first = upload(page, photo, turned)
    settled(page, first)
    strip = page.get_by_role("group", name="Your pictures")
    expect(strip.locator("[aria-current=true]")).to_contain_text(photo.name)
    films = strip.locator(".lv-film-one")
    expect(films.last).to_contain_text("neighbour.png")
    before = films.count()
    films.nth(-2).get_by_role("button", name=f"Take {photo.name} out").click()
    neighbour = chosen(page)
    assert neighbour != first
    expect(films).to_have_count(before - 1)
    answered(page, neighbour)
    while films.count() > 1:  # out of view, nothing on view changes
        films.first.get_by_role("button", name=re.compile("out$")).click()
    expect(strip).to_be_hidden()
    assert chosen(page) == neighbour
    shown(page, "neighbour.png")


def test_files_can_be_dropped_and_pasted(page: Page, photo: Path) -> None:
    make = """async (node, [name, bytes, kind]) => {
        const file = new File([Uint8Array.from(bytes)], name, {type: "image/jpeg"});
        const transfer = new DataTransfer();
        transfer.items.add(file);
        if (kind === "paste") {
            document.activeElement?.blur();
            const event = new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true});
            document.body.dispatchEvent(event);
        } else {
            node.dispatchEvent(new DragEvent("dragover", {dataTransfer: transfer, bubbles: true, cancelable: true}));
            node.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }
    }"""
    data = list(photo.read_bytes())
    for kind in ("drop", "paste"):
        before = page.locator(".lv-status").get_attribute("data-request")
        page.locator(".lv-picker-zone").evaluate(make, [f"{kind}.jpg", data, kind])
        # A drop is read with the file system's help, so it is told a little later than it happened.
        page.wait_for_function(
            "before => document.querySelector('.lv-status').dataset.request !== before", arg=before
        )
        answered(page, chosen(page))
        shown(page, f"{kind}.jpg")


@ONE_PAGE_THEN_LAB
def test_a_sample_is_one_click_away_and_named_synthetic(page: Page) -> None:
    page.get_by_role("button", name="Try the synthetic melanoma").click()
    settled(page, chosen(page), "answered")
    shown(page, "synthetic melanoma")


@ONE_PAGE_THEN_LAB
def test_a_picture_of_something_else_gets_no_diagnosis_until_the_person_insists(page: Page, tmp_path: Path) -> None:
    strangers(1)["screenshots"][0].save(tmp_path / "screen.png")
    anyway = page.get_by_role("button", name="Show the answer anyway")
    screen = upload(page, tmp_path / "screen.png")
    settled(page, screen, "refused")
    expect(page.get_by_text("screen.png: the model gives no answer, because the picture")).to_be_visible()
    expect(heading(page)).to_be_hidden()
    anyway.click()
    settled(page, screen, "answered")
    expect(heading(page)).to_be_visible()
    expect(page.get_by_text("Do not rely on this answer")).to_be_visible()
    expect(anyway).to_be_hidden()
    expect(page.get_by_text("Forced answer, not valid")).to_be_visible()
    page.get_by_label("Threshold for melanoma").select_option(label="find 90% of melanomas")
    expect(page.get_by_text("suspicious at this threshold")).to_have_count(0)  # nothing lends weight to it
    page.get_by_label("Threshold for melanoma").select_option(label="off")


@ONE_PAGE_THEN_LAB
def test_a_threshold_is_held_against_a_photograph(page: Page, photo: Path) -> None:
    if load().predict(photo).refusal:
        pytest.skip("needs a real photograph: drawn ones get no answer")
    example(page, photo)
    page.get_by_label("Threshold for melanoma").select_option(label="find 90% of melanomas")
    expect(page.get_by_text(re.compile("alled suspicious at this threshold: melanoma"))).to_be_visible()
    expect(page.locator(".lv-explore .lv-tick")).to_be_visible()
    page.get_by_label("Threshold for melanoma").select_option(label="off")


@ONE_PAGE_THEN_LAB
def test_why_this_and_not_that_is_a_map_of_its_own(page: Page, photo: Path) -> None:
    example(page, photo)
    answer = load().predict(photo).diagnosis  # for which there is evidence, whatever the picture
    other = next(code for code in reversed(CODES) if code != answer)
    explain(page, answer)
    alone = pixels(stage(page, "heatmap"))
    case(page).get_by_label("and not").select_option(label=name_of(other))
    said = re.compile(f"{name_of(answer)} and not {name_of(other)}")
    expect(stage(page, "heatmap")).to_have_attribute("aria-label", said)
    assert differ(pixels(stage(page, "heatmap")), alone)


def open_tab(page: Page, name: str) -> Locator:
    """Open a tab and give the part of the page that it shows."""
    page.get_by_role("tab", name=name, exact=True).click()
    part = page.locator(
        {"Explore": ".lv-explore", "Compare": ".lv-compare", "Batch": ".lv-batch", "Quiz": ".lv-quiz-box"}[name]
    )
    expect(part).to_be_visible()
    return part


@ONE_PAGE_THEN_LAB
def test_a_brush_changes_a_copy_by_mouse_by_keys_and_by_finger_and_undo_takes_it_back(
    page: Page, photo: Path
) -> None:
    example(page, photo)
    answer = heading(page).inner_text()
    part = page.get_by_role("region", name="What if?")
    ground, caption = part.get_by_role("application"), part.locator(".lv-brush-changed figcaption")
    undo, redo = part.get_by_role("button", name="Undo"), part.get_by_role("button", name="Redo")
    words, table = part.locator(".lv-brush-words"), part.get_by_role("table")

    def changes(count: str) -> None:
        """Wait until so many changes are in the picture, and answered."""
        expect(caption).to_contain_text(f"Changed picture: {count}")
        expect(table).to_have_attribute("aria-busy", "false")

    def differs() -> bool:
        """Whether the two pictures on view do."""
        differ: bool = part.evaluate(
            """async (part) => {
                const pixels = [...part.querySelectorAll(".lv-brush-pictures img")].map(async (image) => {
                    await image.decode();
                    const pen = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
                    pen.drawImage(image, 0, 0);
                    return String(pen.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data);
                });
                const [before, now] = await Promise.all(pixels);
                return before !== now;
            }"""
        )
        return differ

    changes("nothing is changed yet")
    expect(undo).to_be_disabled()
    expect(part.get_by_role("img", name="What the network saw")).to_have_attribute("src", re.compile("^blob:"))
    assert not differs()
    ground.scroll_into_view_if_needed()
    box = ground.bounding_box()
    assert box
    x, y, side = box["x"], box["y"], box["width"]
    page.mouse.move(x + 0.3 * side, y + 0.4 * side)
    page.mouse.down()
    page.mouse.move(x + 0.7 * side, y + 0.6 * side, steps=8)
    page.mouse.up()
    changes("1 change")
    assert differs()
    expect(words).to_have_text(re.compile(r"^The answer (stays|changes from) .+\bnow\b"))
    by_mouse = words.inner_text()

    part.get_by_role("radio", name="Ink").check()
    ground.focus()
    size = part.get_by_role("slider", name="Size")
    width = float(size.input_value())
    for key in ("]", "]", "ArrowRight", "Shift+ArrowUp", "Space"):
        page.keyboard.press(key)
    assert float(size.input_value()) == pytest.approx(width + 0.04)
    changes("2 changes")
    page.keyboard.press("Control+z")
    changes("1 change,")
    expect(words).to_have_text(by_mouse)
    page.keyboard.press("Control+Shift+Z")
    changes("2 changes")

    part.get_by_role("radio", name="Paint out").check()
    ground.focus()
    for key in ("Space", "ArrowDown", "ArrowDown", "Escape"):  # let go
        page.keyboard.press(key)
    expect(ground).to_be_focused()
    for key in ("Space", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    changes("3 changes")
    page.keyboard.press("Escape")
    expect(part.get_by_role("radio", name="Paint out")).to_be_focused()

    for dark in (True, False):
        theme(page, dark)
        still(page)
        assert accessibility(page, ".lv-check-wide") == ""
    with phone(page):
        assert sideways(page, ".lv-explorer") == []
        ground.evaluate("node => node.scrollIntoView({block: 'center'})")
        box = ground.bounding_box()
        assert box
        finger = page.context.new_cdp_session(page)
        for kind, share in (("touchStart", 0.3), ("touchMove", 0.5), ("touchMove", 0.7), ("touchEnd", None)):
            points = (
                [] if share is None else [{"x": box["x"] + 0.5 * box["width"], "y": box["y"] + share * box["height"]}]
            )
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        changes("4 changes")
        finger.detach()
        undo.click()
        changes("3 changes")

    part.get_by_role("button", name="Start over").click()
    changes("nothing is changed yet")
    expect(redo).to_be_enabled()
    assert not differs()
    assert heading(page).inner_text() == answer


@ONE_PAGE_THEN_LAB
def test_comparisons_of_the_case_on_view_and_with_another_picture(page: Page, photo: Path, tmp_path: Path) -> None:
    turned = upside_down(photo, tmp_path / "turned.png")
    example(page, photo)
    part = open_tab(page, "Compare")
    for what, tiles in (("Classes", 4), ("Layers", 9), ("Methods", len(METHODS)), ("Why not another", 3)):
        part.get_by_role("radio", name=what, exact=True).check()
        expect(part.locator(".lv-tile:visible")).to_have_count(tiles)
        expect(part.locator(".lv-waiting")).to_be_empty()
    page.get_by_role("tab", name="Explore", exact=True).click()
    answered(page, upload(page, turned))
    strip = page.get_by_role("group", name="Your pictures")
    expect(strip.locator("[aria-current=true]")).to_contain_text("turned.png")
    strip.get_by_role("button", name=f"Compare with {photo.name}").last.click()
    expect(part).to_be_visible()
    if not load().predict(photo).refusal:  # drawn pictures are not put beside others
        expect(part.locator(".lv-tile:visible")).to_have_count(2)


@ONE_PAGE_THEN_LAB
def test_a_batch_is_listed_saved_as_csv_and_opened_one_by_one(page: Page, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:3000])
    part = open_tab(page, "Batch")
    part.locator("input[type=file]").first.set_input_files([photo, tmp_path / "broken.jpg"])
    expect(part.get_by_text("2 files", exact=True)).to_be_visible()
    expect(part.locator("tbody tr", has_text="broken.jpg")).to_contain_text("is damaged")
    with page.expect_download() as waiting:
        part.get_by_role("button", name="CSV").click()
    waiting.value.save_as(tmp_path / "batch.csv")
    with (tmp_path / "batch.csv").open(newline="", encoding="utf-8-sig") as file:
        files = [row["file"] for row in csv.DictReader(file)]
    assert sorted(files) == sorted([photo.name, "broken.jpg"])
    part.get_by_role("button", name=photo.name).first.click()
    expect(page.locator(".lv-explore")).to_be_visible()  # which Python opens when the last picture is gone from it
    answered(page, chosen(page))
    shown(page, photo.name)
    part = open_tab(page, "Batch")
    part.get_by_role("button", name="Clear").click()


@ONE_PAGE_THEN_LAB
def test_a_quiz_hides_the_answer_until_the_learner_commits(page: Page) -> None:
    part = open_tab(page, "Quiz")
    part.get_by_role("button", name="Start the quiz").click()
    title = part.get_by_role("heading", level=2).first
    expect(title).to_have_text(re.compile(r"Case 1 of \d+: what is it\?"))
    page.keyboard.press("3")
    expect(part.get_by_role("radio", name="Melanoma MEL")).to_be_checked()
    page.keyboard.press("Enter")
    expect(title).to_have_text(re.compile("ight: "))
    expect(part.get_by_text("Truth", exact=True)).to_be_visible()
    page.keyboard.press("n")
    expect(title).to_have_text(re.compile("Case 2 of"))
    part.get_by_role("button", name="End the round here").click()
    expect(part.get_by_role("table").first).to_be_visible()
    part.get_by_role("button", name="Start again").click()
    expect(part.get_by_role("button", name="Start the quiz")).to_be_visible()


def test_a_narrow_phone_shows_everything_without_sideways_scrolling(page: Page, photo: Path) -> None:
    example(page, photo)
    with phone(page):
        for tab in ("Explore", "Compare", "Batch", "Quiz"):
            open_tab(page, tab)
            still(page)
            assert sideways(page, ".lv-explorer") == [], tab
        open_tab(page, "Explore")
        case(page).get_by_label("Alpha", exact=True).scroll_into_view_if_needed()
        expect(page.locator(".lv-notice-box").get_by_text(NOTICE)).to_be_in_viewport()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_any_state(page: Page, photo: Path, tmp_path: Path, dark: bool) -> None:
    theme(page, dark)
    found: dict[str, str] = {}

    def look(state: str) -> None:
        still(page)
        if report := accessibility(page, ".lv-explorer"):
            found[state] = report

    example(page, photo)
    case(page).get_by_text("More ways to look").click()
    look("result")
    case(page).get_by_text("More ways to look").click()
    strangers(1)["screenshots"][0].save(tmp_path / "screen.png")
    settled(page, upload(page, tmp_path / "screen.png"), "refused")
    look("refused")
    (tmp_path / "text.jpg").write_text("no picture")
    settled(page, upload(page, tmp_path / "text.jpg"), "failed")
    look("error")
    for tab in ("Compare", "Batch", "Quiz"):
        open_tab(page, tab)
        look(tab)
    assert not found, "\n".join(f"{state}: {report}" for state, report in found.items())


@ONE_PAGE_THEN_LAB
def test_checks_of_an_answer_are_started_and_read_by_keyboard(page: Page, photo: Path) -> None:
    example(page, photo)
    checks = page.locator(".lv-checks")
    sets = checks.get_by_role("region", name="Which diagnoses are left?")
    share = sets.get_by_label("Right sets")
    share.focus()
    share.press("End")
    expect(sets).to_contain_text("hold the right diagnosis in about 99.")
    share.press("Home")
    expect(sets).to_contain_text("hold the right diagnosis in 80 or more.")
    steady = checks.get_by_role("region", name="Does it hold still?")
    steady.get_by_role("button", name="Try all of them").press("Space")
    expect(steady.get_by_role("radio")).to_have_count(23)
    expect(steady.locator(".lv-check-badge")).to_have_text(re.compile(r"^\d+ of 23 keep it$"))
    worst, other = steady.get_by_role("radio", checked=True), steady.locator("figcaption").nth(1)
    caption = other.inner_text()
    worst.focus()
    page.keyboard.press("ArrowRight")
    expect(other).not_to_have_text(caption)
    expect(steady.get_by_role("img", name="The same, ")).to_be_visible()
    steady.get_by_role("button", name="Show the worst").press("Space")
    expect(other).to_have_text(caption)
    points = checks.get_by_role("region", name="Does the pointing matter?")
    points.get_by_role("button", name="Take it away").press("Space")
    expect(points).to_contain_text("Checked: Grad-CAM at features.8 for")
    expect(points.locator(".lv-check-badge")).to_be_visible()
    another = points.get_by_text("The map on view is another one by now")
    expect(another).to_be_hidden()
    choose_layer(page, "features.5")
    points.get_by_role("button", name="Take it away").focus()
    expect(another).to_be_visible()
    for dark in (False, True):
        theme(page, dark)
        still(page)
        assert accessibility(page, ".lv-checks") == ""
    with phone(page):
        assert sideways(page, ".lv-explorer") == []
    checks.get_by_role("navigation").get_by_role("button", name="What if?").press("Enter")
    expect(checks.get_by_role("region", name="What if?")).to_be_focused()
    expect(checks.get_by_role("heading", name="What if?")).to_be_in_viewport()
    fold = checks.get_by_role("button", name="Can I trust this answer?")
    expect(fold).to_have_attribute("aria-expanded", "true")
    fold.press("Space")
    expect(sets).to_be_hidden()
    fold.press("Space")
    expect(sets).to_be_visible()
    choose_layer(page, "features.8")


@VOILA_THEN_LAB
def test_while_the_model_loads_the_page_is_there_and_an_upload_waits(
    kind: str, browser: Browser, tmp_path: Path, photo: Path
) -> None:
    go_on = tmp_path / "go on"
    slow = (
        "import time, pathlib, lesionviz, lesionviz.classifier as c\nload = c.load\ndef slowly(path=None):\n"
        f"    while not pathlib.Path({str(go_on)!r}).exists():\n        time.sleep(0.02)\n"
        "    return load(path)\nc.load = slowly\nlesionviz.Explorer()"
    )
    notebook = write_notebook(tmp_path / "slow.ipynb", slow)
    with running(kind, notebook) as (address, _), offline_page(browser, address) as page:
        go(page, kind, address)
        expect(page.get_by_text("Loading the model")).to_be_visible()
        request = upload(page, photo)
        expect(page.get_by_text("The model is still being loaded")).to_be_visible()
        expect(page.locator(".lv-outcome")).to_have_attribute("aria-busy", "true")
        go_on.touch()
        settled(page, request, "answered", "refused")


SLOW = """
import time
import lesionviz
from lesionviz.classifier import LesionClassifier, load

class Slow(LesionClassifier):
    "Slow enough for a person to look at the wrong thing."
    def examine(self, image):
        time.sleep(1)
        return super().examine(image)

lesionviz.Explorer(Slow(load().checkpoint))
"""
WATCH = """() => {
    const visible = (part) => [...document.querySelectorAll(".lv-explore " + part)].some((e) => e.getClientRects().length);
    window.seen = [];
    const look = () => {
        const { state, request } = document.querySelector(".lv-status").dataset;
        const busy = document.querySelector(".lv-outcome").getAttribute("aria-busy");
        const words = document.querySelector(".lv-status").innerText;
        const answer = visible(".lv-answer") ? document.querySelector(".lv-explore .lv-answer").innerText : "";
        const parts = [".lv-answer", ".lv-view", ".lv-insist", ".lv-downloads", ".lv-status img"].filter(visible);
        seen.push({ state, request, busy, words, answer, parts });
        requestAnimationFrame(look);
    };
    look();
}"""


@pytest.mark.slow
def test_of_two_files_of_one_name_nothing_of_the_first_stands_beside_the_second(
    browser: Browser, tmp_path: Path
) -> None:
    for folder, picture in (
        ("answered", draw_lesion("BCC", 4, (320, 240))),
        ("other", draw_lesion("NV", 3, (320, 240))),
        ("refused", strangers(1)["screenshots"][0]),
        ("refused too", strangers(1)["text scans"][0]),
    ):
        (tmp_path / folder).mkdir()
        picture.save(tmp_path / folder / "lesion.png")
    answers = {folder: load().predict(tmp_path / folder / "lesion.png") for folder in ("answered", "other")}
    assert answers["answered"].probabilities != answers["other"].probabilities
    with (
        running("voila", write_notebook(tmp_path / "slow.ipynb", SLOW)) as (address, _),
        offline_page(browser, address) as page,
    ):
        Place("voila", page).open(address)
        page.evaluate(WATCH)
        for folder in ("refused", "refused too", "answered", "other"):
            before = page.locator(".lv-status").get_attribute("data-request")
            request = upload(page, tmp_path / folder / "lesion.png")
            page.evaluate("seen.length = 0")
            assert request != before
            end = settled(page, request)
            if folder in answers:
                answered(page, request)
            still(page)
            frames = page.evaluate("seen.splice(0)")
            assert {frame["request"] for frame in frames} == {request}
            states = [frame["state"] for frame in frames]
            assert "working" in states  # for a second
            for frame in frames:
                if frame["state"] in ("receiving", "working"):
                    assert frame["parts"] == []
                    assert frame["busy"] == "true"
                    assert "lesion.png …" in frame["words"]
                elif frame["state"] == "refused":
                    assert frame["parts"] == [".lv-insist", ".lv-status img"]
                    assert "the model gives no answer" in frame["words"]
                else:
                    assert frame["state"] == "answered"
                    assert f"{answers[folder].confidence:.1%}" in frame["answer"]
            assert states == sorted(states, key=["receiving", "working", "refused", "answered"].index)
            assert end == ("refused" if folder.startswith("refused") else end)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["voila", "lab"])
def test_when_the_kernel_is_killed_the_page_says_so_and_what_is_on_view_still_turns(
    kind: str, browser: Browser, tmp_path: Path
) -> None:
    photo = tmp_path / "drawn.jpg"
    draw_lesion("NV", 3, (400, 300)).save(photo, quality=95)
    notebook = write_notebook(tmp_path / "explorer.ipynb", CODE)
    with running(kind, notebook) as (address, pid), offline_page(browser, address) as page:
        Place(kind, page).open(address)
        example(page, photo)
        choose_layer(page, "features.5")
        before = pixels(stage(page, "heatmap"))
        for child in psutil.Process(pid).children(recursive=True):
            if "ipykernel_launcher" in " ".join(child.cmdline()):
                child.kill()
        expect(page.locator(".lv-line-banner")).to_contain_text("Python has stopped")
        expect(page.locator(".lv-line-banner")).to_contain_text(
            "Reload the page" if kind == "voila" else "Run the cell again"
        )
        if kind == "lab":  # which says so, too, and over the page
            page.get_by_role("dialog").get_by_role("button", name="Ok").click()
        explain(page, "BCC")
        choose_layer(page, "features.4")
        assert differ(pixels(stage(page, "heatmap")), before)
        assert page.locator(".lv-picker-top").evaluate("node => node.inert")
