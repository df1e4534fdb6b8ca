"""StreamAdder, and the marks of a Collector that say to which elements it adds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams import Collector, OutputBuffer, StreamAdder
from tests.rtl.streams_bench import Sink, Source, layouts, simulate
from tests.tiers import examples

Pauses = list[bool]


@dataclass
class Packet:
    """A packet of sums, and the one that is offered to be added to it, if it is marked."""

    sums: list[list[int]]
    """Elements by beat; the last beat may have fewer."""
    addends: list[list[int]] = field(default_factory=list)
    """Elements of as many beats as come, a full beat each: what is beside elements is ignored."""


@st.composite
def packets(draw: st.DrawFn, lanes: int, bits: int, *, wrong: bool) -> Packet:
    rng = random.Random(draw(st.integers(0, 2**16)))
    beats = draw(st.integers(1, 5))
    last = draw(st.integers(1, lanes))
    widths = [lanes] * (beats - 1) + [last]
    sums = [[rng.randrange(1 << bits) for _ in range(width)] for width in widths]
    if draw(st.integers(0, 2)) == 0:
        return Packet(sums)
    come = draw(st.integers(1, 2 * beats)) if wrong else beats
    return Packet(sums, [[rng.randrange(1 << bits) for _ in range(lanes)] for _ in range(come)])


def added(packet: Packet, bits: int) -> list[list[int]]:
    """What must leave: of a packet that ends early, what is left is not added to anything."""
    return [
        [
            (x + (packet.addends[n][lane] if n < len(packet.addends) else 0)) % (1 << bits)
            for lane, x in enumerate(row)
        ]
        for n, row in enumerate(packet.sums)
    ]


def word(row: Sequence[int], bits: int) -> int:
    return sum(x << (bits * lane) for lane, x in enumerate(row))


def beats(rows: Sequence[Sequence[int]], bits: int) -> list[tuple[int, bool]]:
    return [(word(row, bits), n == len(rows) - 1) for n, row in enumerate(rows)]


class Bench:
    """An adder between two sources and a sink."""

    def __init__(
        self, bits: int, lanes: int, given: Sequence[Packet], pauses: Sequence[Pauses]
    ) -> None:
        self.adder = StreamAdder(bits, lanes, bits * lanes + 3)
        sums = [beat for packet in given for beat in beats(packet.sums, bits)]
        addends = [beat for packet in given for beat in beats(packet.addends, bits)]
        self.marks = [
            (1 << len(row)) - 1 if packet.addends else 0 for packet in given for row in packet.sums
        ]
        usable = [[] if all(p) else p for p in pauses]
        self.sums = Source(self.adder.sums, sums, usable[0])
        # The bits above the last lane are not zero either.
        over = 5 << (bits * lanes)
        self.addends = Source(self.adder.addends, [(d | over, e) for d, e in addends], usable[1])
        self.sink = Sink(self.adder.stream, usable[2])
        self.count = len(sums)
        self.idle = 0

    async def run(self, ctx: SimulatorContext) -> None:
        cycle = 0
        while self.idle < 40 and cycle < 3000:
            self.sums.drive(ctx, cycle)
            position = self.count - len(self.sums.beats)
            ctx.set(self.adder.marked, self.marks[position] if self.sums.offered else 0xAA)
            self.addends.drive(ctx, cycle)
            self.sink.drive(ctx, cycle)
            ready = ctx.get(self.adder.addends.tready)
            ctx.set(self.adder.addends.tvalid, int(not self.addends.offered))
            assert ctx.get(self.adder.addends.tready) == ready, "tready depends on tvalid"
            ctx.set(self.adder.addends.tvalid, int(self.addends.offered))
            before = len(self.sink.beats)
            for port in (self.sums, self.addends, self.sink):
                port.sample(ctx, cycle)
            self.idle = 0 if len(self.sink.beats) > before else self.idle + 1
            cycle += 1
            await ctx.tick()


pauses = st.lists(st.booleans(), max_size=6)


@pytest.mark.parametrize("wrong", [False, True])
@settings(max_examples=examples(25, 200), deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 9), pauses, pauses, pauses)
def test_packets_are_added_whatever_pauses_and_wrong_lengths_spoil_no_other(
    wrong: bool,
    data: st.DataObject,
    lanes: int,
    bits: int,
    first: Pauses,
    second: Pauses,
    third: Pauses,
) -> None:
    given = data.draw(st.lists(packets(lanes, bits, wrong=wrong), min_size=1, max_size=6))
    bench = Bench(bits, lanes, given, [first, second, third])

    async def run(ctx: SimulatorContext) -> None:
        await bench.run(ctx)
        assert bench.sink.beats == [b for packet in given for b in beats(added(packet, bits), bits)]
        assert not bench.addends.beats
        error = any(p.addends and len(p.addends) != len(p.sums) for p in given)
        assert ctx.get(bench.adder.error) == error

    simulate(bench.adder, run)


@settings(max_examples=examples(10, 30), deadline=None)
@given(st.lists(packets(2, 4, wrong=False), min_size=1, max_size=6))
def test_a_beat_per_cycle_leaves_one_cycle_later(given: list[Packet]) -> None:
    bench = Bench(4, 2, given, [[], [], []])

    async def run(ctx: SimulatorContext) -> None:
        await bench.run(ctx)
        assert bench.sums.accepted == list(range(bench.count))
        assert bench.sink.accepted == [n + StreamAdder.LATENCY for n in range(bench.count)]

    simulate(bench.adder, run)


@settings(max_examples=examples(15, 60), deadline=None)
@given(layouts(), st.lists(st.booleans(), min_size=1, max_size=5), pauses)
def test_marks_are_those_of_the_page_that_a_beat_is_of(
    layout: Layout, marks: list[bool], third: Pauses
) -> None:
    rank = len(layout.shape)
    units = UnitLibrary(simulate=True)
    buffer = OutputBuffer(layout, ((0,) * rank,), (True,) * rank, units, accumulate=False)
    collector = Collector(layout, layout.per_beat * 8 + 3, units, accumulate=False, marks=True)
    m = Module()
    m.submodules.buffer, m.submodules.collector = buffer, collector
    wiring.connect(m, collector.read, buffer.read)
    sink = Sink(collector.stream, [] if all(third) else third)
    pages = [False, False]
    seen: list[int] = []

    async def step(ctx: SimulatorContext, cycle: int) -> None:
        ctx.set(collector.mark, int(pages[ctx.get(collector.read.page)]))
        sink.drive(ctx, cycle)
        before = len(sink.beats)
        sink.sample(ctx, cycle)
        seen.extend([ctx.get(collector.marked)] * (len(sink.beats) - before))
        await ctx.tick()

    async def run(ctx: SimulatorContext) -> None:
        cycle = 0
        for number, mark in enumerate(marks):
            # As soon as a page is free it is of another problem.
            while not ctx.get(buffer.free):
                await step(ctx, cycle)
                cycle += 1
            ctx.set(buffer.commit, 1)
            await step(ctx, cycle)
            cycle += 1
            ctx.set(buffer.commit, 0)
            pages[number % 2] = mark
        for _ in range(20 * layout.segments + 40):
            await step(ctx, cycle)
            cycle += 1
        elements = layout.elements
        full, rest = divmod(elements, layout.per_beat)
        lanes = [(1 << layout.per_beat) - 1] * full + ([(1 << rest) - 1] if rest else [])
        assert seen == [lane if mark else 0 for mark in marks for lane in lanes]

    simulate(m, run)
