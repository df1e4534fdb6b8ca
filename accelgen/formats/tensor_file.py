"""Tensors from .npy and .safetensors files, as FP32.

Files are data: nothing in them is executed, and no size is believed before it is compared with the
file's own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import TypeGuard

import numpy as np

from accelgen.errors import InputError
from accelgen.formats.policy import Float32s
from accelgen.names import nearest, shorten, within

__all__ = ["MAX_ELEMENTS", "read_tensor"]

MAX_ELEMENTS = 1 << 28
"""Most elements of a tensor: 1 GiB of FP32."""
MAX_HEADER = 1 << 24
"""Most bytes of the header of a .safetensors file."""
_MAX_AXES = 32
_BROKEN = (ValueError, TypeError, EOFError, SyntaxError, ArithmeticError, MemoryError, TokenError)
"""What NumPy raises for a broken header."""
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}


def read_tensor(path: Path, name: str | None = None) -> Float32s:
    """The tensor in a .npy file, or the one called ``name`` in a .safetensors file.

    ``name`` may be left out when there is only one.  Elements are real numbers of any size (in
    .safetensors: F64, F32, F16 or BF16), rounded to FP32.  Raises :class:`InputError`.
    """
    with within(str(path)):
        if not path.is_file():
            raise InputError("there is no such file")
        try:
            match path.suffix.lower():
                case ".npy":
                    return _read_npy(path, name)
                case ".safetensors":
                    return _read_safetensors(path, name)
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})") from error
        raise InputError("is neither .npy nor .safetensors", hint="convert it with numpy.save")


def _read_npy(path: Path, name: str | None) -> Float32s:
    if name is not None:
        raise InputError("a .npy file has one tensor, without a name", hint="leave out the name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # headers that Python 2 wrote
            # Mapped, so that the size in the header costs nothing until it has been checked.
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _BROKEN as error:
        reason = shorten(" ".join(str(error).split()), 120)
        raise InputError(f"is no readable .npy file: {reason}") from error
    if not isinstance(array, np.ndarray):
        raise InputError("is no .npy file but an archive", hint="save one array with numpy.save")
    if array.dtype.kind not in "fiub":
        raise InputError(f"has elements of type {array.dtype}", hint="save real numbers")
    _check_size(array.shape)
    return _single(array)


@dataclass(frozen=True)
class _Entry:
    """A tensor of a .safetensors file: where its bytes begin, counted from the file's start."""

    kind: str
    shape: tuple[int, ...]
    start: int


def _read_safetensors(path: Path, name: str | None) -> Float32s:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MAX_HEADER, size - 8):
            raise InputError(
                f"is no .safetensors file: a header of {length} bytes in a file of {size}"
            )
        entries = _entries(file.read(length))
        if not entries:
            raise InputError("holds no tensor")
        if name is None and len(entries) > 1:
            shown = ", ".join(sorted(entries)[:12])
            raise InputError(f"holds {len(entries)} tensors", hint=f"name one of them: {shown}")
        chosen = next(iter(entries)) if name is None else name
        if chosen not in entries:
            raise InputError(f"holds no tensor {shorten(chosen)}", hint=nearest(chosen, entries))
        with within(shorten(chosen)):
            entry = _entry(entries[chosen], 8 + length, size)
        file.seek(entry.start)
        data = file.read(prod(entry.shape) * _BYTES[entry.kind])
    if entry.kind == "BF16":
        words = np.frombuffer(data, dtype="<u2").astype(np.uint32) << np.uint32(16)
        return words.view(np.float32).reshape(entry.shape)
    array = np.frombuffer(data, dtype=f"<f{_BYTES[entry.kind]}")
    return _single(array.reshape(entry.shape))


def _entries(header: bytes) -> dict[str, object]:
    try:
        found = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise InputError("is no .safetensors file: its header is no JSON") from error
    if not isinstance(found, dict):
        raise InputError("is no .safetensors file: its header is no JSON object")
    return {key: value for key, value in found.items() if key != "__metadata__"}


def _entry(value: object, start: int, size: int) -> _Entry:
    if not isinstance(value, Mapping):
        raise InputError("its entry in the header is no JSON object")
    kind, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(kind, str) or kind not in _BYTES:
        raise InputError(
            f"has elements of type {shorten(kind)}", hint=f"known: {', '.join(_BYTES)}"
        )
    if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2:
        raise InputError("its shape or its offsets are no lists of natural numbers")
    _check_size(tuple(shape))
    begin, end = offsets
    needed = prod(shape) * _BYTES[kind]
    if end - begin != needed or start + end > size:
        raise InputError(
            f"needs {needed} bytes, and has bytes {begin} to {end} of {size - start} in the file"
        )
    return _Entry(kind, tuple(shape), start + begin)


def _naturals(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(x) is int and x >= 0 for x in value)


def _check_size(shape: tuple[int, ...]) -> None:
    if len(shape) > _MAX_AXES:
        raise InputError(f"has {len(shape)} axes, beyond {_MAX_AXES}")
    if prod(shape) > MAX_ELEMENTS:
        raise InputError(f"has {prod(shape)} elements, beyond {MAX_ELEMENTS}", hint="take a part")


def _single(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Float32s:
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.ascontiguousarray(array).astype(np.float32).reshape(array.shape)
