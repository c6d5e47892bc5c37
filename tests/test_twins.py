"""Near twins: the same photograph in other clothes is found, other lesions and mere frames are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from lesionviz.cli import main
from lesionviz.data.inspection import inspect_twins
from lesionviz.data.read import read_collection
from lesionviz.data.synthetic import draw_lesion
from lesionviz.data.twins import SIDE, Twins, hashes, look_alikes, thumbnails, turn, twins_of

DIFFERENT = 12
"""Other lesions around the two that are compared."""


def textured(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """A drawn lesion with a skin of its own: drawn skin is smoother than any photograph's."""
    picture = draw_lesion(("BCC", "BKL", "MEL", "NV")[seed % 4], seed, size)
    random = np.random.default_rng(seed)
    grain = Image.fromarray(random.normal(128, 40, (size[1] // 6, size[0] // 6)).clip(0, 255).astype(np.uint8))
    return Image.blend(picture, grain.resize(size, Image.Resampling.BICUBIC).convert("RGB"), 0.25)


def jpeg(picture: Image.Image, path: Path, quality: int = 90) -> None:
    picture.save(path, "JPEG", quality=quality)


CLOTHES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "smaller": lambda p: p.resize((120, 90)),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.2),
    "flatter": lambda p: ImageEnhance.Contrast(p).enhance(0.7),
    "colder": lambda p: Image.merge("RGB", [p.getchannel(0).point(lambda v: v * 0.8), *p.split()[1:]]),
    "cut anew": lambda p: p.crop((4, 6, 228, 174)),
    **{
        f"turned {way.name.lower()}": lambda p, way=way: p.transpose(way)  # type: ignore[misc]
        for way in Image.Transpose
    },
}


def found(folder: Path, one: Image.Image, other: Image.Image) -> Twins:
    paths = [folder / f"{number}.jpg" for number in range(DIFFERENT + 2)]
    jpeg(one, paths[0])
    jpeg(other, paths[1], quality=60)
    for number, path in enumerate(paths[2:], start=2):
        jpeg(textured(100 + number), path)
    return twins_of([str(path) for path in paths], [f"c/{path.stem}" for path in paths], np.arange(len(paths)))


@pytest.mark.heavy
@pytest.mark.parametrize("how", CLOTHES)
def test_the_same_photograph_is_found_in_other_clothes_and_no_other_lesion(how: str, tmp_path: Path) -> None:
    picture = textured(7)
    assert found(tmp_path, picture, CLOTHES[how](picture)).names == (("c/0", "c/1"),)


def test_pictures_of_one_lesion_are_no_twins(tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.jpg") for number in range(3)]
    for path in paths:
        jpeg(textured(3), Path(path))
    names = ["c/a", "c/b", "d/c"]
    assert twins_of(paths, names, np.array([0, 0, 1])).names == (("c/a", "d/c"), ("c/b", "d/c"))


def test_a_dark_round_frame_alone_makes_no_twins(tmp_path: Path) -> None:
    def framed(seed: int) -> Image.Image:
        mask = Image.new("L", (240, 180), 0)
        ImageDraw.Draw(mask).ellipse((60, 30, 180, 150), fill=255)
        return Image.composite(textured(seed), Image.new("RGB", (240, 180)), mask)

    assert found(tmp_path, framed(1), framed(2)).names == ()
    assert found(tmp_path, framed(1), framed(1)).names == (("c/0", "c/1"),)


def test_a_hash_of_a_turned_picture_is_the_turned_hash() -> None:
    pictures = np.random.default_rng(0).normal(128, 40, (5, 32, 32)).astype(np.float32)
    prints = hashes(pictures)
    for orientation in range(8):
        again = hashes(turn(pictures, orientation))[0]
        assert np.bitwise_count(prints[orientation] ^ again).max() <= 2  # rounding next to the median
    assert len({turn(pictures, orientation).tobytes() for orientation in range(8)}) == 8


def test_broken_files_and_blank_pictures_are_like_nothing(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path in paths[:2]:
        path.write_bytes(b"no picture")
        paths.append(path)
    for path in paths[2:4]:
        Image.new("RGB", (64, 64), "white").save(path)
    small = thumbnails([str(path) for path in paths])
    assert small.shape == (6, SIDE, SIDE)
    assert len(look_alikes(small, np.arange(6))[0]) == 0
    assert len(look_alikes(small[:0], np.arange(0))[0]) == 0


def test_the_record_and_the_sentences_count_pairs_and_name_the_torn_ones_first() -> None:
    names = tuple((f"a/{n}", f"b/{n}") for n in range(7))
    torn = np.array([False] * 6 + [True])
    twins = Twins(np.zeros((7, 2), np.int64), names, np.full(7, 0.9, np.float32), torn)
    turned_over = Twins(twins.pairs, tuple((b, a) for a, b in reversed(names)), twins.agreement, torn)
    assert twins.sha256 == turned_over.sha256
    assert twins.describe() == {"pairs": 7, "torn": 1, "sha256": twins.sha256}
    said = twins.sentences()
    assert (
        said[0] == "7 pairs of pictures of different lesions look the same, 1 of them in different parts (a = b 7):"
    )
    assert said[1] == "  a/6 = b/6"
    assert said[-1] == "  … and 2 more"
    assert twins.table()["torn"].sum() == 1


def test_inspect_finds_twins_across_several_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, start in (("one", 0), ("two", 50)):
        for number in range(4):
            path = tmp_path / place / "NV" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            jpeg(textured(start + number), path)
    jpeg(ImageOps.flip(textured(0)), tmp_path / "two" / "NV" / "9.jpg")
    places = [tmp_path / "one", tmp_path / "two"]
    assert inspect_twins([read_collection(place) for place in places]).names == (("one/NV/0.jpg", "two/NV/9.jpg"),)
    assert main(["data", "inspect", *map(str, places), "--twins", "--out", str(tmp_path / "out")]) == 0
    assert "one/NV/0.jpg = two/NV/9.jpg" in capsys.readouterr().out
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["inspection.txt", "inspection_one.png", "inspection_two.png", "twins.csv"]
    assert "one = two 1" in (tmp_path / "out" / "inspection.txt").read_text()


@pytest.mark.heavy
def test_a_turned_picture_is_found_among_three_thousand() -> None:
    random = np.random.default_rng(0)
    pictures = random.normal(128, 40, (3000, SIDE, SIDE)).astype(np.float32)
    pictures[2999] = turn(pictures[:1], 5)[0]
    pairs, agreement = look_alikes(pictures, np.arange(3000))
    assert pairs.tolist() == [[0, 2999]]
    assert agreement[0] > 0.99


def test_known_twins_of_the_real_collections_are_found(isic2019: Path) -> None:
    milk = isic2019.parent / "MILK10k"
    if not milk.is_dir():
        pytest.skip(f"needs MILK10k beside {isic2019.name}")
    # Seen by eye: one photograph, cut and coloured anew; and two of other lesions.
    ids = ["ISIC_0031537", "ISIC_5745824", "ISIC_0033254", "ISIC_5099169", "ISIC_0024306", "ISIC_0024307"]
    rows = [read_collection(place).everything() for place in (isic2019, milk)]
    paths = {image: path for each in rows for image, path in zip(each["image"], each["path"], strict=True)}
    twins = twins_of([paths[image] for image in ids], [f"c/{image}" for image in ids], np.arange(len(ids)))
    assert twins.names == (("c/ISIC_0031537", "c/ISIC_5745824"), ("c/ISIC_0033254", "c/ISIC_5099169"))
