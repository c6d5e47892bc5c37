"""A second aim beside the right diagnosis: that the evidence for it lies in the lesion, where outlines are at hand.

A classifier may learn from what surrounds a lesion: a ruler, ink, the clinic's skin tones. Here the share of the evidence
outside an expert's outline joins the loss (after Ross et al. 2017, "Right for the right reasons", arXiv 1703.03717, with
class activation maps in the place of input gradients).
"""

from __future__ import annotations

import torch


def evidence_outside(maps: torch.Tensor, labels: torch.Tensor, outlines: torch.Tensor) -> torch.Tensor:
    """Return the mean share, 0 to 1, of the positive evidence for the true class that lies outside the outlines.

    An image whose crop shows nothing of its lesion, that has no positive evidence, or none of the four classes, counts 0:
    nothing can be asked of it.

    Args:
        maps: evidence of every class (N, 4, cells, cells).
        labels: the true classes (N), below 0 for none.
        outlines: (N, 1, S, S) uint8, 255 inside the lesion; 255 everywhere where no outline is at hand.
    """
    evidence = maps[torch.arange(len(labels), device=labels.device), labels.clamp(min=0)].float().clamp(min=0)
    inside = torch.nn.functional.adaptive_avg_pool2d(
        outlines.float() / 255, (evidence.shape[1], evidence.shape[2])
    ).squeeze(1)
    total = evidence.sum((1, 2))
    share = (evidence * (1 - inside)).sum((1, 2)) / total.clamp(min=1e-6)
    shown = inside.amax((1, 2)) > 0
    return (share * (shown & (labels >= 0))).mean()
