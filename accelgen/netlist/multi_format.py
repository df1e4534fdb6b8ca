"""A dot-product unit that switches among four-bit formats, as a netlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from accelgen.affine.multi import MultiProduct
from accelgen.errors import InputError
from accelgen.formats import FloatFormat, IntFormat, block_format
from accelgen.formats.floating import FP32
from accelgen.golden.block_pair import BlockPair, ScaleRange
from accelgen.golden.multi_format import (
    MULTI_FORMATS,
    multi_format_fraction,
    multi_format_most,
    multi_format_range,
)
from accelgen.netlist.dot import add_lane_sum, add_shifted_left, add_weighed
from accelgen.netlist.floats import FixedToFloatPlan, add_fixed_to_float
from accelgen.netlist.graph import Builder, Edge, Home, Kind, Netlist
from accelgen.netlist.lanes import lane_format

__all__ = ["IF4", "INT4", "MXFP4", "NVFP4", "PORTS", "UNIT", "MultiFormatPlan",
           "add_multi_dot", "add_placed", "multi_format_unit", "plan_of"]  # fmt: skip

NVFP4, IF4, MXFP4, INT4 = range(len(MULTI_FORMATS))
"""What ``format`` says: numbers of :data:`~accelgen.golden.MULTI_FORMATS`."""

UNIT: Home = ("unit", 0)
"""Where the unit's parts are; its inputs and what reads its outputs are elsewhere."""
PORTS: Home = ("port", 0)

_LANES = (1, 2, 4, 8, 16)
_LONGEST = 1 << 20
_LEAST, _GREATEST = -60, 50
_BIT = IntFormat(1, signed=False)


@dataclass(frozen=True)
class MultiFormatPlan:
    """The widths of such a unit: ``lanes`` (1, 2, 4, 8 or 16) products per cycle.

    The elements are lanes of if4: magnitudes of up to 14 and a sign.  ``scale_range`` are the
    exponents of E8M0 scales that count (by default those of :class:`BlockPair`, within -60..50, so
    that every sum is a normal FP32 number).  Raises :class:`InputError`.
    """

    lanes: int
    longest: int
    scale_range: ScaleRange | None = None

    def __post_init__(self) -> None:
        if self.lanes not in _LANES:
            raise InputError(f"{self.lanes} lanes", hint="use 1, 2, 4, 8 or 16")
        if not self.lanes <= self.longest <= _LONGEST:
            raise InputError(
                f"a longest sum of {self.longest} products", hint=f"use {self.lanes}..{_LONGEST}"
            )
        low, high = self.range
        if not _LEAST <= low <= high <= _GREATEST:
            raise InputError(
                f"scale exponents {low}..{high}", where="mxfp4", hint="use a range within -60..50"
            )

    @cached_property
    def pair(self) -> BlockPair:
        """The format whose lanes and sums the others fit into."""
        return BlockPair(block_format("if4"), block_format("if4"), self.lanes)

    @cached_property
    def range(self) -> ScaleRange:
        """The exponents of E8M0 scales that count."""
        return self.scale_range if self.scale_range is not None else multi_format_range()

    @property
    def most_exponent(self) -> int:
        """The largest exponent of a scale; the least is 0."""
        return max(self.pair.a.most_exponent, self.range[1] - self.range[0])

    def most_term(self, shift: int, lanes: int) -> int:
        """The largest sum of ``lanes`` products in any format, with exponents to ``shift``."""
        return multi_format_most(self.pair, self.range, shift, lanes)

    @property
    def accumulator(self) -> IntFormat:
        """The format of sums of up to ``longest`` products."""
        most = self.most_term(2 * self.most_exponent, self.longest)
        return IntFormat.for_range(-most, most)

    @property
    def rounding(self) -> FixedToFloatPlan:
        """A sum becomes FP32 as one of nvfp4."""
        return self.rounding_of(self.accumulator)

    def rounding_of(self, sums: IntFormat) -> FixedToFloatPlan:
        """A sum in a format becomes FP32 as one of nvfp4."""
        return FixedToFloatPlan(sums.bits, self._fraction(NVFP4), FP32)

    def power(self, number: int) -> int:
        """By which power of two a sum in a format is larger than one of nvfp4."""
        return self._fraction(NVFP4) - self._fraction(number)

    def _fraction(self, number: int) -> int:
        return multi_format_fraction(MULTI_FORMATS[number], self.range)


def plan_of(product: MultiProduct) -> MultiFormatPlan:
    """The widths of the unit of an array."""
    lanes = product.pair.lanes
    return MultiFormatPlan(lanes, lanes, product.scale_range)


def multi_format_unit(plan: MultiFormatPlan, factor_bits: int = 4) -> Netlist:
    """Dot products of one of the formats, exact until they are rounded to FP32.

    Inputs (group ``control``): ``format``, ``a``, ``b``, ``a_scale``, ``b_scale``, and of each
    group of elements ``valid`` (it counts) and ``first`` (it begins a sum).  Outputs: ``sum``; the
    write ``y`` of the sum's code; ``bad``, whether a scale is bad.  ``factor_bits``: see
    :func:`~accelgen.netlist.dot.add_block_dot`.
    """
    builder = Builder()
    word = 4 * plan.lanes
    widths = {"format": 2, "a": word, "b": word, "a_scale": 8, "b_scale": 8, "valid": 1, "first": 1}
    inputs = {
        name: builder.add("wire", name, PORTS, _unsigned(bits), group="control")
        for name, bits in widths.items()
    }

    def inside(name: str) -> int:
        """An input, named inside the unit."""
        edge = Edge(inputs[name], 0, f"{name}_in")
        return builder.add("wire", f"{name}_here", UNIT, builder[edge.source].format, [edge])

    form = inside("format")
    scales = {side: inside(f"{side}_scale") for side in "ab"}
    words = {side: inside(side) for side in "ab"}
    term = _term(builder, UNIT, plan, words, scales, form, factor_bits)
    first, valid = inside("first"), inside("valid")
    total = builder.add(
        "accumulate",
        "sum",
        UNIT,
        plan.accumulator,
        [Edge(term, 0, "term"), Edge(first, 0, "first"), Edge(valid, 0, "valid")],
        latency=1,
    )
    held = builder.add(
        "hold",
        "sum_format",
        UNIT,
        builder[form].format,
        [Edge(form, 0, "in"), Edge(valid, 0, "valid")],
        latency=1,
    )
    bad = _step(builder, UNIT, plan, "multi_bad", "bad", 1, *scales.values(), form)
    sum_bad = builder.add(
        "collect",
        "sum_bad",
        UNIT,
        _BIT,
        [Edge(bad, 0, "bad"), Edge(first, 0, "first"), Edge(valid, 0, "valid")],
        latency=1,
    )
    code = add_fixed_to_float(builder, UNIT, Edge(total, 0, "sum"), plan.rounding)
    placed = _step(builder, UNIT, plan, "multi_place", "placed", FP32.width, code, held)
    answer = _nan(builder, placed, sum_bad, FP32)
    for name, source in (("sum", total), ("bad", bad)):
        edge = Edge(source, 0, name)
        builder.add("wire", name, PORTS, builder[source].format, [edge], group=f"out.{name}")
    builder.add(
        "write",
        "y",
        ("memory", 0),
        builder[answer].format,
        [Edge(answer, 0, "data")],
        group="write",
        parameters=(0, 0),
    )
    return builder.netlist()


def add_multi_dot(
    builder: Builder,
    home: Home,
    plan: MultiFormatPlan,
    words: Sequence[Edge],
    scales: Sequence[Edge],
    form: Edge,
    *,
    factor_bits: int = 4,
) -> int:
    """Add the sum of ``plan.lanes`` products with their scales to ``home``; return its node.

    ``words`` and ``scales`` are those of both sides, ``form`` the number of the format.  Steps are
    as those of :func:`~accelgen.netlist.dot.add_block_dot`; the term of a bad scale is zero.
    """

    def inside(name: str, edge: Edge) -> int:
        return builder.add("wire", f"dot_{name}", home, builder[edge.source].format, [edge])

    return _term(
        builder,
        home,
        plan,
        {side: inside(side, edge) for side, edge in zip("ab", words, strict=True)},
        {side: inside(f"{side}_scale", edge) for side, edge in zip("ab", scales, strict=True)},
        inside("format", form),
        factor_bits,
    )


def add_placed(builder: Builder, home: Home, plan: MultiFormatPlan, code: int, form: int) -> int:
    """Add what puts a sum, rounded as one of nvfp4, into the units of its format."""
    return _step(builder, home, plan, "multi_place", "placed", FP32.width, code, form)


def _term(
    builder: Builder,
    home: Home,
    plan: MultiFormatPlan,
    words: dict[str, int],
    scales: dict[str, int],
    form: int,
    factor_bits: int,
) -> int:
    """The sum of a group of products with their scales."""
    decoded, significands, exponents = [], [], []
    lane = lane_format(plan.pair.a.element)
    for side in "ab":
        kind = _step(builder, home, plan, "multi_kind", f"{side}_kind", 2, scales[side], form)
        width = plan.lanes * lane.bits
        decoded.append(
            _step(builder, home, plan, "multi_decode", f"{side}_decoded", width, words[side], kind)
        )
        significands.append(
            _step(
                builder,
                home,
                plan,
                "multi_significand",
                f"{side}_significand",
                4,
                scales[side],
                form,
            )
        )
        bits = plan.most_exponent.bit_length()
        exponents.append(
            _step(
                builder, home, plan, "multi_exponent", f"{side}_exponent", bits, scales[side], form
            )
        )
    total = add_lane_sum(builder, home, plan.pair, decoded)
    significand = builder.add("multiply", "significand", home, _unsigned(8), _edges(*significands))
    for number, side in enumerate("ab", 1):
        bits = (15 * 15 * 7**number).bit_length()
        significand = _step(
            builder,
            home,
            plan,
            "multi_fold",
            f"{side}_folded",
            bits,
            significand,
            scales[side],
            form,
        )
    exponent = builder.add(
        "add",
        "exponent",
        home,
        IntFormat.for_range(0, 2 * plan.most_exponent),
        _edges(*exponents),
    )
    weighed = add_weighed(builder, home, plan.pair, total, significand, factor_bits)
    return add_shifted_left(
        builder, home, weighed, exponent, lambda shift: plan.most_term(shift, plan.lanes)
    )


def _step(
    builder: Builder,
    home: Home,
    plan: MultiFormatPlan,
    kind: Kind,
    name: str,
    bits: int,
    *sources: int,
) -> int:
    return builder.add(kind, name, home, _unsigned(bits), _edges(*sources), parameters=(plan,))


def _nan(builder: Builder, code: int, bad: int, format: FloatFormat) -> int:
    form = builder[code].format
    return builder.add("float_nan", "answer", UNIT, form, _edges(code, bad), parameters=(format,))


def _edges(*sources: int) -> list[Edge]:
    return [Edge(source, 0, f"in{k}") for k, source in enumerate(sources)]


def _unsigned(bits: int) -> IntFormat:
    return IntFormat(bits, signed=False)
