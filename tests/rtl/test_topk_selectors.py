"""Both top-k selectors against a brute force, whatever pauses, and their exact cycles."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accelgen.attention.accelerator.datapath.topk import SelectorShape, selector_cycles
from accelgen.errors import InputError
from accelgen.rtl.attention.insertion import InsertionSelector
from accelgen.rtl.attention.radix import RadixSelector
from accelgen.rtl.attention.selector import make_selector
from accelgen.rtl.library import UnitLibrary
from tests.rtl.topk_bench import ScoreSet, brute_force, drive, random_set
from tests.tiers import examples

SHAPES = {
    "insertion": SelectorShape(64, 16),
    "insertion, k 1": SelectorShape(20, 1, 5),
    "insertion, k 3, 4 wide": SelectorShape(50, 3, 8, 4),
    "insertion, k 12, 16 wide": SelectorShape(100, 12, 16, 16),
    "radix": SelectorShape(128, 64, 16, 16),
    "radix, 1 wide": SelectorShape(70, 17, 16, 1),
    "radix, 4 wide, 10 bits": SelectorShape(90, 33, 10, 4),
    "radix, 4 bits": SelectorShape(40, 20, 4, 8),
}
PAUSES = st.lists(st.booleans(), max_size=7).map(lambda p: [*p, False])


def plain(k: int, scores: list[int], **marks: list[int]) -> ScoreSet:
    """Scores of which those in ``forced`` and ``never`` are marked."""
    bits = {
        name: [i in marks.get(name, []) for i in range(len(scores))] for name in ("forced", "never")
    }
    return ScoreSet(k, scores, **bits)


@pytest.mark.parametrize("name", SHAPES)
def test_random_sets_without_pauses_take_the_cycles_they_should(name: str) -> None:
    shape = SHAPES[name]
    rng = random.Random(name)
    sets = [random_set(rng, shape) for _ in range(25)]
    run = drive(shape, sets, apart=True)
    assert run.selected == [brute_force(s) for s in sets]
    cycles = [end - start + 1 for start, end in zip(run.offered, run.last_out, strict=True)]
    assert cycles == [
        selector_cycles(shape, len(s.scores), len(found), found[-1] if found else None)
        for s, found in zip(sets, run.selected, strict=True)
    ]


@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=examples(8, 60), deadline=None)
@given(seed=st.integers(0, 1 << 30), pauses_in=PAUSES, pauses_out=PAUSES)
# An empty selection waits while the next set comes in.
@example(seed=2899, pauses_in=[False], pauses_out=[False, True, False])
def test_sets_behind_each_other_with_pauses(
    name: str, seed: int, pauses_in: list[bool], pauses_out: list[bool]
) -> None:
    shape = SHAPES[name]
    rng = random.Random(seed)
    sets = [random_set(rng, shape) for _ in range(rng.randint(2, 7))]
    run = drive(shape, sets, pauses_in=pauses_in, pauses_out=pauses_out)
    assert run.selected == [brute_force(s) for s in sets]


@pytest.mark.parametrize("name", ["insertion", "radix"])
def test_corners(name: str) -> None:
    shape = SHAPES[name]
    low, high = -32768, 32767
    n = shape.max_scores
    k = shape.max_k
    cases = [
        (plain(1, [low]), [0]),
        (plain(k, [low]), [0]),
        (plain(1, [high], never=[0]), []),
        (plain(1, [high], never=[0], forced=[0]), []),
        (plain(0, [high, 3], forced=[1]), []),
        (plain(2, [5, 7, 7, 7]), [1, 2]),
        (plain(2, [high, high, low], forced=[2]), [0, 2]),
        # More forced ones than k: the first of them, whatever their scores are.
        (plain(2, [1, 2, 3, 4, 5], forced=[1, 2, 4]), [1, 2]),
        (plain(2, [1, 2, 3, 4, 5], forced=[1, 2, 4], never=[1]), [2, 4]),
        (plain(3, [low] * n), [0, 1, 2]),
        (plain(k, [high] * n), list(range(k))),
        (plain(k, list(range(n))), list(range(n - k, n))),
        (plain(k, list(range(n, 0, -1))), list(range(k))),
        (plain(k, [0] * n, never=list(range(n - 1))), [n - 1]),
        (plain(k, [-1] * n, never=list(range(n))), []),
    ]
    run = drive(shape, [case for case, _ in cases])
    assert run.selected == [expected for _, expected in cases]


@pytest.mark.parametrize(("k", "waits"), [(16, 1), (15, 1), (9, 1), (8, 0), (3, 0)])
def test_an_insertion_selector_takes_sets_without_a_gap(k: int, waits: int) -> None:
    rng = random.Random(1)
    sets = [plain(k, [rng.randrange(99) for _ in range(n)]) for n in (64, 40, 64, 19)]
    run = drive(SHAPES["insertion"], sets)
    assert run.selected == [brute_force(s) for s in sets]
    periods = [b - a for a, b in zip(run.last_in, run.last_in[1:], strict=False)]
    assert periods == [40 + waits, 64 + waits, 19 + waits]


def test_a_radix_selector_takes_a_set_while_the_last_row_leaves() -> None:
    shape = SHAPES["radix"]
    sets = [plain(16, list(range(128)))] * 2
    run = drive(shape, sets)
    assert run.first_in[1] == run.last_out[0] - 15


def test_a_set_waits_for_the_one_before_as_long_as_nothing_leaves() -> None:
    for name in ("insertion", "radix"):
        shape = SHAPES[name]
        rng = random.Random(3)
        sets = [random_set(rng, shape) for _ in range(4)]
        run = drive(shape, sets, pauses_out=[True] * 200 + [False])
        assert run.selected == [brute_force(s) for s in sets]
        assert run.last_in[-1] > run.last_out[0] >= 200


@pytest.mark.parametrize(("n", "reference"), [(64, 80), (256, 128), (512, 192), (1024, 320)])
def test_radix_at_full_size(n: int, reference: int) -> None:
    shape = SelectorShape(1024, 64, 16, 16)
    rng = random.Random(n)
    given_set = replace(
        random_set(rng, shape, n),
        k=64,
        scores=[round(rng.gauss(0, 4000)) for _ in range(n)],
        never=[False] * n,
        forced=[i in (0, n - 1) for i in range(n)],
    )
    run = drive(shape, [given_set])
    assert run.selected == [brute_force(given_set)]
    select = 4 * (n // 16) + 16
    assert select <= reference
    assert run.last_out[0] + 1 == select + n // 16 + 64 == selector_cycles(shape, n, 64)


def test_the_kind_follows_k() -> None:
    library = UnitLibrary(simulate=True)
    few = make_selector(SelectorShape(32, 16), library)
    many = make_selector(SelectorShape(32, 17), library)
    for unit in (few, many):
        unit._MustUse__silence = True
    assert isinstance(few, InsertionSelector)
    assert isinstance(many, RadixSelector)
    assert (few.cycles(32, 16), few.cycles(3, 0)) == (48, 4)
    assert many.cycles(32, 17, 15) == many.cycles(32, 17) - 1
    with pytest.raises(InputError, match="max_k: is 17; use a RadixSelector above 16"):
        InsertionSelector(SelectorShape(32, 17))
