from __future__ import annotations

import pytest
import torch

from lesionviz.checkpoint import Checkpoint
from lesionviz.errors import LesionvizError
from lesionviz.network import LAYERS, check_layer, grid_size, run_blocks, run_head


@pytest.mark.heavy
@pytest.mark.parametrize("layer", LAYERS)
def test_a_forward_in_two_parts_is_the_forward(layer: str, small_checkpoint: Checkpoint) -> None:
    network = small_checkpoint.network()
    batch = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        whole = network(batch)
        first = run_blocks(network, batch, until=layer)
        second = run_blocks(network, first[layer], after=layer)
        assert [*first, *second] == list(LAYERS)
        assert torch.equal(run_head(network, (first | second)["features.8"]), whole)


@pytest.mark.parametrize("size", [64, 100, 160, 224, 225])
def test_grid_sizes_are_those_of_the_blocks(size: int, small_checkpoint: Checkpoint) -> None:
    network = small_checkpoint.network()
    with torch.inference_mode():
        batch = torch.zeros(1, 3, size, size)
        for layer, output in run_blocks(network, batch).items():
            cells = grid_size(layer, size)
            assert output.shape[2:] == (cells, cells)


@pytest.mark.parametrize("layer", ["features.9", "classifier", "", None, 8, ["features.8"]])
def test_unknown_layers_are_refused_with_the_grid_sizes(layer: object) -> None:
    with pytest.raises(LesionvizError, match=r"features\.8 \(7 × 7 cells\)"):
        check_layer(layer, 224)
