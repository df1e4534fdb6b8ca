"""The term of a block dot product as a netlist with registers, against the model."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from accelgen.formats import BlockFormat, IntFormat, block_format, format_names, get_format
from accelgen.golden import BlockPair, block_terms
from accelgen.netlist.dot import add_block_dot
from accelgen.netlist.graph import Builder, Edge
from accelgen.passes.delay_matching import Pipeline, match_delays
from accelgen.rtl.unit import Unit, unit_shapes
from accelgen.technology import load_technology
from tests.rtl.arithmetic.test_element_products import joined
from tests.rtl.arithmetic.vectors import Vectors, simulate

BLOCKS = [name for name in format_names() if isinstance(get_format(name), BlockFormat)]
PORTS = ("a", "b", "a_scale", "b_scale")


def pair_of(a: str, b: str, lanes: int) -> BlockPair:
    return BlockPair(block_format(a), block_format(b), lanes)


def pipeline_of(pair: BlockPair, period: float, technology: str = "sg13g2") -> Pipeline:
    """A unit that is nothing but a term."""
    builder = Builder()
    widths = (pair.a_word, pair.b_word, 8, 8)
    inputs = [
        builder.add("wire", name, ("port", 0), IntFormat(bits, signed=False), group="control")
        for name, bits in zip(PORTS, widths, strict=True)
    ]
    edges = [Edge(n, 0, f"{name}_in") for n, name in zip(inputs, PORTS, strict=True)]
    term = add_block_dot(builder, ("pe", 0), pair, *edges)
    builder.add("write", "y", ("memory", 0), pair.term, [Edge(term, 0, "data")], group="write",
                parameters=(0, 0))  # fmt: skip
    return match_delays(builder.netlist(), load_technology(technology), period)


def blocks(pair: BlockPair, n: int, seed: int) -> tuple[Vectors, Vectors, Vectors, Vectors]:
    """Random codes and scales, extremes among them."""
    draw = np.random.default_rng(seed)
    words = []
    for operand in (pair.a, pair.b):
        codes = draw.integers(0, 1 << operand.element.width, (n, pair.lanes))
        values = operand.element.values()
        largest = int(np.argmax(np.abs(values).max(axis=0)))
        codes[: n // 8] = np.where(
            draw.random((n // 8, pair.lanes)) < 0.5,
            largest,
            largest ^ 1 << operand.element.width - 1,
        )
        codes[:2] = largest
        words.append(codes)
    scales = draw.integers(0, 256, (2, n)).astype(np.uint8)
    for side, operand in enumerate((pair.a, pair.b)):
        if operand.scale_range is not None:
            low, high = (e + 127 for e in operand.scale_range)
            near = draw.integers(max(0, low - 2), min(255, high + 2) + 1, n)
            scales[side] = np.where(draw.random(n) < 0.8, near, scales[side])
            scales[side, :2] = high
        else:
            scales[side, :2] = 126
    return words[0], words[1], scales[0], scales[1]


def check(pair: BlockPair, pipeline: Pipeline, n: int, seed: int) -> None:
    (shape,) = unit_shapes(pipeline, ("pe",)).values()
    a, b, a_scale, b_scale = blocks(pair, n, seed)
    inputs = {
        "a_in": joined(a, pair.a.element.width), "b_in": joined(b, pair.b.element.width),
        "a_scale_in": a_scale, "b_scale_in": b_scale,
    }  # fmt: skip
    write = pipeline.netlist.nodes[-1]
    source = pipeline.netlist.nodes[write.inputs[0].source]
    entry = pipeline.registers[-1][0]
    first = pipeline.position("pe.dot_a")
    found = simulate(Unit(shape), inputs, latency=pipeline.latency - entry - first)
    terms, bad = block_terms(pair, a, b, a_scale, b_scale)
    np.testing.assert_array_equal(found[f"{source.name}_out"], terms)
    assert not terms[bad].any()
    assert pair.term.holds(int(terms.min()), int(terms.max()))


CASES = [("nvfp4", "nvfp4", 16, 2.5), ("if4", "if4", 16, 4.5), ("mxfp4", "mxfp4", 32, 3.0)]


@pytest.mark.rtl
@pytest.mark.parametrize(("a", "b", "lanes", "period"), CASES)
def test_terms(a: str, b: str, lanes: int, period: float) -> None:
    pair = pair_of(a, b, lanes)
    check(pair, pipeline_of(pair, period), 20_000, 1)


@pytest.mark.rtl
@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [(x, x) for x in BLOCKS] + [
    ("if4", "nvfp4"), ("nvint4", "if4"), ("mxfp8_e5m2", "mxfp8_e4m3"), ("mxfp4", "nvfp4"),
    ("if6_e3m2", "mxint8"),
])  # fmt: skip
def test_terms_of_all_formats(a: str, b: str) -> None:
    for lanes, period in product((1, 2, 16), (3.0, 9.0)):
        pair = pair_of(a, b, lanes)
        check(pair, pipeline_of(pair, period), 20_000, 2)
