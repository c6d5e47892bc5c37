"""A contact sheet to look at: what the augmentation "clinics" makes of pictures, with the loader's half and without.

    python tests/benchmarks/augmentation_sheet.py --out sheet.png [--pictures FOLDER] [--share 1] [--kind hair]

Without a folder the pictures are drawn. The first of every eight is the picture itself. Hair should look like hair, a
ruler like a ruler, and no skin green.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from PIL import Image

from lesionviz.data.synthetic import draw_lesion
from lesionviz.diagnoses import CODES
from lesionviz.files import replacing
from lesionviz.preprocessing import Preprocessing, to_tensor
from lesionviz.recipe import Recipe
from lesionviz.training import clinics
from lesionviz.training.augmentation import training_way
from lesionviz.training.dice import Dice
from lesionviz.training.marks import MARKS

COLUMNS = 8


def sheet(pictures: list[Image.Image], side: int, share: float, kind: str | None, seed: int) -> Image.Image:
    """Return each picture followed by seven versions of it, one row for each."""
    recipe = Recipe(size=side, augmentation="clinics", artefact_share=share, seed=seed)
    if kind:
        clinics.WEIGHTS = tuple(float(mark.__name__ == kind) for mark in MARKS)
    way, plain = training_way(recipe, 0), Preprocessing(size=side)
    result = Image.new("RGB", (COLUMNS * side, len(pictures) * side))
    for row, picture in enumerate(pictures):
        cached = recipe.cached_training.resize(picture)
        batch = torch.stack([way(cached, None, row * COLUMNS + column) for column in range(1, COLUMNS)])
        changed, _ = clinics.as_elsewhere(batch, [], Dice("cpu", seed, 0, row, 0), share)
        for column, tile in enumerate([to_tensor(plain.resize(picture)), *changed]):
            result.paste(Image.fromarray(tile.permute(1, 2, 0).numpy()), (column * side, row * side))
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="folder of JPEGs; by default drawn lesions")
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--share", type=float, default=0.4, help="of the pictures, that get a mark")
    parser.add_argument("--kind", choices=[mark.__name__ for mark in MARKS], help="only this mark")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = sorted(options.pictures.rglob("*.jpg")) if options.pictures else []
    step = max(1, len(files) // options.rows)
    chosen = [Image.open(path).convert("RGB") for path in files[::step][: options.rows]]
    chosen = chosen or [draw_lesion(CODES[n % 4], n, (256, 256)) for n in range(options.rows)]
    with replacing(options.out) as temporary:
        sheet(chosen, options.side, options.share, options.kind, options.seed).save(temporary, "PNG")
