"""Photographs in DICOM files, as hospitals keep dermoscopy (PS3.3, A.32.4: VL Photographic Image).

Only the tags that describe the pixels are read. Whatever says who the patient is stays in the file: it is not parsed,
so it can stand in no name, message or log.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lesionviz.errors import LesionvizError

PHOTOGRAPHS = {
    "1.2.840.10008.5.1.4.1.1.77.1.1",  # VL endoscopic image
    "1.2.840.10008.5.1.4.1.1.77.1.2",  # VL microscopic image
    "1.2.840.10008.5.1.4.1.1.77.1.4",  # VL photographic image
    "1.2.840.10008.5.1.4.1.1.77.1.7",  # dermoscopic photography image
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture: whatever was scanned or saved from a screen
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.4",
}
"""SOP classes that hold pictures of light."""
_PIXELS = [
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
    "ICCProfile",
    "OpticalPathSequence",
    "SOPClassUID",
    "PixelData",
]


_DAMAGED = "{} is damaged or incomplete and cannot be decoded. Copy or export it again."


class _Hush(logging.Filter):
    """Keeps pydicom from logging the odd values that it meets while this room reads a file, in this thread only."""

    reading = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(self.reading, "now", False)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn whatever pydicom raises into a sentence that quotes nothing from the file.

    Raises:
        LesionvizError: the file is damaged, or compressed in a way that cannot be undone here.
    """
    logging.getLogger("pydicom").addFilter(_HUSH)  # a second time changes nothing
    _Hush.reading.now = True
    try:
        yield
    except LesionvizError:
        raise
    except (ImportError, NotImplementedError, RuntimeError):
        raise LesionvizError(
            f"{name} is compressed in a way that cannot be read here. Export the photograph as a JPEG."
        ) from None
    except Exception:  # noqa: BLE001 - hostile bytes may raise nearly anything, with their values in its text
        raise LesionvizError(_DAMAGED.format(name)) from None
    finally:
        _Hush.reading.now = False


_HUSH = _Hush()


class Photograph:
    """A DICOM file whose description was read and whose pixels were not.

    Args:
        data: the file.
        name: what to call it: the file's own name, never the patient's.

    Attributes:
        size: width and height in pixels.

    Raises:
        LesionvizError: it is damaged, holds no photograph, or pydicom is not installed.
    """

    def __init__(self, data: bytes, name: str) -> None:
        try:
            import pydicom
        except ImportError:
            raise LesionvizError(
                f"{name} is a DICOM file. To read those, install pydicom (pip install 'lesionviz[dicom]'), "
                "or export the photograph as a JPEG."
            ) from None
        self._name = name
        with _reading(name):
            self._dataset = pydicom.dcmread(io.BytesIO(data), specific_tags=[*_PIXELS])
            self.size = int(self._dataset.Columns), int(self._dataset.Rows)
            kind = str(self._dataset.get("SOPClassUID", ""))
            if kind not in PHOTOGRAPHS or "PixelData" not in self._dataset:
                known = pydicom.uid.UID(kind).name  # of one that is not registered, itself
                what = "no image of a known kind" if known == kind else known
                raise LesionvizError(
                    f"{name} is a DICOM file that holds {what}, not a photograph. Choose a photograph."
                )

    def decode(self) -> Image.Image:
        """Return its first frame, 8 bits a channel, of mode L or RGB, with its colour profile.

        Raises:
            LesionvizError: it is damaged, or compressed in a way that cannot be undone here.
        """
        from pydicom.pixels.processing import apply_color_lut
        from pydicom.pixels.utils import pixel_array

        dataset = self._dataset
        with _reading(self._name):
            colours = str(dataset.get("PhotometricInterpretation", ""))
            bits = int(dataset.get("BitsStored", 8))
            values = pixel_array(dataset, index=0)  # YBR colours become RGB
            if colours == "PALETTE COLOR":
                values = apply_color_lut(values, dataset)
                bits = 8 * values.dtype.itemsize
            image = Image.fromarray(_to_bytes(values, bits, inverted=colours == "MONOCHROME1"))
            if profile := self._profile():
                image.info["icc_profile"] = profile
            return image

    def _profile(self) -> Any:
        """Return the colour profile, of the picture or of its only optical path; None without one."""
        paths = self._dataset.get("OpticalPathSequence") or [{}]
        return self._dataset.get("ICCProfile") or paths[0].get("ICCProfile")


def _to_bytes(values: npt.NDArray[Any], bits: int, inverted: bool) -> npt.NDArray[np.uint8]:
    """Return the upper eight of the stored bits, white for the highest value."""
    unsigned = np.clip(values.astype(np.int64), 0, 2**bits - 1)
    upper = (unsigned >> (bits - 8) if bits >= 8 else unsigned << (8 - bits)).astype(np.uint8)
    return np.ascontiguousarray(255 - upper if inverted else upper)
