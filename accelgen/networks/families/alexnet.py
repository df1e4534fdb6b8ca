"""AlexNet: of the paper of 2012, with two groups, and the one-column version of 2014."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["alexnet"]

_SOURCES = {
    2012: "Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep CNNs, 2012",
    2014: "Krizhevsky: One weird trick, arXiv 1404.5997, as in torchvision's alexnet",
}


def alexnet(year: int = 2012, classes: int = 1000, batch: int = 1) -> Network:
    """AlexNet on 227 x 227 (2012: grouped, with local response normalisation) or 224 x 224."""
    chosen(year, _SOURCES, "year")
    b = Builder(batch)
    old = year == 2012
    widths = (96, 256, 384, 384, 256) if old else (64, 192, 384, 256, 256)
    groups = (1, 2, 1, 2, 2) if old else (1,) * 5
    kernels, pads = (11, 5, 3, 3, 3), (0 if old else 2, 2, 1, 1, 1)
    x = Value((3, 227, 227) if old else (3, 224, 224))
    for i, width in enumerate(widths):
        x = b.conv(
            f"conv{i + 1}", x, width, kernels[i], stride=4 if i == 0 else 1,
            padding=pads[i], groups=groups[i], bias=True,
        )  # fmt: skip
        x = b.vector("relu", x)
        if old and i < 2:
            x = b.vector("local_response_norm", x)
        if i in (0, 1, 4):
            x = b.pool(x, 3, 2)
    x = x.reshaped(1, x.elements)
    for name, width in (("fc6", 4096), ("fc7", 4096)):
        x = b.vector("relu", b.linear(name, x, width))
    b.vector("softmax", b.linear("fc8", x, classes))
    return b.network("alexnet", _SOURCES[year])
