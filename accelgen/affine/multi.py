"""Four-bit numbers in one of several formats, which every problem chooses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from accelgen.affine.assignment import Assignment
from accelgen.affine.blocks import BlockProduct, common_loop
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, IntFormat, block_format, get_format
from accelgen.formats.floating import FP32
from accelgen.golden.block_pair import BlockOperand, BlockPair, ScaleRange
from accelgen.golden.multi_format import (
    MULTI_FORMATS,
    multi_format_fraction,
    multi_format_most,
    multi_format_range,
    multi_format_sum,
)

__all__ = ["MULTI_TYPE", "MultiProduct", "is_multi", "multi_product"]

MULTI_TYPE = "/".join(MULTI_FORMATS)
"""The type, named after the formats in the order of their numbers."""

_LANES = 16
"""Elements of an iteration; a block of mxfp4 takes two, with the same scale."""


class MultiProduct(BlockProduct):
    """What a unit does in one iteration: the exact dot product of 16 elements with their scales.

    ``pair`` is that of if4, into whose lanes the elements of all formats fit.  int4 has no scales:
    what is sent in their place is ignored.
    """

    @property
    def names(self) -> tuple[str, str]:
        """The types of both inputs."""
        return MULTI_TYPE, MULTI_TYPE

    @property
    def scale_range(self) -> ScaleRange:
        """The exponents of E8M0 scales that count."""
        return multi_format_range()

    @property
    def term(self) -> IntFormat:
        """The format of the sum of an iteration."""
        most = multi_format_most(self.pair, self.scale_range, None, self.pair.lanes)
        return IntFormat.for_range(-most, most)

    def terms(self, format: str, *codes: NDArray[Any]) -> NDArray[Any]:
        """The sum of every pair of blocks in ``format``, as an integer."""
        a, b, a_scales, b_scales = codes
        return multi_format_sum(format, a, b, a_scales, b_scales, self.scale_range)[0]

    def fraction(self, format: str) -> int:
        """Sums count units of 2**-fraction."""
        return multi_format_fraction(format, self.scale_range)

    def operand(self, format: str, side: int) -> BlockOperand | None:
        """What the codes of a side are in ``format``; ``None`` of int4, which has no scales."""
        form = get_format(format)
        return BlockPair(form, form, _LANES).a if isinstance(form, BlockFormat) else None


def is_multi(text: str) -> bool:
    """Whether a type is that of several four-bit formats."""
    return text == MULTI_TYPE


def multi_product(assignment: Assignment, types: Mapping[str, str]) -> MultiProduct | None:
    """The operation that this type asks for; ``None`` when no input is of it.

    Raises :class:`InputError` unless both of two inputs are, the output is ``fp32``, and there is a
    loop for blocks to lie along.
    """
    names = [access.tensor for access in assignment.inputs]
    several = [name for name in names if is_multi(types.get(name, ""))]
    if not several:
        return None
    if len(names) != 2 or len(several) != 2:
        raise InputError(
            f"{MULTI_TYPE} is the type of both inputs of an expression of two, or of none",
            where="types",
            hint=f"use nvfp4, or {MULTI_TYPE} for both",
        )
    output = assignment.output.tensor
    if types.get(output, str(FP32)) != str(FP32):
        raise InputError(
            f"sums of {MULTI_TYPE} cannot be of type {types[output]}",
            where=f"types: {output}",
            hint="use fp32",
        )
    pair = BlockPair(block_format("if4"), block_format("if4"), _LANES)
    return MultiProduct(pair, common_loop(assignment, "blocks"), FP32)
