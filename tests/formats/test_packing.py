"""Codes as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.formats import pack_codes, unpack_codes


@given(st.integers(1, 32), st.data())
def test_packing_is_one_long_number(width: int, data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.integers(0, 2**width - 1), max_size=40))
    packed = pack_codes(np.array(codes, dtype=np.uint32), width)
    number = sum(code << (width * place) for place, code in enumerate(codes))
    assert packed.tobytes() == number.to_bytes(-(-width * len(codes) // 8), "little")
    assert unpack_codes(packed, width, len(codes)).tolist() == codes


@pytest.mark.parametrize("width", [3, 4, 6, 8])
def test_long_arrays(width: int) -> None:
    codes = np.random.default_rng(0).integers(0, 2**width, 200_003)
    packed = pack_codes(codes, width)
    assert np.array_equal(unpack_codes(packed, width, codes.size), codes)
    assert np.array_equal(pack_codes(codes[:1000], width), packed[: 1000 * width // 8])


def test_bad_input_is_an_error() -> None:
    with pytest.raises(InputError, match=r"16 is no code of 4 bits; codes are 0\.\.15"):
        pack_codes([16], 4)
    with pytest.raises(InputError, match=r"a width of 0 bits is outside 1\.\.32"):
        pack_codes([0], 0)
    with pytest.raises(InputError, match="give 2 bytes"):
        unpack_codes(np.zeros(3, dtype=np.uint8), 4, 3)
