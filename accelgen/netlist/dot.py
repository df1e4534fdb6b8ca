"""The dot product of two blocks as primitives between which delay matching places registers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from accelgen.formats import IntFormat
from accelgen.golden.block_pair import BlockPair
from accelgen.netlist.graph import Builder, Edge, Home, Kind
from accelgen.netlist.lanes import LaneFormat, lane_format, product_format, sum_formats

__all__ = [
    "add_block_dot",
    "add_block_special",
    "add_lane_sum",
    "add_shifted_left",
    "add_weighed",
]

_SHIFT_BITS = 3
"""Bits of an exponent by which is shifted in one step."""


def add_block_dot(
    builder: Builder,
    home: Home,
    pair: BlockPair,
    a: Edge,
    b: Edge,
    a_scale: Edge,
    b_scale: Edge,
    *,
    factor_bits: int = 4,
) -> int:
    """Add the term of ``pair`` (see there) to ``home``; return its node, of format ``pair.term``.

    ``a`` and ``b`` are words of ``pair.a_word`` and ``pair.b_word`` bits, the scales of 8 bits, all
    unsigned.  The term of a block with a bad scale is zero.  A home has one such dot product; its
    nodes are called ``dot_...``, and each is a group of its own for all homes of a kind.

    Steps, each a node: decode the elements of both sides, multiply them, align the products, one
    level of the adder tree after the other; decode the scales, multiply their significands and the
    factors of adaptive formats, add the exponents; multiply the sum by up to ``factor_bits`` bits
    of the significand at a time, and add those; shift by up to three bits of the exponent at a
    time.  No register inside.  Fewer ``factor_bits`` make shorter steps, for short clock periods,
    and more of them.
    """
    words = [
        builder.add("wire", f"dot_{name}", home, builder[edge.source].format, [edge])
        for name, edge in (("a", a), ("b", b), ("a_scale", a_scale), ("b_scale", b_scale))
    ]
    total = _sum(builder, home, pair, words)
    significand, exponent = _scale(builder, home, pair, words[2:])
    weighed = add_weighed(builder, home, pair, total, significand, factor_bits)
    return add_shifted_left(
        builder,
        home,
        weighed,
        exponent,
        lambda shift: pair.most_block << min(pair.most_exponent, shift),
    )


def add_block_special(builder: Builder, home: Home, pair: BlockPair, a: Edge, b: Edge) -> int:
    """Add a bit: whether an element of the words is Inf or NaN (``pair.has_specials``)."""
    return builder.add(
        "block_special",
        "dot_special",
        home,
        _unsigned(1),
        [Edge(a.source, a.delay, "a_special"), Edge(b.source, b.delay, "b_special")],
        parameters=(pair,),
    )


def _sum(builder: Builder, home: Home, pair: BlockPair, words: list[int]) -> int:
    """The sum of the products of elements, and the one that it still lacks or not."""
    decoded = []
    for side, operand in enumerate((pair.a, pair.b)):
        lane = lane_format(operand.element)
        inputs = [Edge(words[side], 0, "code")]
        if operand.is_adaptive:
            inputs.append(Edge(words[2 + side], 0, "scale"))
        decoded.append(
            builder.add(
                "block_decode",
                f"dot_{'ab'[side]}_decoded",
                home,
                _word(pair, lane),
                inputs,
                parameters=(pair, side),
            )
        )
    return add_lane_sum(builder, home, pair, decoded)


def add_lane_sum(builder: Builder, home: Home, pair: BlockPair, decoded: list[int]) -> int:
    """Add the sum of the products of elements to ``home``; return its node.

    ``decoded`` are the nodes of both operands, with lanes as
    :func:`~accelgen.netlist.lanes.lane_format` says of the elements of ``pair``.  The sum is a word
    of :func:`~accelgen.netlist.lanes.sum_formats`.
    """
    lanes = [lane_format(operand.element) for operand in (pair.a, pair.b)]
    product = builder.add(
        "block_multiply",
        "dot_products",
        home,
        _word(pair, product_format(*lanes)),
        [Edge(number, 0, name) for number, name in zip(decoded, "ab", strict=True)],
        parameters=(pair,),
    )
    first, *levels = sum_formats(pair)
    total = builder.add(
        "block_align",
        "dot_aligned",
        home,
        first.word,
        [Edge(product, 0, "products")],
        parameters=(pair,),
    )
    for level, form in enumerate(levels, 1):
        total = builder.add(
            "block_add",
            f"dot_level{level}",
            home,
            form.word,
            [Edge(total, 0, "sums")],
            parameters=(pair, level),
        )
    return total


def _scale(builder: Builder, home: Home, pair: BlockPair, scales: list[int]) -> tuple[int, int]:
    """The product of the scales: significand (0 where one does not count) and exponent."""

    def decode(kind: Kind, what: str, side: int, most: int) -> Edge:
        number = builder.add(
            kind,
            f"dot_{'ab'[side]}_{what}",
            home,
            IntFormat.for_range(0, most),
            [Edge(scales[side], 0, "scale")],
            parameters=(pair, side),
        )
        return Edge(number, 0, f"in{side}")

    sides = list(enumerate((pair.a, pair.b)))
    most = pair.a.plain_significand * pair.b.plain_significand
    significand = builder.add(
        "multiply",
        "dot_significand",
        home,
        # All products of as many bits; those beyond the largest do not occur.
        _unsigned(pair.a.plain_significand.bit_length() + pair.b.plain_significand.bit_length()),
        [decode("scale_significand", "significand", k, s.plain_significand) for k, s in sides],
    )
    for side, operand in sides:
        if operand.is_adaptive:
            most *= max(operand.factors)
            significand = builder.add(
                "scale_fold",
                f"dot_{'ab'[side]}_folded",
                home,
                IntFormat.for_range(0, most),
                [Edge(significand, 0, "significand"), Edge(scales[side], 0, "scale")],
                parameters=(pair, side),
            )
    # Integers beside a block format have no exponent.
    exponents = [
        decode("scale_exponent", "exponent", k, s.most_exponent)
        for k, s in sides
        if s.most_exponent or k == pair.most_exponent == 0
    ]
    if len(exponents) == 1:
        return significand, exponents[0].source
    exponent = builder.add(
        "add", "dot_exponent", home, IntFormat.for_range(0, pair.most_exponent), exponents
    )
    return significand, exponent


def add_weighed(
    builder: Builder, home: Home, pair: BlockPair, total: int, significand: int, factor_bits: int
) -> int:
    """Add the sum ``total`` (of :func:`add_lane_sum`) times the scales' ``significand``.

    By ``factor_bits`` bits of the significand at a time, which are added in pairs.
    """

    def reaching(factor: int) -> IntFormat:
        most = min(pair.most_sum * factor, pair.most_block)
        return IntFormat.for_range(-most, most)

    bits = (pair.a.most_significand * pair.b.most_significand).bit_length()
    parts: list[tuple[int, int, int]] = []
    for k, (low, high) in enumerate(_pieces(bits, factor_bits)):
        number = builder.add(
            "block_weigh",
            f"dot_part{k}",
            home,
            reaching((1 << (high - low)) - 1),
            [Edge(total, 0, "sum"), Edge(significand, 0, "significand")],
            parameters=(pair, low, high),
        )
        parts.append((number, low, high))
    depth = 0
    while len(parts) > 1:
        joined = []
        for k in range(0, len(parts) - 1, 2):
            (left, low, middle), (right, _, high) = parts[k : k + 2]
            number = builder.add(
                "add_shifted",
                f"dot_weighed{depth}_{k // 2}",
                home,
                reaching((1 << (high - low)) - 1),
                [Edge(left, 0, "low"), Edge(right, 0, "high")],
                parameters=(middle - low,),
            )
            joined.append((number, low, high))
        # An odd one out joins the next level.
        parts = joined + parts[len(parts) - len(parts) % 2 :]
        depth += 1
    return parts[0][0]


def add_shifted_left(
    builder: Builder, home: Home, value: int, amount: int, most: Callable[[int], int]
) -> int:
    """Add ``value << amount``, of nodes; the small shifts, which widen it least, first.

    ``most(shift)`` is the largest magnitude after amounts of up to ``shift``.
    """
    for k, (low, high) in enumerate(_pieces(builder[amount].format.bits, _SHIFT_BITS)):
        largest = most((1 << high) - 1)
        value = builder.add(
            "shift_left",
            f"dot_shifted{k}",
            home,
            IntFormat.for_range(-largest, largest),
            [Edge(value, 0, "in"), Edge(amount, 0, "amount")],
            parameters=(low, high),
        )
    return value


def _pieces(bits: int, most: int) -> list[tuple[int, int]]:
    """``bits`` bits in as few pieces of at most ``most`` as possible, of about the same size."""
    count = -(-bits // most)
    ends = [bits * k // count for k in range(count + 1)]
    return list(pairwise(ends))


def _word(pair: BlockPair, lane: LaneFormat) -> IntFormat:
    return _unsigned(pair.lanes * lane.bits)


def _unsigned(bits: int) -> IntFormat:
    return IntFormat(bits, signed=False)
