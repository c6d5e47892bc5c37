"""Fetches the official ISIC 2019 training data: licence first, resumable, checked."""

from __future__ import annotations

import shutil
import urllib.request
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from tqdm.auto import tqdm

from lesionviz.data.isic2019 import GROUND_TRUTH, IMAGES, METADATA, read_isic2019
from lesionviz.data.web import CHECKSUMS, broken, open_address
from lesionviz.errors import LesionvizError
from lesionviz.files import replacing, sha256

SERVER = "https://isic-challenge-data.s3.amazonaws.com/2019/"
"""Where https://challenge.isic-archive.com/data/#2019 sends downloads."""
HOME = "https://challenge.isic-archive.com/data/#2019"
ARCHIVE = "ISIC_2019_Training_Input.zip"
FILES = (GROUND_TRUTH, METADATA, ARCHIVE)
LICENCE = """ISIC 2019 training data: 25,331 dermoscopic images, about 9.1 GB.

Licence: CC BY-NC 4.0, https://creativecommons.org/licenses/by-nc/4.0/ (attribution, no commercial use).
Cite: Tschandl et al. 2018, doi 10.1038/sdata.2018.161; Codella et al. 2018, arXiv 1710.05006;
      Combalia et al. 2019, arXiv 1908.02288 (BCN_20000).
Source: https://challenge.isic-archive.com/data/#2019"""
PIECE = 2**20


@dataclass(frozen=True)
class _Remote:
    """A file on the server and its size in bytes."""

    address: str
    size: int


def download_isic2019(folder: str | Path, server: str = SERVER) -> None:
    """Fetch tables and images into a folder in the official layout; call again to go on after an interruption.

    A file is complete when it has the size that the server names; the archive is unpacked member by member,
    each checked by its CRC-32, and then removed; the tables are read and checked. ``SHA256SUMS`` records
    what was fetched.

    Args:
        folder: where to; made when missing.
        server: the address of the folder with the files, ending in ``/``.

    Raises:
        LesionvizError: there is no network, the server refuses, the disk is too small, or a file is damaged.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / CHECKSUMS
    lines = done.read_text(encoding="utf-8").splitlines() if done.exists() else []
    recorded = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in FILES:
        if name in recorded:
            continue
        part = _fetch(_ask(server + name), folder / f"{name}.part")
        digest = sha256(part)
        if name == ARCHIVE:
            _unpack(part, folder / IMAGES)
            part.unlink()
        else:
            part.replace(folder / name)
        recorded[name] = digest
        with replacing(done) as temporary:
            temporary.write_text("".join(f"{d}  {n}\n" for n, d in recorded.items()), encoding="utf-8")
    read_isic2019(folder)  # refuses broken tables and says when images are missing


def _ask(address: str) -> _Remote:
    """Return what the server says about a file."""
    with open_address(urllib.request.Request(address, method="HEAD"), HOME) as answer:
        size = answer.headers.get("Content-Length")
    if not size:
        raise LesionvizError(f"The server does not say how long {address} is. Try again later.")
    return _Remote(address, int(size))


def _fetch(remote: _Remote, part: Path) -> Path:
    """Append to a partial file what it still lacks."""
    have = part.stat().st_size if part.exists() else 0
    if have > remote.size:
        part.unlink()
        have = 0
    # The archive is unpacked beside itself, hence twice.
    needed, free = 2 * (remote.size - have), shutil.disk_usage(part.parent).free
    if needed > free:
        raise LesionvizError(
            f"{part.parent.resolve()} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are needed. "
            "Choose another folder."
        )
    if have < remote.size:
        request = urllib.request.Request(remote.address, headers={"Range": f"bytes={have}-"})
        with (
            open_address(request, HOME) as answer,
            part.open("ab" if answer.status == 206 else "wb") as file,  # 200: the server starts anew
            tqdm(
                total=remote.size,
                initial=file.tell(),
                desc=remote.address.rsplit("/", 1)[1],
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            try:
                while piece := answer.read(PIECE):
                    file.write(piece)
                    bar.update(len(piece))
            except (HTTPException, OSError) as error:
                raise broken(remote.address, error) from error
    if part.stat().st_size != remote.size:
        raise LesionvizError(
            f"The connection ended after {part.stat().st_size:,} of {remote.size:,} bytes. "
            "Call the command again; it goes on where it stopped."
        )
    return part


def _unpack(archive: Path, images: Path) -> None:
    """Write the images of the archive into one folder, whatever folders they lie in there."""
    try:
        with zipfile.ZipFile(archive) as content:
            members = [member for member in content.infolist() if member.filename.endswith(".jpg")]
            images.mkdir(exist_ok=True)
            for member in tqdm(members, desc="Unpacking", unit="image", leave=False, disable=None):
                # Only the last part of the name is used, so no member can be written elsewhere.
                target = images / Path(member.filename).name
                if not target.exists() or target.stat().st_size != member.file_size:
                    target.write_bytes(content.read(member))  # checks the CRC-32
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        archive.unlink()
        raise LesionvizError(
            f"{archive.name} is damaged ({error}) and was removed. Call the command again."
        ) from error
