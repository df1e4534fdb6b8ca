"""Law: unpacking what was packed gives it back, and every bit lies where the contract says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.cosim.packing import beat_count, pack, unpack
from accelgen.formats import IntFormat


@st.composite
def tensors(draw: st.DrawFn) -> tuple[IntFormat, int, list[int]]:
    number = IntFormat(draw(st.integers(1, 63)), draw(st.booleans()))
    bus = draw(st.integers(number.bits, 200))
    values = draw(st.lists(st.integers(number.min, number.max), min_size=1, max_size=40))
    return number, bus, values


@given(tensors())
def test_round_trip(tensor: tuple[IntFormat, int, list[int]]) -> None:
    number, bus, values = tensor
    beats = pack(np.array(values), number.bits, bus)
    assert beats.shape == (beat_count(len(values), number.bits, bus), -(-bus // 8))
    back, clean = unpack(beats, len(values), number, bus)
    assert back.tolist() == values
    assert clean


@given(tensors())
def test_every_bit_lies_where_the_contract_says(tensor: tuple[IntFormat, int, list[int]]) -> None:
    number, bus, values = tensor
    per_beat = bus // number.bits
    expected = [0] * -(-len(values) // per_beat)
    for position, value in enumerate(values):
        beat, lane = divmod(position, per_beat)
        expected[beat] |= (value % 2**number.bits) << (lane * number.bits)
    beats = pack(np.array(values), number.bits, bus)
    assert [int.from_bytes(row.tobytes(), "little") for row in beats] == expected


@given(tensors(), st.data())
def test_any_padding_bit_is_noticed(
    tensor: tuple[IntFormat, int, list[int]], data: st.DataObject
) -> None:
    number, bus, values = tensor
    per_beat = bus // number.bits
    beats = pack(np.array(values), number.bits, bus)
    padding = [
        (beat, bit)
        for beat in range(len(beats))
        for bit in range(bus)
        if beat * per_beat + bit // number.bits >= len(values) or bit >= per_beat * number.bits
    ]
    if not padding:
        return
    beat, bit = data.draw(st.sampled_from(padding))
    beats[beat, bit // 8] ^= 1 << bit % 8
    back, clean = unpack(beats, len(values), number, bus)
    assert back.tolist() == values
    assert not clean


@pytest.mark.parametrize("signed", [True, False])
def test_64_bits(signed: bool) -> None:
    number = IntFormat(64, signed)
    values = np.array([number.min, 1, -1 if signed else 5, 2**62], dtype=np.int64)
    back, clean = unpack(pack(values, 64, 64), 4, number, 64)
    assert back.tolist() == values.tolist()
    assert clean
