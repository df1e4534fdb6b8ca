"""The exact value of a tensor expression over block formats, rounded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.blocks import BlockProduct, role
from accelgen.affine.reference import positions
from accelgen.affine.spacetime import TensorAccess
from accelgen.errors import InputError
from accelgen.formats import IntFormat
from accelgen.golden.floating import fixed_to_float
from accelgen.names import unknown, within

__all__ = ["evaluate_blocks"]

_CHUNK = 2**16
"""Iterations evaluated at a time; each has a block of every input."""


def evaluate_blocks(
    accesses: Sequence[TensorAccess],
    bounds: Sequence[int],
    product: BlockProduct,
    tensors: Mapping[str, NDArray[np.integer]],
    format: str = "",
) -> NDArray[np.int64]:
    """Sum the dot products of blocks into the output, then round: codes of ``product.result``, or
    the low bits of sums as integers.

    ``accesses`` are words and scales of the first input, those of the second, and the output;
    ``tensors`` has the codes of each input, those of words with the elements of a block as last
    dimension.  ``format`` is that of a product of several.  Output elements that no iteration
    reaches are zero.
    """
    *inputs, output = accesses
    names = [access.name for access in inputs]
    for name in tensors:
        if name not in names:
            raise unknown(name, "input tensor", names)
    pair = product.pair
    bits = (pair.a_format.element_bits, 8, pair.b_format.element_bits, 8)
    codes = [
        _codes(access, tensors, width, None if role(position)[1] else pair.lanes)
        for position, (access, width) in enumerate(zip(inputs, bits, strict=True))
    ]
    sums = np.zeros(prod(output.shape), dtype=object)
    for *reads, write in positions(accesses, bounds, _CHUNK):
        a, a_scale, b, b_scale = (array[at] for array, at in zip(codes, reads, strict=True))
        np.add.at(sums, write, product.terms(format, a, b, a_scale, b_scale))
    if isinstance(product.result, IntFormat):
        low = [((int(x) + 2**31) & (2**32 - 1)) - 2**31 for x in sums]
        return np.array(low, dtype=np.int64).reshape(output.shape)
    rounded = fixed_to_float(sums, product.fraction(format), product.result)
    return np.asarray(rounded, dtype=np.int64).reshape(output.shape)


def _codes(
    access: TensorAccess,
    tensors: Mapping[str, NDArray[np.integer]],
    bits: int,
    lanes: int | None,
) -> NDArray[Any]:
    """The codes of a tensor, one row (of ``lanes``) or one number per word."""
    if access.name not in tensors:
        raise InputError(f"input tensor {access.name} is missing", hint="give every input")
    array = np.asarray(tensors[access.name])
    shape = access.shape if lanes is None else (*access.shape, lanes)
    with within(f"tensor {access.name}"):
        if array.dtype.kind not in "iu":
            raise InputError(f"{array.dtype} elements", hint="use an array of codes")
        if array.shape != shape:
            raise InputError(f"shape {array.shape}, not {shape}")
        if array.size and not 0 <= int(array.min()) <= int(array.max()) < 1 << bits:
            raise InputError(f"codes outside 0..{(1 << bits) - 1}")
    return array.reshape(prod(access.shape), *shape[len(access.shape) :])
