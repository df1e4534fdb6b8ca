"""SqueezeNet: fire modules, which squeeze channels and expand them again."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["squeezenet"]

_SOURCES = {
    "1.0": "Iandola et al.: SqueezeNet, arXiv 1602.07360",
    "1.1": "Iandola et al.: SqueezeNet 1.1, the authors' repository",
}
# Squeezed channels of fire2 to fire9; expanded ones are eight times as many.
_FIRES = (16, 16, 32, 32, 48, 48, 64, 64)


def squeezenet(
    version: str = "1.0", image: int = 224, classes: int = 1000, batch: int = 1
) -> Network:
    """SqueezeNet ``version`` 1.0 or 1.1; pooling keeps windows that are not whole."""
    chosen(version, _SOURCES, "version")
    b = Builder(batch)
    width, kernel, pools = (96, 7, (4, 8)) if version == "1.0" else (64, 3, (3, 5))
    x = Value((3, image, image))
    x = b.vector("relu", b.conv("conv1", x, width, kernel, stride=2, padding=0, bias=True))
    x = b.pool(x, 3, 2, round_up=True)
    for number, squeezed in enumerate(_FIRES, start=2):
        with b.scope(f"fire{number}"):
            s = b.vector("relu", b.conv("squeeze", x, squeezed, 1, bias=True))
            one = b.vector("relu", b.conv("expand1x1", s, 4 * squeezed, 1, bias=True))
            three = b.vector("relu", b.conv("expand3x3", s, 4 * squeezed, 3, bias=True))
            x = b.concat(one, three)
        if number in pools:
            x = b.pool(x, 3, 2, round_up=True)
    x = b.vector("relu", b.conv("conv10", x, classes, 1, bias=True))
    b.vector("softmax", b.mean(x))
    return b.network(f"squeezenet_{version.replace('.', '_')}", _SOURCES[version])
