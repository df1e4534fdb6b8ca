"""What the loop nest of a layer on a kernel says without a design: steps, beats, moves.

Classical reuse analysis: an operand moves when a loop that it depends on runs, and stays while none
but others run inside of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import prod

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import element_bits
from accelgen.elastic.digits import DigitsLayer
from accelgen.names import FrozenMap
from accelgen.realize.kernel import LOOPS, Kernel
from accelgen.realize.words import BLOCK_BITS, width_of

__all__ = [
    "INPUT", "OUTPUT", "WEIGHT", "Counts", "Shape", "counts_of", "extents_of", "tiles_of", "total",
    "widths_of", "word_bounds_of",
]  # fmt: skip

Bounds = Mapping[str, int]


@dataclass(frozen=True)
class Shape:
    """The elements of an operand in a tile: of the ``moving`` loops those it depends on."""

    moving: tuple[str, ...]

    def of(self, bounds: Bounds) -> tuple[int, ...]:
        """Its extents in a tile with ``bounds``; of the input with what neighbours share."""
        if "p" in self.moving and "r" in self.moving:
            rows, columns = bounds["p"] + bounds["r"] - 1, bounds["q"] + bounds["s"] - 1
            return bounds["c"], rows, columns
        return tuple(bounds[loop] for loop in self.moving)

    def moves(self, order: Sequence[str], tiles: Bounds) -> int:
        """Steps in which it moves, loops running in ``order``."""
        moves = 1
        for loop in reversed(order):
            if moves > 1 or loop in self.moving:
                moves *= tiles[loop]
        return moves

    def waits(self, order: Sequence[str], tiles: Bounds, extents: Bounds) -> int:
        """Steps in which the next tile of it is not there yet, when it stays for fewer than pass
        while it goes along an axis of the array, a unit at a time.
        """
        moves = self.moves(order, tiles)
        stays = prod(tiles.values()) // moves
        innermost = self.moving.count(order[-1])
        along = max(extents[loop] for loop in self.moving)
        return 0 if innermost or along == 1 else moves * max(0, along - stays)


INPUT, WEIGHT, OUTPUT = (Shape(tuple(x)) for x in ("cpqrs", "kcrs", "kpq"))


@dataclass(frozen=True)
class Counts:
    """Of a layer, or of several together.

    ``steps`` of the array, and those it would wait for operands that stay (input, weight, result)
    if each went along a skewed axis; ``products`` of words or blocks, ``macs`` of elements; beats
    of the input and weight buses, and of both at once (``beats``); ``sums`` that the output stage
    takes, one in a cycle; ``weight_bits`` as sent; steps in which inputs and weights move, and
    results are updated.
    """

    steps: float
    products: float
    macs: float
    input_waits: float
    weight_waits: float
    result_waits: float
    input_beats: float
    weight_beats: float
    beats: float
    sums: float
    weight_bits: float
    input_moves: float
    weight_moves: float
    updates: float

    @property
    def cycles(self) -> float:
        """Loading, computing and sending one after the other, without latencies and waits."""
        return self.beats + self.steps + self.sums


def total(counts: Sequence[Counts]) -> Counts:
    """Of all together."""
    return Counts(*(sum(getattr(one, x.name) for one in counts) for x in fields(Counts)))


def widths_of(kernel: Kernel, bits: LayerBits) -> tuple[tuple[int, int], int]:
    """Bits of an activation and of a weight as they are sent, and how many a unit multiplies in a
    cycle: plain multipliers take all integers as 8 bits.
    """
    widths = 8, 8 if kernel.lanes == 1 else BLOCK_BITS
    if kernel.multiplier == "composable":
        widths = width_of(element_bits(bits.activations)), width_of(element_bits(bits.weights))
    return widths, kernel.elements(*widths)


def word_bounds_of(layer: DigitsLayer, count: int) -> FrozenMap[str, int]:
    """Of its loops, channels in words or blocks of ``count``."""
    words = -(-layer.channels_in // count)
    side, taps = layer.side, layer.kernel
    return FrozenMap({"k": layer.channels, "c": words, "p": side, "q": side, "r": taps, "s": taps})


def extents_of(kernel: Kernel) -> FrozenMap[str, int]:
    """Units along every loop."""
    return FrozenMap({**dict.fromkeys(LOOPS, 1), **dict(kernel.space)})


def tiles_of(bounds: Bounds, extents: Bounds) -> FrozenMap[str, int]:
    """Steps of every loop."""
    return FrozenMap({loop: -(-bounds[loop] // extents[loop]) for loop in LOOPS})


def counts_of(kernel: Kernel, layer: DigitsLayer, bits: LayerBits) -> Counts:
    """Of a layer with its formats."""
    (activation, weight), count = widths_of(kernel, bits)
    bounds = word_bounds_of(layer, count)
    weight_bits = prod(WEIGHT.of(bounds)) * count * weight
    input_bits = prod(INPUT.of(bounds)) * count * activation
    extents = extents_of(kernel)
    tiles = tiles_of(bounds, extents)
    input_beats, weight_beats = input_bits / kernel.bus_bits, weight_bits / kernel.bus_bits
    return Counts(
        steps=prod(tiles.values()),
        input_waits=INPUT.waits(kernel.order, tiles, extents),
        weight_waits=WEIGHT.waits(kernel.order, tiles, extents),
        result_waits=OUTPUT.waits(kernel.order, tiles, extents),
        products=prod(bounds.values()),
        macs=layer.channels * layer.channels_in * (layer.side * layer.kernel) ** 2,
        input_beats=input_beats,
        weight_beats=weight_beats,
        beats=max(input_beats, weight_beats),
        sums=prod(OUTPUT.of(bounds)),
        weight_bits=weight_bits,
        input_moves=INPUT.moves(kernel.order, tiles),
        weight_moves=WEIGHT.moves(kernel.order, tiles),
        updates=OUTPUT.moves(kernel.order, tiles),
    )
