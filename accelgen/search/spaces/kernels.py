"""Kernels for convolutions that accelgen generates, as genes.

Importance encoding as for hardware (:mod:`accelgen.search.spaces.array_genes`): the loops of
largest importance run in space, one per axis; a second importance orders all loops in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from accelgen.bits.table import element_bits
from accelgen.errors import InputError
from accelgen.names import unknown
from accelgen.realize.kernel import LOOPS, MULTIPLIERS, Kernel, Multiplier, weight_formats
from accelgen.search.vector import Gene, Reader, Rejected, Vector, slot_of

__all__ = ["KernelSizes", "KernelSpace"]

_AXES = ("i", "j", "l")

_ALONG = ("k", "c", "p")
"""The loops along the axes of the reference: output and input channels, as in NVDLA."""

_STATIONARY = ("c", "r", "s", "k", "p", "q")
"""Its loops in time: weights stay while positions run."""


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

    @property
    def reference(self) -> Kernel:
        """Output and input channels along the axes, weights stationary, data broadcast; the most
        units that the sizes allow, as square as they allow, the kind of multiplier that takes the
        widest weights (of equal ones the last of ``MULTIPLIERS``) and the widest bus.
        """
        axes = max(n for n in self.dimensions if min(self.sizes) ** n <= self.units)
        fit = [x for x in product(self.sizes, repeat=axes) if prod(x) <= self.units]
        extents = max(fit, key=lambda x: (prod(x), min(x), x))
        return Kernel(
            tuple(zip(_ALONG, extents, strict=False)),
            _STATIONARY,
            (False,) * axes,
            max(self.multipliers, key=_generality),
            max(self.buses),
        )

    @property
    def starts(self) -> tuple[Vector, ...]:
        """The reference with every kind of multiplier."""
        reference = self.reference
        kinds = dict.fromkeys((reference.multiplier, *reversed(self.multipliers)))
        return tuple(self.encode(replace(reference, multiplier=kind)) for kind in kinds)

    @property
    def sizing(self) -> KernelSizes:
        """The reference with other sizes, multipliers and buses."""
        return KernelSizes(self)

    def encode(self, kernel: Kernel) -> Vector:
        """A vector of a kernel of this space; raises :class:`InputError` for others."""
        found = {"dimensions": slot_of(len(kernel.space), self.dimensions)}
        for axis, (_, extent), skewed in zip(_AXES, kernel.space, kernel.skewed, strict=False):
            found[f"size.{axis}"] = slot_of(extent, self.sizes)
            found[f"skew.{axis}"] = float(skewed)
        along = [loop for loop, _ in kernel.space]
        ranked = [*along, *(loop for loop in LOOPS if loop not in along)]
        for prefix, loops in (("space", ranked), ("time", kernel.order)):
            for rank, loop in enumerate(loops):
                found[f"{prefix}.{loop}"] = 1.0 - (rank + 0.5) / len(LOOPS)
        found["multiplier"] = slot_of(kernel.multiplier, self.multipliers)
        found["bus"] = slot_of(kernel.bus_bits, self.buses)
        return tuple(found.get(gene.name, 0.5) for gene in self.genes)

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


def _generality(kind: Multiplier) -> tuple[int, int]:
    """Bits of the widest weights that a kind of multiplier takes, and its place among all kinds."""
    return max(map(element_bits, weight_formats(kind))), list(MULTIPLIERS).index(kind)


@dataclass(frozen=True)
class KernelSizes:
    """The reference of ``kernels`` with other sizes, kinds of multipliers and buses; no connection
    changes.
    """

    kernels: KernelSpace

    @property
    def genes(self) -> tuple[Gene, ...]:
        """See :class:`accelgen.search.space.Space`."""
        axes = _AXES[: len(self.kernels.reference.space)]
        kept = {*(f"size.{axis}" for axis in axes), "multiplier", "bus"}
        return tuple(gene for gene in self.kernels.genes if gene.name in kept)

    def decode(self, vector: Sequence[float]) -> Kernel | Rejected:
        """The kernel of a vector."""
        reader, space, reference = (
            Reader.of(self.genes, vector),
            self.kernels,
            self.kernels.reference,
        )
        kernel = replace(
            reference,
            space=tuple(
                (loop, reader.pick(f"size.{axis}", space.sizes))
                for axis, (loop, _) in zip(_AXES, reference.space, strict=False)
            ),
            multiplier=reader.pick("multiplier", space.multipliers),
            bus_bits=reader.pick("bus", space.buses),
        )
        if kernel.units > space.units:
            return Rejected(f"{kernel.units} units, and there are {space.units}")
        return kernel
