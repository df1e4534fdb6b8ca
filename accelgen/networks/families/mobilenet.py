"""MobileNetV2 and MNasNet: inverted residuals."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.inverted import inverted_residual
from accelgen.networks.network import Network

__all__ = ["mnasnet", "mobilenet_v2"]

# Expansion, output channels, blocks, stride of the first.
_MOBILENET_V2 = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
# The same with the kernel size in front.
_MNASNET = (
    (3, 3, 24, 3, 2), (5, 3, 40, 3, 2), (5, 6, 80, 3, 2),
    (3, 6, 96, 2, 1), (5, 6, 192, 4, 2), (3, 6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(image: int = 224, classes: int = 1000, batch: int = 1) -> Network:
    """MobileNetV2 of width 1.0."""
    b = Builder(batch)
    x = b.vector("relu6", b.conv("stem", Value((3, image, image)), 32, 3, stride=2, norm=True))
    stages = tuple((3, *stage) for stage in _MOBILENET_V2)
    x = _stages(b, x, stages, "relu6")
    x = b.vector("relu6", b.conv("head", x, 1280, 1, norm=True))
    b.linear("fc", b.mean(x), classes)
    return b.network("mobilenet_v2", "Sandler et al.: MobileNetV2, arXiv 1801.04381")


def mnasnet(image: int = 224, classes: int = 1000, batch: int = 1) -> Network:
    """MNasNet-B1 of depth multiplier 1.0, as torchvision's mnasnet1_0."""
    b = Builder(batch)
    x = b.vector("relu", b.conv("stem", Value((3, image, image)), 32, 3, stride=2, norm=True))
    x = b.vector("relu", b.conv("depthwise", x, 32, 3, groups=32, norm=True))
    x = b.conv("project", x, 16, 1, norm=True)
    x = _stages(b, x, _MNASNET, "relu")
    x = b.vector("relu", b.conv("head", x, 1280, 1, norm=True))
    b.linear("fc", b.mean(x), classes)
    return b.network("mnasnet", "Tan et al.: MnasNet, arXiv 1807.11626; torchvision's mnasnet1_0")


def _stages(
    b: Builder, x: Value, stages: tuple[tuple[int, int, int, int, int], ...], activation: str
) -> Value:
    for number, (kernel, expansion, channels, count, stride) in enumerate(stages, start=1):
        for i in range(count):
            with b.scope(f"stage{number}.{i}"):
                x = inverted_residual(
                    b, x, channels, expansion=expansion, kernel=kernel,
                    stride=stride if i == 0 else 1, activation=activation,
                )  # fmt: skip
    return x
