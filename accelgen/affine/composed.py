"""Integers of a width that every problem chooses: 8, 4 or 2 bits, more products at fewer bits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.assignment import Assignment
from accelgen.affine.blocks import common_loop
from accelgen.errors import InputError
from accelgen.formats import IntFormat
from accelgen.golden.integer import composable_terms

__all__ = ["WIDTHS", "WORD_BITS", "ComposedProduct", "composed_product", "is_composed"]

WIDTHS = (2, 4, 8)
"""The widths; a problem says the position of its own with the data (``tuser``)."""

WORD_BITS = 32
"""Bits of the operand of an iteration: sixteen elements of 2 bits, four of 8."""


@dataclass(frozen=True)
class ComposedProduct:
    """What a unit does in one iteration: a sum of ``64 / (a_width * b_width)`` products.

    Widths are those of the problem, ``loop`` counts words of that many elements: element e of a
    word at bit ``e * width``, higher bits ignored.  ``term`` holds the sum at all widths.
    """

    loop: str
    a_signed: bool
    b_signed: bool

    @property
    def term(self) -> IntFormat:
        """The format of the sum: that of a product of 8 bits is the largest."""
        corners = [
            x * y
            for x in (_number(self.a_signed).min, _number(self.a_signed).max)
            for y in (_number(self.b_signed).min, _number(self.b_signed).max)
        ]
        return IntFormat.for_range(min(corners), max(corners))

    def terms(
        self, a: NDArray[np.int64], b: NDArray[np.int64], widths: Sequence[int]
    ) -> NDArray[np.int64]:
        """The sum of every pair of words of elements of ``widths`` bits."""
        return composable_terms(a, b, widths[0], widths[1], self.a_signed, self.b_signed)


def is_composed(text: str) -> bool:
    """Whether a type is ``int8/4/2`` or ``uint8/4/2``."""
    return re.fullmatch("u?int8/4/2", text) is not None


def composed_product(assignment: Assignment, types: Mapping[str, str]) -> ComposedProduct | None:
    """The operation that ``int8/4/2`` asks for; ``None`` when no input is of that type.

    Raises :class:`InputError` unless both of two inputs are, and there is a loop to count words.
    """
    names = [access.tensor for access in assignment.inputs]
    composed = [name for name in names if is_composed(types.get(name, ""))]
    if not composed:
        return None
    if len(names) != 2 or len(composed) != 2:
        raise InputError(
            "int8/4/2 is the type of both inputs of an expression of two, or of none",
            where="types",
            hint="use int8, or int8/4/2 for both",
        )
    signed = [not types[name].startswith("u") for name in names]
    return ComposedProduct(common_loop(assignment, "words"), signed[0], signed[1])


def _number(signed: bool) -> IntFormat:
    return IntFormat(8, signed=signed)
