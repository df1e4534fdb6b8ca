"""A block dot-product unit as a netlist: terms, their sum, and its rounding."""

from __future__ import annotations

from collections.abc import Mapping

from accelgen.formats import FloatFormat, IntFormat
from accelgen.formats.floating import FP32
from accelgen.golden.block_pair import BlockPair
from accelgen.netlist.dot import add_block_dot, add_block_special
from accelgen.netlist.floats import FixedToFloatPlan, add_fixed_to_float, add_fp32_sum
from accelgen.netlist.graph import Builder, Edge, Home, Netlist

__all__ = ["UNIT", "exact_unit", "fp32_unit"]

UNIT: Home = ("unit", 0)
"""Where the unit's parts are; its inputs and what reads its outputs are elsewhere."""
_PORTS: Home = ("port", 0)
_CODE = IntFormat(32, signed=False)
_BIT = IntFormat(1, signed=False)


def exact_unit(pair: BlockPair, longest: int, format: FloatFormat, factor_bits: int) -> Netlist:
    """Terms are added in fixed point, exact up to ``longest`` products, and rounded once.

    Inputs (group ``control``): ``a``, ``b``, ``a_scale``, ``b_scale``, and of each term ``valid``
    (it counts) and ``first`` (it begins a sum).  Outputs: ``sum``; the write ``y`` of the sum's
    code in ``format``; ``bad``, whether a block is bad (see :class:`BlockPair`) or has Inf or NaN.
    """
    unit = _Unit(pair)
    term = unit.term(factor_bits)
    form = pair.accumulator(longest)
    total = unit.builder.add(
        "accumulate",
        "sum",
        UNIT,
        form,
        [Edge(term, 0, "term"), unit.input("first", "sum_first"), unit.input("valid", "sum_valid")],
        latency=1,
    )
    unit.output("sum", total)
    plan = FixedToFloatPlan(form.bits, pair.fraction, format)
    code = add_fixed_to_float(unit.builder, UNIT, Edge(total, 0, "sum"), plan)
    return unit.finish(code, format)


def fp32_unit(pair: BlockPair, partials: int, format: FloatFormat, factor_bits: int) -> Netlist:
    """Terms are rounded to FP32 and added, each to one of ``partials`` sums.

    There is an operation, a term's or another, per cycle.  Inputs as those of :func:`exact_unit`,
    and of each operation ``index`` (the partial sum that is added to and replaced), ``keep`` (it
    counts as it is, else as +0) and ``operates`` (the sum is kept); with several partials ``other``
    (a partial sum) and ``joins`` (that one is added and not a term).  An operation sees
    the results of those that are ``partials`` or more cycles older.  Outputs: the write ``y`` of
    the operation's sum in ``format``, and ``bad``.
    """
    bits = max(1, (partials - 1).bit_length())
    unit = _Unit(pair, {"index": bits, "keep": 1, "operates": 1, "other": bits, "joins": 1})
    builder = unit.builder
    plan = FixedToFloatPlan(pair.term.bits, pair.fraction, FP32)
    term = unit.term(factor_bits)
    code = add_fixed_to_float(builder, UNIT, Edge(term, 0, "term"), plan)
    # The sum is the last of the nodes that follow.
    total = code + (13 if partials > 1 else 11)
    held = builder.add(
        "partials",
        "partials",
        UNIT,
        IntFormat(32 * partials, signed=False),
        [
            Edge(total, partials, "total"),
            unit.input("index", "written", partials),
            unit.input("operates", "writes", partials),
        ],
        latency=1,
    )
    picked = builder.add(
        "pick", "picked", UNIT, _CODE, [Edge(held, 0, "in"), unit.input("index", "index_in")]
    )
    left = builder.add(
        "gate", "left", UNIT, _CODE, [Edge(picked, 0, "in"), unit.input("keep", "keep_in")]
    )
    right = code
    if partials > 1:
        other = builder.add(
            "pick", "other_picked", UNIT, _CODE,
            [Edge(held, 0, "in"), unit.input("other", "other_in")],
        )  # fmt: skip
        right = builder.add(
            "select", "right", UNIT, _CODE,
            [Edge(other, 0, "in0"), Edge(code, 0, "in1"), unit.input("joins", "joins_in")],
        )  # fmt: skip
    found = add_fp32_sum(builder, UNIT, Edge(left, 0, "a"), Edge(right, 0, "b"))
    assert found == total
    if format != FP32:
        found = builder.add(
            "float_narrow",
            "narrow",
            UNIT,
            IntFormat(format.width, signed=False),
            [Edge(found, 0, "in")],
        )
    return unit.finish(found, format)


class _Unit:
    """Collects the nodes of a unit."""

    def __init__(self, pair: BlockPair, more: Mapping[str, int] | None = None) -> None:
        self.builder = Builder()
        self.pair = pair
        widths = {"a": pair.a_word, "b": pair.b_word, "a_scale": 8, "b_scale": 8}
        widths |= {"valid": 1, "first": 1, **(more or {})}
        self._inputs = {
            name: self.builder.add(
                "wire", name, _PORTS, IntFormat(bits, signed=False), group="control"
            )
            for name, bits in widths.items()
        }

    def input(self, name: str, port: str, delay: int = 0) -> Edge:
        """An input, ``delay`` cycles late, at a port of the unit."""
        return Edge(self._inputs[name], delay, port)

    def output(self, name: str, source: int) -> None:
        """Something that reads a part of the unit."""
        form = self.builder[source].format
        self.builder.add("wire", name, _PORTS, form, [Edge(source, 0, name)], group=f"out.{name}")

    def term(self, factor_bits: int) -> int:
        """The term."""
        edges = [self.input(name, f"{name}_in") for name in ("a", "b", "a_scale", "b_scale")]
        return add_block_dot(self.builder, UNIT, self.pair, *edges, factor_bits=factor_bits)

    def finish(self, code: int, format: FloatFormat) -> Netlist:
        """Bad blocks make their sum NaN."""
        builder, pair = self.builder, self.pair
        inputs = [self.input(f"{side}_scale", f"{side}_scale_checked") for side in "ab"]
        if pair.has_specials:
            words = [self.input(side, f"{side}_checked") for side in "ab"]
            inputs.append(Edge(add_block_special(builder, UNIT, pair, *words), 0, "special"))
        bad = builder.add("block_bad", "bad", UNIT, _BIT, inputs, parameters=(pair,))
        self.output("bad", bad)
        collected = builder.add(
            "collect",
            "sum_bad",
            UNIT,
            _BIT,
            [
                Edge(bad, 0, "bad"),
                self.input("first", "bad_first"),
                self.input("valid", "bad_valid"),
            ],
            latency=1,
        )
        answer = builder.add(
            "float_nan",
            "answer",
            UNIT,
            builder[code].format,
            [Edge(code, 0, "in"), Edge(collected, 0, "bad")],
            parameters=(format,),
        )
        builder.add(
            "write",
            "y",
            ("memory", 0),
            builder[code].format,
            [Edge(answer, 0, "data")],
            group="write",
            parameters=(0, 0),
        )
        return builder.netlist()
