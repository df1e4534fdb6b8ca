"""Attention descriptions: shipped ones, printed and read back, and wrong ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from accelgen.attention.inputs import random_inputs
from accelgen.attention.load import list_attention, load_attention, parse_attention
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.duo import Duo
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError

BASE = "tokens: 64\nheads: 4\nkv_heads: 2\nhead_dim: 8\n"


def test_what_is_shipped() -> None:
    names = list_attention()
    assert len(names) >= 6
    assert {load_attention(name).name for name in names} == set(names)


@pytest.mark.parametrize("name", list_attention())
def test_shipped_descriptions_give_masks(name: str) -> None:
    description = load_attention(name)
    assert parse_attention(str(description)) == description
    shape = description.shape
    if shape.keys > 4096:
        # One frame where the pattern needs whole ones.
        frames = [p.frame for p in description.patterns if isinstance(p, Svg)]
        tokens = frames[0] if frames else 4096
        shape = replace(shape, queries=min(shape.queries, tokens), keys=tokens)
    small = replace(description, shape=shape)
    dynamic = any(pattern.dynamic for pattern in small.patterns)
    inputs = random_inputs(shape) if dynamic else None
    for layer in {0, description.layers - 1}:
        masks = small.masks(inputs, layer=layer)
        assert len(masks) == shape.heads
        for mask in {id(mask): mask for mask in masks}.values():
            mask.check()
            assert (mask.queries, mask.keys) == (shape.queries, shape.keys)
            assert 0 < mask.nnz <= shape.pairs


def test_heads_and_layers() -> None:
    text = BASE + (
        "formats: {k: int4}\npattern:\n  layers:\n    1-2: {heads: {2-3: dense, 0-1: "
        "'streaming(1, 3)'}}\n    0: dense\n"
    )
    found = parse_attention(text, name="mixed")
    assert found.layers == 3
    assert found.shape == AttentionShape(64, 64, 4, 2, 8, 8)
    assert dict(found.formats) == {"q": "int8", "k": "int4", "v": "int8"}
    assert found.patterns == (Dense(), Streaming(1, 3))
    assert found.head_patterns(0) == (Dense(),) * 4
    for layer in (1, 2):
        assert found.head_patterns(layer) == (*[Streaming(1, 3)] * 2, *[Dense()] * 2)
        masks = found.masks(layer=layer)
        assert masks[0] is masks[1]
        assert masks[2] is masks[3]
        assert [mask.nnz for mask in masks] == [1 + 2 + 3 + 61 * 4] * 2 + [64 * 65 // 2] * 2
    with pytest.raises(InputError, match="no layer 3 among 3"):
        found.masks(layer=3)
    assert parse_attention(str(found)) == found


def test_gates_inline_and_from_files(tmp_path: Path) -> None:
    table = np.array([[0.75, 0.5], [0.125, 1.0]])
    (tmp_path / "g.csv").write_text("0.75, 0.5\n0.125, 1\n")
    np.save(tmp_path / "g.npy", table)
    wanted = Duo(sink=1, recent=5, gates=((0.75, 0.5), (0.125, 1.0)))
    for gates in ("[[0.75, 0.5], [0.125, 1]]", "g.csv", "g.npy"):
        file = tmp_path / "one.yaml"
        file.write_text(f"{BASE}gates: {gates}\npattern: duo(sink=1, recent=5)\n")
        found = load_attention(file)
        assert found.patterns == (wanted,)
        assert found.layers == 2
        assert parse_attention(str(found)) == found
        # The two largest of all layers: 1.0 and 0.75.
        for layer, dense in ((0, [True, True, False, False]), (1, [False, False, True, True])):
            full = [mask.nnz == found.shape.pairs for mask in found.masks(layer=layer)]
            assert full == dense


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("patern: dense\n", "a:5: unknown key 'patern'; did you mean 'pattern'?"),
        ("queries: 4\n", "a:1: tokens: give tokens, or queries and keys"),
        ("causal: maybe\n", "'maybe' is neither true nor false"),
        ("layers: x\n", "a:5: layers: 'x' is no integer"),
        ("layers: 0\n", "layers: 0 is not in 1..4096"),
        ("formats: {x: int8}\n", "a:5: formats: unknown tensor 'x'"),
        ("formats: {q: int88}\n", "formats: q: unknown"),
        ("pattern: {dense: 1}\n", "a:5: pattern: is no pattern; write streaming(4, 2000)"),
        ("pattern: {heads: {0-1: dense, 3: dense}}\n", "heads: head 2 of 4 is missing"),
        ("pattern: {heads: {0-2: dense}}\n", "heads: head 3 of 4 is missing"),
        ("pattern: {heads: {0-2: dense, 2-3: dense}}\n", "heads: head 2 is given twice"),
        ("pattern: {heads: {0-4: dense}}\n", "heads: head 4 beyond the last, 3"),
        ("pattern: {heads: {3-0: dense}}\n", "3-0 is an empty range; write 0-3"),
        ("pattern: {heads: {all: dense}}\n", "'all' is no range; write 3 or 0-15"),
        ("pattern: {heads: {0-3: streaming(4, 9)}}\n", "into quotes"),
        ("layers: 3\npattern: {layers: {0: dense, 2: dense}}\n", "layers: layer 1 of 3 is missing"),
        ("layers: 2\npattern: {layers: {0-2: dense}}\n", "layers: layer 2 beyond the last, 1"),
        ("pattern: strem\n", "a:5: pattern: 'strem': unknown pattern 'strem'; did you mean"),
        ("gates: [[0.5, x]]\n", "a:5: gates: 'x' is no number"),
        ("gates: g.txt\n", "is no file of gates; use .csv or .npy"),
        ("gates: g.csv\n", "No such file"),
        ("gates: g.npy\n", "No such file"),
        ("gates: 3\n", "is neither a table nor a file"),
        ("name: 4x\n", "'4x' is no legal attention name"),
    ],
)
def test_errors_say_where(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_attention(BASE + text, "a")
    assert says in str(caught.value)
    assert str(caught.value).startswith("a")


def test_wrong_sources(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'llama3_8b_duo'"):
        load_attention("llama3_8b_du")
    with pytest.raises(InputError, match="there is no such file"):
        load_attention(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="needs tokens, or queries and keys"):
        parse_attention("heads: 4\n")
    (tmp_path / "g.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="is no NumPy array"):
        parse_attention(BASE + "gates: g.npy\n", folder=tmp_path)
    np.save(tmp_path / "g.npy", np.arange(3.0))
    with pytest.raises(InputError, match="is no table"):
        parse_attention(BASE + "gates: g.npy\n", folder=tmp_path)


PLACED = [
    ("array:\n  rows: 9\n", ":5: array: rows: 9 is no power of two"),
    ("array:\n  arrays: 2\n  rows: x\n", ":6: array: rows: 'x' is no natural number"),
    ("array: {row: 8}\n", ":4: array: row: unknown key 'row'; did you mean 'rows'?"),
    ("array:\n  rows: 8\n  query_tiles: 77\n", ":6: array: query_tiles: 77 is no integer"),
    ("kv_heads: 1\narray: {arrays: 2}\n", ":5: array: rows: 32 heads share keys"),
    ("kv_heads: 1\n", ":1: array: rows: 32 heads share keys"),
    ("formats:\n  q: int8\n  k: int99\n", ":6: formats: k: unknown format 'int99'"),
    ("formats:\n  q: int8\n  k: fp32\n", ":6: formats: k: attention takes no fp32"),
    ("formats:\n  q: int8\n  w: int8\n", ":6: formats: unknown tensor 'w'"),
]


@pytest.mark.parametrize(("text", "says"), PLACED)
def test_errors_of_the_array_and_of_formats_are_at_their_line(
    text: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"tokens: 64\nheads: 32\nhead_dim: 16\n{text}", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_attention(file).core()
    assert str(caught.value).startswith(f"{file}{says}")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pattern: {heads: {0-2: dense}}", r"^test:2: pattern: heads: head 3 of 4 is missing"),
        (
            "pattern: {layers: {0: dense, 1: {heads: {0-2: dense}}}}",
            r"^test:2: pattern: layers 1: heads: head 3 of 4 is missing",
        ),
        (
            "pattern: dense\nformats: {q: int8}\narray:\n  element_bits: 4",
            r"^test:5: formats: q: .*use element_bits: 8",
        ),
    ],
)
def test_what_does_not_fit_together_is_at_its_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_attention(f"tokens: 64\n{text}\nheads: 4\n", "test").core()


def test_a_pattern_that_does_not_apply_is_at_its_line() -> None:
    description = parse_attention("tokens: 64\nheads: 4\npattern: duo\n", "test")
    with pytest.raises(InputError, match=r"^test:3: duo: needs gates"):
        description.masks()
