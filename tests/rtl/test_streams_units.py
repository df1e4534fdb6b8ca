"""The unit library, and what the stream units become in Verilog."""

from __future__ import annotations

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator, SimulatorContext

from accelgen.errors import InfeasibleError
from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams import Collector, InputBuffer, Loader, OutputBuffer
from accelgen.rtl.streams.input_buffer import bank_widths


class Delay(wiring.Component):
    """A register of ``width`` bits, and the complement of its input."""

    def __init__(self, width: int) -> None:
        super().__init__({"x": In(width), "y": Out(width), "z": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.y.eq(self.x)
        m.d.comb += self.z.eq(~self.x)
        return m


class Chain(wiring.Component):
    """Three delays of the library in a row."""

    def __init__(self, library: UnitLibrary) -> None:
        self.library = library
        super().__init__({"x": In(4), "y": Out(4)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        value = self.x
        for number in range(3):
            delay = self.library.instance(Delay(4), "delay4")
            m.submodules[f"delay_{number}"] = delay
            m.d.comb += delay.x.eq(value)
            value = delay.y
        m.d.comb += self.y.eq(value)
        return m


def modules(text: str) -> dict[str, str]:
    found = re.findall(r"^module (\S+?) ?\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    bodies = re.split(r"^module ", text, flags=re.MULTILINE)[1:]
    return dict(zip(found, bodies, strict=True))


def chain_text() -> str:
    library = UnitLibrary(prefix="p")
    library.add(Chain(library), "chain")
    return library.verilog()


def test_a_unit_is_converted_once_and_instantiated_many_times() -> None:
    units = modules(chain_text())
    assert list(units) == ["p_chain", "p_delay4"]
    assert len(re.findall(r"^  p_delay4 delay_\d \(", units["p_chain"], re.MULTILINE)) == 3


def test_the_same_units_give_the_same_bytes() -> None:
    assert chain_text() == chain_text()


def test_two_different_units_cannot_share_a_name() -> None:
    library = UnitLibrary()
    library.add(Delay(4), "delay")
    with pytest.raises(AssertionError, match="two different units are named delay"):
        library.add(Delay(5), "delay")


def test_a_unit_with_too_many_ports_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="wide: 70000 bits of inputs"):
        UnitLibrary().add(Delay(70000), "wide")


def test_in_simulation_the_unit_is_the_component() -> None:
    chain = Chain(UnitLibrary(simulate=True))

    async def run(ctx: SimulatorContext) -> None:
        ctx.set(chain.x, 9)
        await ctx.tick().repeat(3)
        assert ctx.get(chain.y) == 9

    simulator = Simulator(chain)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()


def test_an_empty_library_has_no_text() -> None:
    assert UnitLibrary().verilog() == ""


def stream_units(layout: Layout) -> dict[str, str]:
    library = UnitLibrary()
    rank = len(layout.shape)
    one, moving = ((0,) * rank,), (True,) * rank
    library.add(Loader(layout, 64, library), "loader")
    library.add(InputBuffer(layout, one, moving, library), "input_buffer")
    for accumulate in (False, True):
        name = "accumulating" if accumulate else "plain"
        library.add(
            OutputBuffer(layout, one, moving, library, accumulate=accumulate), f"output_{name}"
        )
        library.add(
            Collector(layout, 64, library, f"walker_{name}", accumulate=accumulate),
            f"collector_{name}",
        )
    return modules(library.verilog())


def test_memories_are_one_module_each_size() -> None:
    units = stream_units(Layout((6, 15), (2, 8), 8, 8))
    banks = [name for name in units if name.startswith("bank_")]
    # 6 words, two pages in one memory, or a memory for each page.
    assert banks == ["bank_12x8", "bank_6x8"]
    assert len(re.findall(r"^  bank_12x8 ", units["input_buffer"], re.MULTILINE)) == 16
    assert len(re.findall(r"^  accumulator_6x8 ", units["output_accumulating"], re.MULTILINE)) == 16
    assert "initial" not in "".join(units.values())


def test_lanes_of_aligned_beats_share_a_wide_bank() -> None:
    layout = Layout((6, 16), (2, 8), 8, 8)
    # One slot a row and beat: its eight lanes are one word.
    assert bank_widths(layout, ((0, 0), (1, 0)), (False, True)) == {8: 2}
    units = stream_units(layout)
    assert "bank_12x64" in units
    # Slots that are apart by a beat read lanes at two addresses.
    assert bank_widths(layout, ((0, 0), (0, 9)), (False, False)) == {1: 2}
    # Rows that do not end with a beat fill the lanes at different addresses.
    assert bank_widths(Layout((6, 15), (2, 8), 8, 8), ((0, 0),), (False, True)) == {1: 8}


def test_aligned_rows_need_no_rotation() -> None:
    aligned = stream_units(Layout((6, 16), (2, 8), 8, 8))["loader"]
    unaligned = stream_units(Layout((6, 15), (2, 8), 8, 8))["loader"]
    assert "word_" not in aligned
    assert "word_" in unaligned


def test_static_slots_share_one_address() -> None:
    layout = Layout((8, 8), (1, 8), 8, 8)
    library = UnitLibrary()
    reads = tuple((0, slot) for slot in range(8))
    library.add(InputBuffer(layout, reads, (False, False), library), "input_buffer")
    text = modules(library.verilog())["input_buffer"]
    assert len(re.findall(r"\.read_address\(\{ address, page \}\)", text)) == 1
    assert InputBuffer.latency_of(layout, (True, False)) == 1
    assert InputBuffer.latency_of(layout, (False, True)) == 3


def test_names_are_kept_for_reading() -> None:
    loader = stream_units(Layout((6, 15), (2, 8), 8, 8))["loader"]
    for name in ("beat_valid", "discarding", "stream__tready", "write__enable"):
        assert re.search(rf"\b{name}\b", loader)
