"""Weights from a PyTorch file, without PyTorch and without running what the file says.

A ``.pth`` is a pickle, which may name any function to be called.  Here it may name the handful that
files of weights consist of, each of which stands for a harmless object of accelgen's own; anything
else is refused.  Both layouts are read: the archive of PyTorch 1.6 and later (``data.pkl`` beside
raw storages), and the one before it (several pickles, then storages).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["read_weights"]

Array = NDArray[np.generic]

MAX_BYTES = 64 << 20
MAX_ELEMENTS = 16 << 20
"""Of a file, and of all its tensors: a predictor has a megabyte."""

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_NO_FILE = (
    AttributeError, EOFError, IndexError, KeyError, MemoryError, OverflowError, RecursionError,
    TypeError, UnicodeError, ValueError, pickle.UnpicklingError, struct.error, zipfile.BadZipFile,
    NotImplementedError, RuntimeError,
)  # fmt: skip


class _Kind(NamedTuple):
    """A type of storage: what its elements are."""

    dtype: str


class _Storage(NamedTuple):
    """So many elements, that tensors are views of."""

    key: str
    dtype: str
    elements: int


class _Tensor(NamedTuple):
    """A view: where it begins in its storage, its size and its strides, in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _View:
    """Stands for the function that makes a tensor from a storage."""

    __slots__ = ()

    def __call__(
        self, storage: object, offset: object, size: object, stride: object, *further: object
    ) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise ValueError("a tensor without a storage")
        return _Tensor(storage, _integers((offset,))[0], _integers(size), _integers(stride))


class _Same:
    """Stands for the function that makes a parameter of a tensor."""

    __slots__ = ()

    def __call__(self, data: object, *further: object) -> object:
        return data


_ALLOWED: Mapping[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _View(),
    ("torch._utils", "_rebuild_parameter"): _Same(),
    ("torch", "DoubleStorage"): _Kind("<f8"),
    ("torch", "FloatStorage"): _Kind("<f4"),
    ("torch", "HalfStorage"): _Kind("<f2"),
    ("torch", "LongStorage"): _Kind("<i8"),
    ("torch", "IntStorage"): _Kind("<i4"),
}
"""A pickle can also set attributes of what it makes: none of these, and of what they make, but the
dictionary has any, and none says how to set its state (as slots of a dataclass would).
"""


_REMEMBERS = ("PUT", "LONG_BINPUT")
"""Codes of a pickle that say at which place of a list an object is remembered."""


class _Reader(pickle.Unpickler):
    """Knows these names only, and remembers the storages."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}
        self._file = file

    def load(self) -> object:
        """The next pickle of the file.  A list as long as a damaged number says would take all
        memory: no place is beyond the bytes that there are.
        """
        begin, end = self._file.tell(), self._file.getbuffer().nbytes
        for code, argument, _ in pickletools.genops(self._file):
            if code.name in _REMEMBERS and int(argument or 0) >= end:
                raise ValueError("an object is remembered too far away")
        self._file.seek(begin)
        return super().load()

    def find_class(self, module: str, name: str) -> object:
        """What a name stands for; :class:`InputError` for any other."""
        if (module, name) not in _ALLOWED:
            raise InputError(
                f"it wants {shorten(f'{module}.{name}')} to be run",
                hint="nothing but weights is read: save the state_dict of the model alone",
            )
        return _ALLOWED[module, name]

    def persistent_load(self, pid: object) -> _Storage:
        """The storage that a persistent name stands for."""
        if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise ValueError("no storage")
        _, kind, key, _, count = pid[:5]
        if not isinstance(kind, _Kind) or not isinstance(key, str):
            raise ValueError("no storage")
        if len(pid) > 5 and pid[5] is not None:
            raise ValueError("a view of a storage")
        storage = _Storage(key, kind.dtype, _integers((count,))[0])
        return self.storages.setdefault(key, storage)


def read_weights(path: str | Path) -> dict[str, Array]:
    """The tensors of a state dictionary by name, as arrays of their own.

    A dictionary with the key ``state_dict`` has it there.  Raises :class:`InputError` for a file
    that cannot be read, is larger than 64 MB, holds anything but weights, or wants code to be run.
    """
    where = str(path)
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            raise InputError(f"{size} bytes", where=where, hint=f"at most {MAX_BYTES} are read")
        data = Path(path).read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(reason, where=where, hint="give the path of a .pth file") from None
    try:
        found, storages = _archive(data) if zipfile.is_zipfile(io.BytesIO(data)) else _legacy(data)
        return _tensors(found, storages)
    except InputError as error:
        error.where = f"{where}: {error.where}" if error.where else where
        raise
    except _NO_FILE as error:
        reason = shorten(str(error)) if str(error) else type(error).__name__
        raise InputError(
            f"no file of weights ({reason})",
            where=where,
            hint="give a .pth file that torch.save has written",
        ) from None


def _archive(data: bytes) -> tuple[object, dict[str, Array]]:
    """PyTorch 1.6 and later: a zip archive of one folder."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > 2 * MAX_BYTES:
            raise ValueError("too large when unpacked")
        names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(names) != 1:
            raise ValueError("no data.pkl")
        folder = names[0].removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("not in little-endian order")
        reader = _Reader(io.BytesIO(archive.read(names[0])))
        found = reader.load()
        return found, {
            key: _elements(storage, archive.read(f"{folder}data/{key}"))
            for key, storage in reader.storages.items()
        }


def _legacy(data: bytes) -> tuple[object, dict[str, Array]]:
    """Before: a magic number, a version, the system, the object, the order of the storages."""
    file = io.BytesIO(data)
    if _Reader(file).load() != _MAGIC or _Reader(file).load() != _PROTOCOL:
        raise ValueError("no magic number")
    system = _Reader(file).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("not in little-endian order")
    reader = _Reader(file)
    found = reader.load()
    keys = _Reader(file).load()
    if not isinstance(keys, list) or set(keys) != set(reader.storages):
        raise ValueError("other storages than tensors have")
    storages = {}
    for key in keys:
        storage = reader.storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.elements:
            raise ValueError("a storage of another size")
        storages[key] = _elements(storage, file.read(count * np.dtype(storage.dtype).itemsize))
    return found, storages


def _elements(storage: _Storage, data: bytes) -> Array:
    if len(data) != storage.elements * np.dtype(storage.dtype).itemsize:
        raise ValueError("a storage of another size")
    return np.frombuffer(data, storage.dtype)


def _tensors(found: object, storages: Mapping[str, Array]) -> dict[str, Array]:
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict):
        raise ValueError("no dictionary of tensors")
    views = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            raise ValueError(f"{name!r} is no tensor")
        views[name] = value
    # Views of one storage may be many, and a stride of 0 makes much of little.
    if sum(prod(view.size) for view in views.values()) > MAX_ELEMENTS:
        raise ValueError("too many elements")
    return {name: _view(view, storages[view.storage.key]) for name, view in views.items()}


def _view(tensor: _Tensor, elements: Array) -> Array:
    """A copy of the part of a storage that a tensor is."""
    if len(tensor.size) != len(tensor.stride):
        raise ValueError("a tensor of another size")
    last = tensor.offset + sum(
        (n - 1) * step for n, step in zip(tensor.size, tensor.stride, strict=True)
    )
    if prod(tensor.size) and last >= len(elements):
        raise ValueError("a tensor beyond its storage")
    width = elements.dtype.itemsize
    # An empty one may begin anywhere.
    start = elements[min(tensor.offset, len(elements)) :]
    strides = tuple(step * width for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(start, tensor.size, strides).copy()


def _integers(values: object) -> tuple[int, ...]:
    """From 0 up."""
    if not isinstance(values, tuple):
        raise ValueError("no tuple of sizes")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
            raise ValueError("no size")
    return values
