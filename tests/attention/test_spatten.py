"""SpAtten against its rule in loops, layer after layer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.attention.patterns.spatten import Spatten
from accelgen.attention.patterns.spatten_state import SpattenState, quantised
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from tests.attention.dynamic_cases import Case, cases, dot, largest, same, units

Pairs = set[tuple[int, int]]


@dataclass
class Model:
    """The rule, with what it remembers."""

    pattern: Spatten
    case: Case
    importance: list[float] = field(default_factory=list)
    alive: set[int] = field(default_factory=set)
    head_importance: list[float] = field(default_factory=list)
    heads: set[int] = field(default_factory=set)
    refined: float = 0.0
    scored: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        shape = self.case.shape
        self.importance = [0.0] * shape.keys
        self.alive = set(range(shape.keys))
        self.head_importance = [0.0] * shape.heads
        self.heads = set(range(shape.heads))

    def keys(self, head: int) -> tuple[list[list[float]], list[list[float]]]:
        k, bits = self.case.k[head], self.pattern.msb_bits + self.pattern.lsb_bits
        largest = max(abs(x) for key in k for x in key)
        scale = largest / (2 ** (bits - 1) - 1) if largest else 1.0
        step = 2**self.pattern.lsb_bits
        codes = [[round(x / scale) for x in key] for key in k]
        coarse = [[math.floor(c / step) * step * scale for c in code] for code in codes]
        return coarse, [[c * scale for c in code] for code in codes]

    def row(self, head: int, t: int, alive: set[int]) -> tuple[dict[int, float], bool]:
        """The probabilities of a row and whether it needed all bits."""
        seen = [s for s in sorted(alive) if self.case.sees(t, s)]
        share: dict[int, float] = {}
        for fetched, k in enumerate(self.keys(head)):
            root = math.sqrt(self.case.shape.head_dim)
            score = {s: dot(self.case.q[head][t], k[s]) / root for s in seen}
            most = max(score.values())
            weight = {s: math.exp(x - most) for s, x in score.items()}
            whole = sum(weight.values())
            share = {s: x / whole for s, x in weight.items()}
            if fetched == 1 or max(share.values()) >= self.pattern.threshold:
                return share, fetched == 1
        raise AssertionError

    def head(self, head: int, queries: list[int], alive: set[int]) -> tuple[Pairs, int, float]:
        shape = self.case.shape
        v = self.case.inputs.v[head * shape.kv_heads // shape.heads].tolist()
        pairs: Pairs = set()
        refined, output = 0, 0.0
        for t in queries:
            share, again = self.row(head, t, alive)
            refined += again
            for s, x in share.items():
                self.importance[s] += x
            count = max(1, math.ceil(self.pattern.value_keep * len(share) - 1e-9))
            kept = largest({s: units(x) for s, x in share.items()}, count)
            pairs |= {(t, s) for s in kept}
            output += sum(abs(sum(share[s] * v[s][d] for s in kept)) for d in range(2))
        self.head_importance[head] += output
        return pairs, refined, output

    def pruned(
        self, values: list[float], alive: set[int], share: float, safe: set[int]
    ) -> set[int]:
        if share == 1:
            return alive
        forced = alive & safe
        count = max(1, math.ceil(share * len(values) - 1e-9)) - len(forced)
        top = max(1.0, *values)
        rest = {n: units(values[n] / top) for n in alive - forced}
        return forced | set(largest(rest, count))

    def step(self, tokens: float, heads: float, observe: bool) -> list[Pairs]:
        """One layer that keeps these shares."""
        shape = self.case.shape
        same_tokens = shape.causal or shape.queries == shape.keys
        offset = shape.keys - shape.queries if shape.causal else 0
        before = list(self.importance), list(self.head_importance)
        if observe:
            for head in range(shape.heads):
                self.head(head, list(range(shape.queries)), set(range(shape.keys)))
        safe = set(range(offset, shape.keys)) if offset else set()
        self.alive = self.pruned(self.importance, self.alive, tokens, safe)
        self.heads = self.pruned(self.head_importance, self.heads, heads, set())
        self.importance, self.head_importance = before
        queries = [t for t in range(shape.queries) if not same_tokens or t + offset in self.alive]
        result: list[Pairs] = []
        fetched, self.scored = 0, []
        for head in range(shape.heads):
            if head not in self.heads:
                result.append(set())
                self.scored.append(0)
                continue
            pairs, refined, _ = self.head(head, queries, self.alive)
            fetched += refined
            result.append(pairs)
            self.scored.append(len(self.case.tokens(queries, self.alive)))
        rows = len(queries) * len(self.heads)
        self.refined = fetched / rows if rows else 0.0
        return result


patterns = st.builds(
    Spatten,
    layers=st.just(4),
    token_keep=st.integers(0, 10).map(lambda n: n / 10),
    head_keep=st.integers(0, 4).map(lambda n: n / 4),
    value_keep=st.integers(0, 10).map(lambda n: n / 10),
    msb_bits=st.integers(2, 4),
    lsb_bits=st.integers(0, 4),
    threshold=st.integers(0, 10).map(lambda n: n / 10),
)


@given(cases(tokens=12), patterns)
def test_a_cascade_over_layers(case: Case, pattern: Spatten) -> None:
    shape = case.shape
    model = Model(pattern, case)
    state = SpattenState.fresh(shape)
    for layer in range(4):
        found = pattern.step(shape, case.inputs, state, layer=layer)
        # Of four layers, tokens are whole in the first, and heads in the first two.
        tokens = 1 - (1 - pattern.token_keep) * layer / 3
        heads = 1 - (1 - pattern.head_keep) * max(0, layer - 1) / 2
        same(found.masks, case, model.step(tokens, heads, observe=False))
        assert found.refined == pytest.approx(model.refined)
        assert list(found.scored) == model.scored
        alive, heads_alive = found.state.token_alive, found.state.head_alive
        assert set(np.flatnonzero(alive).tolist()) == model.alive
        assert set(np.flatnonzero(heads_alive).tolist()) == model.heads
        assert found.state.token_importance == pytest.approx(model.importance)
        assert found.state.head_importance == pytest.approx(model.head_importance)
        assert not (alive & ~state.token_alive).any()
        assert not (heads_alive & ~state.head_alive).any()
        state = found.state


@given(cases(tokens=12), patterns)
def test_without_a_state_the_layer_observes_itself(case: Case, pattern: Spatten) -> None:
    model = Model(pattern, case)
    expected = model.step(pattern.token_keep, pattern.head_keep, observe=True)
    same(pattern.masks(case.shape, case.inputs, layer=3), case, expected)


@given(cases(tokens=12))
def test_masks_take_the_state_of_the_pattern(case: Case) -> None:
    pattern = Spatten(layers=2, token_keep=0.5)
    first = pattern.step(case.shape, case.inputs, layer=0)
    second = pattern.step(case.shape, case.inputs, first.state, layer=1)
    held = replace(pattern, state=first.state)
    assert held == pattern
    for a, b in zip(held.masks(case.shape, case.inputs, layer=1), second.masks, strict=True):
        assert (a.dense() == b.dense()).all()


def test_decoding_goes_on_from_the_prompt() -> None:
    """What the prompt pruned is not read again; the new token is, and sees itself."""
    pattern = Spatten(layers=2, token_keep=0.25, value_keep=1.0)
    prompt = AttentionShape(16, 16, 2, 1)
    state = pattern.step(prompt, random_inputs(prompt), layer=0).state
    state = pattern.step(prompt, random_inputs(prompt), state, layer=1).state
    assert state.token_alive.sum() == 4
    step = AttentionShape(1, 17, 2, 1)
    result = pattern.step(step, random_inputs(step), state, layer=1)
    alive = np.flatnonzero(state.token_alive).tolist()
    for mask in result.masks:
        assert mask.dense()[0, 16]
        assert set(np.flatnonzero(mask.dense()[0]).tolist()) == {*alive, 16}
    assert result.state.token_alive.sum() == 5


def test_the_share_falls_linearly_from_the_front() -> None:
    usual = Spatten()
    tokens = [usual.share(layer, 0.5, 0.15) for layer in range(13)]
    assert tokens[:2] == [1, 1]
    assert tokens[11:] == [0.5, 0.5]
    np.testing.assert_allclose(np.diff(tokens[1:12]), -0.05)
    assert [usual.share(layer, 0.9, 0.3) for layer in (3, 11)] == [1, 0.9]
    assert Spatten(layers=1).share(0, 0.5, 0.15) == 1


def test_flat_rows_fetch_all_bits_and_peaked_ones_do_not() -> None:
    shape = AttentionShape(2, 32, head_dim=2, causal=False)
    k = np.zeros((1, 32, 2))
    k[0, 5] = [8.0, 0.0]
    q = np.array([[[4.0, 0.0], [0.0, 1.0]]])
    result = Spatten().step(shape, AttentionInputs(q, k, np.ones((1, 32, 64))))
    assert result.refined == 0.5


def test_codes_are_cut_at_the_least_significant_bits() -> None:
    k = np.array([[7.0, -7.0, 5.0, -1.0, 2.0]])
    coarse, fine = quantised(k, 2, 2)
    assert fine.tolist() == k.tolist()
    assert coarse.tolist() == [[4, -8, 4, -4, 0]]
    none, whole = quantised(np.zeros((2, 2)), 8, 4)
    assert not none.any()
    assert not whole.any()


def test_more_queries_than_are_held_at_a_time() -> None:
    shape = AttentionShape(600, 600, head_dim=4, value_dim=2)
    inputs = random_inputs(shape)
    result = Spatten(value_keep=1.0).step(shape, inputs)
    assert result.masks[0].nnz == shape.pairs == result.scored[0]
    assert result.state.token_importance.sum() == pytest.approx(600)


def test_errors() -> None:
    shape = AttentionShape(8, 8)
    with pytest.raises(InputError, match=r"spatten: selects"):
        Spatten().masks(shape)
    more = SpattenState.fresh(AttentionShape(9, 9))
    with pytest.raises(InputError, match=r"state: is of 9 keys and 1 heads"):
        Spatten().step(shape, random_inputs(shape), more)
    with pytest.raises(InputError, match=r"lsb_bits: 30 \+ 4 bits"):
        Spatten(msb_bits=30)
    with pytest.raises(InputError, match=r"value_keep: 2"):
        Spatten(value_keep=2)
