"""Sets of scores, what a selector must do with them, and the bench that drives one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from amaranth.sim import SimulatorContext

from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.rtl.attention.selector import Selector, make_selector
from accelgen.rtl.library import UnitLibrary
from tests.rtl.streams_bench import simulate


@dataclass(frozen=True)
class ScoreSet:
    """Scores and how many of them to select."""

    k: int
    scores: list[int]
    forced: list[bool]
    never: list[bool]


@dataclass
class Run:
    """What came out, and the cycles in which beats were accepted."""

    selected: list[list[int]] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    """The first cycle in which the first beat of each set was offered."""
    first_in: list[int] = field(default_factory=list)
    last_in: list[int] = field(default_factory=list)
    last_out: list[int] = field(default_factory=list)


def brute_force(given: ScoreSet) -> list[int]:
    """One after the other, the best that is left."""
    left = [i for i, out in enumerate(given.never) if not out]
    chosen: list[int] = []
    while left and len(chosen) < given.k:
        must = [i for i in left if given.forced[i]]
        if must:
            best = min(must)
        else:
            top = max(given.scores[i] for i in left)
            best = min(i for i in left if given.scores[i] == top)
        left.remove(best)
        chosen.append(best)
    return sorted(chosen)


def random_set(rng: random.Random, shape: SelectorShape, n: int | None = None) -> ScoreSet:
    """Of any size, with few or many different scores, few or many marks."""
    n = n or rng.choice((1, rng.randint(1, shape.max_scores), shape.max_scores))
    low = -(1 << (shape.score_bits - 1))
    values = rng.choice(
        (
            range(low, -low),
            range(max(low, -2), min(-low, 3)),
            (low, low + 1, -low - 1, 0, -1),
            range(low, min(low + 40, -low)),
        )
    )
    forced, never = (rng.choice((0, 0, 0.05, 0.5, 1)) for _ in range(2))
    return ScoreSet(
        rng.choice((shape.max_k, rng.randint(1, shape.max_k))),
        [rng.choice(values) for _ in range(n)],
        [rng.random() < forced for _ in range(n)],
        [rng.random() < never for _ in range(n)],
    )


def drive(
    shape: SelectorShape,
    sets: Sequence[ScoreSet],
    *,
    pauses_in: Sequence[bool] = (),
    pauses_out: Sequence[bool] = (),
    apart: bool = False,
    unit: Selector | None = None,
) -> Run:
    """Give ``sets`` to a selector; with ``apart`` only when the set before has left.

    What is not valid is random.  An offered beat must stay, and no offer may depend on ready.
    """
    dut = unit or make_selector(shape, UnitLibrary(simulate=True))
    beats = [
        (number, b) for number, s in enumerate(sets) for b in range(shape.beats(len(s.scores)))
    ]
    run, current = Run(), list[int]()
    rng = random.Random(len(beats))
    width = shape.width_in

    def present(ctx: SimulatorContext, number: int, beat: int) -> None:
        given = sets[number]
        forced = never = 0
        for lane in range(width):
            index = beat * width + lane
            inside = index < len(given.scores)
            score = given.scores[index] if inside else rng.getrandbits(shape.score_bits - 1)
            ctx.set(dut.scores.score[lane], score)
            forced |= (given.forced[index] if inside else rng.getrandbits(1)) << lane
            never |= (given.never[index] if inside else True) << lane
        ctx.set(dut.scores.forced, forced)
        ctx.set(dut.scores.never, never)
        ctx.set(dut.scores.k, given.k)
        ctx.set(dut.scores.last, beat == shape.beats(len(given.scores)) - 1)

    def noise(ctx: SimulatorContext) -> None:
        ctx.set(dut.scores.score[0], rng.getrandbits(shape.score_bits - 1))
        ctx.set(dut.scores.never, rng.getrandbits(width))
        ctx.set(dut.scores.forced, rng.getrandbits(width))
        ctx.set(dut.scores.last, rng.getrandbits(1))

    async def bench(ctx: SimulatorContext) -> None:
        sent, offered, cycle, waiting = 0, False, 0, None
        while len(run.selected) < len(sets):
            assert cycle < 100_000, "the selector stands still"
            hold = apart and sent < len(beats) and beats[sent][0] > len(run.selected)
            paused = bool(pauses_in) and pauses_in[cycle % len(pauses_in)]
            offered = sent < len(beats) and not hold and (offered or not paused)
            if offered and beats[sent] == (len(run.offered), 0):
                run.offered.append(cycle)
            ctx.set(dut.scores.valid, offered)
            if offered:
                present(ctx, *beats[sent])
            else:
                noise(ctx)
            out = dut.selected
            ready = not (pauses_out and pauses_out[cycle % len(pauses_out)])
            seen = []
            for value in (not ready, ready):
                ctx.set(out.ready, value)
                valid = ctx.get(out.valid)
                flags = (ctx.get(out.empty), ctx.get(out.last))
                seen.append((ctx.get(out.index), *flags) if valid else None)
            assert seen[0] == seen[1], "the offer depends on ready"
            if waiting is not None:
                assert seen[1] == waiting, "an offered beat changed"
            offer = seen[1]
            waiting = None if ready else offer
            if offer is not None and ready:
                index, empty, last = offer
                if not empty:
                    current.append(index)
                if last:
                    run.selected.append(list(current))
                    run.last_out.append(cycle)
                    current.clear()
                assert last or not empty
            if offered and ctx.get(dut.scores.ready):
                number, beat = beats[sent]
                if beat == 0:
                    run.first_in.append(cycle)
                if beat == shape.beats(len(sets[number].scores)) - 1:
                    run.last_in.append(cycle)
                sent, offered = sent + 1, False
            await ctx.tick()
            cycle += 1

    simulate(dut, bench)
    return run
