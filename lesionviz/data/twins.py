"""Near twins: pictures that look the same whatever their names, sizes and compression, turned, mirrored or cut anew.

Three sieves, each finer than the one before. A perceptual hash of the lowest spatial frequencies (Zauner 2010,
"Implementation and benchmarking of perceptual image hash functions", section 3.2.1) finds candidates among all pairs in
all eight orientations. Dermoscopic pictures are much alike there, a dark patch on light skin, so the correlation of what
a blurred copy leaves must agree, and then that of the fine detail, locally of equal contrast, without dark frames, the two
pictures shifted and scaled a little against each other: collections cut the same photograph a little differently. Another
photograph of the same lesion is not found, nor one cut much smaller.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.fft import dctn, irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter, minimum_filter
from tqdm.auto import tqdm

from lesionviz.errors import LesionvizError
from lesionviz.imaging import open_thumbnail

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

SIDE = 64
"""Side of the thumbnails in pixels."""
LOWEST = 8
"""The hash is of the 8 × 8 lowest frequencies of a thumbnail at half its side."""
CANDIDATES = {True: (16, 0.4), False: (10, 0.7)}
"""How many of the hash's 64 bits may differ in a candidate, and from which correlation of its half-size detail it is
looked at closely: pictures as they lie, which collections cut anew, and turned ones, which are copies."""
BLUR = 2.0
"""Standard deviation in pixels of the blur that is taken away to leave the detail."""
DARK, FRAME, EDGE = 50, 11, 7
"""Grey level below which a pixel, and how many pixels around it, belong to a dark frame, and pixels at each edge that are
passed over: round fields of view and scanners' borders are alike whatever they frame."""
SHIFTS, SCALES = 6, (1.0, 0.89, 0.94, 1.06, 1.12)
"""How many pixels pictures may be shifted, and the sizes that they may have, against each other."""
PROMISING = 0.25
"""Correlation of the fine detail at half the side, shifted only, from which sizes are tried, too."""
AGREEMENT = 0.53
"""Correlation of the fine detail from which two pictures are twins: chosen by looking at pairs of the four collections that
the project was built with (19,701 images). Of 40 from 0.60 to 0.70 all were one photograph, of 27 from 0.55 to 0.60 all but
two, of ten from 0.53 to 0.55 all but four, and of 40 from 0.42 to 0.50 only four. A pair too many costs a few training
images, one too few flatters a figure."""
BLOCK = 1024
"""Pictures, or pairs, that are compared at a time."""
SHOWN = 5


@dataclass(frozen=True)
class Twins:
    """Pairs of pictures that look the same and do not belong together.

    Attributes:
        pairs: (pairs, 2) indices of pictures, in order.
        names: the names of each pair.
        agreement: correlation of the fine detail of each pair, in [-1, 1].
        torn: of each pair, whether one may be learned from and the other not, or less.
    """

    pairs: Integers
    names: tuple[tuple[str, str], ...]
    agreement: Floats
    torn: Booleans

    @property
    def sha256(self) -> str:
        """A hash of the names of all pairs, whatever their order."""
        lines = sorted(" = ".join(sorted(pair)) for pair in self.names)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what a checkpoint records."""
        return {"pairs": len(self.names), "torn": int(self.torn.sum()), "sha256": self.sha256}

    def sentences(self) -> list[str]:
        """Say how many pairs there are, and name the first ones."""
        if not self.names:
            return ["No two pictures of different lesions look the same."]
        torn = f", {int(self.torn.sum()):,} of them in different parts" if self.torn.any() else ""
        between = Counter(" = ".join(sorted(name.partition("/")[0] for name in pair)) for pair in self.names)
        said = [
            f"{len(self.names):,} pairs of pictures of different lesions look the same{torn} "
            f"({' · '.join(f'{places} {count:,}' for places, count in between.most_common())}):"
        ]
        order = np.argsort(~self.torn, kind="stable")[:SHOWN]
        said += [f"  {' = '.join(self.names[at])}" for at in order]
        return said + ([f"  … and {len(self.names) - SHOWN:,} more"] if len(self.names) > SHOWN else [])

    def table(self) -> pd.DataFrame:
        """Return one row for each pair: ``first``, ``second``, ``agreement``, ``torn``."""
        columns = {"first": [one for one, _ in self.names], "second": [other for _, other in self.names]}
        return pd.DataFrame(columns | {"agreement": self.agreement.round(3), "torn": self.torn})


def twins_of(
    paths: Sequence[str],
    names: Sequence[str],
    groups: Integers,
    ranks: Integers | None = None,
    progress: bool = False,
) -> Twins:
    """Find twins among image files.

    Args:
        paths: the files.
        names: what to call them: collection, a slash, image.
        groups: the lesion's or patient's number of each; pictures of one are expected to look alike and are no twins.
        ranks: how far from learning the part of each is, where they have parts.
        progress: show bars where someone is looking.
    """
    pairs, agreement = look_alikes(thumbnails(paths, progress), groups, progress)
    return Twins(
        pairs,
        tuple((names[one], names[other]) for one, other in pairs.tolist()),
        agreement,
        np.zeros(len(pairs), bool) if ranks is None else ranks[pairs[:, 0]] != ranks[pairs[:, 1]],
    )


def thumbnails(paths: Sequence[str], progress: bool = False) -> Floats:
    """Return small grey pictures of image files' centre squares, (N, 64, 64); all 0 where one cannot be read."""

    def one(path: str) -> Floats:
        try:
            return np.asarray(open_thumbnail(path, SIDE), np.float32)
        except LesionvizError:  # whoever needs the picture itself says so; here it is like no other
            return np.zeros((SIDE, SIDE), np.float32)

    small = np.zeros((len(paths), SIDE, SIDE), np.float32)
    with ThreadPoolExecutor() as pool:
        bar = tqdm(total=len(paths), desc="Looking at pictures", leave=False, disable=None if progress else True)
        for number, picture in enumerate(pool.map(one, paths)):
            small[number] = picture
            bar.update()
        bar.close()
    return small


def look_alikes(pictures: Floats, groups: Integers, progress: bool = False) -> tuple[Integers, Floats]:
    """Return the pairs of thumbnails of different groups that look the same.

    Args:
        pictures: (N, 64, 64), grey levels.
        groups: (N,).
        progress: show a bar where someone is looking.

    Returns:
        Pairs of indices, (pairs, 2), the smaller first, in order; and the agreement of each.
    """
    half = _halved(pictures)
    prints, coarse, fine = hashes(half), details(half), fine_details(pictures)
    small = _unit(_halved(fine), 0.2)
    found = []
    starts = tqdm(
        range(0, len(pictures), BLOCK), desc="Looking for twins", leave=False, disable=None if progress else True
    )
    for start in starts:
        for orientation, others in enumerate(prints):
            bits, alike = CANDIDATES[orientation == 0]
            different = np.bitwise_count(prints[0][start : start + BLOCK, None] ^ others[None, start:])
            one, other = (found + start for found in np.nonzero(different <= bits))
            keep = (one < other) & (groups[one] != groups[other])
            one, other = one[keep], other[keep]
            for vectors, scales, shifts, least in (
                (coarse, (1.0,), 0, alike),
                (small, (1.0,), SHIFTS // 2, PROMISING),
                (fine, SCALES, SHIFTS, AGREEMENT),
            ):
                agreement = _agreement(vectors, one, other, orientation, scales, shifts)
                keep = agreement >= least
                one, other, agreement = one[keep], other[keep], agreement[keep]
            found.append(pd.DataFrame({"one": one, "other": other, "agreement": agreement}))
    columns = {"one": np.int64, "other": np.int64, "agreement": np.float32}
    best = pd.concat([pd.DataFrame(columns=list(columns)).astype(columns), *found], ignore_index=True)
    best = best.groupby(["one", "other"], as_index=False)["agreement"].max()
    return best[["one", "other"]].to_numpy(np.int64), best["agreement"].to_numpy(np.float32)


def turn(pictures: Floats, orientation: int) -> Floats:
    """Return pictures, (N, side, side), in one of the eight orientations of the square, 0 (as they are) to 7."""
    turned = pictures.transpose(0, 2, 1) if orientation & 4 else pictures
    turned = turned[:, ::-1] if orientation & 2 else turned
    return np.ascontiguousarray(turned[:, :, ::-1] if orientation & 1 else turned)


def hashes(pictures: Floats) -> list[npt.NDArray[np.uint64]]:
    """Return the perceptual hash of each picture in each of the eight orientations, eight times (N,).

    A mirrored picture has the same cosine transform but for the signs of the odd frequencies.
    """
    lowest = dctn(pictures, axes=(1, 2))[:, :LOWEST, :LOWEST]
    sign = (-1.0) ** np.arange(LOWEST)
    found = []
    for orientation in range(8):
        low = lowest.transpose(0, 2, 1) if orientation & 4 else lowest
        low = low * (sign[:, None] if orientation & 2 else 1) * (sign if orientation & 1 else 1)
        low = low.reshape(len(pictures), LOWEST**2)
        low[:, 0] = 0  # the mean says nothing
        bits = low > np.median(low, axis=1, keepdims=True)
        found.append(np.packbits(bits, axis=1).view(np.uint64).reshape(len(pictures)))
    return found


def details(pictures: Floats) -> Floats:
    """Return what a blurred copy leaves of pictures, of length 1 each, (N, side, side)."""
    return _unit(pictures - gaussian_filter(pictures, (0, BLUR, BLUR)), 1e-6)


def fine_details(pictures: Floats) -> Floats:
    """Return the detail of pictures with its contrast made even, dark frames and edges left out, of length 1 each.

    Pictures with hardly anything left are shorter, so that they agree with none.
    """
    fine = pictures - gaussian_filter(pictures, (0, BLUR, BLUR))
    fine /= np.sqrt(gaussian_filter(fine**2, (0, 2 * BLUR, 2 * BLUR))) + 2  # grey levels: less is noise
    fine *= minimum_filter(pictures, (1, FRAME, FRAME)) > DARK
    return _unit(fine[:, EDGE:-EDGE, EDGE:-EDGE], 8.0)


def _halved(pictures: Floats) -> Floats:
    """Return the means of 2 × 2 pixels."""
    count, side, _ = pictures.shape
    halved: Floats = pictures.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4))
    return halved


def _unit(pictures: Floats, least: float) -> Floats:
    """Return pictures divided by their lengths, or by the least length that counts."""
    lengths = np.sqrt((pictures**2).sum(axis=(1, 2), keepdims=True))
    vectors: Floats = (pictures / np.maximum(lengths, least)).astype(np.float32)
    return vectors


def _agreement(
    vectors: Floats, one: Integers, other: Integers, orientation: int, scales: Sequence[float], shifts: int
) -> Floats:
    """Return the largest correlation of pairs, the second of each turned, over changes of size and small shifts."""
    side = vectors.shape[1]
    whole = next_fast_len(
        side + shifts, real=True
    )  # zeros around, so that a shift brings in nothing from the other side
    near = np.r_[0 : shifts + 1, whole - shifts : whole]
    best = [np.zeros(0, np.float32)]
    for at in range(0, len(one), BLOCK):
        first = vectors[one[at : at + BLOCK]]
        second = turn(vectors[other[at : at + BLOCK]], orientation)
        if not shifts:
            best.append(np.einsum("nij,nij->n", first, second))
            continue
        spectrum = rfft2(first, (whole, whole))
        largest = np.full(len(first), -1, np.float32)
        for scale in scales:
            sized = second if scale == 1 else _resized(second, scale)
            maps = irfft2(spectrum * np.conj(rfft2(sized, (whole, whole))), (whole, whole))
            largest = np.maximum(largest, maps[:, near][:, :, near].max(axis=(1, 2)))
        best.append(largest)
    return np.concatenate(best)


def _resized(vectors: Floats, scale: float) -> Floats:
    """Return pictures magnified about their middle, bilinearly, of length 1 again."""
    side = vectors.shape[1]
    places = (np.arange(side) - (side - 1) / 2) / scale + (side - 1) / 2
    weights = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(side)[None])).astype(np.float32)
    return _unit(weights @ vectors @ weights.T, 0.5)
