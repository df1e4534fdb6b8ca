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
