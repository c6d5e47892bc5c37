"""The lean backward pass against autograd's own and against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

from lesionviz.checkpoint import Checkpoint
from lesionviz.explanation.engine import forward_with_gradient
from lesionviz.explanation.lean_backward import make_backward_lean
from lesionviz.network import LAYERS, Network


def lean_copy() -> Network:
    network = Checkpoint.load().network()
    make_backward_lean(network)
    return network


def test_the_forward_does_not_change_in_a_single_bit() -> None:
    batch = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    plain, lean = Checkpoint.load().network(), lean_copy()
    assert torch.equal(plain(batch), lean(batch))
    assert torch.equal(plain(batch), lean(batch.requires_grad_()))


@pytest.mark.heavy
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_every_layer_and_class_are_autograds(memory_format: torch.memory_format) -> None:
    batch = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    batch = batch.contiguous(memory_format=memory_format)
    plain = Checkpoint.load().network().requires_grad_(False).to(memory_format=memory_format)
    lean = lean_copy().to(memory_format=memory_format)
    for layer, target in itertools.product(LAYERS[:-1], range(4)):
        expected = forward_with_gradient(plain, batch, layer, target).gradient
        found = forward_with_gradient(lean, batch, layer, target).gradient
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max(), (layer, target)


@pytest.mark.parametrize("activation", [nn.SiLU, None])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_convolution_unit_passes_the_finite_difference_check(
    groups: int, activation: type[nn.Module] | None
) -> None:
    torch.manual_seed(0)
    unit = Conv2dNormActivation(4, 8, stride=2, groups=groups, activation_layer=activation)
    unit[1].running_mean.normal_()
    unit[1].running_var.uniform_(0.5, 2)
    check(unit)


def test_squeeze_and_excitation_passes_the_finite_difference_check() -> None:
    torch.manual_seed(0)
    check(SqueezeExcitation(4, 2, activation=nn.SiLU))


def check(module: nn.Module) -> None:
    network = nn.Sequential(module).double().eval().requires_grad_(False)
    make_backward_lean(network)
    assert torch.autograd.gradcheck(network, torch.randn(2, 4, 5, 5, dtype=torch.float64, requires_grad=True))


def test_a_network_that_learns_is_not_touched() -> None:
    with pytest.raises(AssertionError):
        make_backward_lean(Checkpoint.load().network().requires_grad_(True))
