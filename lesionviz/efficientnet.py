"""What EfficientNet is made of, from torchvision, without the compiler of torch that torchvision loads for its detectors.

The compiler takes as long as the rest of torchvision and torch's half, a second on two cores, and 140 MiB, in every process
that answers; nothing here compiles. Everything that is needed of torchvision's networks comes through this door.
"""

from __future__ import annotations

from lesionviz.light_imports import later

with later("torch._dynamo.utils", "is_compile_supported"):
    from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig, efficientnet_b0
    from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

__all__ = ["Conv2dNormActivation", "EfficientNet", "MBConv", "MBConvConfig", "SqueezeExcitation", "efficientnet_b0"]
