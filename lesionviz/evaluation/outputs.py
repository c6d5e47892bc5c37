"""A classifier's logits, embeddings and features of many images, in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields

import numpy as np
from tqdm.auto import tqdm

from lesionviz.classifier import LesionClassifier
from lesionviz.imaging import ImageSource
from lesionviz.runner import Outputs

BATCH = 32


def outputs_of(
    classifier: LesionClassifier, images: Iterable[ImageSource], count: int, name: str, progress: bool
) -> Outputs:
    """Run a classifier over images, behind a bar with a name.

    Args:
        classifier: what to run.
        images: may be made one by one; no more than a batch of them is kept.
        count: how many they are, at least one.
        name: what the bar says.
        progress: show it where someone is looking.
    """
    bar = tqdm(total=count, desc=name, leave=False, disable=None if progress else True)

    def counted() -> Iterator[ImageSource]:
        for image in images:
            yield image
            bar.update()

    with bar:
        parts = list(classifier.outputs_of(counted(), BATCH))
    return Outputs(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Outputs)}
    )
