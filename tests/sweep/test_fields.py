"""Fields of hardware by dotted names."""

from __future__ import annotations

import copy

import pytest

from accelgen.errors import InputError
from accelgen.sweep.fields import Value, kind_of, replaced

VALUES: dict[str, Value] = {
    "name": "a",
    "array": {"i": 4, "j": 4},
    "mac_pj": "0.5",
    "registers": {
        "name": "file",
        "memories": [
            {"name": "w", "holds": ["weights"], "bytes": 2},
            {"name": "rest", "holds": ["inputs", "outputs"], "bytes": 4},
        ],
    },
    "levels": [
        {"name": "sram", "bytes": 1024, "pj_per_bit": 1},
        {"name": "dram", "pj_per_bit": 20, "links": {"weights": 8}},
    ],
}


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("array.i", ("array", "i")),
        ("clock_mhz", ("clock_mhz",)),
        ("mac_pj", ("mac_pj",)),
        ("levels.sram.bytes", ("levels", 0, "bytes")),
        ("levels.dram.bytes_per_cycle", ("levels", 1, "bytes_per_cycle")),
        ("levels.dram.links.outputs", ("levels", 1, "links", "outputs")),
        ("levels.sram.links.outputs", ("levels", 0, "links", "outputs")),
        ("registers.w.bytes", ("registers", "memories", 0, "bytes")),
        ("registers.weights.bytes", ("registers", "memories", 0, "bytes")),
        ("registers.memories.rest.bytes", ("registers", "memories", 1, "bytes")),
        ("registers.outputs.width", ("registers", "memories", 1, "width")),
    ],
)
def test_a_field_is_replaced_and_nothing_else(field: str, path: tuple[str | int, ...]) -> None:
    before = copy.deepcopy(VALUES)
    done: object = replaced(VALUES, field, 77)
    assert before == VALUES
    expected: object = copy.deepcopy(VALUES)
    at: object = expected
    for part in path[:-1]:
        if isinstance(at, dict):
            at = at.setdefault(str(part), {})
        elif isinstance(at, list):
            assert isinstance(part, int)
            at = at[part]
    assert isinstance(at, dict)
    at[path[-1]] = 77
    assert done == expected


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("array.k", "array.k: unknown axis 'k'; known: i, j"),
        ("levels.srma.bytes", "levels.srma.bytes: unknown entry 'srma'; did you mean 'sram'?"),
        ("registers.wieghts.bytes", "unknown entry 'wieghts'"),
        ("mac_pj.int8", "mac_pj.int8: 'mac_pj' has no fields"),
        ("levels.sram.bytes.x", "'bytes' has no fields"),
        ("registers.bytes", "registers.bytes: 'registers' has memories of its own; registers."),
    ],
)
def test_fields_that_are_not_there(field: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        replaced(VALUES, field, 1)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("network", "network"),
        ("hardware", "hardware"),
        ("minimise", "minimise"),
        ("uneven", "uneven"),
        ("formats.weights", "formats"),
        ("parameters.batch", "parameters"),
        ("array.i", "field"),
        ("formats", "field"),  # of the hardware: those that its units take
        ("clock_mhz", "field"),
    ],
)
def test_kinds(field: str, kind: str) -> None:
    assert kind_of(field) == kind


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("array..i", "'array..i' is no field"),
        ("", "'' is no field"),
        ("network.batch", "'network.batch' is no field"),
        ("formats.weight", "unknown tensor of formats 'weight'; did you mean 'weights'?"),
        ("parameters", "'parameters' is no field; write parameters.batch"),
        ("parameters.a.b", "is no field"),
    ],
)
def test_malformed_names(field: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        kind_of(field)
    assert message in str(caught.value)
