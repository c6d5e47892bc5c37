"""Photographs in DICOM files, and that nobody learns whose they are."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from drawn_files import difference, encoded, noise, picture, ramp
from icc_profiles import DISPLAY_P3, rgb_profile

from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_image

PATIENT = "Doe^Jane"


def dicom(
    values: npt.NDArray[Any], colours: str = "RGB", kind: str = "1.2.840.10008.5.1.4.1.1.77.1.4", **more: Any
) -> Any:
    """A photograph as a hospital keeps it, with whose it is."""
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom: pip install 'lesionviz[dicom]'")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName, dataset.PatientID = PATIENT, "4711"
    dataset.PatientBirthDate, dataset.InstitutionName = "19600101", "St Elsewhere"
    dataset.Rows, dataset.Columns = values.shape[:2]
    dataset.SamplesPerPixel = 3 if values.ndim == 3 else 1
    if values.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = colours, 0
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    dataset.PixelData = values.tobytes()
    dataset["PixelData"].VR = "OW" if values.dtype.itemsize > 1 else "OB"
    for name, value in more.items():
        setattr(dataset, name, value)
    return dataset


def saved(dataset: Any) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["77.1.4", "77.1.7", "7", "7.4"])
def test_a_photograph_in_a_dicom_file_is_read_bit_for_bit(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "export.dcm"
    path.write_bytes(saved(dicom(np.asarray(picture()), kind=f"1.2.840.10008.5.1.4.1.1.{kind}")))
    opened = open_image(path)
    assert opened.pixels.tobytes() == picture().tobytes()
    assert (opened.name, opened.notes) == ("export.dcm", ())
    assert opened.pixels.info == {}


def test_greys_depths_and_frames_of_a_dicom_file() -> None:
    grey = np.asarray(picture().convert("L"))
    for colours, expected in (("MONOCHROME2", grey), ("MONOCHROME1", 255 - grey)):
        assert np.array_equal(np.asarray(open_image(saved(dicom(grey, colours))).pixels)[..., 1], expected)
    deep = dicom(ramp(12, 3), BitsStored=12, HighBit=11)
    assert np.array_equal(np.asarray(open_image(saved(deep)).pixels)[..., 0], ramp(12, 1) >> 4)
    two = dicom(np.asarray(picture()), NumberOfFrames="2")
    two.PixelData += np.asarray(noise(64, 48)).tobytes()
    assert open_image(saved(two)).pixels.tobytes() == picture().tobytes()


def test_a_jpeg_inside_a_dicom_file_is_read() -> None:
    encapsulate = pytest.importorskip("pydicom.encaps", reason="needs pydicom").encapsulate
    data = encoded(picture(), "JPEG", quality=95, subsampling=0)
    dataset = dicom(np.asarray(picture()), "YBR_FULL")
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    dataset.PixelData = encapsulate([data])
    dataset["PixelData"].is_undefined_length = True
    assert difference(open_image(saved(dataset)).pixels, open_image(data).pixels) < 2


def test_colours_of_a_dicom_file_follow_its_profile() -> None:
    profile = rgb_profile(DISPLAY_P3, 2.2)
    pydicom = pytest.importorskip("pydicom", reason="needs pydicom")
    path = pydicom.Dataset()
    path.ICCProfile = profile
    expected = open_image(encoded(picture(), "PNG", icc_profile=profile)).pixels.tobytes()
    for more in ({"ICCProfile": profile}, {"OpticalPathSequence": pydicom.Sequence([path])}):
        assert open_image(saved(dicom(np.asarray(picture()), **more))).pixels.tobytes() == expected


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "holds CT Image Storage, not a photograph"),
        ({"SOPClassUID": f"{PATIENT}"}, "not a photograph"),
        ({"Rows": 50000, "Columns": 50000}, "50000 × 50000 pixels"),
        ({"Rows": 8}, "at least 32"),
        ({"PixelData": b"\1\2"}, "damaged"),
        ({"PhotometricInterpretation": PATIENT}, "damaged|compressed"),
        ({"BitsStored": 0}, "damaged"),
        ({"SamplesPerPixel": 5}, "damaged"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_refusals_of_dicom_files_never_say_whose_they_are(
    change: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    data = saved(dicom(np.asarray(picture()), **change))
    assert PATIENT.encode() in data
    caplog.clear()  # pydicom has spoken about the making of it
    with caplog.at_level(logging.DEBUG), pytest.raises(LesionvizError, match=words) as caught:
        open_image(data, "export.dcm")
    error: BaseException | None = caught.value
    told = "".join(capsys.readouterr()) + caplog.text
    while error is not None:
        told += repr(error)
        error = error.__cause__
    for private in (PATIENT, "Doe", "4711", "Elsewhere", "1960"):
        assert private not in told


def test_a_cut_dicom_file_is_refused_in_words() -> None:
    data = saved(dicom(np.asarray(picture())))
    for length in (140, 300, len(data) // 2, len(data) - 100):
        with pytest.raises(LesionvizError, match=r"export\.dcm is (damaged|a DICOM file that holds)"):
            open_image(data[:length], "export.dcm")


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(LesionvizError, match=r"a\.dcm is a DICOM file.*pip install 'lesionviz\[dicom\]'"):
        open_image(bytes(128) + b"DICM" + bytes(50), "a.dcm")
