"""What is mapped: a box of iterations and the tensors they access, as the counts need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd, prod

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Workload
from accelgen.affine.blocks import BlockProduct
from accelgen.affine.roles import Role, loop_roles, tensor_roles
from accelgen.affine.workload import DEFAULT_TYPE
from accelgen.errors import InputError
from accelgen.hardware.model import ANY_FORMAT

__all__ = ["Operand", "Problem", "problem_of"]

Sizes = NDArray[np.int64]
"""Tile sizes, candidates x loops."""

Axis = tuple[tuple[int, int], ...]
"""One index of a tensor: (loop, coefficient) pairs."""


@dataclass(frozen=True)
class Operand:
    """A tensor: its indices as sums of one or two loops, and the bits of its elements.

    ``partial_bits`` are those of unfinished sums (``bits`` for inputs); ``role`` says what it is
    to the layer.  No loop is in two indices.
    """

    name: str
    axes: tuple[Axis, ...]
    bits: int
    is_output: bool = False
    partial_bits: int = 0
    role: Role = "inputs"

    @property
    def loops(self) -> frozenset[int]:
        """The loops that move the tensor (*relevant* ones)."""
        return frozenset(loop for axis in self.axes for loop, _ in axis)

    def footprint(self, tile: Sizes) -> Sizes:
        """Distinct elements a box of ``tile`` iterations (candidates x loops) accesses."""
        sizes = np.ones(tile.shape[0], dtype=np.int64)
        for axis in self.axes:
            sizes *= _distinct(axis, [tile[:, loop] for loop, _ in axis])
        return sizes

    def tiled(self, bounds: Sequence[int], tile: Sizes) -> Sizes:
        """The footprints of all tiles of the box ``bounds``, each taken once, added up.

        Tiles begin at 0; the last one along a loop is what is left.
        """
        sizes = np.ones(tile.shape[0], dtype=np.int64)
        for axis in self.axes:
            parts = []
            for loop, _ in axis:
                whole = (bounds[loop] - 1) // tile[:, loop]
                parts.append(((whole, tile[:, loop]), (1, bounds[loop] - whole * tile[:, loop])))
            if len(parts) == 1:
                sizes *= bounds[axis[0][0]]
                continue
            sizes *= sum(m * n * _distinct(axis, [a, b]) for m, a in parts[0] for n, b in parts[1])
        return sizes


@dataclass(frozen=True)
class Problem:
    """A box of ``bounds`` iterations over named ``loops``; the last operand is the output.

    ``roles`` are those of the loops (:mod:`accelgen.affine.roles`), ``number_format`` names what a
    unit multiplies.
    """

    loops: tuple[str, ...]
    bounds: tuple[int, ...]
    operands: tuple[Operand, ...]
    roles: tuple[str, ...] = ()
    number_format: str = ANY_FORMAT

    @property
    def iterations(self) -> int:
        """Number of iterations: multiply-accumulates."""
        return prod(self.bounds)

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The loops by the operands they move: loops that move the same ones are alike."""
        found: dict[tuple[bool, ...], list[int]] = {}
        for loop in range(len(self.loops)):
            key = tuple(loop in operand.loops for operand in self.operands)
            found.setdefault(key, []).append(loop)
        return tuple(tuple(loops) for loops in found.values())

    def in_words(self, loop: str, elements: int) -> Problem:
        """The same with words of ``elements`` along a loop that is by itself an index of inputs:
        it counts words, of which the last one may not be full.
        """
        number = self.loops.index(loop)
        bounds = list(self.bounds)
        bounds[number] = -(-bounds[number] // elements)
        operands = tuple(
            replace(x, bits=x.bits * elements, partial_bits=x.partial_bits * elements)
            if number in x.loops
            else x
            for x in self.operands
        )
        return replace(self, bounds=tuple(bounds), operands=operands)

    def without(self, loops: frozenset[int]) -> Problem:
        """The same without some loops of a single iteration."""
        assert all(self.bounds[d] == 1 for d in loops)
        left = [d for d in range(len(self.loops)) if d not in loops]
        number = {d: k for k, d in enumerate(left)}
        operands = []
        for operand in self.operands:
            axes = (
                tuple((number[d], c) for d, c in axis if d not in loops) for axis in operand.axes
            )
            operands.append(replace(operand, axes=tuple(axis for axis in axes if axis)))
        return replace(
            self,
            loops=tuple(self.loops[d] for d in left),
            bounds=tuple(self.bounds[d] for d in left),
            operands=tuple(operands),
            roles=tuple(self.roles[d] for d in left if self.roles),
        )


def problem_of(
    workload: Workload,
    *,
    weights: str | None = None,
    output_bits: int | None = None,
    partial_bits: int | None = None,
) -> Problem:
    """The problem of a workload: of finished outputs ``output_bits``, of sums ``partial_bits``,
    each those of the workload's output where not given (of sums at least those of outputs).
    ``weights`` names the input with parameters (see :func:`accelgen.affine.roles.tensor_roles`).

    Of block formats an iteration is the product of a block of each input, blocks and their scales
    are tensors of their own, and finished outputs have the width of the result's format.

    Raises :class:`InputError` for accesses that the counts do not cover: an index of more than
    two loops, a loop in two indices of one tensor, or types of which a word holds several.
    """
    if isinstance(workload.product, BlockProduct):
        output_bits = output_bits or workload.product.result.width
        partial_bits = partial_bits or workload.output_format.bits
    elif workload.product is not None:
        raise InputError(
            "the mapper counts one multiplication per iteration, not those of a word",
            where="types",
            hint="use types such as int8, int4 or nvfp4",
        )
    roles = tensor_roles(workload, weights)
    operands = []
    for access in workload.accesses:
        axes = []
        seen: set[int] = set()
        for row in access.matrix:
            axis = tuple((loop, c) for loop, c in enumerate(row) if c)
            if len(axis) > 2:
                raise InputError(
                    f"an index of {access.name} sums {len(axis)} loops",
                    hint="the mapper takes indices of one or two loops",
                )
            if seen & {loop for loop, _ in axis}:
                raise InputError(
                    f"a loop is in two indices of {access.name}",
                    hint="the mapper takes every loop in one index of a tensor",
                )
            seen |= {loop for loop, _ in axis}
            if axis:
                axes.append(axis)
        bits = partial = access.format.bits
        if access.is_output:
            bits, partial = output_bits or bits, partial_bits or bits
            partial = max(bits, partial)
        role = roles[access.name]
        operands.append(Operand(access.name, tuple(axes), bits, access.is_output, partial, role))
    letters = loop_roles(workload, weights)
    types = (workload.types.get(x.tensor, DEFAULT_TYPE) for x in workload.assignment.inputs)
    return Problem(
        workload.loops,
        tuple(workload.domain.values()),
        tuple(operands),
        tuple(letters[loop] for loop in workload.loops),
        "*".join(sorted(types)),
    )


def _distinct(axis: Axis, sizes: Sequence[Sizes]) -> Sizes:
    """How many values ``a i + b j`` takes for i, j in boxes of the given sizes.

    Two pairs give the same value when they differ by a multiple of (b, -a) / gcd, so that all but
    the pairs a step of that stays in the box with are distinct.
    """
    if len(axis) == 1:
        return sizes[0]
    (_, a), (_, b) = axis
    common = gcd(a, b)
    left = np.maximum(sizes[0] - abs(b) // common, 0)
    right = np.maximum(sizes[1] - abs(a) // common, 0)
    return np.asarray(sizes[0] * sizes[1] - left * right)
