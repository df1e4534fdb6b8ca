"""The cycles that are predicted for a layer are those of the Verilog, whatever makes its tiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from accelgen.attention.accelerator.driver import encode
from accelgen.attention.accelerator.predict import layer_problems, predict_layer
from accelgen.attention.inputs import random_inputs
from accelgen.attention.load import parse_attention
from accelgen.cosim.attention import AttentionPhase, simulate_attention
from tests.attention_rtl.cores import built

TEXT = """\
queries: {queries}
keys: 64
heads: 4
kv_heads: 2
head_dim: 16
layers: 3
array: {{rows: 8, arrays: {arrays}, select_blocks: 16, select_top: 4}}
pattern:
  heads:
    0-1: {first}
    2-3: {last}
"""

CASES = [
    (64, "streaming(sink=4, recent=20)", "streaming(sink=4, recent=20)", 0, {"counters": 16 * 2}),
    (40, "s2(2, 3, 16)", "dense", 0, {"counters": 10, "lists": 10}),
    (64, "radial(frame=16)", "radial(frame=16)", 0, {"lists": 16 * 2}),
    (64, "moba(block=16, k=2)", "moba(block=16, k=2)", 0, {"selection": 16 * 2}),
    (1, "quest(4, 16, 3)", "quest(4, 16, 3)", 1, {"counters": 2}),
    (1, "quest(4, 16, 3)", "quest(4, 16, 3)", 2, {"selection": 2}),
    (24, "dense", "moba(block=16, k=2)", 0, {"counters": 6, "selection": 6}),
    (24, "xattention(16, 4)", "dense", 0, {"counters": 6, "lists": 6}),
]


def text(case: tuple[int, str, str, int, dict[str, int]], arrays: int = 1) -> str:
    queries, first, last = case[:3]
    quoted = f"'{first}'", f"'{last}'"
    return TEXT.format(queries=queries, first=quoted[0], last=quoted[1], arrays=arrays)


@pytest.mark.parametrize("case", CASES)
def test_what_makes_the_tiles_is_said(case: tuple[int, str, str, int, dict[str, int]]) -> None:
    *_, layer, made_by = case
    description = parse_attention(text(case))
    found = predict_layer(description, layer=layer)
    assert found.whole
    assert found.made_by == made_by
    assert found.drawn == ("selection" in made_by or "xattention" in case[1])
    assert (found.summaries > 0) == ("selection" in made_by)
    assert found.to_json()["of"] == {
        "layer": layer,
        "row_groups": found.row_groups,
        "all_row_groups": found.row_groups,
        "made_by": dict(made_by),
        "drawn": found.drawn,
        "tiles": found.tiles,
        "summaries": found.summaries,
    }
    if len(made_by) == 1:
        (maker,) = made_by
        assert f"layer {layer}, {found.row_groups} row groups by {maker}" in found.text
    part = predict_layer(description, layer=layer, most_tiles=12)
    if not part.whole:
        assert part.row_groups == sum(part.made_by.values()) < found.row_groups
        assert f"the first {part.row_groups} of {found.row_groups} row groups: " in part.text


@pytest.mark.rtl
@pytest.mark.parametrize("arrays", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_cycles_are_those_of_the_verilog(arrays: int, tmp_path: Path) -> None:
    core = parse_attention(text(CASES[0], arrays)).core()
    model = built(core, f"predicted{arrays}", tmp_path)
    phases, expected = [], []
    for case in CASES:
        description, layer = parse_attention(text(case, arrays)), case[3]
        shape = description.shape
        assert description.core() == core
        encoded = encode(core, shape, random_inputs(shape))
        codes, scales = encoded.codes, encoded.scales
        problems = [
            replace(one, q=codes["q"], k=codes["k"], v=codes["v"], scales=scales)
            if one.summaries is None
            else one
            for one in layer_problems(description, layer=layer).problems
        ]
        phases.append(AttentionPhase(problems))
        expected.append(predict_layer(description, layer=layer).cycles)
    for seen, cycles in zip(simulate_attention(core, model, phases), expected, strict=True):
        assert seen.faults == ()
        assert (seen.busy, seen.total) == (cycles.busy, cycles.total)
