"""The drawn samples: kept for the next page, and the same however they came."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lesionviz.data import drawings, synthetic
from lesionviz.data.synthetic import synthetic_samples
from lesionviz.files import CACHE


@pytest.mark.heavy
def test_samples_are_kept_bit_for_bit_and_drawn_again_where_they_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> list[bytes]:
        synthetic_samples.cache_clear()
        return [sample.pixels.tobytes() for sample in synthetic_samples()]

    # What lies in the user's may have been drawn with other versions of NumPy and SciPy.
    monkeypatch.setenv(CACHE, str(tmp_path / "first"))
    drawn = made()
    monkeypatch.setenv(CACHE, str(tmp_path))
    assert made() == drawn
    kept = sorted((tmp_path / "samples").iterdir())
    assert len(kept) == 4
    with monkeypatch.context() as patch:
        patch.setattr(drawings, "draw", lambda *_: pytest.fail("they are kept"))
        assert made() == drawn
    with monkeypatch.context() as patch:  # another version of what draws them
        (tmp_path / "pens").mkdir()
        (tmp_path / "pens" / "draw.py").touch()
        patch.setattr(synthetic, "PENS", tmp_path / "pens")
        assert made() == drawn
    assert len(list((tmp_path / "samples").iterdir())) == 8
    kept[0].write_bytes(b"damaged")
    Image.new("RGB", (8, 8)).save(kept[1])
    assert made() == drawn
    monkeypatch.setenv(CACHE, str(kept[0]))  # a file, where a folder should be
    assert made() == drawn
