"""A kernel for convolutions as a choice: what runs in space, in what order, on what multipliers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.affine import Description, parse_description
from accelgen.errors import InputError
from accelgen.formats import block_format
from accelgen.names import FrozenMap, unknown
from accelgen.realize.words import elements_per_word

__all__ = [
    "BLOCK_FORMATS",
    "EXPRESSION",
    "LOOPS",
    "MULTIPLIERS",
    "Kernel",
    "Multiplier",
    "check_weights",
    "describe",
    "weight_formats",
]

EXPRESSION = "Y[k,p,q] += X[c,p + r,q + s] * W[k,c,r,s]"
"""What every layer is: a convolution with stride 1 of an image that is padded already."""

LOOPS = ("k", "c", "p", "q", "r", "s")

MULTIPLIERS: Mapping[str, Mapping[str, str]] = FrozenMap(
    {
        "plain": FrozenMap({"X": "uint8", "W": "int8", "Y": "int32"}),
        "composable": FrozenMap({"X": "uint8/4/2", "W": "int8/4/2", "Y": "int32"}),
        **{
            name: FrozenMap({"X": "uint8", "W": name, "Y": "int32"})
            for name in ("nvfp4", "nvint4", "if4", "mxfp4")
        },
    }
)
"""Types of the tensors by kind of multiplier: 8 bits; 8, 4 or 2 bits as every problem asks; blocks
of activations of 8 bits and of weights in the block format of that name.
"""

BLOCK_FORMATS: Mapping[str, tuple[str, ...]] = FrozenMap(
    {
        "nvfp4": ("nvfp4", "nvfp4_4over6"),
        "nvint4": ("nvint4",),
        "if4": ("if4",),
        "mxfp4": ("mxfp4",),
    }
)
"""Formats of weights by kind of multiplier of blocks: those whose codes mean the same."""

_INTEGERS = tuple(f"int{bits}" for bits in range(2, 9))

Multiplier = str
"""A key of MULTIPLIERS."""

_MOST_UNITS = 1024


@dataclass(frozen=True)
class Kernel:
    """An array for convolutions of 8-bit activations (unsigned) and weights, of 8 bits too or in a
    block format.

    ``space`` has for every axis of the array (one to three) the loop that runs along it and how
    many units it has; ``order`` are all loops as they run in time, outermost first (of a loop in
    space, its tiles).  ``skewed`` says of every axis whether its units are a cycle apart, so that
    data go from unit to unit (systolic), or in lockstep (broadcast).

    Raises :class:`InputError` unless ``order`` has every loop once and ``space`` has no loop twice,
    and where a block of activations does not fit a beat of ``bus_bits``.
    """

    space: tuple[tuple[str, int], ...]
    order: tuple[str, ...]
    skewed: tuple[bool, ...]
    multiplier: Multiplier = "plain"
    bus_bits: int = 64

    def __post_init__(self) -> None:
        if not 1 <= len(self.space) <= 3 or len(self.skewed) != len(self.space):
            raise InputError(
                f"{len(self.space)} axes, {len(self.skewed)} of which it is said whether they are "
                "skewed",
                where="space",
                hint="give one to three axes, and skewed for each",
            )
        along = [loop for loop, _ in self.space]
        for loop in along:
            if loop not in LOOPS:
                raise unknown(loop, "loop", LOOPS)
        if len(set(along)) < len(along):
            raise InputError(
                f"a loop runs along two axes: {', '.join(along)}",
                where="space",
                hint="make one axis of them",
            )
        if sorted(self.order) != sorted(LOOPS):
            raise InputError(
                f"{', '.join(self.order)}", where="order", hint=f"give each of {', '.join(LOOPS)}"
            )
        if self.multiplier not in MULTIPLIERS:
            raise unknown(self.multiplier, "kind of multiplier", MULTIPLIERS)
        for loop, extent in self.space:
            if extent < 1:
                raise InputError(f"{loop}: {extent} units", where="space", hint="use 1 or more")
        if self.bus_bits < self.lanes * 8:
            raise InputError(
                f"{self.bus_bits} bits, and {self.lanes} activations of 8 bits are a block of "
                f"{self.multiplier}",
                where="bus_bits",
                hint=f"use {self.lanes * 8}",
            )
        if self.units > _MOST_UNITS:
            raise InputError(
                f"{self.units} units", where="space", hint=f"use at most {_MOST_UNITS}"
            )

    @property
    def lanes(self) -> int:
        """Elements of a block; 1 for multipliers of integers."""
        if self.multiplier not in BLOCK_FORMATS:
            return 1
        return block_format(self.multiplier).block or 1

    def elements(self, activation: int, weight: int) -> int:
        """How many of each, of these widths, a unit multiplies in a cycle: a word or a block."""
        if self.multiplier == "composable":
            return elements_per_word(activation, weight)
        return self.lanes

    @property
    def units(self) -> int:
        """Of the array."""
        count = 1
        for _, extent in self.space:
            count *= extent
        return count


def weight_formats(multiplier: Multiplier) -> tuple[str, ...]:
    """The formats of weights that a kind of multiplier takes."""
    return BLOCK_FORMATS.get(multiplier, _INTEGERS)


def check_weights(multiplier: Multiplier, name: str) -> None:
    """Raise :class:`InputError` for weights in a format that a kind of multiplier does not take."""
    taken = weight_formats(multiplier)
    if name not in taken:
        kinds = [kind for kind in MULTIPLIERS if name in weight_formats(kind)]
        raise InputError(
            f"{name} weights, and {multiplier} multipliers take "
            + (" or ".join(taken) if multiplier in BLOCK_FORMATS else "int2 .. int8"),
            hint=f"use {' or '.join(kinds)} multipliers" if kinds else "use at most 8 bits",
        )


def describe(kernel: Kernel, bounds: Mapping[str, int], name: str = "conv") -> Description:
    """The dataflow of a kernel, for layers of up to ``bounds`` (of words where elements are
    composed, see :mod:`accelgen.affine.composed`).
    """
    axes = "ijl"[: len(kernel.space)]
    along = {loop: axis for axis, (loop, _) in zip(axes, kernel.space, strict=True)}
    extents = {axis: extent for axis, (_, extent) in zip(axes, kernel.space, strict=True)}
    time = [f"{loop}1" if loop in along else loop for loop in kernel.order]
    tiles = {loop: f"size({axis})*{loop}1 + {axis}" for loop, axis in along.items()}
    skew = {axis: int(skewed) for axis, skewed in zip(axes, kernel.skewed, strict=True)}
    lines = [
        f"name: {name}",
        f"expression: {EXPRESSION}",
        f"bounds: {_flow({loop: bounds[loop] for loop in LOOPS})}",
        f"types: {_flow(MULTIPLIERS[kernel.multiplier])}",
        f"space: {_flow(extents)}",
        f"time: [{', '.join(time)}]",
        f"map: {_flow(tiles)}",
        f"skew: {_flow(skew)}",
    ]
    return parse_description("\n".join(lines) + "\n", where=name, name=name)


def _flow(values: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
