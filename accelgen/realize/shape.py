"""The loop nest of a layer as a kernel has it: bounds in words or blocks, widths of elements."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import element_bits
from accelgen.elastic.digits import DigitsLayer
from accelgen.names import FrozenMap
from accelgen.realize.kernel import Kernel
from accelgen.realize.words import BLOCK_BITS, width_of

__all__ = ["LayerShape", "shape_of", "word_bounds_of"]


@dataclass(frozen=True)
class LayerShape:
    """Bounds of the loops, channels in words or blocks: of ``count`` elements of ``widths`` bits
    (of activations, of weights); and how many ``channels`` come in.
    """

    bounds: FrozenMap[str, int]
    channels: int
    count: int
    widths: tuple[int, int]

    @property
    def products(self) -> int:
        """Of elements, those that fill up words too."""
        return prod(self.bounds.values()) * self.count


def shape_of(kernel: Kernel, layer: DigitsLayer, bits: LayerBits) -> LayerShape:
    """Of a layer with its formats: plain multipliers take all integers as 8 bits."""
    widths = 8, 8 if kernel.lanes == 1 else BLOCK_BITS
    if kernel.multiplier == "composable":
        widths = width_of(element_bits(bits.activations)), width_of(element_bits(bits.weights))
    count = kernel.elements(*widths)
    return LayerShape(word_bounds_of(layer, count), layer.channels_in, count, widths)


@lru_cache(maxsize=1 << 10)
def word_bounds_of(layer: DigitsLayer, count: int) -> FrozenMap[str, int]:
    """Of its loops, channels in words or blocks of ``count``."""
    words = -(-layer.channels_in // count)
    side, taps = layer.side, layer.kernel
    return FrozenMap({"k": layer.channels, "c": words, "p": side, "q": side, "r": taps, "s": taps})
