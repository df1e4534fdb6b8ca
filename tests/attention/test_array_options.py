"""The section ``array`` of a description, and the core that follows."""

from __future__ import annotations

import pytest

from accelgen.attention.array_options import ArrayOptions
from accelgen.attention.load import list_attention, load_attention, parse_attention
from accelgen.errors import InputError

BASE = "tokens: 64\nheads: 4\nkv_heads: 2\nhead_dim: 32\n"


@pytest.mark.parametrize("name", list_attention())
def test_every_shipped_description_has_a_core(name: str) -> None:
    description = load_attention(name)
    core = description.core()
    n = core.numerics
    assert n.max_keys >= description.shape.keys
    assert core.group == description.shape.group
    # Keys come in as fast as they are used, or a beat is as wide as the array.
    beats = n.rows * n.head_dim // core.keys_per_beat
    assert beats <= core.query_tiles * (n.head_dim + n.value_dim) or core.keys_per_beat == n.rows


def test_defaults_follow_from_formats() -> None:
    core = parse_attention(BASE + "formats: {q: bf16, k: nvfp4, v: if4}").core()
    assert core.numerics.rows == 16
    assert core.numerics.element_bits == 14
    assert core.numerics.max_keys == 4096
    assert (core.key_bits, core.keys_per_beat, core.query_bits, core.output_bits) == (
        64,
        16,
        64,
        64,
    )
    fast = parse_attention(BASE + "array: {rows: 32}").core()
    assert fast.key_bits == 128
    assert parse_attention(BASE + "array: {rows: 32, query_tiles: 2}").core().key_bits == 64
    narrow = parse_attention(BASE + "formats: {k: nvfp4, v: nvfp4}\narray: {rows: 8}").core()
    assert narrow.key_bits == 32
    twelve = parse_attention(BASE + "formats: {k: int12, v: int12}").core()
    assert twelve.keys_per_beat in (1, 2, 4, 8, 16)


def test_given_options_are_kept_and_printed() -> None:
    text = BASE + "array: {rows: 8, key_bits: 32, segments: 8, arrays: 3}\n"
    found = parse_attention(text)
    assert found.array == ArrayOptions(rows=8, key_bits=32, segments=8, arrays=3)
    assert parse_attention(str(found)) == found
    core = found.core()
    assert (core.key_bits, core.numerics.segments, core.arrays) == (32, 8, 3)
    assert "array" not in str(parse_attention(BASE))


@pytest.mark.parametrize(
    ("text", "blocks", "top"),
    [
        ("select_blocks: 64", 64, 16),
        ("select_blocks: 8", 8, 8),
        ("select_blocks: 64, select_top: 20", 64, 20),
        ("select_blocks: 2, select_top: 1", 2, 1),
    ],
)
def test_selectors(text: str, blocks: int, top: int) -> None:
    description = parse_attention(BASE + f"array: {{rows: 8, {text}}}\n")
    selector = description.core().selector
    assert selector is not None
    assert (selector.max_scores, selector.max_k) == (blocks, top)
    assert parse_attention(str(description)) == description


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("array: {row: 3}", ["x.yaml:5: array", "did you mean 'rows'"]),
        ("array: {rows: a}", ["x.yaml:5: array: rows", "natural number"]),
        ("array: 3", ["x.yaml:5", "mapping"]),
        ("array: {rows: 12}", ["array: rows: 12", "use 16"]),
        ("array: {key_bits: 100}", ["array: key_bits", "power of two"]),
        ("array: {output_fraction: 30}", ["output_fraction", "0..24", "section array"]),
        ("array: {select_blocks: 1}", ["x.yaml:5: array: select_blocks", "2..65536, or 0"]),
        ("array: {select_blocks: 65537}", ["array: select_blocks", "2..65536, or 0"]),
        ("array: {select_blocks: 8, select_top: 0}", ["x.yaml:5: array: select_top", "1 or more"]),
        ("array: {select_top: 0}", ["array: select_top", "leave out"]),
        ("array: {select_top: 16}", ["x.yaml:5: array: select_top", "say with select_blocks"]),
        ("formats: {k: fp32}", ["formats: k: attention takes no fp32", "use int8"]),
    ],
)
def test_wrong_options(more: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_attention(BASE + more, "x.yaml").core()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_more_heads_than_rows() -> None:
    with pytest.raises(InputError, match="use rows: 32"):
        parse_attention("tokens: 64\nheads: 20\nkv_heads: 1\nhead_dim: 16\n").core()


def test_an_array_for_fewer_keys_than_the_layer_has_is_refused() -> None:
    with pytest.raises(InputError, match="32 keys are fewer than the 64 of the layer"):
        parse_attention(BASE + "array: {max_keys: 32}").core()


def test_a_score_without_fraction_bits_is_refused() -> None:
    with pytest.raises(InputError, match="score_fraction"):
        parse_attention(BASE + "array: {score_fraction: 0}").core()
