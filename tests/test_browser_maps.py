"""The browser's mathematics of maps, held against Python's: unpacking, upsampling, colouring, reading, subtracting."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from lesionviz.case import Case
from lesionviz.classifier import LesionClassifier
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.diagnoses import CODES
from lesionviz.explanation.display import DIVERGING, upsample
from lesionviz.explanation.methods import METHODS
from lesionviz.explanation.result import SCALES, Explanation, Scale
from lesionviz.imaging import LesionImage
from lesionviz.network import LAYERS
from lesionviz.widgets.case.bundle import colour_tables, pack_maps
from lesionviz.widgets.parts.front_end import script

pytestmark = pytest.mark.browser
SAMPLE = synthetic_samples()[2]
SIZE = (448, 336)
Floats = npt.NDArray[np.float32]
HELPERS = """
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const text = (array) => {
  const all = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  let found = "";
  for (let at = 0; at < all.length; at += 32768) found += String.fromCharCode(...all.subarray(at, at + 32768));
  return btoa(found);
};
const aMap = (map) => ({ ...map, values: new Float32Array(bytes(map.values).buffer), words: "" });
const unpack = ({ layers, values }) => unpackMaps({ layers, values: new DataView(bytes(values).buffer) });
"""


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.add_script_tag(content=script("parts/dom", "case/maps", "case/stage", "compare/compare_tiles") + HELPERS)
    yield page
    page.close()


def sent(raw: Floats) -> dict[str, Any]:
    """A map as the helpers of the page take it."""
    values = base64.b64encode(raw.astype("<f4").tobytes()).decode()
    return {"cells": len(raw), "values": values, "high": float(raw.max()), "low": float(raw.min())}


def packed(case: Case, method: str) -> dict[str, Any]:
    bundle = pack_maps(case, method)
    return {**bundle, "values": base64.b64encode(bundle["values"]).decode()}


def floats(answer: str) -> Floats:
    return np.frombuffer(base64.b64decode(answer), "<f4")


def signed_noise(cells: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(0, 2, (cells, cells)).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_unpacked_maps_are_the_raw_ones_to_2e5_of_the_largest(
    method: str, page: Page, classifier: LesionClassifier
) -> None:
    case = classifier.complete(classifier.examine(SAMPLE))
    answers = page.evaluate(
        """({ bundle, layers }) => {
          const set = unpack(bundle);
          return layers.flatMap((layer) => [0, 1, 2, 3].map((index) => {
            const map = set.map(layer, index);
            return [text(map.values), map.high, map.low, map.words, set.sharedPeak(layer)];
          }));
        }""",
        {"bundle": packed(case, method), "layers": list(LAYERS)},
    )
    for (layer, code), (values, high, low, words, peak) in zip(
        ((layer, code) for layer in LAYERS for code in CODES), answers, strict=True
    ):
        shown = case.explanation(code, layer, method)
        found = floats(values).reshape(shown.raw.shape)
        assert np.abs(found - shown.raw).max() <= 2e-5 * np.abs(shown.raw).max()
        assert (high, low, words) == (float(shown.raw.max()), float(shown.raw.min()), shown.finding)
        assert peak == pytest.approx(shown.shared_peak)


@pytest.mark.parametrize(
    ("cells", "size"),
    [(1, (10, 20)), (2, (64, 64)), (3, (97, 333)), (5, SIZE), (20, SIZE), (80, SIZE), (112, (448, 448))],
)
def test_upsampling_is_pillows(cells: int, size: tuple[int, int], page: Page) -> None:
    raw = signed_noise(cells)
    found = floats(
        page.evaluate("({ map, size }) => text(upsample(aMap(map), ...size))", {"map": sent(raw), "size": size})
    ).reshape(size[::-1])
    assert np.abs(found - upsample(raw, *size)).max() <= 1e-5 * np.abs(raw).max()


@pytest.mark.parametrize("cells", [1, 2, 5, 20])
def test_the_value_under_the_pointer_is_that_of_the_upsampled_field(cells: int, page: Page) -> None:
    raw, size = signed_noise(cells), (60, 44)
    found = floats(
        page.evaluate(
            """({ map, size: [width, height] }) => text(Float32Array.from({ length: width * height },
              (_, at) => valueAt(aMap(map), ((at % width) + 0.5) / width, (Math.floor(at / width) + 0.5) / height)))""",
            {"map": sent(raw), "size": size},
        )
    ).reshape(size[::-1])
    assert np.abs(found - upsample(raw, *size)).max() <= 1e-5 * np.abs(raw).max()


def test_the_pointer_reads_in_the_square_that_the_network_saw_and_nothing_beside_it(page: Page) -> None:
    """600 × 450 with the square from 75 to 525: half across is half of the square, a tenth (60 px) is outside."""
    bundle = {"box": [75, 0, 525, 450], "width": 600, "height": 450}
    raw = np.array([[1, 2], [3, 4]], np.float32)
    read = "({ bundle, map, at }) => valueInPicture(at, bundle, aMap(map))"
    for at, expected in (((0.5, 0.5), 2.5), ((0.1, 0.5), None), ((0.95, 0.5), None), ((0.13, 0.02), 1.0)):
        answer = page.evaluate(read, {"bundle": bundle, "map": sent(raw), "at": {"u": at[0], "v": at[1]}})
        assert answer == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("colours", "threshold", "fade"),
    [("viridis", 0.0, False), ("inferno", 0.0, True), ("jet", 0.3, False), ("viridis", 0.3, True)],
)
@pytest.mark.parametrize("scale", SCALES)
def test_painting_is_the_heatmap_of_python_within_one_step(
    scale: Scale, colours: str, threshold: float, fade: bool, page: Page
) -> None:
    raw = signed_noise(5, seed=3)
    peak = float(raw.max()) * 1.5
    picture = LesionImage(Image.new("RGB", SIZE), "plain")
    shown = Explanation(
        raw, "MEL", "features.8", "gradcam", "plain", SIZE, (0, 0, *SIZE), shared_peak=peak, image=picture
    )
    expected = np.asarray(shown.heatmap(scale, colours, threshold, fade), np.int16)
    table = colour_tables()["signed" if scale == "signed" else colours]
    answer = page.evaluate(
        """({ map, size: [width, height], scale, peak, table, threshold, fade }) => {
          const one = aMap(map);
          const range = scaleOf(one, scale, peak);
          const context = new OffscreenCanvas(width, height).getContext("2d");
          const image = context.createImageData(width, height);
          const pixels = palette(bytes(table), { signed: range.signed, threshold, fade });
          paint(context, upsample(one, width, height), range, pixels, image);
          return text(image.data);
        }""",
        {
            "map": sent(raw),
            "size": SIZE,
            "scale": scale,
            "peak": peak,
            "table": base64.b64encode(table).decode(),
            "threshold": threshold,
            "fade": fade,
        },
    )
    found = np.frombuffer(base64.b64decode(answer), np.uint8).reshape(expected.shape).astype(np.int16)
    steps = np.abs(np.diff(np.frombuffer(table, np.uint8).reshape(256, 3).astype(int), axis=0)).max()
    difference = np.abs(found - expected)
    assert difference[..., :3].max() <= steps  # neighbours in the colour map
    assert (difference[..., :3] == 0).all(axis=-1).mean() > 0.98
    if scale == "signed":
        strength = np.abs(upsample(raw, *SIZE)) / np.abs(raw).max()
        step = 2 / 255  # 256 colours lie on both sides of zero
    else:
        strength = (upsample(raw, *SIZE) / (raw.max() if scale == "per map" else peak)).clip(0, 1)
        step = 1 / 255
    undecided = np.abs(strength - threshold) < step  # the browser holds colours against the threshold
    assert difference[..., 3][~undecided].max() <= 255 * step


@pytest.mark.parametrize("layer", ["features.1", "features.3", "features.8"])
@pytest.mark.parametrize("method", [key for key, method in METHODS.items() if method.linear])
def test_the_difference_of_two_maps_is_the_contrast_that_python_computes(
    method: str, layer: str, page: Page, classifier: LesionClassifier
) -> None:
    case = classifier.complete(classifier.examine(SAMPLE))
    exact = classifier.explain(SAMPLE, "MEL", layer, method, against="NV")
    values, high, low = page.evaluate(
        """({ bundle, layer, one, other }) => {
          const set = unpack(bundle);
          const map = contrastMap(set.map(layer, one), set.map(layer, other));
          return [text(map.values), map.high, map.low];
        }""",
        {"bundle": packed(case, method), "layer": layer, "one": CODES.index("MEL"), "other": CODES.index("NV")},
    )
    largest = max(float(np.abs(case.explanation(code, layer, method).raw).max()) for code in ("MEL", "NV"))
    found = floats(values).reshape(exact.raw.shape)
    assert np.abs(found - exact.raw).max() <= 1e-4 * largest
    assert (high, low) == (pytest.approx(found.max()), pytest.approx(found.min()))


def test_tables_are_pythons_colour_maps() -> None:
    from matplotlib import colormaps

    for name, table in colour_tables().items():
        full = colormaps[DIVERGING if name == "signed" else name](np.arange(256), bytes=True)[:, :3]
        assert table == full.tobytes()


RANGES = """({ maps, options }) =>
  comparisonRanges(maps.map((map) => ({ map: map && aMap(map) })), options)
    .map((one) => one && [one.factor, one.ends, one.most, one.range.most])
"""


def test_a_scale_shared_by_layers_counts_evidence_per_area(page: Page) -> None:
    """A cell of 2 × 2 covers a quarter, one of 4 × 4 a sixteenth: 3 a cell is 12, 1 a cell is 16."""
    maps = [sent(np.full((2, 2), 3, np.float32)), None, sent(np.full((4, 4), 1, np.float32))]
    options = {"shared": True, "signed": False, "perArea": True}
    assert page.evaluate(RANGES, {"maps": maps, "options": options}) == [[4, 12, 16, 4], None, [16, 16, 16, 1]]


def test_tiles_share_the_largest_value_or_have_each_its_own(page: Page) -> None:
    maps = [sent(np.array([[1, -6]] * 2, np.float32)), sent(np.array([[2, -1]] * 2, np.float32))]

    def ends(**options: bool) -> Any:
        answers = page.evaluate(RANGES, {"maps": maps, "options": {"perArea": False, **options}})
        return [one[3] for one in answers]

    assert ends(shared=True, signed=False) == [2, 2]
    assert ends(shared=True, signed=True) == [6, 6]
    assert ends(shared=False, signed=False) == [1, 2]
    assert ends(shared=False, signed=True) == [6, 2]
