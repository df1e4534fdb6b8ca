"""OutputBuffer and Collector: slots in, packets out."""

from __future__ import annotations

import random

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.fabric.layout import Layout
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.streams import AccumulatorBank, Collector, OutputBuffer
from tests.rtl.streams_bench import (
    Index,
    Sink,
    Slots,
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

BITS = 8


class Bench:
    """An OutputBuffer and its Collector; ``step`` moves time by one cycle."""

    def __init__(
        self, layout: Layout, use: Slots, *, accumulate: bool, pauses: list[bool] | None = None
    ) -> None:
        self.layout = layout
        self.use = use
        self.buffer = OutputBuffer(
            layout,
            use.offsets,
            use.rotating,
            UnitLibrary(simulate=True),
            accumulate=accumulate,
        )
        self.collector = Collector(
            layout,
            layout.per_beat * BITS + 3,
            UnitLibrary(simulate=True),
            accumulate=accumulate,
        )
        self.sink = Sink(self.collector.stream, pauses or [])
        self.m = Module()
        self.m.submodules.buffer = self.buffer
        self.m.submodules.collector = self.collector
        wiring.connect(self.m, self.collector.read, self.buffer.read)
        self.cycle = 0

    async def step(self, ctx: SimulatorContext) -> None:
        self.sink.drive(ctx, self.cycle)
        self.sink.sample(ctx, self.cycle)
        self.cycle += 1
        await ctx.tick()

    def idle(self, ctx: SimulatorContext) -> None:
        for slot in range(len(self.use.offsets)):
            ctx.set(getattr(self.buffer, f"enable_{slot}"), 0)

    async def write(self, ctx: SimulatorContext, base: Index, values: dict[Index, int]) -> None:
        """One cycle in which the slots write ``values`` (element: value)."""
        place(ctx, self.buffer, self.layout, base)
        for slot, offset in enumerate(self.use.offsets):
            element = plus(base, offset)
            ctx.set(getattr(self.buffer, f"enable_{slot}"), int(element in values))
            ctx.set(getattr(self.buffer, f"data_{slot}"), values.get(element, 0xEE))
        await self.step(ctx)

    async def commit(self, ctx: SimulatorContext) -> int:
        """Wait until the last element is written, commit in that cycle; return the cycle."""
        self.idle(ctx)
        for _ in range(self.buffer.latency - 2):
            await self.step(ctx)
        ctx.set(self.buffer.commit, 1)
        now = self.cycle
        await self.step(ctx)
        ctx.set(self.buffer.commit, 0)
        return now

    async def free(self, ctx: SimulatorContext) -> None:
        limit = self.cycle + 20 * self.layout.segments + 100
        while not ctx.get(self.buffer.free):
            await self.step(ctx)
            assert self.cycle < limit

    def expect(self, tensors: list[list[int]]) -> None:
        beats = self.layout.beats
        expected = [beat for tensor in tensors for beat in beats_of(self.layout, tensor)]
        assert [data for data, _ in self.sink.beats] == expected
        assert [last for _, last in self.sink.beats] == ([False] * (beats - 1) + [True]) * len(
            tensors
        )


def anywhere(layout: Layout) -> Slots:
    rank = len(layout.shape)
    return Slots(((0,) * rank,), (True,) * rank)


@settings(max_examples=examples(10, 25), deadline=None)
@given(st.data())
def test_what_slots_wrote_is_streamed_out(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    use = data.draw(slots(layout))
    pauses = data.draw(st.lists(st.booleans(), max_size=5))
    rng = random.Random(data.draw(st.integers(0, 1000)))
    reachable = {
        element: base
        for base in bases(layout, use)
        for element in (plus(base, offset) for offset in use.offsets)
        if inside(layout, element)
    }
    bench = Bench(layout, use, accumulate=False, pauses=[] if all(pauses) else pauses)
    tensors: list[list[int]] = []
    held = dict.fromkeys(all_elements(layout), 0)
    pages = [dict(held), dict(held)]

    async def run(ctx: SimulatorContext) -> None:
        assert ctx.get(bench.buffer.ready)
        for number in range(5):
            await bench.free(ctx)
            values = {element: rng.randrange(256) for element in reachable}
            order = list(reachable)
            rng.shuffle(order)
            remaining = dict(values)
            for element in order:
                if element not in remaining:
                    continue
                base = reachable[element]
                now = {
                    other: remaining.pop(other)
                    for other in (plus(base, offset) for offset in use.offsets)
                    if other in remaining and (other == element or rng.random() < 0.7)
                }
                await bench.write(ctx, base, now)
            page = pages[number % 2]
            page.update(values)
            tensors.append([page[element] for element in all_elements(layout)])
            await bench.commit(ctx)
        for _ in range(20 * layout.segments + 40):
            await bench.step(ctx)
        bench.expect(tensors)

    simulate(bench.m, run)


@settings(max_examples=examples(10, 25), deadline=None)
@given(st.data())
def test_sums_are_streamed_out(data: st.DataObject) -> None:
    layout = data.draw(layouts())
    use = data.draw(slots(layout))
    pauses = data.draw(st.lists(st.booleans(), max_size=5))
    rng = random.Random(data.draw(st.integers(0, 1000)))
    starts = bases(layout, use)
    bench = Bench(layout, use, accumulate=True, pauses=[] if all(pauses) else pauses)
    tensors: list[list[int]] = []

    async def run(ctx: SimulatorContext) -> None:
        for _ in range(5):
            await bench.free(ctx)
            sums = dict.fromkeys(all_elements(layout), 0)
            few = rng.sample(starts, min(len(starts), 3))
            # Few bases in any order: the same word comes in cycles 1, 2 and 3 apart.
            for _ in range(25 if few else 0):
                base = rng.choice(few if rng.random() < 0.8 else starts)
                targets = [plus(base, offset) for offset in use.offsets]
                values = {
                    element: rng.randrange(256)
                    for element in targets
                    if inside(layout, element) and rng.random() < 0.8
                }
                for element, value in values.items():
                    sums[element] = (sums[element] + value) % 256
                await bench.write(ctx, base, values)
            tensors.append(list(sums.values()))
            await bench.commit(ctx)
        for _ in range(20 * layout.segments + 40):
            await bench.step(ctx)
        bench.expect(tensors)

    simulate(bench.m, run)


@settings(max_examples=examples(10, 25), deadline=None)
@given(layouts(), st.booleans())
def test_cycles_are_predicted(layout: Layout, accumulate: bool) -> None:
    bench = Bench(layout, anywhere(layout), accumulate=accumulate)

    async def run(ctx: SimulatorContext) -> None:
        await bench.free(ctx)
        committed = []
        for _ in range(3):
            await bench.free(ctx)
            committed.append(await bench.commit(ctx))
        while len(bench.sink.beats) < 3 * layout.beats:
            await bench.step(ctx)
            assert bench.cycle < 1000
        accepted = bench.sink.accepted
        cycles = Collector.cycles(layout)
        assert accepted[layout.beats - 1] + 1 == committed[0] + cycles
        if committed[1] + 3 <= accepted[layout.beats - 1]:
            # The second page was waiting: it follows without a gap.
            assert accepted[2 * layout.beats - 1] == accepted[layout.beats - 1] + layout.segments

    simulate(bench.m, run)


@settings(max_examples=examples(10, 20), deadline=None)
@given(st.data())
def test_latency_is_the_cycle_of_the_write(data: st.DataObject) -> None:
    """Committing in the cycle of the write is enough, even if that is the present one."""
    layout = data.draw(layouts())
    use = data.draw(slots(layout))
    accumulate = data.draw(st.booleans())
    starts = bases(layout, use)
    base = data.draw(st.sampled_from(starts)) if starts else None
    bench = Bench(layout, use, accumulate=accumulate)
    moving = any(r and n > 1 for r, n in zip(use.rotating, layout.moduli, strict=True))
    assert bench.buffer.latency == (3 if accumulate else 1) + moving
    sums = dict.fromkeys(all_elements(layout), 0)

    async def run(ctx: SimulatorContext) -> None:
        await bench.free(ctx)
        if base is not None:
            targets = [plus(base, offset) for offset in use.offsets]
            values = {element: 77 for element in targets if inside(layout, element)}
            sums.update(values)
            if bench.buffer.latency == 1:
                ctx.set(bench.buffer.commit, 1)
            await bench.write(ctx, base, values)
        if base is None or bench.buffer.latency > 1:
            await bench.commit(ctx)
        ctx.set(bench.buffer.commit, 0)
        bench.idle(ctx)
        for _ in range(layout.segments + 10):
            await bench.step(ctx)
        bench.expect([list(sums.values())])

    simulate(bench.m, run)


@settings(max_examples=examples(15, 30), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=30))
def test_accumulator_forwards_at_every_distance(adds: list[tuple[int, bool]]) -> None:
    bank = AccumulatorBank(16, 3, UnitLibrary(simulate=True))
    sums = [0, 0, 0]

    async def run(ctx: SimulatorContext) -> None:
        ctx.set(bank.owned, 3)
        ctx.set(bank.clear, 3)
        for address in range(3):
            ctx.set(bank.stream_address, address)
            await ctx.tick()
        ctx.set(bank.clear, 0)
        ctx.set(bank.owned, 2)
        for number, (address, enable) in enumerate(adds):
            value = 1 << number % 16
            ctx.set(bank.address, address)
            ctx.set(bank.data, value)
            ctx.set(bank.enable, int(enable))
            sums[address] = (sums[address] + value * enable) % (1 << 16)
            await ctx.tick()
        ctx.set(bank.enable, 0)
        for _ in range(bank.LATENCY - 1):
            await ctx.tick()
        ctx.set(bank.owned, 3)
        ctx.set(bank.stream_enable, 1)
        for address, total in enumerate(sums):
            ctx.set(bank.stream_address, address)
            await ctx.tick()
            assert ctx.get(bank.stream_data) == total

    simulate(bank, run)
