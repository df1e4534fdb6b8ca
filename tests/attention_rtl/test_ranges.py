"""The ends of the ranges: positions, blocks, phases, slots for masks, registers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.cycles import predict_cycles
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.registers import registers
from accelgen.attention.accelerator.rows import Entry, RowGroup, Setting, list_packet
from accelgen.cosim.attention import AttentionPhase, simulate_attention
from accelgen.errors import InputError
from accelgen.rtl.attention.lists import BLOCKS, LIST, SELECT, TOKENS
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED, POSITION_BITS, WINDOW
from tests.attention_rtl.cores import SMALL, built

PLAIN, SELECTING = SMALL["plain"], SMALL["selecting"]
END = 1 << POSITION_BITS
KEYS = 48
USUAL = Setting(keys=KEYS, scale=30599, shift=8, sink=3, window=9, local=1, stride=2, block_shift=3)


def _problem(core: Core, groups: list[RowGroup], **setting: int) -> Problem:
    rng = np.random.default_rng(0)
    n = core.numerics
    q = rng.integers(-128, 128, (1, core.group, 2 * core.tokens, n.head_dim))
    k, v = (rng.integers(-128, 128, (1, KEYS, dim)) for dim in (n.head_dim, n.value_dim))
    summaries = rng.integers(-128, 128, (1, KEYS, 2, n.head_dim))
    return Problem(core, replace(USUAL, **setting), groups, q, k, v, summaries=summaries)


def _ends(core: Core) -> dict[str, tuple[Problem, set[str]]]:
    """Problems at the ends of ranges, and the faults of their lists."""
    none, outside = set[str](), {"outside", "empty"}
    kinds = [
        RowGroup(1, LIST, [Entry(0), Entry(2, CAUSAL), Entry(5, CAUSAL | WINDOW)]),
        RowGroup(1, TOKENS),
        RowGroup(1, BLOCKS),
    ]
    if core.selector is not None:
        kinds.append(RowGroup(1, SELECT, blocks=KEYS >> 3, rows=core.numerics.rows))
    found = {}
    last = END - 1 - core.tokens
    for number, group in enumerate(kinds):
        found[f"kind {number}, last position"] = (_problem(core, [group], offset=last), none)
        found[f"kind {number}, beyond"] = (_problem(core, [group], offset=last + 1), outside)
        far = replace(group, row=2 * END // core.tokens)
        found[f"kind {number}, far beyond"] = (_problem(core, [far, group]), outside)
    for name, group in (("window", RowGroup(1, TOKENS)), ("local", RowGroup(1, BLOCKS))):
        # Nothing but the first keys, where what is after the last position is another position.
        only = _problem(core, [group], offset=last, stride=0, **{name: 0})
        assert [tile.column for tile in only.tiles[0]] == [0]
        found[f"no {name}, last position"] = (only, none)
    blocks = RowGroup(1, BLOCKS)
    found["blocks less than a tile"] = (_problem(core, [blocks], block_shift=2), outside)
    found["largest phase"] = (_problem(core, [replace(blocks, phase=1)]), none)
    found["phase of the stride"] = (_problem(core, [replace(blocks, phase=2)]), outside)
    without = _problem(core, [replace(blocks, phase=2)], stride=0)
    found["a phase without a stride"] = (without, none)
    if core.selector is not None:
        select = kinds[-1]
        fine = replace(select, blocks=KEYS)
        end = _problem(core, [fine], offset=last, block_shift=0, top=4, sink=0)
        found["blocks of a token, last position"] = (end, none)
        for name, wrong in (
            ("no blocks", replace(select, blocks=0)),
            ("too many blocks", replace(select, blocks=core.selector.max_scores + 1)),
            ("no rows", replace(select, rows=0)),
            ("too many rows", replace(select, rows=core.numerics.rows + 1)),
        ):
            problem = _problem(core, [wrong, select, wrong])
            found[name] = (problem, {"empty"} if wrong.blocks == 0 else outside)
    else:
        for wrong in (RowGroup(0, SELECT), RowGroup(0, SELECT, blocks=1, rows=1)):
            name = f"selecting {wrong.blocks} without a selector"
            found[name] = (_problem(core, [wrong, kinds[0]]), outside)
            found[f"{name}, a row"] = (_problem(core, [replace(wrong, rows=1)]), outside)
    return found


@pytest.mark.rtl
@pytest.mark.parametrize("name", ["plain", "selecting"])
def test_hardware_is_the_model_at_the_ends(name: str, tmp_path: Path) -> None:
    core = SMALL[name]
    ends = _ends(core)
    for which, (problem, faults) in ends.items():
        assert problem.faults == faults, which
        if len(problem.groups) == 1 and faults:
            assert not problem.outputs()[0].any(), which
    phases = [AttentionPhase([problem], which) for which, (problem, _) in ends.items()]
    phases.append(AttentionPhase([_mixed(core, core.mask_slots)], "slots that are full"))
    seen = simulate_attention(core, built(core, name, tmp_path), phases)
    assert [f"{p.name}: {f}" for p, s in zip(phases, seen, strict=True) for f in s.faults] == []


def _mixed(core: Core, masked: int) -> Problem:
    """A list of which the first tiles have masks."""
    ones = np.ones((core.numerics.rows, core.numerics.rows), dtype=np.bool_)
    entries = [
        Entry(column, MASKED if column < masked else 0, ones if column < masked else None)
        for column in range(KEYS // core.numerics.rows)
    ]
    return _problem(core, [RowGroup(0, LIST, entries)])


def test_tiles_without_a_mask_wait_for_no_slot() -> None:
    for masked in (0, 3):
        (walk,) = _mixed(PLAIN, masked).walks
        assert [step.mask_room for step in walk.steps].count(True) == masked
    # Two masks fill the slots; what follows has none, and is as early as with many slots.
    assert PLAIN.mask_slots == 2
    many = replace(PLAIN, mask_slots=8)
    assert predict_cycles(_mixed(PLAIN, 2)) == predict_cycles(_mixed(many, 2))
    assert predict_cycles(_mixed(PLAIN, 3)) != predict_cycles(_mixed(many, 3))


def test_fields_hold_what_they_are_given() -> None:
    list_packet(PLAIN, RowGroup(END - 1, BLOCKS, phase=END - 1))
    for group in (RowGroup(END), RowGroup(0, BLOCKS, phase=END), RowGroup(0, LIST, [Entry(END)])):
        with pytest.raises(InputError, match="is not in 0"):
            list_packet(PLAIN, group)


def test_registers_hold_the_most_they_take() -> None:
    for core in (PLAIN, SELECTING, Core(Numerics(16, 16, 8, max_keys=END))):
        assert all(register.most < 1 << register.bits for register in registers(core))
