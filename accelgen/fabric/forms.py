"""Memories for tensors of any shape: one form of banks that serves several dataflows.

Every dataflow that uses a buffer has dimensions that need banks (see :mod:`accelgen.fabric.banks`),
others that merge.  A common form has a modulus per dimension that keeps the accesses of each of
them apart: a multiple of a modulus that does is one that does, so there always is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from math import lcm, prod

import numpy as np

from accelgen.affine.spacetime import IntVector
from accelgen.fabric.access import AccessPattern
from accelgen.fabric.banks import BankedAccess, choose_moduli, collides, merge_dimensions
from accelgen.fabric.layout import Layout

__all__ = ["BankForm", "Use", "common_forms", "place"]


@dataclass(frozen=True)
class Use:
    """How one dataflow uses a buffer.

    ``varies[d][l]`` says whether the step of dimension ``d`` with loop ``l`` of the pattern changes
    with the bounds, ``shifts[d]`` whether its origin does.
    """

    pattern: AccessPattern
    shape: IntVector
    varies: tuple[tuple[bool, ...], ...]
    shifts: tuple[bool, ...]


@dataclass(frozen=True)
class BankForm:
    """The memories of a buffer as one dataflow sees them.

    Dimension ``j`` of the layout is the row-major union of the tensor dimensions ``dims[j]`` (none:
    it has one index), banked modulo ``moduli[j]``.  ``rotating`` is that of this dataflow,
    ``rotates`` whether ports rotate in any.  Every memory has ``words`` words, at least 2.
    """

    dims: tuple[IntVector, ...]
    moduli: IntVector
    rotating: tuple[bool, ...]
    rotates: bool
    words: int
    per_beat: int
    element_bits: int

    @property
    def largest(self) -> Layout:
        """The layout that the hardware is made for: any index that the memories can hold."""
        shape = tuple(self.words * modulus for modulus in self.moduli)
        return Layout(shape, self.moduli, self.element_bits, self.per_beat, self.words)


def common_forms(
    uses: Sequence[Use], element_bits: int, bus_bits: int, words: int | None = None
) -> tuple[BankForm, ...]:
    """The form of the memories for each use, with the fewest memories in all.

    ``words`` per memory, at least 2; without it, as many as the largest tensor of the uses needs.
    """
    per_beat = bus_bits // element_bits
    assert per_beat >= 1
    assert words is None or words >= 2
    merged = [_merged(use) for use in uses]
    rank = max(len(dims) for dims, _ in merged)
    best: tuple[int, list[tuple[IntVector, ...]], IntVector] | None = None
    for choice in product(*(list(_placements(dims, rank)) for dims, _ in merged)):
        moduli = _common_moduli(uses, choice, rank, per_beat)
        if best is None or prod(moduli) < best[0]:
            best = prod(moduli), list(choice), moduli
    assert best is not None
    _, chosen, moduli = best
    rotating = [_rotating(use, dims, moduli) for use, dims in zip(uses, chosen, strict=True)]
    depth = max(
        _layout(dims, use.shape, moduli, element_bits, per_beat, None).depth
        for use, dims in zip(uses, chosen, strict=True)
    )
    return tuple(
        BankForm(
            dims, moduli, turns, any(map(any, rotating)), words or max(2, depth), per_beat,
            element_bits,
        )
        for dims, turns in zip(chosen, rotating, strict=True)
    )  # fmt: skip


def place(pattern: AccessPattern, shape: IntVector, form: BankForm) -> BankedAccess:
    """The accesses of a tensor of ``shape`` in memories of a form."""
    weights = _weights(form.dims, shape)
    pattern = _moved(pattern, form.dims)
    layout = _layout(form.dims, shape, form.moduli, form.element_bits, form.per_beat, form.words)
    steps = weights @ np.array(pattern.steps, dtype=np.int64).reshape(len(shape), -1)
    origin = weights @ np.array(pattern.origin, dtype=np.int64)
    slots = np.array(pattern.slots, dtype=np.int64).reshape(-1, len(shape)) @ weights.T
    modulus = np.array(form.moduli, dtype=np.int64)
    folded = np.where(form.rotating, 0, origin % modulus)
    return BankedAccess(
        layout,
        pattern.extents,
        pattern.gaps,
        tuple(map(tuple, steps.tolist())),
        tuple((origin - folded).tolist()),
        tuple(map(tuple, (slots + folded).tolist())),
        form.rotating,
        form.rotates,
    )


def _merged(use: Use) -> tuple[tuple[IntVector, ...], IntVector]:
    """The dimensions that need banks of their own, and the fewest banks of each."""
    moduli = choose_moduli(use.pattern) if use.shape else ()
    groups = merge_dimensions(moduli, use.shape, use.pattern.slots, any_shape=True)
    dims = tuple(map(tuple, groups)) or ((),)
    return dims, tuple(prod(moduli[d] for d in group) for group in dims)


def _placements(dims: tuple[IntVector, ...], rank: int) -> list[tuple[IntVector, ...]]:
    """The ways to place dimensions, in order and the last one last, among ``rank``."""
    found = []
    for places in combinations(range(rank - 1), len(dims) - 1):
        row: list[IntVector] = [()] * rank
        for position, group in zip((*places, rank - 1), dims, strict=True):
            row[position] = group
        found.append(tuple(row))
    return found


def _common_moduli(
    uses: Sequence[Use], choice: Sequence[tuple[IntVector, ...]], rank: int, lanes: int
) -> IntVector:
    """Moduli that keep the slots of every use apart, the last at least a beat, and two."""
    needed = []
    for use, dims in zip(uses, choice, strict=True):
        own = choose_moduli(use.pattern) if use.shape else ()
        needed.append([prod(own[d] for d in group) for group in dims])
    least = [max(column) for column in zip(*needed, strict=True)]
    least[-1] = max(least[-1], lanes, 2)
    if any(_collides(use, dims, least) for use, dims in zip(uses, choice, strict=True)):
        least = [lcm(*column) for column in zip(*needed, strict=True)]
        least[-1] *= -(-max(lanes, 2) // least[-1])
    assert len(least) == rank
    return tuple(least)


def _collides(use: Use, dims: tuple[IntVector, ...], moduli: Sequence[int]) -> bool:
    """Whether two slots can meet, whatever the shape is.

    Slots differ in one dimension of a merged group at most, the last.
    """
    slots = [tuple(slot[group[-1]] if group else 0 for group in dims) for slot in use.pattern.slots]
    return collides(slots, moduli)


def _rotating(use: Use, dims: tuple[IntVector, ...], moduli: Sequence[int]) -> tuple[bool, ...]:
    """Per dimension, whether the banks that the slots meet can change during a problem, or from
    one to another.
    """
    turns = []
    pattern = _moved(use.pattern, dims)
    for group, modulus in zip(dims, moduli, strict=True):
        moving = [
            (step, varies)
            for d in group
            for step, varies in zip(pattern.steps[d], use.varies[d], strict=True)
            if step or varies
        ]
        begins = any(pattern.origin[d] or use.shifts[d] for d in group[:-1])
        straight = len(group) == 1 and all(
            not varies and step % modulus == 0 for step, varies in moving
        )
        shifts = any(use.shifts[d] for d in group)
        turns.append(modulus > 1 and (shifts or begins or bool(moving and not straight)))
    return tuple(turns)


def _moved(pattern: AccessPattern, dims: tuple[IntVector, ...]) -> AccessPattern:
    """The same accesses; what all slots have in common in a dimension that merges with a later one
    is in the origin, where it may depend on the shape.
    """
    common = [0] * len(pattern.origin)
    for group in dims:
        for d in group[:-1]:
            (common[d],) = {slot[d] for slot in pattern.slots}
    return replace(
        pattern,
        origin=tuple(a + b for a, b in zip(pattern.origin, common, strict=True)),
        slots=tuple(tuple(a - b for a, b in zip(s, common, strict=True)) for s in pattern.slots),
    )


def _weights(
    dims: tuple[IntVector, ...], shape: IntVector
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """By which each tensor dimension moves each dimension of the layout."""
    weights = np.zeros((len(dims), len(shape)), dtype=np.int64)
    for row, group in enumerate(dims):
        for position, d in enumerate(group):
            weights[row, d] = prod(shape[e] for e in group[position + 1 :])
    return weights


def _layout(
    dims: tuple[IntVector, ...],
    shape: IntVector,
    moduli: IntVector,
    element_bits: int,
    per_beat: int,
    words: int | None,
) -> Layout:
    merged = tuple(prod(shape[d] for d in group) for group in dims)
    return Layout(merged, moduli, element_bits, per_beat, words)
