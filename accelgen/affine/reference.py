"""The exact NumPy value of a tensor expression, for any affine accesses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.composed import ComposedProduct
from accelgen.affine.spacetime import TensorAccess
from accelgen.errors import InputError
from accelgen.names import unknown, within

__all__ = ["check_tensor", "evaluate_accesses", "evaluate_words", "positions"]

_EXACT_FLOAT = 2**53
_CHUNK = 2**22

Box = tuple[tuple[int, int], ...]
"""First index and extent of every loop."""


def evaluate_accesses(
    accesses: Sequence[TensorAccess],
    bounds: Sequence[int],
    output_range: tuple[int, int],
    tensors: Mapping[str, NDArray[np.integer]],
) -> NDArray[np.int64]:
    """Sum the product of the inputs into the output over the box of ``bounds``.

    ``accesses`` ends with the output.  ``output_range`` bounds every partial sum: within 2**53
    the sums run exactly in float64, which is several times faster.
    """
    *inputs, output = accesses
    names = [access.name for access in inputs]
    for name in tensors:
        if name not in names:
            raise unknown(name, "input tensor", names)
    exact = max(abs(x) for x in output_range) < _EXACT_FLOAT
    dtype = np.dtype(np.float64 if exact else np.int64)
    arrays = []
    for access in inputs:
        if access.name not in tensors:
            raise InputError(f"input tensor {access.name} is missing", hint="give every input")
        array = check_tensor(access, tensors[access.name])
        arrays.append(np.ascontiguousarray(array, dtype=dtype))
    result = np.zeros(output.shape, dtype=np.int64)
    _accumulate(inputs, arrays, output, result, tuple((0, n) for n in bounds))
    return result


def positions(
    accesses: Sequence[TensorAccess], bounds: Sequence[int], chunk: int
) -> Iterator[list[NDArray[np.int64]]]:
    """For ``chunk`` iterations after the other, the row-major position in every tensor."""
    points = prod(bounds)
    for start in range(0, points, chunk):
        point = np.unravel_index(np.arange(start, min(points, start + chunk)), tuple(bounds))
        yield [_position(access, point) for access in accesses]


def _position(access: TensorAccess, point: Sequence[NDArray[np.intp]]) -> NDArray[np.int64]:
    flat = np.zeros(len(point[0]), dtype=np.int64)
    for row, base, extent in zip(access.matrix, access.offset, access.shape, strict=True):
        index = base + sum((c * x for c, x in zip(row, point, strict=True) if c), start=flat * 0)
        flat = flat * extent + index
    return flat


def evaluate_words(
    accesses: Sequence[TensorAccess],
    bounds: Sequence[int],
    product: ComposedProduct,
    widths: Sequence[int],
    tensors: Mapping[str, NDArray[np.integer]],
) -> NDArray[np.int64]:
    """Sum what a unit makes of two words at ``widths``; ``accesses`` ends with the output."""
    *inputs, output = accesses
    for name in tensors:
        if name not in [access.name for access in inputs]:
            raise unknown(name, "input tensor", [access.name for access in inputs])
    words = []
    for access in inputs:
        if access.name not in tensors:
            raise InputError(f"input tensor {access.name} is missing", hint="give every input")
        words.append(check_tensor(access, tensors[access.name]).reshape(-1).astype(np.int64))
    result = np.zeros(prod(output.shape), dtype=np.int64)
    for a, b, write in positions(accesses, bounds, _CHUNK):
        np.add.at(result, write, product.terms(words[0][a], words[1][b], widths))
    return result.reshape(output.shape)


def check_tensor(access: TensorAccess, tensor: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return ``tensor`` when it is an integer array of the shape and range of ``access``."""
    array = np.asarray(tensor)
    with within(f"tensor {access.name}"):
        if array.dtype.kind not in "iu":
            raise InputError(f"{array.dtype} elements", hint="use an integer array")
        if array.shape != access.shape:
            raise InputError(f"shape {array.shape}, not {access.shape}")
        low, high = int(array.min()), int(array.max())
        if not access.format.holds(low, high):
            raise InputError(f"elements in {low}..{high} are outside {access.format}")
    return array


def _accumulate(
    inputs: Sequence[TensorAccess],
    arrays: Sequence[NDArray[Any]],
    output: TensorAccess,
    result: NDArray[np.int64],
    box: Box,
) -> None:
    """Add the part of the sum within ``box``; halve the box until every operand is small."""
    for access in (*inputs, output):
        used = [j for j in range(len(box)) if any(row[j] for row in access.matrix)]
        if prod(box[j][1] for j in used) > _CHUNK:
            widest = max(used, key=lambda j: box[j][1])
            start, extent = box[widest]
            half = extent // 2
            for part in ((start, half), (start + half, extent - half)):
                halved = (*box[:widest], part, *box[widest + 1 :])
                _accumulate(inputs, arrays, output, result, halved)
            return
    operands = [_view(*pair, box) for pair in zip(inputs, arrays, strict=True)]
    kept = [j for j in range(len(box)) if any(row[j] for row in output.matrix)]
    summed: set[int] = set().union(*(loops for _, loops in operands))
    present = [j for j in kept if j in summed]
    terms = ",".join("".join(ascii_letters[j] for j in loops) for _, loops in operands)
    value = np.einsum(
        f"{terms}->{''.join(ascii_letters[j] for j in present)}",
        *[view for view, _ in operands],
        optimize="greedy",
    )
    # Loops that no operand uses repeat the same term.
    repeats = prod(box[j][1] for j in range(len(box)) if j not in summed and j not in kept)
    shape = [box[j][1] for j in kept]
    spread = (np.asarray(value).astype(np.int64) * repeats).reshape(
        [box[j][1] if j in summed else 1 for j in kept]
    )
    index = [
        np.full(shape, base, dtype=np.int64)
        + sum(
            (np.arange(box[j][0], box[j][0] + box[j][1]) * row[j]).reshape(
                [-1 if k == position else 1 for k in range(len(kept))]
            )
            for position, j in enumerate(kept)
        )
        for row, base in zip(output.matrix, output.offset, strict=True)
    ]
    np.add.at(result, tuple(index), np.broadcast_to(spread, shape))


def _view(access: TensorAccess, array: NDArray[Any], box: Box) -> tuple[NDArray[Any], list[int]]:
    """The operand of every iteration of ``box``, without a copy, over the loops it uses."""
    used = [j for j in range(len(box)) if any(row[j] for row in access.matrix)]
    origin = tuple(
        base + sum(row[j] * box[j][0] for j in used)
        for row, base in zip(access.matrix, access.offset, strict=True)
    )
    strides = [
        sum(row[j] * stride for row, stride in zip(access.matrix, array.strides, strict=True))
        for j in used
    ]
    corner = array[tuple(slice(x, None) for x in origin)]
    view = np.lib.stride_tricks.as_strided(corner, [box[j][1] for j in used], strides)
    return view, used
