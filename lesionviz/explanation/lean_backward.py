"""A backward pass made for frozen weights: the same forward to the bit, gradients to rounding, a fifth faster.

Autograd treats batch norm and SiLU as if the weights might learn: it goes over every tensor several times,
anew for each of the four classes. With frozen weights in evaluation mode, the slope of ``SiLU(BN(.))`` is
one number per cell; it is kept in the forward and every backward pass multiplies by it once. The forward
calls torchvision's own modules, so predictions do not change in a single bit.

Enter: a network in evaluation mode whose weights do not ask for gradients. It is changed in place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from lesionviz.efficientnet import Conv2dNormActivation, SqueezeExcitation
from lesionviz.network import Network

# Both are the derivatives that autograd itself calls for a convolution and a SiLU.
_convolution_backward = torch.ops.aten.convolution_backward
_silu_backward = torch.ops.aten.silu_backward


def make_backward_lean(network: Network) -> None:
    """Give every convolution unit and squeeze-and-excitation of a frozen EfficientNet the lean backward pass."""
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    for name, child in network.named_children():
        if isinstance(child, Conv2dNormActivation):
            setattr(network, name, _Lean(child, _ConvolutionUnit))
        elif isinstance(child, SqueezeExcitation):
            setattr(network, name, _Lean(child, _SqueezeExcitation))
        else:
            make_backward_lean(child)


class _Lean(nn.Module):
    """Runs a module; where a graph is recorded, through the function that knows its derivative."""

    def __init__(self, module: nn.Module, function: type[torch.autograd.Function]) -> None:
        super().__init__()
        self.module, self._function = module, function
        self.train(module.training)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        recorded = torch.is_grad_enabled() and x.requires_grad
        output: torch.Tensor = self._function.apply(x, self.module) if recorded else self.module(x)
        return output


class _ConvolutionUnit(torch.autograd.Function):
    """``SiLU(BN(conv(x)))``, or without the SiLU: dy/dconv = SiLU'(BN) · gamma / sqrt(variance + eps)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, unit: Conv2dNormActivation) -> torch.Tensor:
        convolution, norm = unit[0], unit[1]
        output: torch.Tensor = norm(convolution(x))
        slope = (norm.weight * torch.rsqrt(norm.running_var + norm.eps)).view(1, -1, 1, 1)
        if len(unit) > 2:
            slope = _silu_backward(slope.expand_as(output), output)
            output = unit[2](output)  # writes over its input, so the slope comes first
        ctx.save_for_backward(x, slope, convolution.weight)
        ctx.convolution = convolution
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, slope, weight = ctx.saved_tensors
        c = ctx.convolution
        geometry = (c.stride, c.padding, c.dilation, False, (0, 0), c.groups)
        only_input = (True, False, False)
        return _convolution_backward(gradient * slope, x, weight, None, *geometry, only_input)[0], None


class _SqueezeExcitation(torch.autograd.Function):
    """``x · s`` with ``s = sigmoid(W2 SiLU(W1 mean(x)))``: dx = g · s + (what arrives through the mean) / cells."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, block: SqueezeExcitation) -> torch.Tensor:
        squeezed = block.fc1(block.avgpool(x))
        gate = block.scale_activation(block.fc2(block.activation(squeezed.clone())))  # SiLU writes over its input
        ctx.save_for_backward(x, squeezed, gate, block.fc1.weight, block.fc2.weight)
        output: torch.Tensor = gate * x
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, squeezed, gate, reduce, expand = ctx.saved_tensors
        through_gate = (gradient * x).sum((2, 3), keepdim=True) * gate * (1 - gate)
        through_silu = _silu_backward(through_gate.flatten(1) @ expand.flatten(1), squeezed.flatten(1))
        of_mean = (through_silu @ reduce.flatten(1)).view_as(gate) / (x.shape[2] * x.shape[3])
        return torch.addcmul(of_mean, gradient, gate), None
