"""Reading tensors from files, and refusing what is none."""

from __future__ import annotations

import contextlib
import json
import pickle
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accelgen.errors import InputError
from accelgen.formats import tensor_file
from accelgen.formats.tensor_file import read_tensor

VALUES = np.array([[1.0, -2.5, 3.0], [0.0, 65504.0, -0.125]])
KINDS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def entry(
    shape: list[object], end: object, kind: object = "F32", begin: object = 0
) -> dict[str, object]:
    return {"w": {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}}


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i4", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path: Path, dtype: str, order: str) -> None:
    values = np.array(np.abs(VALUES).clip(0, 200).astype(dtype), order=order)  # type: ignore[call-overload]
    np.save(tmp_path / "x.npy", values)
    found = read_tensor(tmp_path / "x.npy")
    assert found.dtype == np.float32
    assert np.array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_safetensors(tmp_path: Path, kind: str) -> None:
    first, second = VALUES.astype(KINDS[kind]), np.arange(5.0).astype(KINDS[kind])
    size = first.nbytes
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": kind, "shape": [2, 3], "data_offsets": [0, size]},
        "b": {"dtype": kind, "shape": [5], "data_offsets": [size, size + second.nbytes]},
    }
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors(header, first.tobytes() + second.tobytes()))
    assert np.array_equal(read_tensor(path, "a"), first.astype(np.float32))
    assert np.array_equal(read_tensor(path, "b"), second.astype(np.float32))
    with pytest.raises(InputError, match="holds 2 tensors; name one of them: a, b"):
        read_tensor(path)


def test_the_only_tensor_needs_no_name(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors(entry([3], 12), np.arange(3, dtype=np.float32).tobytes()))
    assert read_tensor(path).tolist() == [0, 1, 2]
    path.write_bytes(safetensors(entry([], 4), np.float32(7).tobytes()))
    assert read_tensor(path).shape == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "a header of 0 bytes in a file of 0"),
        (b"\xff" * 16, "in a file of 16"),
        (safetensors(b"not json"), "its header is no JSON"),
        (safetensors(b"[1, 2]"), "its header is no JSON object"),
        (safetensors(b"[" * 5000), "its header is no JSON"),
        (safetensors({}), "holds no tensor"),
        (safetensors({"w": 3}), "its entry in the header is no JSON object"),
        (safetensors(entry([3], 12, kind="I8")), "has elements of type 'I8'; known: F64"),
        (safetensors(entry([3], 12, kind=["F32"])), "has elements of type ['F32']"),
        (safetensors(entry([3], 12)), "needs 12 bytes, and has bytes 0 to 12 of 0 in the file"),
        (safetensors(entry([3], 8), b"0" * 12), "needs 12 bytes, and has bytes 0 to 8"),
        (safetensors(entry([-3], 12), b"0" * 12), "no lists of natural numbers"),
        (safetensors(entry([True], 4), b"0" * 12), "no lists of natural numbers"),
        (safetensors(entry([3.0], 12), b"0" * 12), "no lists of natural numbers"),
        (safetensors(entry([3], None), b"0" * 12), "no lists of natural numbers"),
        (safetensors(entry([1 << 40, 1 << 40], 12)), "elements, beyond 268435456"),
        (safetensors(entry([1] * 40, 4), b"0000"), "has 40 axes"),
    ],
)  # fmt: skip
def test_bad_safetensors(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_tensor(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(path))


class Trap:
    """What a pickled array could do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('executed')",))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"is no readable \.npy file"):
        read_tensor(path)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"is no readable \.npy file"):
        read_tensor(path)


def test_bad_npy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npy"
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x05\x00{'a' "):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"is no readable \.npy file"):
            read_tensor(path)
    np.save(path, np.ones(3) * 1j)
    with pytest.raises(InputError, match="elements of type complex128; save real numbers"):
        read_tensor(path)
    with path.open("wb") as file:
        np.savez(file, a=np.ones(3))
    with pytest.raises(InputError, match=r"is no \.npy file but an archive"):
        read_tensor(path)
    # A header that promises more than there is.
    np.save(path, np.ones(3))
    path.write_bytes(path.read_bytes().replace(b"(3,)", b"(3000000000,)")[: path.stat().st_size])
    with pytest.raises(InputError, match=r"is no readable \.npy file"):
        read_tensor(path)
    np.save(path, np.ones(3))
    with pytest.raises(InputError, match="leave out the name"):
        read_tensor(path, "w")
    monkeypatch.setattr(tensor_file, "MAX_ELEMENTS", 2)
    with pytest.raises(InputError, match="has 3 elements, beyond 2"):
        read_tensor(path)


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_tensor(tmp_path / "none.npy")
    (tmp_path / "x.pt").write_bytes(b"")
    with pytest.raises(InputError, match=r"is neither \.npy nor \.safetensors"):
        read_tensor(tmp_path / "x.pt")
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors(entry([1], 4), b"0000"))
    with pytest.raises(InputError, match="holds no tensor 'v'; known: w"):
        read_tensor(path, "v")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["x.npy", "x.safetensors"]), st.integers(0, 90))
def test_broken_files_are_input_errors(tmp_path: Path, noise: bytes, name: str, place: int) -> None:
    path = tmp_path / name
    if name == "x.npy":
        np.save(path, np.arange(4.0))
        whole = path.read_bytes()
    else:
        whole = safetensors(entry([2, 2], 16), np.arange(4, dtype=np.float32).tobytes())
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    # It is still a tensor, or the error of one that is none.
    with contextlib.suppress(InputError):
        assert read_tensor(path).dtype == np.float32
