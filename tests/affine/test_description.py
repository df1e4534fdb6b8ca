from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from accelgen.affine import Dataflow, Description, Workload, load_description, parse_description
from accelgen.errors import InputError
from tests.affine.strategies import descriptions

TEXT = """\
# An idea.
#
#   From a paper.
name: gemm
expression: Y[m,n] += A[m,k] * B[k,n]
bounds: {m: 32, n: 32, k: 32}
types: {A: int8, B: uint4}
space: {i: 8, j: 4}
time: [m1, n1, k: 32]
map: {m: size(i)*m1 + i, n: size(j)*n1 + j}
skew: {i: 1}
chain: {Y: j, A: none}
"""


@given(descriptions())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_print_then_parse_gives_the_same_value(description: Description) -> None:
    assert parse_description(str(description)) == description


def test_the_text_means_what_it_says() -> None:
    expected = Description(
        "gemm",
        Workload(
            "Y[m,n] += A[m,k] * B[k,n]", {"m": 32, "n": 32, "k": 32}, {"A": "int8", "B": "uint4"}
        ),
        Dataflow(
            {"i": 8, "j": 4},
            ["m1", "n1", {"k": 32}],
            {"m": "size(i)*m1 + i", "n": "size(j)*n1 + j"},
            {"i": 1},
            {"Y": "j", "A": None},
        ),
        "An idea.\n\n  From a paper.",
    )
    assert parse_description(TEXT) == expected
    assert str(expected) == TEXT
    assert hash(parse_description(TEXT)) == hash(expected)


def test_the_name_defaults_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my-gemm.yaml"
    path.write_text(
        TEXT.replace("name: gemm\n", "types:\n")
        .replace("types: {A", "skew: {i: 1}\n#")
        .replace("skew: {i: 1}\nchain", "chain")
    )
    assert load_description(path).name == "my_gemm"
    assert load_description(str(path)).workload.types == {}


def test_overrides_keep_the_rest_and_stay_legal() -> None:
    old = parse_description(TEXT.replace("k: 32]", "k]"))
    new = old.with_overrides(
        bounds={"m": 30, "k": 7}, space={"i": 16}, types={"A": "int4"}, skew="systolic"
    )
    assert new.workload.bounds == {"m": 30, "n": 32, "k": 7}
    assert new.workload.types == {"A": "int4", "B": "uint4"}
    assert new.dataflow.skews == (1, 1)
    assert new.lower().time_extents == (2, 8, 7)
    assert new.with_overrides(time={"n1": 9}).lower().time_extents == (2, 9, 7)
    assert new.with_overrides(skew={"i": 3}).dataflow.skews == (3, 1)
    assert old.with_overrides() == old


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bounds": {"mm": 3}}, "bounds: unknown loop 'mm'; did you mean 'm'"),
        ({"space": {"jj": 3}}, "space: unknown axis 'jj'; did you mean 'j'"),
        ({"types": {"a": "int8"}}, "types: unknown tensor 'a'; did you mean 'A'"),
        ({"types": {"A": "int99"}}, "types: A: "),
        ({"time": {"m2": 3}}, "time: unknown time loop 'm2'; did you mean 'm1'"),
        ({"skew": {"q": 1}}, "skew: unknown axis 'q'"),
        ({"bounds": {"m": -1}}, "bounds: m: -1 is outside"),
    ],
)
def test_wrong_overrides_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_description(TEXT).with_overrides(**change)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("skew:", "skw:", "^x.yaml:11: unknown key 'skw'; did you mean 'skew'"),
        ("name: gemm", "name: 1x", "^x.yaml:4: name: '1x' is no legal kernel name"),
        ("m: 32", "m: -2", "^x.yaml:6: bounds: m: -2 is outside"),
        ("m: 32", "m: 3.5", "^x.yaml:6: bounds: m: '3.5' is no integer"),
        ("+=", "=", "^x.yaml:5: expression: '=' assigns once"),
        ("int8", "int99", "^x.yaml:7: types: A: "),
        ("i: 8", "i: 0", "^x.yaml:8: space: i: 0 is outside"),
        ("[m1", "[i", "^x.yaml:9: time: i is both"),
        ("size(i)*m1", "i*m1", "^x.yaml:10: map: m: "),
        ("size(i)", "size(y)", "^x.yaml:10: map: unknown loop or axis in size"),
        ("Y: j", "Q: j", "^x.yaml:12: chain: unknown tensor 'Q'"),
        ("time: [m1, n1, k: 32]\n", "", "^x.yaml: the key 'time' is missing"),
        ("{m: 32, n: 32, k: 32}", "7", "^x.yaml:6: bounds: a mapping expected"),
        ("[m1, n1, k: 32]", "k", "^x.yaml:9: time: a list expected"),
        ("[m1, n1, k: 32]", "[m1, [n1], k]", "^x.yaml:9: time: .* is no legal time loop name"),
        ("{i: 1}", "[1]", "^x.yaml:11: skew: a mapping expected"),
        ("name: gemm", "name: gemm\nname: gemm", "^x.yaml:5: key 'name' appears twice"),
        ("name: gemm", "name: &a gemm", "^x.yaml:4: anchors and aliases"),
        ("name: gemm", "name: *a", "^x.yaml:4: anchors and aliases"),
        ("name: gemm", "name: !!str gemm", "^x.yaml:4: tag .* is not allowed"),
        (TEXT, "", "^x.yaml: is empty"),
        (TEXT, "a", "^x.yaml:1: a mapping expected"),
        (TEXT, "a: [1", "^x.yaml:1: is not YAML"),
        (TEXT, "a: \x00", "^x.yaml: is not YAML"),
        (TEXT, "{[a]: 1}", "^x.yaml:1: a key must be a name"),
        (TEXT, TEXT + "---\n" + TEXT, "^x.yaml: more than one document"),
        (TEXT, "!!python/object/apply:os.system [ls]", "tag .* is not allowed"),
    ],
)
def test_errors_say_where_and_what(old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError, match=message) as caught:
        parse_description(TEXT.replace(old, new, 1), "x.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000_000,
        "[" * 200_000,
        "- " * 100_000,
        "{a: " * 60_000,
        "? " * 100_000,
        "a: &a [x]\n" + "".join(f"b{n}: [{', '.join(['*a'] * 9)}]\n" for n in range(9)),
        "expression: '" + "(" * 200_000 + "'\nbounds: {}\nspace: {}\ntime: []",
        "'" * 250_000,
    ],
    ids=["10MB", "flow", "block", "maps", "keys", "bomb", "expression", "quotes"],
)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        parse_description(text)
    assert time.monotonic() - start < 5
    assert len(str(caught.value)) < 300


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"[" * 10_000_000)
    with pytest.raises(InputError, match=r"big.yaml: a description longer than 262144 bytes"):
        load_description(path)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match="is not UTF-8"):
        load_description(path)
    with pytest.raises(InputError, match="directory"):
        load_description(tmp_path)
    with pytest.raises(InputError, match="there is no such file"):
        load_description(tmp_path / "absent.yaml")
    with pytest.raises(InputError, match="did you mean 'gemm_os_systolic'"):
        load_description("gemm_os_sistolic")
