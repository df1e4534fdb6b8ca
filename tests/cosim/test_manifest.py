"""Reading and writing the manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from accelgen.errors import InputError
from accelgen.manifest import Manifest
from tests.cosim.gemm_design import make_manifest


def test_round_trip_keeps_unknown_keys(tmp_path: Path) -> None:
    manifest = replace(make_manifest(), extra={"generator": {"version": "0.1"}, "notes": [1, 2]})
    manifest.write(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["manifest.json"]
    again = Manifest.read(tmp_path)
    assert again.to_json() == manifest.to_json()
    assert again.extra == manifest.extra
    assert again.streams == manifest.streams


def test_the_stable_part_has_the_documented_keys() -> None:
    data = make_manifest().to_json()
    assert list(data) == [
        "schema", "name", "top", "verilog", "expression", "bounds", "streams", "predicted", "ports",
    ]  # fmt: skip
    assert data["schema"] == 1
    assert data["streams"][0] == {  # type: ignore[index]
        "tensor": "A", "kind": "elements", "direction": "in", "prefix": "s_axis_a",
        "shape": [3, 5], "format": "int4", "element_bits": 4, "bus_bits": 16, "beats": 4,
    }  # fmt: skip


def _set(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        *way, last = path.split(".")
        node: Any = data
        for key in way:
            node = node[int(key) if key.isdigit() else key]
        node[last] = value

    return edit


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("schema", 2, "schema 2 is not 1"),
        ("top", "no name", "not a Verilog identifier"),
        ("top", 'x" -var "y', "not a Verilog identifier"),
        ("verilog", ["../secret.v"], "not a plain file name"),
        ("verilog", [], "no Verilog file"),
        ("bounds", [3], "bounds: is not an object"),
        ("predicted.total_cycles", -1, "-1 is not a natural number"),
        ("predicted.total_cycles", True, "True is not a natural number"),
        ("streams.0.beats", 5, "5 beats do not carry 15 elements, 4 to a beat"),
        ("streams.0.format", "float32", "unknown format"),
        ("streams.0.element_bits", 5, "not the width of int4"),
        ("streams.0.bus_bits", 3, "use a bus of at least 4 bits"),
        ("streams.0.direction", "up", "use in or out"),
        ("streams.0.direction", "out", "one input stream at least and one output"),
        ("streams.0.prefix", "s_axis_b", "same prefix"),
        ("streams.0.prefix", "a b", "not a Verilog identifier"),
        ("streams", {}, "streams: is not a list"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, path: str, value: object, says: str) -> None:
    data = json.loads(json.dumps(make_manifest().to_json()))
    _set(path, value)(data)
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(InputError) as caught:
        Manifest.read(tmp_path)
    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_text_that_is_no_json(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        Manifest.read(tmp_path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    data = make_manifest().to_json()
    del data["expression"]
    (tmp_path / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="key 'expression' is missing"):
        Manifest.read(tmp_path)
