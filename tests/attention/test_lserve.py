"""The decode half of lserve: pages by their bounds, reselected every few steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.tiers import examples


def best_pages(pattern: LServe, inputs: AttentionInputs, head: int, group: int) -> set[int]:
    """Written out, page by page and dimension by dimension."""
    q, k = inputs.q[head, 0], inputs.k[head // group]
    part = pattern.page // pattern.subpages
    scores = []
    for first in range(0, len(k), pattern.page):
        bounds = []
        for begin in range(first, min(first + pattern.page, len(k)), part):
            keys = k[begin : min(begin + part, len(k))]
            bound = 0.0
            for d in range(len(q)):
                column = [float(key[d]) for key in keys]
                bound += max(float(q[d]) * min(column), float(q[d]) * max(column))
            bounds.append(bound)
        scores.append(max(bounds))
    last = len(scores) - 1
    others = sorted(range(last), key=lambda page: (-scores[page], page))
    count = max(1, pattern.budget // pattern.page)
    return {last, *others[: count - 1]}


@given(st.integers(1, 90), st.integers(0, 50), st.integers(0, 1000))
@settings(max_examples=examples(40, 400), deadline=None)
def test_a_step_that_selects(keys: int, budget: int, seed: int) -> None:
    pattern = LServe(0.5, 3, 50, 5, budget=budget + 1, page=8, subpages=4)
    shape = AttentionShape(1, keys, 4, 2, 3, 3)
    # Halves are exact, so that sums in any order agree and there are ties.
    drawn = random_inputs(shape, seed)
    inputs = AttentionInputs(np.round(drawn.q * 2) / 2, np.round(drawn.k * 2) / 2, drawn.v)
    masks = pattern.masks(shape, inputs)
    for head in (0, 1):
        masks[head].check()
        seen = np.flatnonzero(masks[head].dense()[0])
        pages = best_pages(pattern, inputs, head, 2)
        assert set(seen.tolist()) == {s for s in range(keys) if s // 8 in pages}
    assert masks[2] is masks[3]
    streaming = [s for s in range(keys) if s < 3 or keys - 1 - s < 5]
    assert np.flatnonzero(masks[2].dense()[0]).tolist() == streaming


def test_pages_are_kept_between_selections() -> None:
    pattern = LServe(0.0, budget=24, page=8, subpages=2, reselect=4)
    full = AttentionShape(1, 70, 2, 1, 4, 4)
    everything = random_inputs(full, 3)
    rng = np.random.default_rng(1)
    state, selected = None, None
    changed = 0
    for step in range(12):
        shape = AttentionShape(1, 55 + step, 2, 1, 4, 4)
        q = rng.normal(size=(2, 1, 4))
        inputs = AttentionInputs(q, everything.k[:, : shape.keys], everything.v[:, : shape.keys])
        masks, state = pattern.decode(shape, inputs, state)
        last = (shape.keys - 1) // 8
        if step % 4 == 0:
            found = [best_pages(pattern, inputs, head, 2) for head in range(2)]
            changed += selected is not None and found != selected
            selected = found
        assert selected is not None
        for head in range(2):
            seen = {s // 8 for s in np.flatnonzero(masks[head].dense()[0]).tolist()}
            assert seen == selected[head] | {last}
    assert changed, "the example must be one where selecting again matters"


def test_wrong_steps() -> None:
    pattern = LServe()
    shape = AttentionShape(1, 70, 2, 1, 4, 4)
    with pytest.raises(InputError, match="there are none"):
        pattern.masks(shape)
    _, state = pattern.decode(shape, random_inputs(shape))
    other = AttentionShape(1, 70, 4, 1, 4, 4)
    with pytest.raises(InputError, match="a state of other heads"):
        pattern.decode(other, random_inputs(other), state)
    prefill = AttentionShape(2, 70, 2, 1, 4, 4)
    with pytest.raises(InputError, match="2 queries in one step"):
        pattern.decode(prefill, random_inputs(prefill))
