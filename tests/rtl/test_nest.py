"""Loop nests, counters and delay lines in simulation, against the sums they stand for."""

from __future__ import annotations

from itertools import product
from math import prod

from amaranth.hdl import Module, Shape, Signal, Value
from amaranth.sim import Simulator, SimulatorContext
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from accelgen.formats import IntFormat
from accelgen.rtl.delay import delay_line
from accelgen.rtl.nest import affine_counter, loop_nest, modular_counter, step_distances
from tests.tiers import examples

Loops = tuple[int, ...]


@st.composite
def nests(draw: st.DrawFn) -> tuple[Loops, Loops]:
    """Extents and gaps of a nest with up to 60 iterations."""
    extents = tuple(draw(st.lists(st.sampled_from((1, 2, 2, 3, 4, 5)), max_size=4)))
    assume(prod(extents) <= 60)
    return extents, tuple(draw(st.sampled_from((0, 0, 0, 1, 2, 5))) for _ in extents)


def record(
    m: Module, start: Signal, starts: list[int], watched: dict[str, Value], length: int
) -> list[dict[str, int]]:
    """The values of ``watched`` in every cycle; ``start`` is high in the cycles named."""
    seen: list[dict[str, int]] = []

    async def bench(ctx: SimulatorContext) -> None:
        for cycle in range(length):
            ctx.set(start, cycle in starts)
            seen.append({name: ctx.get(value) for name, value in watched.items()})
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def issues(extents: Loops, gaps: Loops, start: int) -> dict[int, Loops]:
    """The cycle of every iteration when ``start`` is high in cycle ``start``."""
    cycle = start + 1
    result: dict[int, Loops] = {}
    before: Loops | None = None
    for t in product(*map(range, extents)):
        if before is not None:
            cycle += 1 + next(g for g, a, b in zip(gaps, before, t, strict=True) if a != b)
        result[cycle] = before = t
    return result


@given(nests(), st.lists(st.integers(0, 4), min_size=1, max_size=3))
@settings(max_examples=examples(20, 40))
def test_loop_nest(nest_: tuple[Loops, Loops], rests: list[int]) -> None:
    extents, gaps = nest_
    m, start = Module(), Signal()
    nest = loop_nest(m, extents, gaps, start)
    expected: dict[int, Loops] = {}
    starts, next_start = [], 1
    finals = set()
    for rest in rests:
        starts.append(next_start + rest)
        expected |= issues(extents, gaps, starts[-1])
        finals.add(max(expected))
        # Ready again in the cycle of the last iteration.
        next_start = max(expected)
    watched: dict[str, Value] = {"valid": nest.valid, "final": nest.final}
    watched |= {f"t{k}": index for k, index in enumerate(nest.indices)}
    watched |= {f"step{k}": step for k, step in enumerate(nest.steps)}
    watched |= {f"end{k}": end for k, end in enumerate(nest.at_end)}
    for cycle, seen in enumerate(record(m, start, starts, watched, max(expected) + 5)):
        assert seen["valid"] == (cycle in expected)
        assert seen["final"] == (cycle in finals)
        if cycle not in expected:
            assert not any(seen[f"step{k}"] for k in range(len(extents)))
            continue
        t = expected[cycle]
        assert tuple(seen[f"t{k}"] for k in range(len(t))) == t
        ends = [x == n - 1 for x, n in zip(t, extents, strict=True)]
        assert [bool(seen[f"end{k}"]) for k in range(len(t))] == ends
        for k in range(len(t)):
            assert seen[f"step{k}"] == (not ends[k] and all(ends[k + 1 :]))


@st.composite
def counters(draw: st.DrawFn) -> tuple[Loops, Loops, Loops, int]:
    extents, gaps = draw(nests())
    coefficients = tuple(draw(st.integers(-9, 9)) for _ in extents)
    return extents, gaps, coefficients, draw(st.integers(-20, 20))


def value(coefficients: Loops, t: Loops, origin: int) -> int:
    return origin + sum(c * x for c, x in zip(coefficients, t, strict=True))


@given(counters(), st.one_of(st.none(), st.integers(1, 6)))
@settings(max_examples=examples(20, 40))
def test_affine_counter(drawn: tuple[Loops, Loops, Loops, int], width: int | None) -> None:
    extents, gaps, coefficients, origin = drawn
    values = [value(coefficients, t, origin) for t in product(*map(range, extents))]
    exact = IntFormat.for_range(min(values), max(values))
    shape = Shape(exact.bits, exact.signed) if width is None else Shape(width)
    m, start = Module(), Signal()
    nest = loop_nest(m, extents, gaps, start)
    counter = affine_counter(m, nest, coefficients, origin, shape, "counter")
    first = issues(extents, gaps, 1)
    expected = first | issues(extents, gaps, max(first) + 2)
    seen = record(m, start, [1, max(first) + 2], {"counter": counter}, max(expected) + 2)
    for cycle, t in expected.items():
        wanted = value(coefficients, t, origin)
        assert seen[cycle]["counter"] == (wanted if width is None else wanted % (1 << width))


@given(counters(), st.integers(2, 11))
@settings(max_examples=examples(20, 40))
def test_modular_counter(drawn: tuple[Loops, Loops, Loops, int], modulus: int) -> None:
    extents, gaps, coefficients, origin = drawn
    m, start = Module(), Signal()
    nest = loop_nest(m, extents, gaps, start)
    residue, carry = modular_counter(m, nest, coefficients, origin, modulus, "residue")
    first = issues(extents, gaps, 0)
    again = issues(extents, gaps, max(first) + 3)
    watched: dict[str, Value] = {"residue": residue, "carry": carry}
    seen = record(m, start, [0, max(first) + 3], watched, max(again) + 2)
    distances = step_distances(extents, coefficients)
    for run in (first, again):
        quotient = origin // modulus
        for cycle, t in run.items():
            wanted = value(coefficients, t, origin)
            assert seen[cycle]["residue"] == wanted % modulus
            assert quotient == wanted // modulus
            ends = [x == n - 1 for x, n in zip(t, extents, strict=True)]
            steps = [k for k in range(len(t)) if not ends[k] and all(ends[k + 1 :])]
            if steps:
                quotient += distances[steps[0]] // modulus + seen[cycle]["carry"]


@given(
    st.sets(st.integers(0, 7), min_size=1),
    st.integers(1, 9),
    st.booleans(),
    st.lists(st.integers(0, 511), min_size=12, max_size=24),
)
@settings(max_examples=examples(20, 40))
def test_delay_line(taps: set[int], width: int, signed: bool, values: list[int]) -> None:
    shape = Shape(width, signed)
    low = -(1 << (width - 1)) if signed else 0
    data = [(v % (1 << width)) + low for v in values]
    m, source = Module(), Signal(shape)
    line = delay_line(m, source, shape, taps, "line")
    assert set(line) == taps
    outputs = {r: Signal(shape, name=f"out{r}") for r in taps}
    m.d.comb += [outputs[r].eq(line[r]) for r in sorted(taps)]
    m.d.sync += Signal().eq(source[0])  # a clock even where no tap needs one
    seen: list[dict[int, int]] = []

    async def bench(ctx: SimulatorContext) -> None:
        for item in data:
            ctx.set(source, item)
            seen.append({r: ctx.get(output) for r, output in outputs.items()})
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    for cycle, outs in enumerate(seen):
        for r, out in outs.items():
            assert cycle < r or out == data[cycle - r]
