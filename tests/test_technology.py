"""The delay and area tables: laws of the interpolation, the shipped files, and bad input."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.technology import GridTable, Technology, load_technology, parse_technology

NAMES = ("sg13g2", "asap7")
KINDS = {
    "add": 1,
    "and": 1,
    "compare": 1,
    "compare_constant": 1,
    "equal_constant": 1,
    "memory": 2,
    "mul": 2,
    "mux": 2,
    "regfile": 2,
    "register": 1,
}
TECHNOLOGIES = {name: load_technology(name) for name in NAMES}

SMALL: dict[str, Any] = {
    "schema": 1,
    "name": "small",
    "source": "made up",
    "default_period": 2.0,
    "clock_to_q": 0.1,
    "setup": 0.05,
    "memory_setup": 0.2,
    "register_area": 4.0,
    "primitives": {
        "add": {"axes": ["width"], "rows": [[1, 0.5, 1.0], [4, 0.4, 4.0], [16, 1.5, 16.0]]},
        "mul": {
            "axes": ["width", "width"],
            "symmetric": True,
            "rows": [[1, 1, 1.0, 1.0], [4, 1, 2.0, 4.0], [4, 4, 3.0, 16.0]],
        },
        "regfile": {"axes": ["depth", "width"], "rows": [[2, 1, 0.3, 9.0]]},
        "memory": {
            "fit": {
                "delay": {"constant": 1.0, "log2_depth": 0.25},
                "area": {"constant": 10.0, "bits": 2.0},
            }
        },
        "queue": {"same_as": "regfile"},
    },
}


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """SMALL with the item at ``path`` replaced."""
    data = copy.deepcopy(SMALL)
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


@pytest.mark.parametrize("name", NAMES)
def test_shipped_file_has_every_kind_and_names_its_source(name: str) -> None:
    technology = TECHNOLOGIES[name]
    assert technology.name == name
    assert technology.kinds == tuple(sorted(KINDS))
    for word in ("measure_technology.py", "Yosys", "OpenSTA", "corner", "Han-Carlson"):
        assert word in technology.source
    assert technology.derate == 1.0


@given(
    st.sampled_from(NAMES),
    st.sampled_from(sorted(KINDS)),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_delay_and_area_are_positive_and_monotone(
    name: str, kind: str, start: tuple[int, int], step: tuple[int, int]
) -> None:
    technology, axes = TECHNOLOGIES[name], KINDS[kind]
    narrow = start[:axes]
    wide = tuple(a + b for a, b in zip(narrow, step[:axes], strict=True))
    assert 0 < technology.delay(kind, *narrow) <= technology.delay(kind, *wide) * (1 + 1e-12)
    assert 0 < technology.area(kind, *narrow) <= technology.area(kind, *wide) * (1 + 1e-12)


@given(
    st.dictionaries(
        st.integers(1, 64), st.tuples(st.floats(0.01, 9), st.floats(0.01, 9)), min_size=1
    ),
    st.integers(1, 200),
    st.integers(1, 200),
)
def test_any_measurement_becomes_a_monotone_table_above_it(
    points: dict[int, tuple[float, float]], one: int, two: int
) -> None:
    table = GridTable.from_points("add", ("width",), {(w,): v for w, v in points.items()})
    for width, (delay, area) in points.items():
        assert table.delay(width) >= delay
        assert table.area(width) >= area * (1 - 1e-9)
    low, high = sorted((one, two))
    assert table.delay(low) <= table.delay(high) + 1e-9
    assert table.area(low) <= table.area(high) * (1 + 1e-9)


def test_interpolation_by_hand() -> None:
    small = parse_technology(SMALL)
    assert small.delay("add", 1) == small.delay("add", 4) == 0.5
    assert small.delay("add", 8) == pytest.approx(1.0)
    assert small.delay("add", 64) == pytest.approx(1.5 + 2 * (1.5 - 0.5) / 4)
    assert small.area("add", 8) == pytest.approx(8.0)
    assert small.area("add", 64) == pytest.approx(64.0)
    assert small.delay("mul", 1, 4) == small.delay("mul", 4, 1) == 2.0
    assert small.delay("mul", 2, 2) == pytest.approx((1 + 2 + 2 + 3) / 4)
    assert small.area("mul", 2, 3) == pytest.approx(6.0)
    assert small.delay("memory", 16, 8) == pytest.approx(2.0)
    assert small.area("memory", 16, 8) == pytest.approx(266.0)
    assert small.delay("queue", 2, 1) == small.delay("regfile", 2, 1) == 0.3
    assert small.delay("register", 8) == 0.1
    assert small.area("register", 8) == 32.0


@pytest.mark.parametrize("technology", TECHNOLOGIES.values(), ids=NAMES)
def test_orders_that_hold_in_any_library(technology: Technology) -> None:
    delay = technology.delay
    assert delay("mul", 8, 8) > delay("add", 16) > delay("mux", 16) > 0
    assert delay("mux", 8) == delay("mux", 8, 2) < delay("mux", 8, 16)
    assert delay("mul", 5, 9) == delay("mul", 9, 5)
    assert delay("compare", 16) > delay("equal_constant", 16)
    assert technology.area("mul", 16, 16) > 3 * technology.area("mul", 8, 8)
    read = delay("memory", 1024, 64)
    logic = technology.clock_to_q + max(delay("mul", 8, 8), delay("add", 32))
    needed = max(read, logic) + technology.setup
    assert needed <= technology.default_period <= 1.1 * needed


def test_derate_scales_tables_only() -> None:
    plain = TECHNOLOGIES["sg13g2"]
    slow = dataclasses.replace(plain, derate=1.5)
    assert slow.delay("add", 8) == pytest.approx(1.5 * plain.delay("add", 8))
    assert slow.delay("register", 8) == plain.clock_to_q
    assert slow.area("add", 8) == plain.area("add", 8)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown technology.*sg13g1.*sg13g2"):
        load_technology("sg13g1")
    with pytest.raises(InputError, match="unknown technology"):
        load_technology("../../pyproject")
    with pytest.raises(InputError, match=r"unknown primitive.*mull.*mul"):
        TECHNOLOGIES["sg13g2"].delay("mull", 8, 8)
    with pytest.raises(InputError, match="unknown primitive"):
        TECHNOLOGIES["sg13g2"].area("fifo", 8)


@pytest.mark.parametrize(
    ("kind", "widths"), [("add", ()), ("add", (8, 8)), ("mul", (8,)), ("register", (1, 2))]
)
def test_wrong_number_of_widths(kind: str, widths: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"{kind} takes"):
        TECHNOLOGIES["sg13g2"].delay(kind, *widths)
    with pytest.raises(InputError, match=f"{kind} takes"):
        TECHNOLOGIES["sg13g2"].area(kind, *widths)


def test_width_below_one() -> None:
    with pytest.raises(InputError, match="a width of 0 is below 1"):
        TECHNOLOGIES["sg13g2"].delay("add", 0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected a mapping"),
        ({k: v for k, v in SMALL.items() if k != "setup"}, "setup is missing"),
        (changed(("clock_to_g",), 1), "unknown field.*clock_to_g.*clock_to_q"),
        (changed(("schema",), 2), "schema 2"),
        (changed(("setup",), True), "setup: True is not a finite number"),
        (changed(("setup",), float("nan")), "not a finite number"),
        (changed(("derate",), 0), "derate: 0.0 is not positive"),
        (changed(("primitives",), []), "mapping of primitives"),
        (changed(("primitives", "add"), 3), "expected axes and rows"),
        (changed(("primitives", "add", "axes"), []), "one or two names"),
        (changed(("primitives", "add", "rows"), []), "measured points"),
        (changed(("primitives", "add", "rows", 1), [4, 0.4]), "add: row 2: expected 1 widths"),
        (changed(("primitives", "add", "rows", 1), [4.5, 0.4, 1]), "integers from 1 up"),
        (changed(("primitives", "add", "rows", 1), [4, -0.4, 1]), "-0.4 is not positive"),
        (changed(("primitives", "mul", "symmetric"), False), "full grid"),
        (changed(("primitives", "queue", "same_as"), "regfil"), "unknown primitive.*regfile"),
        (changed(("primitives", "memory", "fit"), {}), "a fit needs delay and area"),
        (changed(("primitives", "memory", "fit", "delay"), 1), "terms and their factors"),
        (changed(("primitives", "memory", "fit", "delay", "dept"), 1), "unknown term.*depth"),
        (changed(("primitives", "memory", "fit", "delay", "depth"), -1), "factors must be"),
    ],
)
def test_bad_documents(data: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_technology(data)
