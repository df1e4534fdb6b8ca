"""The phases that an attention accelerator is verified in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.registers import registers
from accelgen.attention.accelerator.rows import Entry, RowGroup
from accelgen.cosim.attention import AttentionPhase, packets_of
from accelgen.cosim.attention_broken import HEADERS, SELECTING, misheaded
from accelgen.cosim.attention_draws import Draw, deal, draw_codes, draw_problem
from accelgen.rtl.attention.lists import BLOCKS, FAULTS, LIST, SELECT, TOKENS
from accelgen.rtl.attention.tile_info import MASKED

__all__ = ["FULL_BLOCKS", "make_attention_phases", "random_phases"]

FULL_BLOCKS = "full blocks"
"""The phase in which the utilisation is measured."""

_FULL = 24
"""Tiles of its lists."""

Beats = NDArray[np.uint8]


def make_attention_phases(core: Core, rng: np.random.Generator) -> list[AttentionPhase]:
    """One tile, full blocks, random lists with masks, both rules by counters, tiles that are cut,
    decoding, several heads, extreme values, blocks that are selected where they can be, as many as
    a selector holds; broken lists and headers, packets of the wrong length, pauses, problems
    without a reset in between, a start that is refused.  All are small.
    """
    rows, most = core.numerics.rows, core.numerics.max_keys
    tokens = core.arrays * core.tokens

    def drawn(name: str, draw: Draw, **more: object) -> AttentionPhase:
        keys = min(draw.keys, most)
        queries = min(draw.queries, keys)
        problem = draw_problem(core, rng, replace(draw, queries=queries, keys=keys))
        return AttentionPhase(deal(core, problem), name, **more)  # type: ignore[arg-type]

    def some(low: int, high: int) -> int:
        return int(rng.integers(low, high, endpoint=True))

    several = Draw(queries=2 * tokens, keys=max(2 * tokens, 5 * rows))
    uneven = replace(several, queries=2 * tokens - some(0, core.tokens - 1) - 1 + tokens)
    uneven = replace(uneven, keys=max(uneven.queries, 4 * rows) + some(1, rows - 1))
    phases = [
        _listed(core, rng, "one tile", 1),
        _listed(core, rng, FULL_BLOCKS, min(_FULL, most // rows)),
        drawn("lists with masks", replace(several, kinds=(LIST,), masked=0.5)),
        drawn("sink and window", replace(several, kinds=(TOKENS,))),
        drawn("blocks and a stride", replace(several, kinds=(BLOCKS,))),
        drawn("tiles that are cut", uneven),
        drawn("one query token", Draw(1, 4 * rows + some(1, rows), heads=2, kinds=(LIST, TOKENS))),
        drawn("several heads", Draw(tokens, max(tokens, 3 * rows), heads=3)),
        drawn("extreme values", replace(several, fill="extreme")),
        drawn("zeros", replace(several, fill="zeros")),
        _rows_without_keys(core, drawn),
    ]
    if core.selector is not None:
        kinds = (SELECT, SELECT, TOKENS)
        phases.append(drawn("selected blocks", replace(uneven, kinds=kinds, heads=2)))
        phases.append(drawn("selected, one query token", Draw(1, 6 * rows, kinds=(SELECT,))))
        phases.append(_full_selector(core, rng))
    listed = replace(several, kinds=(LIST,))
    phases += [drawn(f"lists: {fault}", replace(listed, faults=(fault,))) for fault in FAULTS]
    phases += _headers(core, rng, drawn, several)
    phases += _wrong_packets(core, drawn("packets", several))
    phases.append(drawn("with pauses", several, pause_in=0.3, pause_out=0.4))
    refused = next(register for register in registers(core) if register.name == "keys")
    # Too many keys; and in the next problem no scale.
    phases.append(drawn("a refused start", several, refused=(refused.name, refused.most + 1)))
    phases.append(drawn("other registers, no reset", uneven, reset=False, refused=("scale", 0)))
    phases.append(drawn("a third problem", several, reset=False))
    return phases


def random_phases(
    core: Core, rng: np.random.Generator, count: int, name: str = "case"
) -> list[AttentionPhase]:
    """Problems of any size, kind and registers; every third has broken lists and headers, every
    fourth pauses, and half of those of the others that follow are not reset before.
    """
    phases = []
    for number in range(count):
        queries = int(rng.integers(1, 2 * core.tokens * core.arrays, endpoint=True))
        keys = min(queries + int(rng.integers(0, 8 * core.numerics.rows)), core.numerics.max_keys)
        broken = number % 3 == 2
        made: tuple[int, ...] = (LIST, TOKENS, BLOCKS)
        if core.selector is not None and rng.random() < 0.6:
            made = (LIST, TOKENS, SELECT, *([BLOCKS] if broken else []))
        draw = Draw(
            queries,
            keys,
            heads=int(rng.integers(1, 3)),
            # Every list is broken then: more of them than of others.
            kinds=(LIST, LIST, *made) if broken else made,
            density=float(rng.random()),
            faults=FAULTS if broken else (),
            headers=HEADERS if broken else (),
        )
        paused = 0.3 if number % 4 == 3 else 0.0
        # The reports of broken lists stay until a reset.
        follows = number > 0 and number % 3 == 1 and rng.random() < 0.5
        problem = draw_problem(core, rng, draw)
        if broken and rng.random() < 0.3:
            problem = _finer(core, rng, problem)
        phases.append(
            AttentionPhase(
                deal(core, problem),
                f"{name} {number}",
                pause_in=paused,
                pause_out=paused,
                reset=not follows,
            )
        )
    return phases


def _listed(core: Core, rng: np.random.Generator, name: str, tiles: int) -> AttentionPhase:
    """A row group per array, with a list of full tiles."""
    keys = tiles * core.numerics.rows
    problem = draw_problem(core, rng, Draw(core.arrays * core.tokens, keys, kinds=(LIST,)))
    entries = [Entry(column) for column in range(tiles)]
    groups = [RowGroup(row, LIST, entries) for row in range(core.arrays)]
    return AttentionPhase(deal(core, replace(problem, groups=groups)), name)


def _full_selector(core: Core, rng: np.random.Generator) -> AttentionPhase:
    """As many blocks as the selector holds, fewer to be selected, and none because of where it is
    but a query's own: a row group per array, of one token where there are many blocks.
    """
    assert core.selector is not None
    n, blocks = core.numerics, core.selector.max_scores
    shift = 1 if 2 * blocks <= n.max_keys else 0
    keys = min(blocks << shift, n.max_keys)
    queries = min(core.tokens if blocks <= 1024 else 1, keys)
    problem = draw_problem(core, rng, Draw(queries, keys, kinds=(TOKENS,)))
    setting = replace(
        problem.setting,
        offset=keys - queries,
        sink=0,
        local=int(rng.integers(0, 2)),
        block_shift=shift,
        top=int(rng.integers(1, min(core.selector.max_k, blocks - 1), endpoint=True)),
    )
    summaries, found = draw_codes(core, "k", (1, blocks, 2, n.head_dim), rng)
    scales = {**problem.scales, **({} if found is None else {"summary": found})}
    rows = queries * core.group
    groups = [
        RowGroup(0, SELECT, blocks=blocks, rows=rows, bounds=array % 2 == 1)
        for array in range(core.arrays)
    ]
    full = replace(problem, setting=setting, scales=scales, groups=groups, summaries=summaries)
    return AttentionPhase(deal(core, full), "a full selector")


def _headers(
    core: Core, rng: np.random.Generator, drawn: Callable[..., AttentionPhase], several: Draw
) -> list[AttentionPhase]:
    """Headers with numbers out of range, each before a right one; blocks less than a tile."""
    kind = BLOCKS if core.selector is None else SELECT
    fitting = [name for name in HEADERS if core.selector or name not in SELECTING]

    def wrong(problem: Problem) -> Problem:
        setting = replace(problem.setting, stride=max(1, problem.setting.stride))
        groups = []
        for number, name in enumerate(fitting):
            right = problem.groups[number % len(problem.groups)]
            of_kind = replace(right, kind=BLOCKS if name == "phase" else kind)
            groups += [misheaded(core, rng, of_kind, setting, name), right]
        return replace(problem, setting=setting, groups=groups)

    headers = drawn("headers", replace(several, kinds=(kind,)))
    headers = replace(headers, problems=[wrong(problem) for problem in headers.problems])
    fine = drawn("blocks less than a tile", replace(several, kinds=(BLOCKS, BLOCKS, LIST)))
    finer = [_finer(core, rng, problem) for problem in fine.problems]
    # All arrays have the registers of the first.
    alike = [replace(problem, setting=finer[0].setting) for problem in finer]
    return [headers, replace(fine, problems=alike)]


def _finer(core: Core, rng: np.random.Generator, problem: Problem) -> Problem:
    """With blocks that are less than a tile."""
    least = (core.numerics.rows - 1).bit_length()
    setting = replace(problem.setting, block_shift=int(rng.integers(0, least)))
    return replace(problem, setting=setting)


def _rows_without_keys(core: Core, drawn: Callable[..., AttentionPhase]) -> AttentionPhase:
    """Masks that leave some rows without any key; in the last tile of some groups all of them."""
    rows = core.numerics.rows
    size = core.query_tiles * rows
    draw = Draw(2 * core.arrays * core.tokens, max(2 * core.arrays * core.tokens, 4 * rows))
    phase = drawn("rows without keys", replace(draw, kinds=(LIST,), density=1.0, masked=0.0))

    def masked(problem: Problem) -> Problem:
        groups = []
        for number, group in enumerate(problem.groups):
            seeing = (np.arange(size) + number) % 3 == 0
            mask = np.repeat(seeing[:, None], rows, axis=1)
            nothing = np.zeros_like(mask)
            last = len(group.entries) - 1
            entries = [
                Entry(
                    entry.column,
                    entry.flags | MASKED,
                    nothing if k == last and number % 2 == 0 else mask,
                )
                for k, entry in enumerate(group.entries)
            ]
            groups.append(replace(group, entries=entries))
        return replace(problem, groups=groups)

    return replace(phase, problems=[masked(problem) for problem in phase.problems])


def _wrong_packets(core: Core, phase: AttentionPhase) -> list[AttentionPhase]:
    """Of every stream of tensors, before its right packets: one that is too short, where a packet
    has several beats, and one that is too long.
    """
    first = phase.problems[0]
    found: Mapping[str, Sequence[Beats]] = packets_of(first)
    phases = []
    for stream, packets in found.items():
        if stream == "list" or not packets:
            continue
        packet = packets[0]
        wrong = [np.concatenate([packet, packet[:1]])]
        if len(packet) > 1:
            wrong.insert(0, packet[:-1])
        phases.append(replace(phase, name=f"wrong packets of {stream}", wrong={stream: wrong}))
    return phases
