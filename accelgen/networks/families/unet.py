"""The U-Net of biomedical image segmentation."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.network import Network

__all__ = ["unet"]


def unet(
    image: int = 572,
    channels: int = 1,
    classes: int = 2,
    width: int = 64,
    padding: int = 0,
    batch: int = 1,
) -> Network:
    """The U-Net of 23 convolutions; ``padding`` 0 as in the paper (skips are cropped), or 1."""
    b = Builder(batch)
    skips: list[Value] = []
    x = Value((channels, image, image))
    for level in range(5):
        with b.scope(f"down{level}"):
            if level:
                skips.append(x)
                x = b.pool(x, 2, 2)
            x = _double(b, x, width * 2**level, padding)
    for level in reversed(range(4)):
        with b.scope(f"up{level}"):
            x = b.transposed_conv("up", x, width * 2**level, 2)
            skip = skips.pop()
            x = b.concat(skip.reshaped(skip.shape[0], *x.shape[1:]), x)
            x = _double(b, x, width * 2**level, padding)
    b.vector("softmax", b.conv("head", x, classes, 1, bias=True))
    return b.network("unet", "Ronneberger, Fischer, Brox: U-Net, arXiv 1505.04597")


def _double(b: Builder, x: Value, width: int, padding: int) -> Value:
    for name in ("conv1", "conv2"):
        x = b.vector("relu", b.conv(name, x, width, 3, padding=padding, bias=True))
    return x
