"""Tensors through driver and model, against attention in float64; lists from masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.cycles import predict_cycles
from accelgen.attention.accelerator.driver import encode, problem_of
from accelgen.attention.accelerator.predict import predict_layer, tile_cycles
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import Entry, RowGroup, Setting, allowed
from accelgen.attention.accelerator.schedule import row_groups, share_out
from accelgen.attention.array_options import ArrayOptions, core_of
from accelgen.attention.inputs import random_inputs
from accelgen.attention.load import parse_attention
from accelgen.attention.masks.mask import HeadMask, TokenMask
from accelgen.attention.reference import attention
from accelgen.attention.registry import parse_pattern
from accelgen.attention.shape import AttentionShape
from accelgen.rtl.attention.lists import BLOCKS, TOKENS
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED
from tests.attention_rtl.cores import CORES, SMALL

MOST = 5e-4
"""Relative error of outputs, beside what the formats lose themselves."""

SHAPE = AttentionShape(70, 90, 4, 2, 32, 32)

PATTERNS = (
    "dense",
    "streaming(2, 20, block=16)",
    "block_streaming(1, 2, block=16)",
    "s2(local=1, stride=2, block=16)",
)


def _core(formats: str | tuple[str, str, str] = "int8", **options: int) -> Core:
    q, k, v = (formats,) * 3 if isinstance(formats, str) else formats
    return core_of(SHAPE, {"q": q, "k": k, "v": v}, ArrayOptions(**{"rows": 8, **options}))


def _error(core: Core, masks: tuple[HeadMask, ...], shape: AttentionShape = SHAPE) -> float:
    encoded = encode(core, shape, random_inputs(shape, 3))
    groups = [g for head in range(shape.kv_heads) for g in row_groups(core, masks, head)]
    outputs = problem_of(encoded, groups).outputs()
    exact = attention(encoded.values, masks)
    found = encoded.results(outputs, groups)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("text", PATTERNS)
def test_patterns_are_close_to_float64(text: str) -> None:
    assert _error(_core(query_tiles=2), parse_pattern(text).masks(SHAPE)) < MOST


@pytest.mark.parametrize(
    "formats",
    [
        "int8",
        "e4m3",
        "e5m2",
        "bf16",
        "mxfp8_e4m3",
        "nvfp4",
        "if4",
        "mxfp4",
        ("bf16", "nvfp4", "if4"),
    ],
)
def test_formats_are_close_to_float64(formats: str | tuple[str, str, str]) -> None:
    error = _error(_core(formats), parse_pattern("dense").masks(SHAPE))
    assert 1e-7 < error < MOST


def test_heads_that_share_keys_may_have_masks_of_their_own() -> None:
    masks = (
        *parse_pattern("streaming(2, 20, block=16)").masks(SHAPE)[:1],
        *parse_pattern("dense").masks(SHAPE)[:2],
        *parse_pattern("block_streaming(1, 2, block=16)").masks(SHAPE)[:1],
    )
    assert _error(_core(), masks) < MOST


def test_decoding_and_shapes_that_are_not_causal() -> None:
    decode = replace(SHAPE, queries=1)
    assert _error(_core(), parse_pattern("dense").masks(decode), decode) < MOST
    cross = replace(SHAPE, causal=False, queries=33)
    assert _error(_core(), parse_pattern("dense").masks(cross), cross) < MOST


def _pairs(core: Core, masks: tuple[HeadMask, ...], shape: AttentionShape) -> np.ndarray:
    """``[heads, queries, keys]`` that the lists compute."""
    setting = Setting(keys=shape.keys, offset=shape.offset)
    none = np.zeros((0, 0, 0), dtype=np.int64)
    rows = core.numerics.rows
    found = np.zeros((shape.heads, shape.queries, shape.keys + rows), dtype=np.bool_)
    for head in range(shape.kv_heads):
        groups = list(row_groups(core, masks, head))
        problem = Problem(core, setting, groups, none, none, none)
        for group, tiles in zip(groups, problem.tiles, strict=True):
            for tile in tiles:
                if tile.column is None:
                    continue
                pairs = allowed(core, setting, group, tile)
                for row in range(len(pairs)):
                    token = row // rows * core.tokens_per_tile + row % rows // core.group
                    token += group.row * core.tokens
                    query_head = head * core.group + row % rows % core.group
                    beyond = row % rows >= core.tokens_per_tile * core.group
                    if not beyond and token < shape.queries:
                        first = tile.column * rows
                        found[query_head, token, first : first + rows] |= pairs[row]
    assert not found[:, :, shape.keys :].any()
    return found[:, :, : shape.keys]


@pytest.mark.parametrize("text", PATTERNS)
def test_lists_are_the_masks_pair_by_pair(text: str) -> None:
    core = _core(query_tiles=2)
    masks = parse_pattern(text).masks(SHAPE)
    dense = np.stack([mask.dense() for mask in masks])
    assert (_pairs(core, masks, SHAPE) == dense).all()


def test_lists_of_token_masks_and_empty_rows() -> None:
    rng = np.random.default_rng(5)
    kept = rng.random((SHAPE.queries, SHAPE.keys)) < 0.05
    kept[8:24] = False
    _, key = np.nonzero(kept)
    mask = TokenMask(
        queries=SHAPE.queries,
        keys=SHAPE.keys,
        offset=SHAPE.offset,
        row_ptr=np.concatenate([[0], np.cumsum(kept.sum(axis=1))]),
        col_idx=key.astype(np.int32),
    )
    core = _core()
    assert (_pairs(core, (mask,) * 4, SHAPE) == kept).all()
    groups = list(row_groups(core, (mask,) * 4))
    assert all(not groups[n].entries for n in range(2, 6))


def test_flags_say_least() -> None:
    core = _core()
    shape = replace(SHAPE, queries=64, keys=64)
    for group in row_groups(core, parse_pattern("dense").masks(shape)):
        flags = [entry.flags for entry in group.entries]
        assert flags == [0] * (len(flags) - 1) + [CAUSAL]
    masks = parse_pattern("streaming(2, 20, block=16)").masks(shape)
    assert any(e.flags & MASKED for group in row_groups(core, masks) for e in group.entries)


def test_rules_by_counters_are_the_patterns() -> None:
    core, shape = _core(), replace(SHAPE, queries=64, keys=64)
    encoded = encode(core, shape, random_inputs(shape, 1))
    rows = range(-(-64 // core.tokens))
    for text, kind, rule in (
        ("streaming(3, 13, block=16)", TOKENS, {"sink": 3, "window": 13}),
        ("block_streaming(1, 2, block=16)", BLOCKS, {"sink": 16, "local": 2, "block_shift": 4}),
    ):
        groups = [RowGroup(row, kind, head=head) for head in range(2) for row in rows]
        outputs = problem_of(encoded, groups, **rule).outputs()
        exact = attention(encoded.values, parse_pattern(text).masks(shape))
        found = encoded.results(outputs, groups)
        assert np.linalg.norm(found - exact) / np.linalg.norm(exact) < MOST


def test_row_groups_are_shared_evenly() -> None:
    core = replace(_core(), arrays=3)
    groups = list(row_groups(core, parse_pattern("dense").masks(SHAPE)))
    shared = share_out(core, groups)
    assert sorted(g.row for part in shared for g in part) == list(range(len(groups)))
    loads = [sum(len(group.entries) for group in part) for part in shared]
    assert max(loads) - min(loads) <= 2
    assert all([g.row for g in part] == sorted(g.row for g in part) for part in shared)


@pytest.mark.parametrize("core", [*SMALL.values(), *CORES.values()], ids=[*SMALL, *CORES])
def test_tiles_of_long_lists_take_what_the_closed_form_says(core: Core) -> None:
    none = np.zeros((0, 0, 0), dtype=np.int64)

    def busy(tiles: int) -> int:
        group = RowGroup(0, entries=[Entry(column) for column in range(tiles)])
        setting = Setting(keys=tiles * core.numerics.rows)
        return predict_cycles(Problem(core, setting, [group], none, none, none)).busy

    found = tile_cycles(core)
    measured = (busy(620) - busy(600)) / 20
    if max(found["keys"], found["values"]) < found["array"] - 8:
        assert measured == max(found.values())
    else:
        assert max(found.values()) <= measured <= 1.005 * max(found.values())


def test_prediction_of_a_part() -> None:
    description = parse_attention("tokens: 256\nheads: 2\nhead_dim: 16\narray: {rows: 8}\n")
    whole = predict_layer(description)
    part = predict_layer(description, most_tiles=100)
    assert whole.whole
    assert whole.tiles == 2 * sum(range(1, 33))
    assert not part.whole
    assert 0 < part.tiles <= 100
    assert part.cycles.total < whole.cycles.total
    assert predict_layer(description, most_tiles=0).row_groups == 1
