"""Sparse VideoGen against its rule in loops."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.attention.masks.mask import BlockMask, HeadMask, VariableMask
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError


@st.composite
def videos(draw: st.DrawFn) -> tuple[AttentionShape, Svg]:
    """A shape of text and video and a pattern that fits."""
    frame, frames, text = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(0, 5))
    tokens = text + frame * frames
    pattern = Svg(
        frame,
        text,
        density=draw(st.integers(0, 10)) / 10,
        block=draw(st.integers(1, 6)),
        sampled=draw(st.integers(1, 40)),
        seed=draw(st.integers(0, 9)),
        text_last=draw(st.booleans()),
    )
    return AttentionShape(tokens, tokens, 4, 2, 3, 2, causal=False), pattern


def place(pattern: Svg, tokens: int, token: int, temporal: bool) -> int:
    """Where a token is in the order of a spatial or a temporal head."""
    start = 0 if pattern.text_last else pattern.text
    video = tokens - pattern.text
    if not temporal or not start <= token < start + video:
        return token
    frame, position = divmod(token - start, pattern.frame)
    return start + position * (video // pattern.frame) + frame


def rule(pattern: Svg, tokens: int, temporal: bool) -> set[tuple[int, int]]:
    """The block cover of the window, in the order of the tensors."""
    start = 0 if pattern.text_last else pattern.text
    video = tokens - pattern.text
    # The share of a band |a - b| < w of a square of side n, from outside: 1 - (1 - w / n)^2.
    width = 1
    while 1 - (1 - width / video) ** 2 < pattern.density - 1e-9:
        width += 1

    def is_text(at: int) -> bool:
        return not start <= at < start + video

    blocks = set()
    for a in range(tokens):
        for b in range(tokens):
            always = is_text(a) or is_text(b)
            if not pattern.text:
                always = b < pattern.frame
            near = not is_text(a) and not is_text(b) and abs(a - b) < width
            if always or near:
                blocks.add((a // pattern.block, b // pattern.block))
    at = [place(pattern, tokens, token, temporal) for token in range(tokens)]
    return {
        (t, s)
        for t in range(tokens)
        for s in range(tokens)
        if (at[t] // pattern.block, at[s] // pattern.block) in blocks
    }


def pairs(mask: HeadMask) -> set[tuple[int, int]]:
    mask.check()
    dense = mask.dense()
    assert mask.nnz == dense.sum()
    return {(int(t), int(s)) for t, s in zip(*np.nonzero(dense), strict=True)}


@given(videos())
def test_windows_are_covers_in_their_order(video: tuple[AttentionShape, Svg]) -> None:
    shape, pattern = video
    spatial, temporal = pattern.windows(shape)
    assert isinstance(spatial, BlockMask)
    assert isinstance(temporal, VariableMask)
    assert pairs(spatial) == rule(pattern, shape.keys, False)
    assert pairs(temporal) == rule(pattern, shape.keys, True)


def output(
    kept: set[tuple[int, int]] | None, t: int, inputs: AttentionInputs, head: int
) -> list[float]:
    """Attention of one query over the keys it keeps, or all."""
    k, v = inputs.k[head // 2].tolist(), inputs.v[head // 2].tolist()
    q = inputs.q[head, t].tolist()
    weights = {
        s: math.exp(sum(x * y for x, y in zip(q, k[s], strict=True)) / math.sqrt(3))
        for s in range(len(k))
        if kept is None or (t, s) in kept
    }
    total = math.fsum(weights.values())
    return [math.fsum(w * v[s][d] for s, w in weights.items()) / total for d in range(2)]


@given(videos(), st.integers(0, 3))
def test_a_head_has_the_window_with_the_smaller_error(
    video: tuple[AttentionShape, Svg], layer: int
) -> None:
    shape, pattern = video
    inputs = random_inputs(shape, seed=layer)
    masks = pattern.masks(shape, inputs, layer=layer)
    rng = np.random.default_rng([pattern.seed, layer])
    rows = rng.choice(shape.keys, size=min(pattern.sampled, shape.keys), replace=False).tolist()
    windows = [rule(pattern, shape.keys, temporal) for temporal in (False, True)]
    assert len(masks) == shape.heads
    for head, mask in enumerate(masks):
        error, scale = [0.0, 0.0], 0.0
        for t in rows:
            full = output(None, t, inputs, head)
            scale += sum(x * x for x in full)
            for n in range(2):
                part = output(windows[n], t, inputs, head)
                error[n] += sum((x - y) ** 2 for x, y in zip(part, full, strict=True))
        temporal = error[0] - error[1] > 1e-12 * scale
        assert isinstance(mask, VariableMask if temporal else BlockMask)
        assert pairs(mask) == windows[temporal]


def test_heads_made_spatial_and_temporal_are_found() -> None:
    """Queries that look for their frame, and queries that look for their position."""
    frames, frame = 8, 8
    tokens = frames * frame
    shape = AttentionShape(tokens, tokens, 2, 2, 8, 4, causal=False)
    number = np.arange(tokens)
    q = 12 * np.stack([np.eye(8)[number // frame], np.eye(8)[number % frame]])
    v = np.random.default_rng(0).normal(size=(2, tokens, 4))
    pattern = Svg(frame, density=0.25, block=8, sampled=16)
    spatial, temporal = pattern.masks(shape, AttentionInputs(q, q / 12, v))
    assert isinstance(spatial, BlockMask)
    assert isinstance(temporal, VariableMask)


def test_equal_errors_are_spatial() -> None:
    shape = AttentionShape(24, 24, 1, 1, 3, 2, causal=False)
    inputs = random_inputs(shape)
    alike = AttentionInputs(inputs.q, inputs.k, np.full((1, 24, 2), 0.3))
    for seed in range(8):
        (mask,) = Svg(4, block=2, seed=seed).masks(shape, alike)
        assert isinstance(mask, BlockMask)


def test_the_seed_and_the_layer_choose_the_rows_again() -> None:
    shape = AttentionShape(60, 60, 8, 8, 3, 2, causal=False)
    pattern = Svg(6, block=4, sampled=1)
    inputs = random_inputs(shape)

    def kinds(pattern: Svg, layer: int) -> list[bool]:
        return [isinstance(m, BlockMask) for m in pattern.masks(shape, inputs, layer=layer)]

    first = kinds(pattern, 0)
    assert kinds(pattern, 0) == first
    assert any(kinds(pattern, layer) != first for layer in range(1, 10))
    assert any(kinds(replace(pattern, seed=seed), 0) != first for seed in range(1, 10))


def test_usual_parameters() -> None:
    usual = Svg(1350)
    assert (usual.density, usual.block, usual.sampled) == (0.25, 128, 64)


def test_errors() -> None:
    video = AttentionShape(12, 12, causal=False)
    with pytest.raises(InputError, match=r"svg: selects"):
        Svg(4).masks(video)
    with pytest.raises(InputError, match=r"tokens_per_frame: 5 tokens a frame do not divide 12"):
        Svg(5).masks(video, random_inputs(video))
    with pytest.raises(InputError, match=r"tokens_per_frame: .* divide 0 video tokens"):
        Svg(4, text=12).masks(video, random_inputs(video))
    for shape in (AttentionShape(12, 12), AttentionShape(1, 12, causal=False)):
        with pytest.raises(InputError, match=r"svg: windows over video need"):
            Svg(4).masks(shape, random_inputs(shape))
    with pytest.raises(InputError, match=r"density: 1\.2"):
        Svg(4, density=1.2)
