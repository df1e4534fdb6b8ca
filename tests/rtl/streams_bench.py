"""Reference models, random layouts and stream drivers shared by the tests of the stream units."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator, SimulatorContext
from hypothesis import strategies as st

from accelgen.fabric.layout import Layout
from accelgen.rtl.streams import InputBuffer, OutputBuffer

Index = tuple[int, ...]


def all_elements(layout: Layout) -> Iterator[Index]:
    """All indices, row-major."""
    return product(*(range(n) for n in layout.shape))


def beats_of(layout: Layout, values: Sequence[int]) -> list[int]:
    """The packet of a tensor: elements from the least significant bit up, none straddling."""
    beats = []
    for start in range(0, len(values), layout.per_beat):
        beat = 0
        for lane, value in enumerate(values[start : start + layout.per_beat]):
            beat |= value << (lane * layout.element_bits)
        beats.append(beat)
    return beats


@st.composite
def layouts(draw: st.DrawFn, max_elements: int = 120) -> Layout:
    """Small layouts: aligned or not, rows shorter and longer than beats, spare moduli."""
    per_beat = draw(st.integers(1, 6))
    shape = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(0, 2)))]
    row = draw(st.one_of(st.integers(1, 14), st.integers(1, 4).map(lambda beats: beats * per_beat)))
    moduli = [draw(st.integers(1, 3)) for _ in shape]
    least = min(per_beat, row)
    last = draw(st.one_of(st.integers(least, least + 5), st.just(2 * per_beat)))
    layout = Layout((*shape, row), (*moduli, max(last, least)), 8, per_beat)
    layout.check()
    return layout


@dataclass(frozen=True)
class Slots:
    """Index differences of slots in different memories, and which dimensions rotate."""

    offsets: tuple[Index, ...]
    rotating: tuple[bool, ...]


@st.composite
def slots(draw: st.DrawFn, layout: Layout) -> Slots:
    """Up to 6 slots with different residues, anywhere near zero."""
    rank = len(layout.shape)
    raw = draw(st.lists(st.tuples(*[st.integers(-4, 7)] * rank), min_size=1, max_size=6))
    chosen = {tuple(d % n for d, n in zip(r, layout.moduli, strict=True)): r for r in raw}
    return Slots(tuple(chosen.values()), tuple(draw(st.booleans()) for _ in range(rank)))


def bases(layout: Layout, use: Slots) -> list[Index]:
    """All base indices that are legal and give some slot an element of the tensor."""
    found: dict[Index, None] = {}
    for element in all_elements(layout):
        for offset in use.offsets:
            base = tuple(d - o for d, o in zip(element, offset, strict=True))
            if all(
                r or v % n == 0 for r, v, n in zip(use.rotating, base, layout.moduli, strict=True)
            ):
                found[base] = None
    return list(found)


def inside(layout: Layout, index: Index) -> bool:
    return all(0 <= d < n for d, n in zip(index, layout.shape, strict=True))


def plus(base: Index, offset: Index) -> Index:
    return tuple(v + o for v, o in zip(base, offset, strict=True))


def place(
    ctx: SimulatorContext, unit: InputBuffer | OutputBuffer, layout: Layout, base: Index
) -> None:
    """Present a base index to a buffer."""
    address = sum(
        (v // n) * stride for v, n, stride in zip(base, layout.moduli, layout.strides, strict=True)
    )
    ctx.set(unit.address, address % (1 << len(unit.address)))
    for j in unit.moving:
        ctx.set(getattr(unit, f"residue_{j}"), base[j] % layout.moduli[j])


@dataclass
class Source:
    """Drives an AXI4-Stream: offers beats, pausing as ``pauses`` says; never waits for ready."""

    stream: Any
    beats: list[tuple[int, bool]]
    pauses: Iterable[bool] = ()
    offered: bool = False
    accepted: list[int] = field(default_factory=list)

    def drive(self, ctx: SimulatorContext, cycle: int) -> None:
        pauses = list(self.pauses)
        pausing = bool(pauses) and pauses[cycle % len(pauses)]
        # A beat that has been offered stays.
        self.offered = bool(self.beats) and (self.offered or not pausing)
        ctx.set(self.stream.tvalid, int(self.offered))
        data, last = self.beats[0] if self.offered else (0x5A, True)
        ctx.set(self.stream.tdata, data)
        ctx.set(self.stream.tlast, int(last))

    def sample(self, ctx: SimulatorContext, cycle: int) -> None:
        if self.offered and ctx.get(self.stream.tready):
            self.beats.pop(0)
            self.accepted.append(cycle)
            self.offered = False


@dataclass
class Sink:
    """Takes an AXI4-Stream and checks that an offered beat stays until it is accepted."""

    stream: Any
    pauses: Sequence[bool] = ()
    beats: list[tuple[int, bool]] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    waiting: tuple[int, int] | None = None

    def drive(self, ctx: SimulatorContext, cycle: int) -> None:
        before = self._offer(ctx)
        ready = not (self.pauses and self.pauses[cycle % len(self.pauses)])
        ctx.set(self.stream.tready, int(ready))
        assert self._offer(ctx) == before, "the offer depends on tready"

    def sample(self, ctx: SimulatorContext, cycle: int) -> None:
        offer = self._offer(ctx)
        if self.waiting is not None:
            assert offer == self.waiting, "an offered beat changed before it was accepted"
        self.waiting = None
        if offer is None:
            return
        if ctx.get(self.stream.tready):
            self.beats.append((offer[0], bool(offer[1])))
            self.accepted.append(cycle)
        else:
            self.waiting = offer

    def _offer(self, ctx: SimulatorContext) -> tuple[int, int] | None:
        if not ctx.get(self.stream.tvalid):
            return None
        return ctx.get(self.stream.tdata), ctx.get(self.stream.tlast)


def simulate(
    dut: Elaboratable, bench: Callable[[SimulatorContext], Coroutine[Any, Any, None]]
) -> None:
    """Run one test bench to its end."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
