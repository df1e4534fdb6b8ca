"""EfficientNet-B0 and EfficientNetV2-S: inverted residuals with squeeze-and-excitation."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.inverted import inverted_residual
from accelgen.networks.network import Network

__all__ = ["efficientnet_b0", "efficientnet_v2_s"]

Stage = tuple[bool, int, int, int, int, int]
# Fused?, kernel, expansion, output channels, blocks, stride of the first.
_B0: tuple[Stage, ...] = (
    (False, 3, 1, 16, 1, 1), (False, 3, 6, 24, 2, 2), (False, 5, 6, 40, 2, 2),
    (False, 3, 6, 80, 3, 2), (False, 5, 6, 112, 3, 1), (False, 5, 6, 192, 4, 2),
    (False, 3, 6, 320, 1, 1),
)  # fmt: skip
_V2_S: tuple[Stage, ...] = (
    (True, 3, 1, 24, 2, 1), (True, 3, 4, 48, 4, 2), (True, 3, 4, 64, 4, 2),
    (False, 3, 4, 128, 6, 2), (False, 3, 6, 160, 9, 1), (False, 3, 6, 256, 15, 2),
)  # fmt: skip


def efficientnet_b0(image: int = 224, classes: int = 1000, batch: int = 1) -> Network:
    """EfficientNet-B0."""
    b = _network(32, _B0, image, classes, batch)
    return b.network("efficientnet_b0", "Tan, Le: EfficientNet, arXiv 1905.11946")


def efficientnet_v2_s(image: int = 384, classes: int = 1000, batch: int = 1) -> Network:
    """EfficientNetV2-S."""
    b = _network(24, _V2_S, image, classes, batch)
    return b.network(
        "efficientnet_v2_s", "Tan, Le: EfficientNetV2, arXiv 2104.00298; torchvision's version"
    )


def _network(stem: int, stages: tuple[Stage, ...], image: int, classes: int, batch: int) -> Builder:
    b = Builder(batch)
    x = b.vector("silu", b.conv("stem", Value((3, image, image)), stem, 3, stride=2, norm=True))
    for number, (fused, kernel, expansion, channels, count, stride) in enumerate(stages, start=1):
        for i in range(count):
            with b.scope(f"stage{number}.{i}"):
                # A quarter of the channels the block begins with, not of the expanded ones.
                x = inverted_residual(
                    b, x, channels, expansion=expansion, kernel=kernel,
                    stride=stride if i == 0 else 1, activation="silu",
                    squeezed=0 if fused else x.shape[0] // 4, fused=fused,
                )  # fmt: skip
    x = b.vector("silu", b.conv("head", x, 1280, 1, norm=True))
    b.linear("fc", b.mean(x), classes)
    return b
