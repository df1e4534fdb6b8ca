"""Real tensors become problems, and packets of results become tensors."""

from __future__ import annotations

import numpy as np
import pytest

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.elements import stored_bits
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.driver import encode, problem_of
from accelgen.attention.accelerator.lowering import lower
from accelgen.attention.inputs import random_inputs
from accelgen.attention.load import parse_attention
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.reference import attention
from accelgen.attention.shape import AttentionShape


@pytest.mark.parametrize("group", [1, 3, 5])
@pytest.mark.parametrize("name", ["int8", "nvfp4", "bf16"])
def test_results_are_attention_of_the_encoded_tensors(group: int, name: str) -> None:
    """Also where the heads that share keys leave rows of a tile over."""
    core = Core(
        Numerics(32, 32, 8, element_bits=stored_bits(name)),
        formats=(name, name, name),
        group=group,
        query_tiles=2,
        key_bits=32 if name == "nvfp4" else 64,
        query_bits=32 if name == "nvfp4" else 64,
    )
    shape = AttentionShape(37, 45, 2 * group, 2, 32, 32)
    encoded = encode(core, shape, random_inputs(shape))
    patterns = [Streaming(sink=2, recent=11)] * shape.heads
    lowered = lower(core, shape, patterns)
    problem = problem_of(encoded, lowered.groups, **lowered.registers)
    found = encoded.results(problem.outputs(), lowered.groups)
    expected = attention(encoded.values, patterns[0].masks(shape))
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert error < 5e-4
    assert (np.abs(found - expected).max(axis=-1) < 5e-3 * np.abs(expected).max()).all()


@pytest.mark.parametrize(
    "formats",
    [
        "{k: int4}",
        "{v: bf16}",
        "{q: int16}",
        "{k: int4, v: bf16}",
        "{q: bf16, k: int8, v: e4m3}",
        "{k: nvfp4}",
        "{q: int4, k: e4m3, v: int8}",
        "{k: int3, v: int16}",
    ],
)
def test_formats_of_unlike_width_lose_no_more(formats: str) -> None:
    """Queries are folded for the bits that keys have, not for those of the widest format."""
    description = parse_attention(
        f"tokens: 128\nheads: 1\nhead_dim: 64\nformats: {formats}\npattern: dense\n"
    )
    core, shape = description.core(), description.shape
    encoded = encode(core, shape, random_inputs(shape, 1))
    lowered = lower(core, shape, description.head_patterns(0))
    problem = problem_of(encoded, lowered.groups, **lowered.registers)
    found = encoded.results(problem.outputs(), lowered.groups)
    expected = attention(encoded.values, description.masks())
    assert np.linalg.norm(found - expected) < 5e-4 * np.linalg.norm(expected)
