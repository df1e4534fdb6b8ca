"""Block formats in a workload: the loop the blocks lie along, and what a unit computes of them.

An iteration then takes a whole block of each input and its scale: the block loop counts blocks,
and the elements of a block are the lanes of the functional unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from accelgen.affine.assignment import Assignment
from accelgen.errors import InputError
from accelgen.formats import (
    BlockFormat,
    FloatFormat,
    IntFormat,
    block_format,
    format_names,
    get_format,
)
from accelgen.formats.microscaling import IntegerBlocks
from accelgen.golden.block_pair import BlockOperand, BlockPair
from accelgen.golden.blocks import block_terms
from accelgen.names import within

__all__ = ["RESULTS", "BlockProduct", "block_product", "common_loop", "role", "scale_name"]

RESULTS = ("fp32", "bf16", "fp16")
INTEGER_RESULT = IntFormat(32)
"""Sums as they are, modulo 2**32."""
DEFAULT_RESULT = "fp32"
DEFAULT_TYPE = "int8"


@dataclass(frozen=True)
class BlockProduct:
    """What a unit does in one iteration: the exact dot product of two blocks with their scales.

    ``loop`` counts blocks of ``pair.lanes`` elements.  Sums are exact integers; ``result`` is the
    format to which each finished one is rounded, once, to nearest even, or int32: its low 32 bits.
    """

    pair: BlockPair
    loop: str
    result: FloatFormat | IntFormat

    @property
    def term(self) -> IntFormat:
        """The format of the sum of an iteration."""
        return self.pair.term

    @property
    def names(self) -> tuple[str, str]:
        """The types of both inputs."""
        return self.pair.a_format.name, self.pair.b_format.name

    def terms(self, format: str, *codes: NDArray[Any]) -> NDArray[Any]:
        """The sum of every pair of blocks, as an integer: codes of both, and of their scales.

        ``format`` says nothing where a problem has no choice.
        """
        a, b, a_scales, b_scales = codes
        return block_terms(self.pair, a, b, a_scales, b_scales)[0]

    def fraction(self, format: str) -> int:
        """Sums count units of ``pair.factor * 2**-fraction``."""
        return self.pair.fraction

    def operand(self, format: str, side: int) -> BlockOperand | None:
        """What the codes of a side are; ``None`` of a format without scales."""
        return (self.pair.a, self.pair.b)[side]

    def of(self, sums: IntFormat) -> str:
        """What the elements of the output are, for people, once rounded from ``sums``."""
        what = "the low bits" if isinstance(self.result, IntFormat) else "rounded from sums"
        return f"{self.result}, {what} of {sums.bits} bits"


def role(position: int) -> tuple[int, bool]:
    """Of the input at a position of a kernel over blocks, the side (0 or 1) and whether it has
    the scales: words and scales of the first operand come before those of the second.
    """
    return position // 2, position % 2 == 1


def scale_name(tensor: str) -> str:
    """The name of the tensor that holds the scales of ``tensor``."""
    return f"{tensor}_scale"


def block_product(assignment: Assignment, types: Mapping[str, str]) -> BlockProduct | None:
    """The operation that block types ask for; ``None`` when no input has one.

    Raises :class:`InputError` when the inputs are not two of block formats that have a common
    unit, no loop is there for the blocks to lie along, or the output is no float.
    """
    names = [access.tensor for access in assignment.inputs]
    formats = {name: form for name in names if (form := _block(types.get(name))) is not None}
    output = assignment.output.tensor
    if not formats:
        if types.get(output) in RESULTS:
            raise InputError(
                f"sums of integers cannot be {types[output]}",
                where=f"types: {output}",
                hint="use int32, or block formats for the inputs",
            )
        return None
    if len(names) != 2:
        raise InputError(
            f"block formats need an expression of two inputs, not {len(names)}",
            where="types",
            hint="use integer types",
        )
    for name in names:
        if name not in formats:
            other = next(iter(formats.values()))
            formats[name] = _integers_beside(other, name, types.get(name, DEFAULT_TYPE))
    for name in names:
        if scale_name(name).lower() in (n.lower() for n in (*names, output)):
            raise InputError(
                f"{scale_name(name)} is the name of the scales of {name}",
                where="types",
                hint="rename the tensor",
            )
    with within("types"):
        a, b = (formats[name] for name in names)
        if a.block != b.block:
            raise InputError(
                f"blocks of {a.block} ({a.name}) and of {b.block} ({b.name}) do not meet",
                hint="use formats with blocks of one length",
            )
        pair = BlockPair(a, b, a.block or 1)
        with within(output):
            result = _result(types.get(output, DEFAULT_RESULT))
    return BlockProduct(pair, common_loop(assignment, "blocks"), result)


def _block(name: str | None) -> BlockFormat | None:
    """The block format of that name, if it is one; other types are checked where they are read."""
    names = [n for n in format_names() if isinstance(get_format(n), BlockFormat)]
    return block_format(name) if name in names and name else None


def _integers_beside(other: BlockFormat, tensor: str, name: str) -> BlockFormat:
    """The integers of a type, as many together as ``other`` has in a block."""
    found = get_format(name) if re.fullmatch("u?int[2-8]", name) else None
    if not isinstance(found, IntFormat):
        raise InputError(
            f"{tensor} is no block format, but the other input is",
            where="types",
            hint=f"write {tensor}: {other.name}, or an integer type of up to 8 bits",
        )
    return IntegerBlocks(name, found, other.block)


def _result(name: str) -> FloatFormat | IntFormat:
    if name == str(INTEGER_RESULT):
        return INTEGER_RESULT
    found = get_format(name) if name in RESULTS else None
    if not isinstance(found, FloatFormat):
        raise InputError(
            f"sums of blocks cannot be of type {name}",
            hint=f"use one of {', '.join(RESULTS)}, or {INTEGER_RESULT}",
        )
    return found


def common_loop(assignment: Assignment, what: str) -> str:
    """The innermost summed loop that is, alone, one index of each input: ``what`` lie along it.

    Raises :class:`InputError` when there is none.
    """
    names = [access.tensor for access in assignment.inputs]
    kept = assignment.output.loops
    plain: list[set[str]] = []
    for access in assignment.inputs:
        texts = [str(index) for index in access.indices]
        used = [name for index in access.indices for name in index.names]
        plain.append({t for t in texts if t in used and used.count(t) == 1 and t not in kept})
    for index in reversed(assignment.inputs[0].indices):
        if str(index) in plain[0] & plain[1]:
            return str(index)
    raise InputError(
        f"{assignment} has no loop for {what} to lie along",
        where="types",
        hint=f"sum over a loop that is by itself an index of {names[0]} and of {names[1]}, "
        "or use integer types",
    )
