"""What EfficientNet is made of, from torchvision, without the compiler of torch that torchvision loads for its detectors.

The compiler takes a second and 140 MiB in every process that answers, and nothing here compiles. Whatever the project
needs of torchvision's networks comes through this door; a new part is imported within the same block.
"""

from __future__ import annotations

from lesionviz.light_imports import later

with later("torch._dynamo.utils", "is_compile_supported"):
    from torchvision.models.efficientnet import EfficientNet, MBConv, MBConvConfig, efficientnet_b0
    from torchvision.ops import Conv2dNormActivation, SqueezeExcitation

__all__ = ["Conv2dNormActivation", "EfficientNet", "MBConv", "MBConvConfig", "SqueezeExcitation", "efficientnet_b0"]
