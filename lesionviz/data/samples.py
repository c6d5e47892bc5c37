"""Fetches twelve freely licensed photographs from the ISIC Archive, to try the page with: none of them is in this package.

``samples.json`` lists them. Each is asked for by its id, as the archive's public API describes it
(https://api.isic-archive.com/api/docs/swagger/): ``images/ID/`` tells of an image, and its file is at
``files.full.url`` there.
"""

from __future__ import annotations

import hashlib
import json
import os
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lesionviz.data.web import CHECKSUMS, broken, open_address
from lesionviz.diagnoses import DIAGNOSES, target_index
from lesionviz.errors import LesionvizError
from lesionviz.files import data_folder, replacing, sha256
from lesionviz.imaging import open_image

SERVER = "https://api.isic-archive.com/api/v2/"
HOME = "https://www.isic-archive.com"
LIST = Path(__file__).with_suffix(".json")
ATTRIBUTION = "ATTRIBUTION.txt"
LARGEST_FACTS, LARGEST_IMAGE, PIECE = 2**20, 64 * 2**20, 2**16
"""Bytes of an answer at most, and of what is read at once."""


VARIABLE = "LESIONVIZ_SAMPLES"
"""Environment variable that names another folder for those of the page."""


@dataclass(frozen=True)
class Sample:
    """One image of the list.

    Attributes:
        isic_id: its name in the archive.
        code: of its diagnosis.
        diagnosis: as the archive has it.
        confirmed_by: how the diagnosis was made sure of.
        licence, attribution: what it may be used for, and whose it is.
        size: width and height, pixels.
    """

    isic_id: str
    code: str
    diagnosis: str
    confirmed_by: str
    licence: str
    attribution: str
    size: tuple[int, int]

    @property
    def place(self) -> str:
        """Where it lies in a folder of samples: by class, so that the folder is a collection, too."""
        return f"{self.code}/{self.isic_id}.jpg"

    @property
    def owner(self) -> str:
        """Whose it is, and nothing of what it shows."""
        return f"{self.attribution}, {self.licence}"

    @property
    def truth(self) -> str:
        """What it shows, and how that was made sure of."""
        name = DIAGNOSES[target_index(self.code)].name.capitalize()
        here = "" if self.diagnosis == name else f", “{self.diagnosis}” in the archive"
        return f"{name} ({self.code}){here}, confirmed by {self.confirmed_by}"

    @property
    def credit(self) -> str:
        """Whose it is, in a line."""
        said = f"{self.diagnosis} ({self.confirmed_by})"
        return f"{self.isic_id}: {said}. {self.attribution}, {self.licence}. {HOME}"


def samples() -> tuple[Sample, ...]:
    """Return the list, three images of each class."""
    listed = json.loads(LIST.read_text(encoding="utf-8"))["samples"]
    return tuple(
        Sample(
            one["isic_id"],
            one["class"],
            one["diagnosis"],
            one["confirmed_by"],
            one["licence"],
            one["attribution"],
            (one["width"], one["height"]),
        )
        for one in listed
    )


def samples_folder() -> Path:
    """Return where the page keeps them on this computer."""
    return Path(os.environ.get(VARIABLE) or data_folder() / "samples")


def kept_samples(folder: Path) -> dict[Sample, Path]:
    """Return those of the list that a folder has, with their files; each must be the one that was fetched.

    Raises:
        LesionvizError: one is not.
    """
    known = _noted(folder)
    there = {sample: folder / sample.place for sample in samples() if (folder / sample.place).is_file()}
    for sample, path in there.items():
        _check_kept(sample, path, known)
    return there


def fetch_samples(
    folder: Path,
    server: str | None = None,
    report: Callable[[str], None] = lambda _sentence: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Fetch the images that a folder lacks, and return all of them; call again to go on after an interruption.

    An image counts once it could be opened and has the size of the list. Its SHA-256 is noted in ``SHA256SUMS`` when it
    comes for the first time; afterwards the file, and one that is fetched anew, must be the same.

    Args:
        folder: where to, made when missing: a subfolder for each class, and whose the images are in ``ATTRIBUTION.txt``.
        server: the address of the archive's API, ending in ``/``.
        report: gets whose an image is, when it is there.
        stopped: says whether nobody wants them any more; looked at before anything more is read or kept.

    Raises:
        UnreachableError: there is no network, or it broke off.
        LesionvizError: the archive refuses or answers something else, a file is not what it was, or it was stopped.
    """
    noted, known = folder / CHECKSUMS, _noted(folder)
    listed = samples()
    for sample in listed:
        path = folder / sample.place
        if path.is_file():
            _check_kept(sample, path, known)
        else:
            data = _image_of(sample, SERVER if server is None else server, stopped)
            digest = hashlib.sha256(data).hexdigest()
            changed = (
                f"{sample.isic_id} is another file than when it was fetched first. Look at {HOME} what became of it."
            )
            _check(sample, digest, known, changed)
            with replacing(path) as temporary:
                temporary.write_bytes(data)
            known[sample.place] = digest
            with replacing(noted) as temporary:
                temporary.write_text("".join(f"{d}  {p}\n" for p, d in known.items()), encoding="utf-8")
        report(sample.credit)
    with replacing(folder / ATTRIBUTION) as temporary:
        temporary.write_text("".join(f"{sample.credit}\n" for sample in listed), encoding="utf-8")
    return [folder / sample.place for sample in listed]


def _noted(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file that came for the first time."""
    path = folder / CHECKSUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {place: digest for digest, _, place in (line.partition("  ") for line in lines)}


def _check_kept(sample: Sample, path: Path, known: dict[str, str]) -> None:
    _check(sample, sha256(path), known, f"{path} is not the file that was fetched. Delete it, and fetch it again.")


def _check(sample: Sample, digest: str, known: dict[str, str], words: str) -> None:
    if known.setdefault(sample.place, digest) != digest:
        raise LesionvizError(words)


def _image_of(sample: Sample, server: str, stopped: Callable[[], bool]) -> bytes:
    """Return the bytes of an image that is what the list says."""
    address = f"{server}images/{sample.isic_id}/"
    try:
        facts = json.loads(_read(address, LARGEST_FACTS, stopped))
        licence, file = str(facts["copyright_license"]), facts["files"]["full"]["url"]
        scheme = urlsplit(file).scheme
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LesionvizError(
            f"{address} does not answer as the ISIC Archive's API did. Look at {HOME}, or try again later."
        ) from error
    if licence != sample.licence:
        raise LesionvizError(
            f"The ISIC Archive gives {sample.isic_id} under {licence} now, not {sample.licence}. It was not fetched."
        )
    if scheme not in {"https", urlsplit(server).scheme}:
        raise LesionvizError(f"The ISIC Archive names no address on the web for {sample.isic_id}. Try again later.")
    data = _read(file, LARGEST_IMAGE, stopped)
    size = open_image(data, sample.isic_id).pixels.size
    if sorted(size) != sorted(sample.size):  # a picture may be stored lying on its side
        raise LesionvizError(
            f"{sample.isic_id} came with {size[0]} × {size[1]} pixels, not {sample.size[0]} × {sample.size[1]}: another "
            f"picture. It was not kept. Look at {HOME} what became of it."
        )
    return data


def _read(address: str, most: int, stopped: Callable[[], bool]) -> bytes:
    """Return what an address gives, as long as it is whole, not too much, and somebody wants it."""
    _go_on(stopped)
    with open_address(urllib.request.Request(address), HOME) as answer:
        told: Any = answer.headers.get("Content-Length")
        data = bytearray()
        try:
            while len(data) <= most and (piece := answer.read(min(PIECE, most + 1 - len(data)))):
                data += piece
                _go_on(stopped)
        except (HTTPException, OSError) as error:
            raise broken(address, error) from error
    if told is not None and told.isdecimal() and len(data) < min(int(told), most):
        raise broken(address, EOFError(f"{len(data):,} of {int(told):,} bytes"))
    if len(data) > most:
        raise LesionvizError(f"{address} gives more than {most / 2**20:.0f} MB, which is not what it should be.")
    return bytes(data)


def _go_on(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise LesionvizError("Stopped. What came stays, and is not fetched again.")
