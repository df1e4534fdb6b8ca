"""Files of weights: those of PyTorch itself, those written here, and those that want to do harm."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accelgen.accuracy import torch_file
from accelgen.accuracy.torch_file import read_weights
from accelgen.errors import InputError
from tests.accuracy import pth

FILES = Path(__file__).parent / "files"
"""Written by PyTorch 2.14.1: a transposed part of twelve numbers, two more, and a parameter."""


@pytest.mark.parametrize("name", ["torch_2_14.pth", "torch_2_14_legacy.pth"])
def test_files_of_pytorch(name: str) -> None:
    found = read_weights(FILES / name)
    assert list(found) == ["a", "b", "c"]
    assert found["a"].tolist() == [[1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert found["a"].dtype == np.int64
    assert found["b"].tolist() == [0.5, -1.25]
    assert found["c"].shape == (2, 1)
    assert found["c"].dtype == np.float64


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_what_is_written_is_read(tmp_path: Path, old: bool, nested: bool) -> None:
    rng = np.random.default_rng(1)
    weights: dict[str, pth.Array] = {
        "0.weight": rng.standard_normal((5, 7)).astype(np.float32),
        "0.bias": rng.standard_normal(5),
        "count": np.array(12, dtype=np.int64),
        "half": np.array([1.5, -2], dtype=np.float16),
    }
    found = read_weights(pth.save(tmp_path / "w.pth", weights, old=old, nested=nested))
    assert list(found) == list(weights)
    for name, array in weights.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)
    # Copies: nothing that is written into one shows elsewhere.
    assert all(array.flags.writeable for array in found.values())


FOUR = np.arange(4, dtype=np.float32)


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read_weights(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("module", "name", "argument"),
    [
        ("os", "system", "touch {}"),
        ("posix", "system", "touch {}"),
        ("builtins", "eval", "open('{}', 'w')"),
        ("builtins", "getattr", "x"),
        ("torch", "load", "{}"),
        ("accelgen.accuracy.torch_file", "read_weights", "{}"),
        ("collections", "OrderedDict.fromkeys", "x"),
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_code_is_refused_and_not_run(
    tmp_path: Path, module: str, name: str, argument: str, old: bool
) -> None:
    touched = tmp_path / "touched"
    body = pth.called(pth.named(module, name), pth.text(argument.format(touched)))
    path = tmp_path / "evil.pth"
    path = pth.legacy(path, body, {}) if old else pth.archive(path, body, {})
    refused(path, f"it wants '{module}.{name}' to be run")
    assert not touched.exists()
    # The same file, read by pickle itself, would do it: the test is not an idle one.
    if module in ("os", "posix") and not old:
        assert pickle.loads(pth.whole(body)) == 0
        assert touched.exists()


def test_newer_ways_to_name_a_function_are_refused(tmp_path: Path) -> None:
    stacked = pth.text("os") + pth.text("system") + pickle.STACK_GLOBAL
    refused(pth.archive(tmp_path / "a.pth", pth.called(stacked, pth.text("true")), {}), "os.system")
    instance = pickle.MARK + pth.text("true") + pickle.INST + b"os\nsystem\n"
    refused(pth.archive(tmp_path / "b.pth", instance, {}), "os.system")
    extension = pickle.EXT1 + b"\x01"
    refused(pth.archive(tmp_path / "c.pth", extension, {}), "no file of weights")


@pytest.mark.parametrize(
    "made",
    [
        pth.named("torch", "FloatStorage"),
        pth.named("torch._utils", "_rebuild_tensor_v2"),
        pth.named("collections", "OrderedDict"),
        pth.storage("0", "FloatStorage", 4),
        pth.tensor("0", FOUR),
    ],
)
@pytest.mark.parametrize(
    "state",
    [
        pickle.EMPTY_DICT + pth.text("dtype") + pth.text("<f8") + pickle.SETITEM,
        pickle.NONE + pickle.EMPTY_DICT + pth.text("offset") + pth.number(9) + pickle.SETITEM
        + pickle.TUPLE2,
        pickle.EMPTY_LIST + pth.text("<f8") + pickle.APPEND,
    ],
)  # fmt: skip
def test_nothing_that_is_known_can_be_changed(tmp_path: Path, made: bytes, state: bytes) -> None:
    """Attributes that a pickle sets, which would last beyond it, or move a tensor."""
    body = pth.dictionary({"x": made + state + pickle.BUILD})
    refused(pth.archive(tmp_path / "w.pth", body, {"0": FOUR.tobytes()}), "no file of weights")
    good = pth.save(tmp_path / "good.pth", {"x": FOUR})
    assert read_weights(good)["x"].tolist() == FOUR.tolist()


@pytest.mark.parametrize(
    "body",
    [
        pth.tensor("0", FOUR, offset=1),
        pth.tensor("0", FOUR, offset=-1),
        pth.tensor("0", FOUR, size=(5,)),
        pth.tensor("0", FOUR, size=(-1,)),
        pth.tensor("0", FOUR, size=(2, 2)),
        pth.tensor("0", FOUR, stride=(2,)),
        pth.tensor("0", FOUR, stride=(-1,)),
        pth.tensor("0", FOUR, count=5),
        pth.tensor("0", FOUR, size=(2**15, 2**15), stride=(0, 0)),
        pth.tensor("1", FOUR),
        pth.storage("0", "FloatStorage", 4),
        pth.number(3),
    ],
)
def test_tensors_that_are_none(tmp_path: Path, body: bytes) -> None:
    path = pth.archive(tmp_path / "w.pth", pth.dictionary({"x": body}), {"0": FOUR.tobytes()})
    refused(path, "no file of weights")


def test_a_stride_of_0_is_allowed_where_it_is_small(tmp_path: Path) -> None:
    body = pth.dictionary({"x": pth.tensor("0", FOUR, size=(3, 2), stride=(0, 1))})
    found = read_weights(pth.archive(tmp_path / "w.pth", body, {"0": FOUR.tobytes()}))
    assert found["x"].tolist() == [[0, 1]] * 3


def test_many_large_views_are_refused(tmp_path: Path) -> None:
    large = pth.tensor("0", FOUR, size=(2**22,), stride=(0,))
    body = pth.dictionary({str(n): large for n in range(5)})
    refused(pth.archive(tmp_path / "w.pth", body, {"0": FOUR.tobytes()}), "too many elements")


def test_other_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(tmp_path / "none.pth", "No such file")
    path = tmp_path / "w.pth"
    path.write_bytes(b"")
    refused(path, "no file of weights")
    path.write_text("weights")
    refused(path, "no file of weights")
    pth.legacy(path, pth.dictionary({}), {}, little=False)
    refused(path, "not in little-endian order")
    refused(pth.archive(path, pickle.NONE, {}), "no dictionary of tensors")
    monkeypatch.setattr(torch_file, "MAX_BYTES", 10)
    refused(path, "at most 10 are read")


@pytest.mark.parametrize(
    "code", [pickle.LONG_BINPUT + (1 << 30).to_bytes(4, "little"), pickle.PUT + b"1073741824\n"]
)
@pytest.mark.parametrize("old", [False, True])
def test_places_beyond_the_file_take_no_memory(tmp_path: Path, code: bytes, old: bool) -> None:
    """One is enough for a list of sixteen gigabytes."""
    path = tmp_path / "w.pth"
    body = pth.dictionary({}) + code
    if old:
        pth.legacy(path, body, {})
    else:
        pth.archive(path, body, {})
    refused(path, "no file of weights")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever a byte becomes: an error of accelgen's, or weights of the same names' kind."""
    name = data.draw(st.sampled_from(["torch_2_14.pth", "torch_2_14_legacy.pth"]))
    raw = bytearray((FILES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "w.pth"
    path.write_bytes(
        raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    )
    try:
        found = read_weights(path)
    except InputError:
        return
    assert all(isinstance(array, np.ndarray) for array in found.values())
