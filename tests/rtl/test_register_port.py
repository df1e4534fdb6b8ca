"""The AXI4-Lite port of designs whose bounds are registers: what it refuses and what it cancels."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.sim import SimulatorContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.processor.registers import Register
from accelgen.rtl.processor.axil import CANCEL, CONTROL, REFUSED, START, STATUS, RegisterPort
from tests.rtl.streams_bench import simulate
from tests.tiers import examples

REGISTERS = (
    Register("dataflow", 0x40, 2, 2),
    Register("a_row", 0x44, 4, 12, least=1),
    Register("a_last_0", 0x48, 3, 7),
)
OKAY, SLVERR = 0, 2
READY, COMPUTING, REFUSAL, CANCELLED = 1, 2, 4, 8


class Host:
    """Accesses one by one, and the pulses seen meanwhile."""

    def __init__(self, ctx: SimulatorContext, port: RegisterPort) -> None:
        self.ctx, self.port = ctx, port
        self.sets = self.cancels = 0
        ctx.set(port.axil_wstrb, 15)
        ctx.set(port.axil_bready, 1)
        ctx.set(port.axil_rready, 1)

    async def tick(self) -> None:
        await self.ctx.tick()
        self.sets += self.ctx.get(self.port.set)
        self.cancels += self.ctx.get(self.port.cancel)

    async def write(self, offset: int, value: int, *, taken: bool = False) -> int:
        """The response; ``taken`` in the cycle of the write."""
        ctx, port = self.ctx, self.port
        for signal, bits in (
            (port.axil_awaddr, offset), (port.axil_wdata, value), (port.axil_awvalid, 1),
            (port.axil_wvalid, 1), (port.taken, int(taken)),
        ):  # fmt: skip
            ctx.set(signal, bits)
        assert ctx.get(port.axil_awready)
        await self.tick()
        for signal in (port.axil_awvalid, port.axil_wvalid, port.taken):
            ctx.set(signal, 0)
        assert ctx.get(port.axil_bvalid)
        return int(ctx.get(port.axil_bresp))

    async def read(self, offset: int) -> int:
        ctx, port = self.ctx, self.port
        ctx.set(port.axil_araddr, offset)
        ctx.set(port.axil_arvalid, 1)
        await self.tick()
        ctx.set(port.axil_arvalid, 0)
        return int(ctx.get(port.axil_rdata))

    async def start(self) -> int | None:
        """The offset that a start was refused for, or none."""
        sets = self.sets
        assert await self.write(CONTROL, START) == OKAY
        refused = await self.read(STATUS) & REFUSAL
        assert self.sets - sets == (not refused)
        return await self.read(REFUSED) if refused else None

    async def describe(self, *values: int) -> None:
        for register, value in zip(REGISTERS, values, strict=True):
            assert await self.write(register.offset, value) == OKAY


def run(what: Callable[[Host], Coroutine[Any, Any, None]]) -> None:
    port = RegisterPort(REGISTERS)

    async def bench(ctx: SimulatorContext) -> None:
        await what(Host(ctx, port))

    simulate(port, bench)


def test_a_start_is_refused_until_all_registers_are_written() -> None:
    async def what(host: Host) -> None:
        for register in REGISTERS:
            # As often as it is tried.
            assert await host.start() == register.offset
            assert await host.start() == register.offset
            assert await host.write(register.offset, 1) == OKAY
        assert await host.start() is None

    run(what)


@settings(max_examples=examples(30, 300), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(REGISTERS), st.integers(0, 20)), max_size=12))
def test_a_start_is_legal_when_every_register_was_written_after_those_before_it(
    writes: list[tuple[Register, int]],
) -> None:
    held: dict[Register, int] = {}
    wrong = None
    for register, value in writes:
        if not register.least <= value <= register.most:
            wrong = register.offset
            continue
        before = REGISTERS[: REGISTERS.index(register)]
        if register in held or all(other in held for other in before):
            held[register] = value
    missing = next((r.offset for r in REGISTERS if r not in held), None)

    async def what(host: Host) -> None:
        for register, value in writes:
            assert await host.write(register.offset, value) == OKAY
        assert await host.start() == (missing if wrong is None else wrong)
        if missing is None:
            if wrong is not None:
                assert await host.start() is None
            for register, value in held.items():
                assert host.ctx.get(getattr(host.port, register.name)) == value

    run(what)


def test_values_outside_the_range_of_a_register_are_not_taken() -> None:
    async def what(host: Host) -> None:
        await host.describe(2, 12, 7)
        for register, value in ((REGISTERS[0], 3), (REGISTERS[1], 0), (REGISTERS[1], 13)):
            assert await host.write(register.offset, value) == OKAY
            assert await host.start() == register.offset
        assert [await host.read(register.offset) for register in REGISTERS] == [2, 12, 7]
        assert await host.start() is None

    run(what)


def test_a_problem_that_waits_is_cancelled_once() -> None:
    async def what(host: Host) -> None:
        await host.describe(0, 1, 0)
        assert await host.write(CONTROL, CANCEL) == OKAY  # there is none
        assert await host.read(STATUS) == READY
        assert await host.start() is None
        assert await host.read(STATUS) & READY == 0
        assert await host.write(REGISTERS[0].offset, 1) == SLVERR
        assert await host.write(CONTROL, START) == SLVERR
        assert host.cancels == 0
        assert await host.write(CONTROL, CANCEL) == OKAY
        assert await host.read(STATUS) == READY | CANCELLED
        assert await host.write(CONTROL, CANCEL) == OKAY
        assert await host.read(STATUS) == READY
        assert host.cancels == 1
        # Registers can be written, and hold what they did.
        assert await host.write(REGISTERS[0].offset, 1) == OKAY
        assert await host.start() is None
        assert host.sets == 2

    run(what)


def test_a_problem_that_is_taken_is_not_cancelled() -> None:
    async def what(host: Host) -> None:
        await host.describe(0, 1, 0)
        assert await host.start() is None
        assert await host.write(CONTROL, CANCEL, taken=True) == OKAY
        assert await host.read(STATUS) == READY
        assert host.cancels == 0

    run(what)
