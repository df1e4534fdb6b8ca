"""The output stage and its table of parameters, by simulation of random packets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pytest
from amaranth.sim import SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.cosim.staged import draw_staged
from accelgen.cosim.stimuli import Fill
from accelgen.golden import output_stage
from accelgen.processor.output_stage import Staged, parameter_words, stage_setting
from accelgen.rtl.library import UnitLibrary
from accelgen.rtl.output_stage import OutputStage, Parameters, StageForm
from accelgen.rtl.streams import Loader
from tests.rtl.streams_bench import Sink, Source, simulate
from tests.tiers import examples

Pauses = list[bool]


@dataclass
class Packet:
    """Sums, what becomes of them, and a residual in so many beats."""

    sums: Any
    staged: Staged
    residual: Any
    beats: int

    def codes(self, per_beat: int) -> Any:  # noqa: ANN401
        come = self.residual
        if come is not None:
            come = come.copy().reshape(-1)
            come[self.beats * per_beat :] = 0
            come = come.reshape(self.sums.shape)
        return output_stage(self.sums, self.staged.stage, come)


def beats_of(values: Any, bits: int, bus: int, spare: int = 0) -> list[tuple[int, bool]]:  # noqa: ANN401
    """Elements in beats; unused bits of the last beat are those of ``spare``."""
    lanes, flat = bus // bits, [int(v) & ((1 << bits) - 1) for v in np.ravel(values)]
    flat += [spare & ((1 << bits) - 1)] * (-len(flat) % lanes)
    rows = [flat[k : k + lanes] for k in range(0, len(flat), lanes)]
    words = [sum(v << (bits * k) for k, v in enumerate(row)) for row in rows]
    return [(word, n == len(words) - 1) for n, word in enumerate(words)]


@st.composite
def cases(draw: st.DrawFn, *, wrong: bool) -> tuple[StageForm, int, list[Packet]]:
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    bits = draw(st.sampled_from([8, 16]))
    bus = draw(st.sampled_from([32, 64, 72, 160]))
    form = StageForm(
        bits,
        draw(st.sampled_from([1, 2, 4, 8, 16])),
        *(draw(st.integers(1, most)) for most in (5, 5, 7)),
    )
    packets = []
    for _ in range(draw(st.integers(1, 5))):
        shape = tuple(int(rng.integers(1, n, endpoint=True)) for n in
                      (3, form.channels, form.rows, form.columns))  # fmt: skip
        fill: Fill = draw(st.sampled_from(["any", "any", "extreme"]))
        staged = draw_staged(form, shape, rng, fill=fill)
        reach = 2 ** int(rng.integers(4, 32))
        sums = rng.integers(-reach // 2, reach // 2, shape)
        residual, beats = None, 0
        if staged.stage.residual_multiplier is not None:
            low = -(2 ** (bits - 1)) if staged.residual_signed else 0
            residual = rng.integers(low, low + 2**bits, shape)
            beats = -(-prod(shape) // (bus // bits))
            if wrong:
                beats = int(rng.integers(1, 2 * beats, endpoint=True))
        packets.append(Packet(sums, staged, residual, beats))
    return form, bus, packets


class Bench:
    """An output stage between sources and a sink; the bench plays the table of parameters."""

    def __init__(
        self, form: StageForm, bus: int, packets: Sequence[Packet], pauses: Sequence[Pauses]
    ) -> None:
        lanes = bus // 32
        self.form, self.bus, self.packets = form, bus, packets
        self.unit = OutputStage(form, lanes, bus, UnitLibrary(simulate=True))
        usable = [[] if all(p) else p for p in pauses]
        sums, residuals, self.marks = [], [], []
        per_beat = bus // form.bits
        for packet in packets:
            sums += beats_of(packet.sums, 32, bus)
            left = packet.sums.size
            while left > 0:
                self.marks.append((1 << min(left, lanes)) - 1)
                left -= lanes
            if packet.residual is not None:
                # More than its elements: noise.
                noise = np.full(packet.beats * per_beat, -1)
                whole = np.concatenate([packet.residual.reshape(-1), noise])
                residuals += beats_of(whole[: packet.beats * per_beat], form.bits, bus)
        self.count = len(sums)
        self.sums = Source(self.unit.sums, sums, usable[0])
        self.residual = Source(self.unit.addends, residuals, usable[1])
        self.sink = Sink(self.unit.stream, usable[2])
        self.expected = [
            beat for packet in packets for beat in beats_of(packet.codes(per_beat), form.bits, bus)
        ]

    async def run(self, ctx: SimulatorContext) -> None:
        current = cycle = idle = 0  # idle: cycles after the last packet
        table = dict.fromkeys(("bias", "multiplier", "shift", "residual_multiplier"), 0)
        self.dones: list[int] = []
        while idle < 60 and cycle < 30000:
            packet = self.packets[min(current, len(self.packets) - 1)]
            setting = stage_setting(self.form, packet.sums.shape, packet.staged)
            for field in self.form.fields:
                value = setting[f"stage_{field.name}"]
                if field.signed and value >> (field.bits - 1):
                    value -= 1 << field.bits
                ctx.set(getattr(self.unit, field.name), value)
            for name, value in table.items():
                ctx.set(getattr(self.unit, name), value)
            self.sums.drive(ctx, cycle)
            position = self.count - len(self.sums.beats)
            ctx.set(self.unit.marked, self.marks[position] if self.sums.offered else 0)
            self.residual.drive(ctx, cycle)
            self.sink.drive(ctx, cycle)
            ready = ctx.get(self.unit.addends.tready)
            ctx.set(self.unit.addends.tvalid, int(not self.residual.offered))
            assert ctx.get(self.unit.addends.tready) == ready, "tready depends on tvalid"
            ctx.set(self.unit.addends.tvalid, int(self.residual.offered))
            for port in (self.sums, self.residual, self.sink):
                port.sample(ctx, cycle)
            if ctx.get(self.unit.read):
                words = parameter_words(packet.staged.stage)
                row = words[min(ctx.get(self.unit.channel), len(words) - 1)].tolist()
                table = {"bias": row[0] & (2**32 - 1), "multiplier": row[1] & 0xFFFF,
                         "shift": row[1] >> 16, "residual_multiplier": row[2]}  # fmt: skip
            if ctx.get(self.unit.done):
                self.dones.append(cycle)
                current += 1
            idle += len(self.dones) == len(self.packets)
            cycle += 1
            await ctx.tick()


pauses = st.lists(st.booleans(), max_size=6)


@pytest.mark.parametrize("wrong", [False, True])
@settings(max_examples=examples(12, 250), deadline=None)
@given(st.data(), pauses, pauses, pauses)
def test_packets_are_those_of_the_model_whatever_pauses(
    wrong: bool, data: st.DataObject, first: Pauses, second: Pauses, third: Pauses
) -> None:
    form, bus, packets = data.draw(cases(wrong=wrong))
    bench = Bench(form, bus, packets, [first, second, third])

    async def run(ctx: SimulatorContext) -> None:
        await bench.run(ctx)
        assert bench.sink.beats == bench.expected
        assert not bench.residual.beats
        right = bus // form.bits
        error = any(p.residual is not None and p.beats != -(-p.sums.size // right) for p in packets)
        assert ctx.get(bench.unit.error) == error
        assert len(bench.dones) == len(packets)

    simulate(bench.unit, run)


@settings(max_examples=examples(12, 60), deadline=None)
@given(cases(wrong=False))
def test_an_element_per_cycle_and_the_latency(case: tuple[StageForm, int, list[Packet]]) -> None:
    form, bus, packets = case
    bench = Bench(form, bus, packets[:1], [[], [], []])

    async def run(ctx: SimulatorContext) -> None:
        await bench.run(ctx)
        lanes, size = bus // 32, packets[0].sums.size
        first = bench.sums.accepted[0]
        # One beat ahead of the one whose elements are taken.
        ahead = [first + 1 + k for k in range(0, size - lanes, lanes)]
        assert bench.sums.accepted == [first, *ahead]
        assert bench.sink.accepted[-1] == first + size + OutputStage.latency(form)
        assert bench.dones == [bench.sink.accepted[-1] - 1]

    simulate(bench.unit, run)


def tables(rng: random.Random, channels: int, count: int) -> list[list[list[int]]]:
    return [
        [
            [rng.randrange(2**32), rng.randrange(2**16) | rng.randrange(48) << 16,
             rng.randrange(2**16)]
            for _ in range(channels)
        ]
        for _ in range(count)
    ]  # fmt: skip


@settings(max_examples=examples(20, 100), deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 6), st.sampled_from([32, 64, 128]), pauses)
def test_tables_are_used_in_turn_and_wrong_packets_dropped(
    seed: int, most: int, bus: int, pausing: Pauses
) -> None:
    rng = random.Random(seed)
    form = StageForm(8, 16, most, 1, 1)
    unit = Parameters(form, bus, UnitLibrary(simulate=True))
    per_beat = bus // 32
    wanted = [tables(rng, rng.randint(1, most), 1)[0] for _ in range(5)]
    beats: list[tuple[int, bool]] = []
    errors = False
    for table in wanted:
        right = -(-3 * len(table) // per_beat)
        for _ in range(rng.randrange(2)):
            length = rng.randint(1, 2 * right)
            if length != right:
                errors = True
                beats += [(rng.randrange(1 << bus), k == length - 1) for k in range(length)]
        # Bits beside the fields are ignored.
        words = [[w[0], w[1] | 0xFFC00000, w[2] | 0xABC00000] for w in table]
        beats += beats_of(words, 32, bus, spare=-1)
    source = Source(unit.stream, beats, [] if all(pausing) else pausing)

    async def run(ctx: SimulatorContext) -> None:
        cycle = 0
        ctx.set(unit.enable, 1)

        async def tick() -> None:
            nonlocal cycle
            source.drive(ctx, cycle)
            source.sample(ctx, cycle)
            cycle += 1
            await ctx.tick()

        async def begin(table: list[list[int]]) -> None:
            """Load a table, and begin its problem."""
            ctx.set(unit.channels, len(table) - 1)
            ctx.set(unit.begin, 1)
            await tick()
            ctx.set(unit.begin, 0)
            for _ in range(800):
                if ctx.get(unit.ready):
                    break
                await tick()
            assert ctx.get(unit.ready)
            ctx.set(unit.go, 1)
            await tick()
            ctx.set(unit.go, 0)
            assert not ctx.get(unit.ready)

        async def check(table: list[list[int]]) -> None:
            """Read the oldest table, and release it."""
            for channel, (bias, both, residual) in enumerate(table):
                ctx.set(unit.channel, channel)
                ctx.set(unit.read, 1)
                await tick()
                ctx.set(unit.read, 0)
                ctx.set(unit.channel, rng.randrange(most))
                await tick()
                assert ctx.get(unit.bias) == bias
                assert ctx.get(unit.multiplier) == both & 0xFFFF
                assert ctx.get(unit.shift) == both >> 16
                assert ctx.get(unit.residual_multiplier) == residual
            ctx.set(unit.release, 1)
            await tick()
            ctx.set(unit.release, 0)

        await begin(wanted[0])
        for before, after in pairwise(wanted):
            await begin(after)
            await check(before)
        await check(wanted[-1])
        assert not source.beats
        assert ctx.get(unit.error) == errors

    simulate(unit, run)


def test_a_packet_of_parameters_takes_what_the_loader_says() -> None:
    form = StageForm(8, 16, 6, 4, 4)
    assert [Loader.cycles(form.parameters(c, 64)) for c in (1, 2, 5)] == [5, 7, 13]
    assert [Loader.cycles(form.parameters(c, 32)) for c in (1, 5)] == [6, 18]
