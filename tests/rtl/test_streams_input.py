"""Loader and InputBuffer: packets in, slots out."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.sim import SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams import InputBuffer, Loader
from accelgen.rtl.streams.addressing import Addressing
from accelgen.rtl.streams.walker import shape_ports
from tests.rtl.streams_bench import (
    Slots,
    Source,
    all_elements,
    bases,
    beats_of,
    inside,
    layouts,
    place,
    plus,
    simulate,
    slots,
)
from tests.tiers import examples


class Bench:
    """A Loader and its InputBuffer, and the one loop that moves time."""

    def __init__(self, layout: Layout, use: Slots, *, seed: int = 0) -> None:
        self.layout = layout
        self.use = use
        self.random = random.Random(seed)
        self.loader = Loader(layout, layout.per_beat * 8 + 3, UnitLibrary(simulate=True))
        self.buffer = InputBuffer(layout, use.offsets, use.rotating, UnitLibrary(simulate=True))
        self.m = Module()
        self.m.submodules.loader = self.loader
        self.m.submodules.buffer = self.buffer
        wiring.connect(self.m, self.loader.write, self.buffer.write)
        self.m.d.comb += self.buffer.page.eq(self.loader.page)
        self.bases = bases(layout, use)

    def tensor(self) -> list[int]:
        return [self.random.randrange(256) for _ in range(self.layout.elements)]

    async def check_page(
        self,
        ctx: SimulatorContext,
        values: list[int],
        step: Callable[[], Awaitable[None]],
        count: int,
    ) -> None:
        """Read from random bases in consecutive cycles, and release the page with the last."""
        table = dict(zip(all_elements(self.layout), values, strict=True))
        chosen = [self.random.choice(self.bases) for _ in range(count)] if self.bases else []
        latency = self.buffer.latency
        for cycle in range(len(chosen) + latency):
            ctx.set(self.loader.release, int(cycle == max(len(chosen) - 1, 0)))
            if cycle < len(chosen):
                place(ctx, self.buffer, self.layout, chosen[cycle])
            if cycle >= latency:
                for slot, offset in enumerate(self.use.offsets):
                    element = plus(chosen[cycle - latency], offset)
                    if inside(self.layout, element):
                        read = ctx.get(getattr(self.buffer, f"data_{slot}"))
                        assert read == table[element], (element, slot)
            await step()
        ctx.set(self.loader.release, 0)


def packet(beats: list[int]) -> list[tuple[int, bool]]:
    return [(beat, number == len(beats) - 1) for number, beat in enumerate(beats)]


@settings(max_examples=examples(12, 25), deadline=None)
@given(st.data())
def test_slots_read_what_was_sent(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    use = data.draw(slots(layout))
    pauses = data.draw(st.lists(st.booleans(), max_size=5))
    seed = data.draw(st.integers(0, 1000))
    bench = Bench(layout, use, seed=seed)
    tensors = [bench.tensor() for _ in range(4)]
    source = Source(
        bench.loader.stream,
        [beat for tensor in tensors for beat in packet(beats_of(layout, tensor))],
        [] if all(pauses) else pauses,
    )

    async def run(ctx: SimulatorContext) -> None:
        cycle = 0

        async def step() -> None:
            nonlocal cycle
            source.drive(ctx, cycle)
            source.sample(ctx, cycle)
            cycle += 1
            await ctx.tick()

        for tensor in tensors:
            for _ in range(8 * layout.segments + 20):
                if ctx.get(bench.loader.full):
                    break
                await step()
            assert ctx.get(bench.loader.full)
            await bench.check_page(ctx, tensor, step, 12)
        assert not source.beats
        assert not ctx.get(bench.loader.error)

    simulate(bench.m, run)


@settings(max_examples=examples(12, 25), deadline=None)
@given(layouts())
def test_cycles_are_predicted(layout: Layout) -> None:
    bench = Bench(layout, Slots(((0,) * len(layout.shape),), (True,) * len(layout.shape)))
    beats = packet(beats_of(layout, bench.tensor()))
    source = Source(bench.loader.stream, beats * 3)

    async def run(ctx: SimulatorContext) -> None:
        fulls = []
        for cycle in range(3 * layout.segments + 8):
            source.drive(ctx, cycle)
            source.sample(ctx, cycle)
            fulls.append(ctx.get(bench.loader.full))
            await ctx.tick()
        # Counted from 1 at the first accepted beat, which is in cycle 0 here.
        assert fulls.index(1) + 1 == source.accepted[0] + Loader.cycles(layout)
        # Packets follow each other without a gap; a third one waits.
        assert len(source.accepted) == 2 * layout.beats
        if layout.aligned:
            assert source.accepted == list(range(2 * layout.beats))

    simulate(bench.m, run)


@settings(max_examples=examples(12, 25), deadline=None)
@given(st.data())
def test_packets_of_wrong_length_are_dropped(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    rank = len(layout.shape)
    lengths = st.integers(1, 2 * layout.beats + 1).filter(lambda length: length != layout.beats)
    wrong = [data.draw(st.lists(lengths, max_size=2)) for _ in range(3)]
    pauses = data.draw(st.sampled_from([(), (True, False)]))
    bench = Bench(layout, Slots(((0,) * rank,), (True,) * rank))
    good = [bench.tensor() for _ in range(3)]
    beats: list[tuple[int, bool]] = []
    for tensor, bad in zip(good, wrong, strict=True):
        for length in bad:
            beats += packet([0xA5] * length)
        beats += packet(beats_of(layout, tensor))
    source = Source(bench.loader.stream, beats, pauses)

    async def run(ctx: SimulatorContext) -> None:
        cycle = 0

        async def step() -> None:
            nonlocal cycle
            source.drive(ctx, cycle)
            source.sample(ctx, cycle)
            cycle += 1
            await ctx.tick()

        for tensor in good:
            while not ctx.get(bench.loader.full):
                await step()
                assert cycle < 1000 + 50 * layout.segments
            await bench.check_page(ctx, tensor, step, 8)
        assert bool(ctx.get(bench.loader.error)) == any(wrong)

    simulate(bench.m, run)


def test_ready_does_not_depend_on_valid_and_obeys_enable() -> None:
    layout = Layout((3, 5), (1, 4), 8, 4)
    bench = Bench(layout, Slots(((0, 0),), (True, True)))
    stream = bench.loader.stream

    async def run(ctx: SimulatorContext) -> None:
        ctx.set(bench.loader.enable, 0)
        assert not ctx.get(stream.tready)
        ctx.set(bench.loader.enable, 1)
        for cycle in range(30):
            ctx.set(stream.tvalid, 0)
            ready = ctx.get(stream.tready)
            ctx.set(stream.tvalid, 1)
            ctx.set(stream.tlast, cycle % 4 == 3)
            assert ctx.get(stream.tready) == ready
            await ctx.tick()

    simulate(bench.m, run)


def test_slots_in_one_memory_are_refused() -> None:
    layout = Layout((4, 8), (2, 4), 8, 4)
    with pytest.raises(AssertionError, match="two slots"):
        Addressing(layout, ((0, 1), (2, 5)), (False, True))


@settings(max_examples=examples(40, 400), deadline=None)
@given(st.data())
def test_a_cancelled_packet_leaves_nothing(data: st.DataObject) -> None:
    fixed = data.draw(layouts())
    layout = replace(fixed, words=max(2, fixed.depth))
    rank = len(layout.shape)
    # Of the right length, or of any other: then it waits for the next, or drops this one's end.
    length = data.draw(st.one_of(st.just(layout.beats), st.integers(1, 2 * layout.beats + 1)))
    beyond = layout.segments + layout.beats + 8
    wait = data.draw(st.integers(1, beyond))
    at_once, computing = data.draw(st.booleans()), data.draw(st.booleans())
    pauses = data.draw(st.sampled_from([(), (True, False)]))
    bench = Bench(layout, Slots(((0,) * rank,), (True,) * rank))
    loader = bench.loader
    kept, dropped, right = (bench.tensor() for _ in range(3))
    cancelled = (beats_of(layout, dropped) * 3)[:length]
    source = Source(loader.stream, [], pauses)

    async def run(ctx: SimulatorContext) -> None:
        cycle = 0
        for name in shape_ports(layout):
            kind, _, j = name.partition("_")
            values = {"last": [n - 1 for n in layout.shape], "stride": layout.strides}
            ctx.set(getattr(loader, name), values[kind][int(j)] if j else layout.shape[-1])
            if j and kind == "stride":
                ctx.set(getattr(bench.buffer, name), layout.strides[int(j)])

        async def step() -> None:
            nonlocal cycle
            source.drive(ctx, cycle)
            source.sample(ctx, cycle)
            cycle += 1
            await ctx.tick()

        async def pulse(signal: Signal) -> None:
            ctx.set(signal, 1)
            await step()
            ctx.set(signal, 0)

        async def filled() -> None:
            for _ in range(200 + 20 * layout.segments):
                if ctx.get(loader.full):
                    return
                await step()
            raise AssertionError("the packet was not taken")

        if computing:
            # The page that is computed with stays.
            source.beats += packet(beats_of(layout, kept))
            await pulse(loader.begin)
            await filled()
        await pulse(loader.begin)
        source.beats += packet(cancelled)
        begun = len(source.accepted)
        for _ in range(wait):
            await step()
        while len(source.accepted) == begun:
            await step()
        await pulse(loader.cancel)
        for _ in range(0 if at_once else beyond + 2 * length):
            await step()
        assert at_once or not source.beats
        assert ctx.get(loader.full) == computing
        source.beats += packet(beats_of(layout, right))
        if not at_once:
            # Nothing is wanted, and nothing of it taken.
            await step()
            await step()
            assert len(source.beats) == layout.beats
        await pulse(loader.begin)
        if computing:
            await bench.check_page(ctx, kept, step, 8)
        await filled()
        await bench.check_page(ctx, right, step, 8)
        assert not source.beats
        assert not ctx.get(loader.full)

    simulate(bench.m, run)
