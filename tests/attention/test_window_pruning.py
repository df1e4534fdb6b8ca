"""Window pruning against its rule in loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import random_inputs
from accelgen.attention.masks.mask import VariableMask
from accelgen.attention.patterns.window_pruning import WindowPruning
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, same


def rule(
    case: Case, windows: list[list[int]], tenths: int, activation: list[list[float]] | None
) -> list[set[tuple[int, int]]]:
    shape = case.shape
    ranked = []
    for number, window in enumerate(windows):
        energy = Fraction(0)
        for t in window:
            if activation is not None:
                energy += sum(Fraction(x) ** 2 for x in activation[t])
            else:
                energy += sum(Fraction(x) ** 2 for q in case.q for x in q[t])
        ranked.append((-energy / len(window), number))
    keep = len(windows) - len(windows) * tenths // 10
    pairs: set[tuple[int, int]] = set()
    for _, number in sorted(ranked)[:keep]:
        pairs |= case.tokens(windows[number], windows[number])
    return [pairs] * shape.heads


@given(cases(kinds=("causal", "self")), st.integers(1, 3), st.integers(0, 10))
def test_runs_of_tokens(case: Case, side: int, tenths: int) -> None:
    tokens = list(range(case.shape.keys))
    windows = [tokens[start : start + side**2] for start in range(0, len(tokens), side**2)]
    found = WindowPruning((tenths / 10,), side).masks(case.shape, case.inputs)
    same(found, case, rule(case, windows, tenths, None))


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(0, 10), st.data())
def test_a_grid_of_tokens_and_given_activations(
    rows: int, columns: int, side: int, tenths: int, data: st.DataObject
) -> None:
    tokens = rows * columns
    shape = AttentionShape(tokens, tokens, 2, 1, 2, 2, causal=data.draw(st.booleans()))
    inputs = random_inputs(shape)
    case = Case(shape, inputs, inputs.q.tolist(), [inputs.k[0].tolist()] * 2)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    activation = rng.integers(-1, 2, size=(tokens, 3)).astype(np.float64)
    windows = []
    for top in range(0, rows, side):
        for left in range(0, columns, side):
            windows.append(
                [
                    row * columns + column
                    for row in range(top, min(top + side, rows))
                    for column in range(left, min(left + side, columns))
                ]
            )
    pattern = WindowPruning((tenths / 10,), side, (rows, columns), activation)
    same(pattern.masks(shape), case, rule(case, windows, tenths, activation.tolist()))


def test_every_layer_has_its_share() -> None:
    shape = AttentionShape(40, 40, causal=False)
    pattern = WindowPruning((0.0, 0.5, 0.8), side=2)
    inputs = random_inputs(shape)
    kept = []
    for layer in range(4):
        (mask,) = pattern.masks(shape, inputs, layer=layer)
        assert isinstance(mask, VariableMask)
        kept.append(int(np.count_nonzero(mask.kept)))
        assert mask.nnz == kept[-1] * 16
    assert kept == [10, 5, 2, 2]


def test_errors() -> None:
    shape = AttentionShape(49, 49, causal=False)
    inputs = random_inputs(shape)
    with pytest.raises(InputError, match=r"window_pruning: selects"):
        WindowPruning().masks(shape)
    cross = AttentionShape(4, 49, causal=False)
    with pytest.raises(InputError, match=r"window_pruning: windows hold .* 4 queries and 49 keys"):
        WindowPruning().masks(cross, random_inputs(cross))
    with pytest.raises(InputError, match=r"grid: 7 x 8 tokens are not the 49"):
        WindowPruning(grid=(7, 8)).masks(shape, inputs)
    with pytest.raises(InputError, match=r"activation: has shape \(48, 2\)"):
        WindowPruning(activation=np.zeros((48, 2))).masks(shape, inputs)
    with pytest.raises(InputError, match=r"sparsity: \(\) is no tuple"):
        WindowPruning(())
    with pytest.raises(InputError, match=r"sparsity: 2 "):
        WindowPruning((0.5, 2))
    with pytest.raises(InputError, match=r"grid: 0"):
        WindowPruning(grid=(0, 7))
