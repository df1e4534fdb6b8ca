"""Kernels for convolutions that accelgen generates, as genes.

Importance encoding as for hardware (:mod:`accelgen.search.array_genes`): the loops of largest
importance run in space, one per axis; a second importance orders all loops in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.names import unknown
from accelgen.realize.kernel import LOOPS, MULTIPLIERS, Kernel, Multiplier
from accelgen.search.vector import Gene, Reader, Rejected

__all__ = ["KernelSpace"]

_AXES = ("i", "j", "l")


@dataclass(frozen=True)
class KernelSpace:
    """Arrays of up to ``units`` units.

    ``dimensions`` are the numbers of axes to choose from, ``sizes`` the lengths of an axis,
    ``multipliers`` and ``buses`` (bits of every stream) the kinds of those.
    """

    units: int = 64
    dimensions: tuple[int, ...] = (1, 2)
    sizes: tuple[int, ...] = (2, 4, 8, 16)
    multipliers: tuple[Multiplier, ...] = ("plain", "composable")
    buses: tuple[int, ...] = (64, 128)

    def __post_init__(self) -> None:
        if not self.dimensions or not all(1 <= n <= len(_AXES) for n in self.dimensions):
            raise InputError(
                f"{list(self.dimensions)}", where="dimensions", hint="use numbers from 1 to 3"
            )
        for where, numbers in (("sizes", self.sizes), ("buses", self.buses)):
            if not numbers or min(numbers) < 1:
                raise InputError(f"{list(numbers)}", where=where, hint="use numbers above 0")
        if not self.multipliers:
            raise InputError("none", where="multipliers", hint=f"use {', '.join(MULTIPLIERS)}")
        for kind in self.multipliers:
            if kind not in MULTIPLIERS:
                raise unknown(kind, "kind of multiplier", MULTIPLIERS)
        if min(self.sizes) ** min(self.dimensions) > self.units:
            raise InputError(
                f"{self.units} units are fewer than the smallest array has",
                where="units",
                hint="allow shorter axes",
            )

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See :class:`accelgen.search.space.Space`."""
        axes = _AXES[: max(self.dimensions)]
        found = [Gene("dimensions", "number of axes")] if len(self.dimensions) > 1 else []
        found += [Gene(f"size.{axis}", f"length of axis {axis}") for axis in axes]
        found += [Gene(f"skew.{axis}", f"{axis}: broadcast or systolic") for axis in axes]
        found += [Gene(f"space.{loop}", f"importance of {loop} in space") for loop in LOOPS]
        found += [Gene(f"time.{loop}", f"how far outside {loop} is in time") for loop in LOOPS]
        if len(self.multipliers) > 1:
            found.append(Gene("multiplier", "kind of multiplier"))
        if len(self.buses) > 1:
            found.append(Gene("bus", "bits of a beat of every stream"))
        return tuple(found)

    def decode(self, vector: Sequence[float]) -> Kernel | Rejected:
        """The kernel of a vector; an array of more than ``units`` units is rejected."""
        reader = Reader.of(self.genes, vector)
        axes = _AXES[: reader.pick("dimensions", self.dimensions)]
        along = reader.ranked("space", LOOPS)[: len(axes)]
        extents = [reader.pick(f"size.{axis}", self.sizes) for axis in axes]
        kernel = Kernel(
            tuple(zip(along, extents, strict=True)),
            reader.ranked("time", LOOPS),
            tuple(reader.values[f"skew.{axis}"] >= 0.5 for axis in axes),
            reader.pick("multiplier", self.multipliers),
            reader.pick("bus", self.buses),
        )
        if kernel.units > self.units:
            return Rejected(f"{kernel.units} units, and there are {self.units}")
        return kernel
