"""Patterns as text."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.attention import registry
from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.adaspa import AdaSpa
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.block_streaming import BlockStreaming
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.duo import Duo
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.patterns.radial import Radial
from accelgen.attention.patterns.s2 import S2
from accelgen.attention.patterns.sparda import Sparda
from accelgen.attention.patterns.spatten import Spatten
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.patterns.svg2 import Svg2
from accelgen.attention.patterns.window_pruning import WindowPruning
from accelgen.attention.patterns.xattention import XAttention
from accelgen.attention.registry import (
    PATTERNS,
    get_pattern,
    parse_pattern,
    pattern_names,
    pattern_text,
)
from accelgen.attention.shape import AttentionShape
from accelgen.errors import AccelgenError, InputError

positive = st.integers(1, 4096)
share = st.floats(0, 1)
gates = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.tuples(*[st.floats(-9, 9)] * n), max_size=4).map(tuple)
)
patterns = st.one_of(
    st.builds(Dense, positive),
    st.builds(Streaming, positive, positive, positive),
    st.builds(BlockStreaming, positive, positive, positive),
    st.builds(Duo, share, positive, positive, gates, positive),
    st.builds(LServe, share, positive, page=st.just(32), gates=gates, reselect=positive),
    st.builds(Radial, positive, share, st.booleans(), positive),
    st.builds(S2, positive, positive, positive),
    st.builds(Quest, positive, positive, positive, st.integers(0, 9), positive),
    st.builds(Moba, positive, positive, positive),
    st.builds(XAttention, st.just(64), st.sampled_from((8, 16)), share),
    # The tensors are no parameters of the text.
    st.builds(AdaSpa, positive, share, st.just(np.zeros((1, 1)))),
    st.builds(Sparda, positive, positive, positive, positive, st.just(np.zeros((1, 1, 1)))),
    st.builds(Svg, st.none() | positive, positive, share, text_last=st.booleans()),
    st.builds(Svg2, positive, positive, share, positive),
    st.builds(
        WindowPruning,
        st.lists(share, min_size=1, max_size=4).map(tuple),
        positive,
        st.none() | st.tuples(positive, positive),
        st.just(np.zeros((1, 1))),
    ),
    st.builds(Spatten, positive, share, share, share, st.integers(2, 16), st.integers(0, 16)),
)


@given(patterns)
@settings(deadline=None)
def test_parsing_what_is_printed(pattern: Pattern) -> None:
    assert parse_pattern(pattern_text(pattern)) == pattern


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_has_a_name_of_its_own(pattern: type[Pattern]) -> None:
    assert get_pattern(pattern.name) is pattern
    assert pattern_names().count(pattern.name) == 1
    assert parse_pattern(pattern.name) == pattern()
    assert pattern_text(pattern()) == pattern.name


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("streaming(4, 2000)", Streaming(4, 2000)),
        ("  streaming ( sink = 5 , recent=7, ) ", Streaming(5, 7)),
        ("streaming(4, block=16)", Streaming(4, block=16)),
        ("dense()", Dense()),
        ("radial(1560, 1, true)", Radial(1560, 1.0, True)),
        ("radial(decay=2e-1)", Radial(decay=0.2)),
        ("duo(gates=[[1, .5], [0.25, -3]])", Duo(gates=((1.0, 0.5), (0.25, -3.0)))),
        ("duo(gates=[])", Duo()),
        ("svg(1560, 256, text_last=true)", Svg(1560, 256, text_last=True)),
        ("window_pruning([0, .5], 7, [14, 28])", WindowPruning((0.0, 0.5), 7, (14, 28))),
    ],
)
def test_texts(text: str, pattern: Pattern) -> None:
    assert parse_pattern(text) == pattern


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends too early: not the name of a pattern"),
        ("strem(4)", "unknown pattern 'strem'; did you mean 'streaming'?"),
        ("streaming(4", "ends too early: no comma and no ); write name(field=value, ...); in YAML"),
        ("streaming(4 5)", "'5' at character 13: no comma and no )"),
        ("streaming(1,2,3,4)", "4 values and streaming has 3 parameters; they are sink, recent"),
        ("streaming(recnt=4)", "unknown parameter of streaming 'recnt'; did you mean 'recent'?"),
        ("streaming(4, sink=5)", "parameter sink is given twice"),
        ("streaming(sink=4, sink=5)", "parameter 'sink' is given twice"),
        ("streaming(sink=4, 5)", "a value without name after one with a name"),
        ("streaming(sink=0.5)", "sink: 0.5 is not an integer"),
        ("streaming(sink=four)", "sink: 'four' is not an integer"),
        ("streaming(sink=-4)", "streaming: sink: -4 is no integer in 0.."),
        ("radial(sink=1)", "sink: 1 is not true or false"),
        ("radial(decay=x)", "decay: 'x' is not a number"),
        ("duo(gates=3)", "gates: 3 is not a list in brackets"),
        ("duo(gates=[[1], 2])", "is no table"),
        ("duo(gates=[[a]])", "finite numbers"),
        ("duo(gates=[[[[[[[[[[1]]]]]]]]]])", "more than 8 brackets"),
        ("dense + 1", "at character 7 is no value"),
        ("dense(1) dense", "'dense' at character 10: more text after the pattern"),
        ("__import__('os')", "unknown pattern '__import__'"),
        ("dense(=)", "'=' at character 7: no value"),
        ("4", "'4' at character 1: not the name of a pattern"),
    ],
)
def test_errors_are_one_line(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_pattern(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text("streaming(),=[] 0123456789.-'\"x_\n", max_size=30))
def test_any_text_is_a_pattern_or_an_error(text: str) -> None:
    for start in ("", "streaming(", "duo("):
        try:
            pattern = parse_pattern(start + text)
        except AccelgenError:
            continue
        assert parse_pattern(pattern_text(pattern)) == pattern


@dataclass(frozen=True)
class Other(Pattern):
    """Fields of every type that a pattern may have."""

    name: ClassVar[str] = "other"
    source: ClassVar[str] = "here"

    needed_size: int
    way: Literal["near", "far"] = "near"
    file: str = "a"
    most: int | None = None
    sizes: tuple[int, ...] = ()

    def masks(
        self, shape: AttentionShape, inputs: AttentionInputs | None = None, *, layer: int = 0
    ) -> tuple[HeadMask, ...]:
        return ()


@pytest.mark.parametrize(
    "pattern", [Other(3), Other(3, "far", "it's.csv", 4, (1, 2)), Other(1, file="true")]
)
def test_fields_of_other_types(monkeypatch: pytest.MonkeyPatch, pattern: Other) -> None:
    monkeypatch.setattr(registry, "PATTERNS", (Other,))
    assert parse_pattern(pattern_text(pattern)) == pattern


def test_required_fields_and_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "PATTERNS", (Other,))
    with pytest.raises(InputError, match="parameter needed_size is missing"):
        parse_pattern("other")
    with pytest.raises(InputError, match="way: 'up' is none of near, far"):
        parse_pattern("other(1, up)")


@pytest.mark.parametrize(
    ("pattern", "field"),
    [
        (pattern, field.name)
        for pattern in PATTERNS
        for field in fields(pattern)
        if isinstance(field.default, int) and not isinstance(field.default, bool)
    ],
)
def test_integers_beyond_all_sizes_are_refused_by_their_name(
    pattern: type[Pattern], field: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_pattern(f"{pattern.name}({field}={10**23})")
    assert f"{pattern.name}: {field}" in str(caught.value)
