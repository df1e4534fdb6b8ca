"""VGG: three-by-three convolutions, one stage after another."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["vgg"]

_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_SOURCE = "Simonyan, Zisserman: Very Deep Convolutional Networks, arXiv 1409.1556"


def vgg(depth: int = 16, image: int = 224, classes: int = 1000, batch: int = 1) -> Network:
    """VGG with ``depth`` 11, 13, 16 or 19 layers of weights, without batch normalisation.

    The first linear layer reads all that is left of the image (7 x 7 positions of 224 x 224).
    """
    chosen(depth, _STAGES, "depth")
    b = Builder(batch)
    x = Value((3, image, image))
    for stage, (width, count) in enumerate(
        zip((64, 128, 256, 512, 512), _STAGES[depth], strict=True), start=1
    ):
        for i in range(1, count + 1):
            x = b.vector("relu", b.conv(f"conv{stage}_{i}", x, width, 3, bias=True))
        x = b.pool(x, 2, 2)
    x = x.reshaped(1, x.elements)
    for name in ("fc1", "fc2"):
        x = b.vector("relu", b.linear(name, x, 4096))
    b.vector("softmax", b.linear("fc3", x, classes))
    return b.network(f"vgg{depth}", _SOURCE)
