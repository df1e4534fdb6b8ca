"""How a kernel is laid out, in closed form: chains, memories and schedule without a design.

:mod:`accelgen.fabric` decides these for any dataflow, unit by unit.  Kernels of convolutions are so
regular that numbers of loops and axes say the same: which loops move an operand, how long it
stays, along which axis a chain brings it, which of its elements are taken at once.  What only a
netlist knows is left out: the registers of the array, and the latency of its pipeline.  Where both
loops of a sum (p and r, or q and s) run along axes, the units that share an input lie diagonally,
and its chain and its memories may be others than said here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

from accelgen.affine.assignment import parse_assignment
from accelgen.affine.blocks import block_product
from accelgen.affine.spacetime import IntVector
from accelgen.errors import InputError
from accelgen.fabric.chain import MOST_PORTS
from accelgen.fabric.layout import Layout
from accelgen.formats import IntFormat
from accelgen.names import FrozenMap
from accelgen.realize.accesses import Traffic, accesses_of
from accelgen.realize.kernel import EXPRESSION, LOOPS, MULTIPLIERS, Kernel
from accelgen.realize.words import BLOCK_BITS
from accelgen.rtl.output_stage.form import SUM_BITS
from accelgen.rtl.streams.geometry import bank_depth

__all__ = [
    "OUTPUT",
    "ChainSketch",
    "KernelSketch",
    "Schedule",
    "TensorSketch",
    "sketch_of",
    "tiles_of",
]

Bounds = Mapping[str, int]
Dims = tuple[tuple[str, ...], ...]

_ELEMENT_BITS, _SCALE_BITS = 8, 8
_WORD_BITS = 32
"""Of words of composable multipliers: the most activations or weights that one takes."""

_INPUT: Dims = (("c",), ("p", "r"), ("q", "s"))
_WEIGHT: Dims = (("k",), ("c",), ("r",), ("s",))
"""By dimension of a tensor the loops that its index is the sum of."""

OUTPUT = ("k", "p", "q")
"""The loops that index results; units along the others sum."""


@dataclass(frozen=True)
class ChainSketch:
    """Of ``length`` units along the axis of ``loop``, busy for ``cycles`` with a tile; from one
    element that enters or leaves to the next the index moves by ``step``.  All that there are side
    by side have ``registers``.
    """

    loop: str = ""
    length: int = 1
    cycles: int = 1
    step: int = 0
    registers: int = 0


@dataclass(frozen=True)
class TensorSketch:
    """The memories of a tensor and how the array accesses them, at any bounds.

    ``dims`` are the loops that the index of every dimension is the sum of; the ``level`` outermost
    loops move an element, those inside of them run while it stays; where it stays a ``chain`` may
    shift it in or out.  ``slots`` elements are accessed at once.  Dimensions of the layout are
    ``groups`` of dimensions, banked modulo ``moduli``, with rotators around the memories where it
    ``turns``; a beat has ``lanes`` elements of ``bits`` bits.
    """

    dims: Dims
    level: int
    chain: ChainSketch
    slots: int
    groups: tuple[IntVector, ...]
    moduli: IntVector
    turns: bool
    lanes: int
    bits: int

    def words(self, largest: Bounds) -> int:
        """Of each memory, for a tensor of these bounds."""
        shape = _shape(self.dims, largest)
        return bank_depth(self._layout([prod(shape[d] for d in group) for group in self.groups]))

    def traffic(self, order: Sequence[str], extents: Bounds, bounds: Bounds) -> Traffic:
        """Of a layer with these bounds; ``extents`` are units by loop."""
        tiles = [(loop, -(-bounds[loop] // extents[loop])) for loop in order[: self.level]]
        loops = [(loop, n) for loop, n in tiles if n > 1]
        along = [n for _, n in loops]
        chain = self.chain
        if chain.length > 1:
            along.append(chain.length)
        shape = _shape(self.dims, bounds)
        merged, steps = [], []
        for group in self.groups:
            size, weights = 1, {}
            for d in reversed(group):
                for loop in self.dims[d]:
                    weights[loop] = size
                size *= shape[d]
            merged.append(size)
            row = [weights[loop] * extents[loop] if loop in weights else 0 for loop, _ in loops]
            if chain.length > 1:
                row.append(weights.get(chain.loop, 0) * chain.step)
            steps.append(tuple(row))
        accesses = accesses_of(tuple(along), tuple(steps), self.moduli)
        return Traffic(self._layout(merged), self.slots, self.turns, accesses)

    def _layout(self, merged: Sequence[int]) -> Layout:
        return Layout(tuple(merged), self.moduli, self.bits, self.lanes)


@dataclass(frozen=True)
class Schedule:
    """Cycles of a layer: ``prologue`` until the first iteration, ``issue`` of all of them, in which
    there are ``steps``, and until the last sum has left the array ``drain`` without its pipeline.
    """

    steps: int
    prologue: int
    issue: int
    drain: int


@dataclass(frozen=True)
class KernelSketch:
    """Of a kernel with ``extents`` units by loop and ``skew`` cycles from its first unit to its
    last; loops run in ``order``.  Results may be added up in their memories (``accumulates``).
    """

    order: tuple[str, ...]
    extents: FrozenMap[str, int]
    skew: int
    inputs: tuple[TensorSketch, ...]
    output: TensorSketch
    accumulates: bool

    def schedule(self, bounds: Bounds) -> Schedule:
        """As :func:`accelgen.reuse.schedule.chain_pads` has it."""
        tiles = tiles_of(bounds, self.extents)
        longest: dict[int, int] = {}
        for tensor in (*self.inputs, self.output):
            longest[tensor.level] = max(longest.get(tensor.level, 1), tensor.chain.cycles)
        length, last = 1, 0
        for level in reversed(range(len(self.order))):
            length = max(length, longest.get(level + 1, 1))
            last += (tiles[self.order[level]] - 1) * length
            length *= tiles[self.order[level]]
        prologue = max(tensor.chain.length - 1 for tensor in self.inputs)
        drain = self.skew + self.output.chain.length - 1
        return Schedule(prod(tiles.values()), prologue, last + 1, drain)


def tiles_of(bounds: Bounds, extents: Bounds) -> dict[str, int]:
    """Steps of every loop."""
    return {loop: -(-bounds[loop] // extents[loop]) for loop in LOOPS}


@lru_cache(maxsize=1 << 10)
def sketch_of(kernel: Kernel, largest: FrozenMap[str, int]) -> KernelSketch:
    """Of a kernel for layers of up to ``largest`` bounds, in words or blocks.

    Raises :class:`InputError` when the bus is narrower than an element or a sum.
    """
    extents = FrozenMap({**dict.fromkeys(LOOPS, 1), **dict(kernel.space)})
    # Bounds are registers: loops of one tile are loops all the same.
    tiles = {loop: max(2, n) for loop, n in tiles_of(largest, extents).items()}
    if kernel.bus_bits < SUM_BITS:
        raise InputError(
            f"sums of {SUM_BITS} bits, the bus {kernel.bus_bits}",
            where="bus_bits",
            hint=f"use at least {SUM_BITS}",
        )

    def sketched(dims: Dims, bits: int, lanes: int = 0) -> TensorSketch:
        return _tensor(kernel, tiles, dims, bits, lanes or kernel.bus_bits // bits)

    results = tuple((loop,) for loop in OUTPUT)
    if kernel.lanes > 1:
        # Of activations too every block has a scale.
        inputs = [
            sketched(dims, bits)
            for dims, element in ((_INPUT, _ELEMENT_BITS), (_WEIGHT, BLOCK_BITS))
            for bits in (element * kernel.lanes, _SCALE_BITS)
        ]
        terms = prod(n for loop, n in largest.items() if loop not in OUTPUT)
        bits = _block_sum_bits(kernel.multiplier, terms)
        # Beats have rounded sums.
        output = sketched(results, bits, kernel.bus_bits // SUM_BITS)
    else:
        bits = _WORD_BITS if kernel.multiplier == "composable" else _ELEMENT_BITS
        inputs = [sketched(dims, bits) for dims in (_INPUT, _WEIGHT)]
        output = sketched(results, SUM_BITS)
    accumulates = any(loop not in OUTPUT for loop in kernel.order[: output.level])
    skew = sum(n - 1 for (_, n), skewed in zip(kernel.space, kernel.skewed, strict=True) if skewed)
    return KernelSketch(kernel.order, extents, skew, tuple(inputs), output, accumulates)


@lru_cache(maxsize=1 << 12)
def _block_sum_bits(multiplier: str, terms: int) -> int:
    """Of the sum of so many products of blocks, before it is rounded."""
    product = block_product(parse_assignment(EXPRESSION), MULTIPLIERS[multiplier])
    assert product is not None
    return IntFormat.for_range(product.term.min * terms, product.term.max * terms).bits


def _tensor(kernel: Kernel, tiles: Bounds, dims: Dims, bits: int, lanes: int) -> TensorSketch:
    moving = {loop for loops in dims for loop in loops}
    level = len(LOOPS)
    while kernel.order[level - 1] not in moving:
        level -= 1
    chain = ChainSketch()
    if level < len(LOOPS):
        stays = prod(tiles[loop] for loop in kernel.order[level:])
        chain = _chain(kernel, dims, stays)
    # Along a chain all elements but one come from a neighbour.
    windows = _windows(kernel, dims, chain.loop)
    groups = _groups(windows)
    moduli = [prod(windows[d] for d in group) for group in groups]
    moduli[-1] = max(moduli[-1], lanes, 2)
    loops = kernel.order[:level]
    turns = any(
        modulus > 1 and _turns([dims[d] for d in group], dict(kernel.space), loops, chain, modulus)
        for group, modulus in zip(groups, moduli, strict=True)
    )
    slots = prod(windows)
    return TensorSketch(dims, level, chain, slots, groups, tuple(moduli), turns, lanes, bits)


def _turns(
    group: Sequence[Sequence[str]],
    units: Bounds,
    loops: Sequence[str],
    chain: ChainSketch,
    modulus: int,
) -> bool:
    """Whether the memories that the slots meet change: unless all steps are multiples of the
    modulus, whatever the bounds are.
    """
    moving = [loop for dims in group for loop in dims if loop in loops]
    chained = any(chain.loop in dims for dims in group)
    straight = len(group) == 1 and not chained
    return (bool(moving) or chained) and not (
        straight and all(units.get(loop, 1) % modulus == 0 for loop in moving)
    )


def _shape(dims: Dims, bounds: Bounds) -> list[int]:
    shape = []
    for first, *others in dims:
        size = bounds[first]
        for loop in others:
            size += bounds[loop] - 1
        shape.append(size)
    return shape


def _windows(kernel: Kernel, dims: Dims, but: str = "") -> list[int]:
    """Elements by dimension that the units of all axes ``but`` one take."""
    return _shape(dims, {**dict.fromkeys(LOOPS, 1), **dict(kernel.space), but: 1})


def _groups(windows: Sequence[int]) -> tuple[IntVector, ...]:
    """Dimensions that merge: those with no banks, with the ones behind them
    (:func:`accelgen.fabric.banks.merge_dimensions`).
    """
    groups: list[IntVector] = []
    for d, window in enumerate(windows):
        if d and window == windows[d - 1] == 1:
            groups[-1] += (d,)
        else:
            groups.append((d,))
    return tuple(groups)


def _chain(kernel: Kernel, dims: Dims, stays: int) -> ChainSketch:
    """The chain that stretches the schedule least, then has the fewest ports, then registers, or
    none: see :func:`accelgen.fabric.chain.choose_chain`.
    """
    members = prod(_windows(kernel, dims))
    candidates = []
    for axis, ((loop, n), skewed) in enumerate(zip(kernel.space, kernel.skewed, strict=True)):
        if n == 1 or not any(loop in loops for loops in dims):
            continue
        ports = prod(_windows(kernel, dims, loop))
        # With the skew, an element a cycle; against it, one every other cycle.
        for spacing, step, hop in ((1, -1, 1 + skewed), (2, 1, 1))[: 1 + skewed]:
            chain = ChainSketch(loop, n, spacing * (n - 1) + 1, step, ports * (n - 1) * hop)
            stretch = max(0, chain.cycles - stays)
            candidates.append((stretch, ports, chain.registers, axis, chain))
    if not candidates:
        return ChainSketch()
    stretch, *_, chain = min(candidates, key=lambda candidate: candidate[:4])
    return ChainSketch() if stretch and members <= MOST_PORTS else chain
