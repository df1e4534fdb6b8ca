"""ResNet: basic blocks (18, 34) and bottlenecks (50, 101, 152)."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["resnet"]

_STAGES = {
    18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3),
}  # fmt: skip
_SOURCE = "He et al.: Deep Residual Learning, arXiv 1512.03385; stride in the 3 x 3, as torchvision"


def resnet(depth: int = 50, image: int = 224, classes: int = 1000, batch: int = 1) -> Network:
    """ResNet with ``depth`` 18, 34, 50, 101 or 152; batch normalisation folded."""
    chosen(depth, _STAGES, "depth")
    b = Builder(batch)
    x = b.conv("conv1", Value((3, image, image)), 64, 7, stride=2, norm=True)
    x = b.pool(b.vector("relu", x), 3, 2, padding=1)
    for stage, count in enumerate(_STAGES[depth], start=1):
        for i in range(count):
            with b.scope(f"layer{stage}.{i}"):
                stride = 2 if stage > 1 and i == 0 else 1
                x = _block(b, x, 32 * 2**stage, stride, bottleneck=depth >= 50)
    b.linear("fc", b.mean(x), classes)
    return b.network(f"resnet{depth}", _SOURCE)


def _block(b: Builder, x: Value, width: int, stride: int, *, bottleneck: bool) -> Value:
    out = 4 * width if bottleneck else width
    if bottleneck:
        y = b.vector("relu", b.conv("conv1", x, width, 1, norm=True))
        y = b.vector("relu", b.conv("conv2", y, width, 3, stride=stride, norm=True))
        y = b.conv("conv3", y, out, 1, norm=True)
    else:
        y = b.vector("relu", b.conv("conv1", x, width, 3, stride=stride, norm=True))
        y = b.conv("conv2", y, out, 3, norm=True)
    if stride > 1 or x.shape[0] != out:
        x = b.conv("downsample", x, out, 1, stride=stride, norm=True)
    return b.vector("relu", b.vector("add", y, x))
