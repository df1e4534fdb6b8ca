"""Networks in block formats on hardware with units for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from accelgen.affine import Workload
from accelgen.errors import InputError
from accelgen.hardware import load_hardware
from accelgen.names import FrozenMap
from accelgen.networks import Layer, Network
from accelgen.simulation import simulate

GEMM = "Y[m,n] += A[m,k] * W[k,n]"


def net(types: dict[str, str]) -> Network:
    return Network("net", (Layer("fc", Workload(GEMM, {"m": 64, "n": 64, "k": 256}, types)),))


def test_blocks_move_words_and_scales_and_outputs_as_they_are_stored() -> None:
    hardware = load_hardware("array16_256k")
    hardware = replace(hardware, mac_pj=FrozenMap({"nvfp4*nvfp4": 2.0, "int8*int8": 0.23}))
    (blocks,) = simulate(net({"A": "nvfp4", "W": "nvfp4"}), hardware, "energy").layers
    (words,) = simulate(net({}), hardware, "energy").layers
    # 16 elements of 4 bits and a scale of 8 bits in a block; results of 4.5 bits, stored in 5.
    moved = (64 * 16 + 16 * 64) * (64 + 8) + 64 * 64 * 5
    assert blocks.cost.energy_pj["dram"] == pytest.approx(20 * moved)
    assert words.cost.energy_pj["dram"] == pytest.approx(20 * (2 * 64 * 256 + 64 * 64) * 8)
    assert blocks.cost.energy_pj["mac"] == pytest.approx(2.0 * 64 * 64 * 16)
    # A unit takes a block in the time of an element.
    assert blocks.cost.compute_cycles == words.cost.compute_cycles // 16


def test_the_energy_of_any_format_is_not_that_of_a_block() -> None:
    with pytest.raises(InputError, match=r"net: fc: mac_pj: no units for nvfp4\*nvfp4"):
        simulate(net({"A": "nvfp4", "W": "nvfp4"}), load_hardware("array16_256k"))
