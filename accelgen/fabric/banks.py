"""Banking: the fewest memories in which the accesses of one cycle never collide.

Bank coordinates are ``d[j] % moduli[j]`` per tensor dimension.  All accesses of a cycle keep
constant index differences, so freedom from conflicts is a property of those differences alone
and is proven here, once, for all cycles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from accelgen.affine.spacetime import IntMatrix, IntVector
from accelgen.errors import InputError
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.layout import Layout

__all__ = ["BankedAccess", "bank", "choose_moduli", "collides", "merge_dimensions"]


@dataclass(frozen=True)
class BankedAccess:
    """An access pattern in the dimensions of its layout (adjacent tensor dimensions merged).

    ``rotating[j]`` says whether ``(steps @ t)[j] % moduli[j]`` changes; where it does not, the
    constant residue of the origin is already folded into ``slots`` and ``origin[j]`` is a
    multiple of the modulus.
    """

    layout: Layout
    extents: IntVector
    gaps: IntVector
    steps: IntMatrix
    origin: IntVector
    slots: tuple[IntVector, ...]
    rotating: tuple[bool, ...]
    rotates: bool = False
    """Whether the ports rotate for another dataflow of the same memories, if not for this one."""

    @property
    def turns(self) -> bool:
        """Whether there are registered rotators around the memories."""
        return self.rotates or any(self.rotating)

    @property
    def read_latency(self) -> int:
        """Cycles from address to data: the memory alone, or with registered rotators around it."""
        return 3 if self.turns else 1

    def write_latency(self, accumulate: bool) -> int:
        """Cycles from data to the element written, inclusive: the write itself (or read, add
        and write), and one more to rotate.
        """
        return (3 if accumulate else 1) + self.turns

    def check(self) -> None:
        """Assert that no two slots ever share a memory."""
        self.layout.check()
        assert not collides(self.slots, self.layout.moduli)
        for j, modulus in enumerate(self.layout.moduli):
            if not self.rotating[j]:
                assert all(step % modulus == 0 for step in self.steps[j])
                assert self.origin[j] % modulus == 0


def collides(slots: Sequence[IntVector], moduli: Sequence[int]) -> bool:
    """Whether two of the index differences fall into the same bank."""
    residues = np.array(slots, dtype=np.int64) % np.array(moduli, dtype=np.int64)
    numbers = np.ravel_multi_index(tuple(residues.T), tuple(moduli))
    return len(np.unique(numbers)) < len(slots)


def choose_moduli(pattern: AccessPattern) -> IntVector:
    """The moduli with the smallest product that keep all slots apart.

    Among equals those that rotate in the fewest dimensions (a rotating bank needs multiplexers
    between memories and ports) win, then those that bank the later dimensions.
    """
    slots = np.array(pattern.slots, dtype=np.int64).reshape(len(pattern.slots), -1)
    windows = (slots.max(axis=0) - slots.min(axis=0) + 1).tolist()
    for count in range(len(pattern.slots), prod(windows) + 1):
        fits = [m for m in _factorisations(count, windows) if not collides(pattern.slots, m)]
        if fits:
            return min(fits, key=lambda m: (sum(_rotates(pattern, m)), m))
    raise AssertionError("moduli as wide as the access window always keep the slots apart")


def bank(
    pattern: AccessPattern, shape: IntVector, element_bits: int, bus_bits: int
) -> BankedAccess:
    """Choose banks, merge dimensions that need none, and give a row enough memories to take
    one beat of the stream per cycle.
    """
    per_beat = bus_bits // element_bits
    if per_beat < 1:
        raise InputError(
            f"an element of {pattern.tensor} has {element_bits} bits, the bus {bus_bits}",
            where=f"bus of {pattern.tensor}",
            hint=f"use a bus of at least {-(-element_bits // 8) * 8} bits",
        )
    moduli = choose_moduli(pattern) if shape else ()
    merged = merge_dimensions(moduli, shape, pattern.slots)
    weights = np.zeros((max(1, len(merged)), len(shape)), dtype=np.int64)
    layout_shape = [1] * max(1, len(merged))
    layout_moduli = [1] * max(1, len(merged))
    for row, dims in enumerate(merged):
        layout_shape[row] = prod(shape[d] for d in dims)
        layout_moduli[row] = prod(moduli[d] for d in dims)
        for position, d in enumerate(dims):
            weights[row, d] = prod(shape[e] for e in dims[position + 1 :])
    lanes = min(per_beat, layout_shape[-1])
    layout_moduli[-1] *= -(-lanes // layout_moduli[-1])
    layout = Layout(tuple(layout_shape), tuple(layout_moduli), element_bits, per_beat)

    loops = len(pattern.extents)
    steps = weights @ np.array(pattern.steps, dtype=np.int64).reshape(len(shape), loops)
    origin = weights @ np.array(pattern.origin, dtype=np.int64)
    slots = np.array(pattern.slots, dtype=np.int64).reshape(-1, len(shape)) @ weights.T
    # A loop of one iteration moves nothing, whatever its coefficient.
    steps[:, [n == 1 for n in pattern.extents]] = 0
    modulus = np.array(layout.moduli, dtype=np.int64)
    rotating = (steps % modulus[:, None] != 0).any(axis=1)
    folded = np.where(rotating, 0, origin % modulus)
    return BankedAccess(
        layout,
        pattern.extents,
        pattern.gaps,
        tuple(map(tuple, steps.tolist())),
        tuple((origin - folded).tolist()),
        tuple(map(tuple, (slots + folded).tolist())),
        tuple(rotating.tolist()),
    )


def _rotates(pattern: AccessPattern, moduli: Sequence[int]) -> list[bool]:
    return [
        any(c % m for c, n in zip(row, pattern.extents, strict=True) if n > 1)
        for row, m in zip(pattern.steps, moduli, strict=True)
    ]


def _factorisations(count: int, windows: Sequence[int]) -> Iterator[IntVector]:
    """All moduli with the given product, none wider than its access window."""
    if not windows:
        if count == 1:
            yield ()
        return
    for first in range(1, min(count, windows[0]) + 1):
        if count % first == 0:
            for rest in _factorisations(count // first, windows[1:]):
                yield (first, *rest)


def merge_dimensions(
    moduli: Sequence[int],
    shape: Sequence[int],
    slots: Sequence[IntVector],
    *,
    any_shape: bool = False,
) -> list[list[int]]:
    """Group adjacent dimensions: banked ones stay alone, runs without banks become one.

    A dimension of one element in which no slots differ joins its neighbour, whatever it is, unless
    ``any_shape`` says that the shape is not always this one.
    """
    groups: list[list[int]] = []
    banked = False
    for d, (modulus, extent) in enumerate(zip(moduli, shape, strict=True)):
        still = len({slot[d] for slot in slots}) == 1
        trivial = extent == 1 and still and not any_shape
        if groups and (trivial or not (modulus > 1 or banked)):
            groups[-1].append(d)
        else:
            groups.append([d])
            banked = modulus > 1
        # Slots that differ here would differ by what depends on the shape once merged.
        banked = banked or (any_shape and not still)
    return groups
