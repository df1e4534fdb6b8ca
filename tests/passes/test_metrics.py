"""Figures count what is built: the inside of a FIFO too."""

from __future__ import annotations

import re

import pytest

from accelgen.affine import load_description
from accelgen.formats import IntFormat
from accelgen.netlist.graph import Builder, Edge
from accelgen.passes.metrics import Metrics, measure, mux_inputs
from accelgen.passes.taps import MOST_DEPTH, TAPS
from accelgen.processor.design import design_processor
from accelgen.processor.report import write_report
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.unit import Part, Unit, UnitShape

BYTE = IntFormat(8)


def registers_of(most: int, depth_bits: int) -> int:
    """Register bits in the Verilog of a FIFO that is a unit of its own."""
    ports = (("data", BYTE), ("depth", IntFormat(depth_bits, signed=False)))
    part = Part("fifo", "late", BYTE, (("data", 0), ("depth", 0)), (most,))
    units = UnitLibrary()
    units.add(Unit(UnitShape((part,), ports, ((0, 0),))), "fifo")
    found = re.findall(r"^ *reg (?:\[(\d+):0\] )?\S+;", units.verilog(), re.MULTILINE)
    return sum(int(high or 0) + 1 for high in found)


def figures(most: int, *, taps: bool) -> Metrics:
    """Those of a unit that takes what its neighbour had some cycles ago."""
    builder = Builder()
    format = IntFormat(most.bit_length(), signed=False)
    depth = builder.add("flag", "depth", ("control", 0), format, latency=1)
    given = builder.add("wire", "given", ("pe", 0), BYTE)
    builder.add(
        "fifo", "late", ("pe", 1), BYTE, [Edge(given, 1, "in"), Edge(depth, 0, "depth")],
        latency=1, parameters=(most,),
    )  # fmt: skip
    netlist = builder.netlist()
    return measure(TAPS.run(netlist) if taps else netlist)


@pytest.mark.parametrize("most", [*range(1, 10), 31, 32])
def test_the_registers_of_a_fifo_are_those_in_its_verilog(most: int) -> None:
    found = figures(most, taps=False)
    assert found.register_bits == registers_of(most, most.bit_length())
    # All but the register behind the ring, which is the first of the link.
    assert found.fifo_bits == found.register_bits - BYTE.bits


@pytest.mark.parametrize(("most", "words"), [(1, 2), (3, 4), (4, 8), (8, 16)])
def test_a_fifo_is_read_by_a_multiplexer_over_its_words_and_one_around_it(
    most: int, words: int
) -> None:
    assert figures(most, taps=False).mux_inputs == words + 2


@pytest.mark.parametrize("most", range(1, MOST_DEPTH + 1))
def test_taps_of_a_delay_line_are_fewer_registers_and_inputs(most: int) -> None:
    fifo, taps = (figures(most, taps=flag) for flag in (False, True))
    assert taps.register_bits == (most + 1) * BYTE.bits < fifo.register_bits
    assert taps.fifo_bits == most * BYTE.bits < fifo.fifo_bits
    assert taps.mux_inputs == most + 1 < fifo.mux_inputs


def test_taps_are_no_loss_in_a_fused_design_and_every_page_says_the_same() -> None:
    descriptions = [
        load_description(name).with_overrides(space={"i": 4, "j": 4}, types={"Y": "int32"})
        for name in ("gemm_os_systolic", "depthwise")
    ]
    made = design_processor(descriptions, "both")
    (record,) = (found for found in made.passes if found.name == "taps")
    assert record.after.register_bits < record.before.register_bits
    assert record.after.fifo_bits < record.before.fifo_bits
    assert record.after.mux_inputs < record.before.mux_inputs
    last = made.passes[-1].after.mux_inputs
    assert last == mux_inputs(made.pipeline.netlist.nodes)
    assert f"{last} inputs of multiplexers" in write_report(made)
