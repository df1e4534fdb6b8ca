"""The simulation that judges mappings of both sides in benchmarks.compare_zigzag."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.referee import Loop, Nest, Tensor, cycles, room

TENSORS = {"A": ("m", "k"), "B": ("k", "n"), "Y": ("m", "n")}
SIZES = st.tuples(*[st.integers(1, 9)] * 3)
ORDERS = st.permutations(("m", "n", "k"))


def gemm(bounds: dict[str, int], tile: dict[str, int], order: tuple[str, ...]) -> Nest:
    loops = tuple(Loop(x, -(-bounds[x] // tile[x]), tile[x]) for x in order)
    tensors = tuple(Tensor(indices, tile, name == "Y") for name, indices in TENSORS.items())
    return Nest(bounds, loops, tile, dict.fromkeys(bounds, 1), tensors)


def test_one_tile_is_loaded_computed_stored() -> None:
    bounds = {"m": 3, "n": 5, "k": 7}
    nest = gemm(bounds, bounds, ("m", "n", "k"))
    assert cycles(nest, 2.0) == (21 + 35) / 2 + 105 + 15 / 2
    assert room(nest) == 21 + 35 + 15


def test_loads_and_stores_hide_behind_compute() -> None:
    # A is loaded once; of B and Y there are three tiles, each computed in 64 cycles.
    nest = gemm({"m": 4, "n": 12, "k": 4}, {"m": 4, "n": 4, "k": 4}, ("n", "m", "k"))
    assert cycles(nest, 1.0) == (16 + 16) + 3 * 64 + 16
    assert room(nest) == 16 + 2 * 16 + 2 * 16


def test_slow_memory_is_the_bound() -> None:
    # Three tiles of B, A, and of Y: everything that moves, one after the other.
    nest = gemm({"m": 4, "n": 12, "k": 4}, {"m": 4, "n": 4, "k": 4}, ("n", "m", "k"))
    moved = 16 + 3 * 16 + 3 * 16
    assert moved / 0.01 <= cycles(nest, 0.01) <= moved / 0.01 + 3 * 64


def test_a_tensor_may_hold_more_than_a_step() -> None:
    # As above with all of B held: the first step waits for more, the others for nothing.
    bounds, tile = {"m": 4, "n": 12, "k": 4}, {"m": 4, "n": 4, "k": 4}
    nest = gemm(bounds, tile, ("n", "m", "k"))
    tensors = (nest.tensors[0], Tensor(("k", "n"), bounds), nest.tensors[2])
    uneven = Nest(bounds, nest.loops, tile, nest.unrolled, tensors)
    assert cycles(uneven, 1.0) == (16 + 48) + 3 * 64 + 16


@given(SIZES, SIZES, ORDERS, st.sampled_from((0.1, 1.0, 10.0)))
def test_never_faster_than_compute_or_memory(
    sizes: tuple[int, ...], tiles: tuple[int, ...], order: tuple[str, ...], rate: float
) -> None:
    bounds = dict(zip("mnk", sizes, strict=True))
    tile = dict(zip("mnk", map(min, sizes, tiles), strict=True))
    nest = gemm(bounds, tile, order)
    m, n, k = sizes
    found = cycles(nest, rate)
    assert found > m * n * k
    assert found >= (m * k + k * n + m * n) / rate * (1 - 1e-9)
