"""Products of integers whose width the problem chooses, as primitives."""

from __future__ import annotations

from accelgen.affine.composed import ComposedProduct
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge, Home

__all__ = ["add_composed"]

_SLICES, _PRODUCTS, _SUMS = 16 * 2 * 3, 16 * 5, 4 * 11
"""Bits of what the sixteen multipliers take, of what they give, and of half added sums."""


def add_composed(
    builder: Builder,
    home: Home,
    product: ComposedProduct,
    a: Edge,
    b: Edge,
    a_mode: Edge,
    b_mode: Edge,
) -> int:
    """Add the sum of products of two words to ``home``; return its node, of ``product.term``.

    ``a`` and ``b`` are words of 32 bits, the modes 2 bits: positions in ``composed.WIDTHS``.
    Steps, each a node: select what each of sixteen 2-bit multipliers takes, multiply, add
    up by four and four.
    """
    # Steps in different cycles see the modes through different ports.
    to_select, to_join, to_add = (
        [
            Edge(edge.source, edge.delay, f"{step}_{side}_mode")
            for side, edge in (("a", a_mode), ("b", b_mode))
        ]
        for step in ("select", "join", "add")
    )
    slices = builder.add(
        "compose_select",
        "slices",
        home,
        IntFormat(_SLICES, signed=False),
        [Edge(a.source, a.delay, "in0"), Edge(b.source, b.delay, "in1"), *to_select],
        parameters=(product.a_signed, product.b_signed),
    )
    products = builder.add(
        "compose_multiply",
        "products",
        home,
        IntFormat(_PRODUCTS, signed=False),
        [Edge(slices, 0, "slices")],
    )
    sums = builder.add(
        "compose_add",
        "sums",
        home,
        IntFormat(_SUMS, signed=False),
        [Edge(products, 0, "products"), *to_join],
        parameters=(0, 2),
    )
    return builder.add(
        "compose_add",
        "product",
        home,
        product.term,
        [Edge(sums, 0, "sums"), *to_add],
        parameters=(2, 4),
    )
