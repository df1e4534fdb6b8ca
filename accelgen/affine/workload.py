"""What is computed: one tensor expression over a box of iterations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.assignment import Access, Assignment, parse_assignment
from accelgen.affine.block_reference import evaluate_blocks
from accelgen.affine.blocks import RESULTS, BlockProduct, block_product, scale_name
from accelgen.affine.composed import (
    WORD_BITS,
    ComposedProduct,
    composed_product,
    is_composed,
)
from accelgen.affine.legality import count_hits
from accelgen.affine.multi import is_multi, multi_product
from accelgen.affine.reference import evaluate_accesses, evaluate_words
from accelgen.affine.spacetime import IntMatrix, IntVector, TensorAccess
from accelgen.errors import InputError
from accelgen.formats import (
    BlockFormat,
    IntFormat,
    format_names,
    get_format,
    parse_format,
)
from accelgen.names import FrozenMap, check_name, shorten, unknown, within

__all__ = ["Workload"]

MAX_LOOPS = 16
MAX_BOUND = 2**20
MAX_ITERATIONS = 2**48
MAX_ELEMENTS = 2**28
INPUT_BITS = range(2, 17)
DEFAULT_TYPE = "int8"


@dataclass(frozen=True)
class Workload:
    """A tensor expression, its loop bounds and its element types.

    ``expression``: ``Y[m,n] += A[m,k] * B[k,n]``, one to four inputs, affine indices.
    ``bounds``: the extent of every loop (1 to 2**20), in the order of the iteration vector.
    ``types``: element type per tensor, ``int2`` to ``int16`` or ``uint2`` to ``uint16`` for
    inputs (``int8`` when not given).  The output type is the narrowest that no input can
    overflow when not given; a given one that is too narrow is an error.  Both of two inputs may
    have block formats (``nvfp4``, ``mxfp8_e4m3``, ...); the output then is ``fp32`` (when not
    given), ``bf16`` or ``fp16``.  Both may be ``nvfp4/if4/mxfp4/int4``, of which each problem
    chooses one, or ``int8/4/2`` (or ``uint8/4/2``): integers of a width that each problem chooses.
    :attr:`product` says what is computed of these.

    Raises :class:`InputError` for anything that is not such a workload.
    """

    expression: str
    bounds: Mapping[str, int]
    types: Mapping[str, str] = field(default_factory=lambda: FrozenMap[str, str]())

    def __post_init__(self) -> None:
        with within("expression"):
            if not isinstance(self.expression, str):
                raise InputError(f"{shorten(self.expression)} is no text")
            assignment = parse_assignment(self.expression)
        _set(self, "_assignment", assignment)
        _set(self, "expression", str(assignment))
        with within("bounds"):
            _set(self, "bounds", _checked_bounds(self.bounds, assignment))
        with within("types"):
            types = _checked_types(self.types, [a.tensor for a in self._all_accesses])
        _set(self, "types", types)
        product = (
            multi_product(assignment, types)
            or block_product(assignment, types)
            or composed_product(assignment, types)
        )
        _set(self, "_product", product)
        with within("expression"):
            shapes = [self._shape(access) for access in self._all_accesses]
        _set(self, "_shapes", dict(zip(self._all_accesses, shapes, strict=True)))
        with within("types"):
            self._check_output_type()

    @property
    def loops(self) -> tuple[str, ...]:
        """The loops, in the order of the iteration vector."""
        return tuple(self.bounds)

    @property
    def assignment(self) -> Assignment:
        """The expression, parsed."""
        value: Assignment = self.__dict__["_assignment"]
        return value

    @property
    def product(self) -> BlockProduct | ComposedProduct | None:
        """What a unit computes; ``None`` for plain integers, which it multiplies."""
        value: BlockProduct | ComposedProduct | None = self.__dict__["_product"]
        return value

    @cached_property
    def domain(self) -> FrozenMap[str, int]:
        """The bounds of the iterations: the loop along which blocks lie counts blocks.

        Its last block may have fewer elements than the others: the rest are zeros.
        """
        if not isinstance(self.product, BlockProduct):
            return FrozenMap(self.bounds)
        lanes = {self.product.loop: self.product.pair.lanes}
        return FrozenMap({loop: -(-n // lanes.get(loop, 1)) for loop, n in self.bounds.items()})

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the inputs in the order of the expression, each before that of its scales
        if it has any, then of the output.
        """
        return tuple(access.name for access in self.accesses)

    @cached_property
    def accesses(self) -> tuple[TensorAccess, ...]:
        """The inputs in the order of the expression, then the output.

        Blocks are words, the first element lowest, followed by a tensor of their scales.
        """
        output = self._access(self.assignment.output, self.output_format, is_output=True)
        if isinstance(self.product, BlockProduct):
            output = replace(output, of=self.product.of(self.output_format))
        inputs = []
        for side, access in enumerate(self.assignment.inputs):
            words = self._access(access, self._format(access.tensor))
            inputs.append(words)
            if isinstance(self.product, BlockProduct):
                form, type_name = self._block_format(access.tensor), self.product.names[side]
                inputs[-1] = replace(words, of=f"{type_name}, blocks of {form.block}")
                scales = IntFormat(form.scale_bits, signed=False)
                name, of = scale_name(access.tensor), f"scales of {type_name}"
                inputs.append(replace(words, name=name, format=scales, of=of))
            elif self.product is not None:
                inputs[-1] = replace(words, of=self.types[access.tensor])
        return (*inputs, output)

    @cached_property
    def output_range(self) -> tuple[int, int]:
        """Smallest and largest value any partial sum of an output element can take."""
        if self.product is not None:
            term = self.product.term
            return term.min * self.terms, term.max * self.terms
        low, high = 1, 1
        for access in self.assignment.inputs:
            fmt = self._format(access.tensor)
            corners = [a * b for a in (low, high) for b in (fmt.min, fmt.max)]
            low, high = min(corners), max(corners)
        return min(0, low * self.terms), max(0, high * self.terms)

    @cached_property
    def terms(self) -> int:
        """The most iterations that add to one output element.

        An upper bound when the output couples too many loops to count them exactly.
        """
        output = self.assignment.output
        matrix, offset = self._matrix(output)
        extents = tuple(self.domain.values())
        try:
            hits = count_hits(np.array(matrix, dtype=np.int64), extents, offset, self.shape(output))
        except InputError:
            # Fixing all loops but one of an index fixes that one too.
            fixing = zip(extents, self.loops, strict=True)
            widest = max((e for e, loop in fixing if loop in output.loops), default=1)
            return prod(extents) // widest
        return hits.maximum

    @property
    def output_format(self) -> IntFormat:
        """The format of sums: as given for the output, else the narrowest that holds every one."""
        name = self.assignment.output.tensor
        if not isinstance(self.product, BlockProduct) and name in self.types:
            return parse_format(self.types[name])
        return self._needed_format()

    @property
    def iterations(self) -> int:
        """Number of points of the iteration box."""
        return prod(self.domain.values())

    def shape(self, access: Access) -> IntVector:
        """Largest index plus one of each dimension of ``access``."""
        shapes: dict[Access, IntVector] = self.__dict__["_shapes"]
        return shapes[access]

    def evaluate(
        self,
        tensors: Mapping[str, NDArray[np.integer]],
        widths: tuple[int, int] = (8, 8),
        format: str = "nvfp4",
    ) -> NDArray[np.int64]:
        """The exact output for the given inputs.

        ``tensors`` maps every input name to an integer array of its shape, every element within
        its format; else :class:`InputError`.  Output elements no iteration reaches are zero.

        Block formats: inputs are codes with one more dimension, the elements of a block, and
        codes of scales; the output is codes of its format.  A block whose scale or element is NaN,
        or whose scale is outside the range of the pair, counts as zero.  Of several four-bit
        formats, ``format`` is the one.  ``int8/4/2``: inputs are words of 32 bits, and ``widths``
        those of the elements of each.
        """
        extents = tuple(self.domain.values())
        if isinstance(self.product, BlockProduct):
            return evaluate_blocks(self.accesses, extents, self.product, tensors, format)
        if self.product is not None:
            return evaluate_words(self.accesses, extents, self.product, widths, tensors)
        return evaluate_accesses(self.accesses, extents, self.output_range, tensors)

    @property
    def _all_accesses(self) -> tuple[Access, ...]:
        return (self.assignment.output, *self.assignment.inputs)

    def _size(self, name: str) -> int:
        if name not in self.domain:
            raise unknown(name, "loop in size()", self.bounds)
        return self.domain[name]

    def _matrix(self, access: Access) -> tuple[IntMatrix, IntVector]:
        rows = tuple(
            tuple(index.coefficient(loop, self._size) for loop in self.loops)
            for index in access.indices
        )
        return rows, tuple(index.coefficient(None, self._size) for index in access.indices)

    def _shape(self, access: Access) -> IntVector:
        matrix, offset = self._matrix(access)
        shape = []
        for index, row, start in zip(access.indices, matrix, offset, strict=True):
            spans = [c * (n - 1) for c, n in zip(row, self.domain.values(), strict=True)]
            low = start + sum(span for span in spans if span < 0)
            if low < 0:
                at = ", ".join(
                    f"{loop}={self.domain[loop] - 1 if span < 0 else 0}"
                    for loop, span, c in zip(self.loops, spans, row, strict=True)
                    if c
                )
                raise InputError(
                    f"index {index} of {access.tensor} is {low}" + (f" at {at}" if at else ""),
                    hint=f"add {-low} to it",
                )
            shape.append(start + sum(span for span in spans if span > 0) + 1)
        if prod(shape) > MAX_ELEMENTS:
            raise InputError(
                f"tensor {access.tensor} of shape {tuple(shape)} has more than "
                f"{MAX_ELEMENTS} elements",
                hint="lower the bounds",
            )
        return tuple(shape)

    def _format(self, tensor: str) -> IntFormat:
        """The format of an input as an integer: that of its words when it has any."""
        if isinstance(self.product, ComposedProduct):
            return IntFormat(WORD_BITS, signed=False)
        if self.product is not None:
            bits = self.product.pair.lanes * self._block_format(tensor).element_bits
            return IntFormat(bits, signed=False)
        return parse_format(self.types.get(tensor, DEFAULT_TYPE))

    def _block_format(self, tensor: str) -> BlockFormat:
        """The block format of an input, or that in whose lanes several have a place."""
        assert isinstance(self.product, BlockProduct)
        pair = self.product.pair
        first = self.assignment.inputs[0].tensor
        return pair.a_format if tensor == first else pair.b_format

    def _access(self, access: Access, fmt: IntFormat, is_output: bool = False) -> TensorAccess:
        matrix, offset = self._matrix(access)
        return TensorAccess(access.tensor, matrix, offset, self.shape(access), fmt, is_output)

    def _needed_format(self) -> IntFormat:
        low, high = self.output_range
        if not isinstance(self.product, BlockProduct) and (low < -(2**63) or high >= 2**63):
            raise InputError(
                f"sums of {self.terms} products need more than 63 bits",
                hint="use narrower input types or lower bounds",
            )
        return IntFormat.for_range(low, high)

    def _check_output_type(self) -> None:
        if isinstance(self.product, BlockProduct):
            return
        needed = self._needed_format()
        given = self.output_format
        if not given.holds(*self.output_range):
            raise InputError(
                f"{given} is too narrow for {self.assignment.output.tensor}: a sum of "
                f"{self.terms} products needs {needed}",
                hint=f"write {self.assignment.output.tensor}: {needed}, or leave it out",
            )


def _set(workload: Workload, name: str, value: object) -> None:
    object.__setattr__(workload, name, value)


def _checked_bounds(bounds: Mapping[str, int], assignment: Assignment) -> FrozenMap[str, int]:
    if not isinstance(bounds, Mapping):
        raise InputError("a mapping from loops to extents expected", hint="bounds: {m: 32, n: 32}")
    for loop, extent in bounds.items():
        check_name(loop, "loop")
        if isinstance(extent, bool) or not isinstance(extent, int | np.integer):
            raise InputError(f"{loop}: {shorten(extent)} is no integer")
        if not 1 <= extent <= MAX_BOUND:
            raise InputError(f"{loop}: {extent} is outside 1..{MAX_BOUND}")
    unused = [loop for loop in bounds if loop not in assignment.loops]
    for loop in assignment.loops:
        if loop not in bounds:
            hint = f"rename {unused[0]}, or add {loop}: 32" if unused else f"add {loop}: 32"
            raise InputError(f"loop {loop} of the expression has no bound", hint=hint)
    for loop in unused:
        raise unknown(loop, "loop", assignment.loops)
    if len(bounds) > MAX_LOOPS:
        raise InputError(f"{len(bounds)} loops, beyond {MAX_LOOPS}")
    if prod(bounds.values()) > MAX_ITERATIONS:
        raise InputError(f"{prod(bounds.values())} iterations, beyond 2**48", hint="lower a bound")
    return FrozenMap({loop: int(extent) for loop, extent in bounds.items()})


def _checked_types(types: Mapping[str, str], tensors: list[str]) -> FrozenMap[str, str]:
    if not isinstance(types, Mapping):
        raise InputError("a mapping from tensors to types expected", hint="types: {A: int8}")
    checked = {}
    for tensor in types:
        if tensor not in tensors:
            raise unknown(str(tensor), "tensor", tensors)
    for position, tensor in enumerate(tensors):
        if tensor not in types:
            continue
        with within(tensor):
            if not isinstance(types[tensor], str):
                raise InputError(f"{shorten(types[tensor])} is no type", hint="use int8")
            checked[tensor] = _checked_type(types[tensor], is_output=position == 0)
    return FrozenMap(checked)


def _checked_type(text: str, *, is_output: bool) -> str:
    if not is_output and (is_composed(text) or is_multi(text)):
        return text
    if re.fullmatch(r"u?int[0-9]+", text):
        number = parse_format(text)
        if not is_output and number.bits not in INPUT_BITS:
            raise InputError(f"{number} is outside int2..int16, uint2..uint16", hint="use int8")
        return str(number)
    try:
        found = get_format(text)
    except InputError:
        inputs = "use int8, uint8 or a block format such as nvfp4, mxfp4 or if4"
        hint = f"use int32, or {' or '.join(RESULTS)} for sums of blocks" if is_output else inputs
        raise unknown(text, "format", format_names(), hint) from None
    if is_output and text not in RESULTS:
        hint = f"use {', '.join(RESULTS)} for sums of blocks, int32 for others"
        raise InputError(f"{text} is no type of sums", hint=hint)
    if not is_output and not isinstance(found, BlockFormat):
        raise InputError(
            f"{text} is no type of inputs", hint="use int8, or a block format such as nvfp4"
        )
    return text
