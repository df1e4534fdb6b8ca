"""Writes ``.pth`` files as PyTorch does, opcode by opcode: protocol 2 pickles and raw storages."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


def text(value: str) -> bytes:
    raw = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    return pickle.BININT + struct.pack("<i", value)


def named(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def numbers(values: tuple[int, ...]) -> bytes:
    return pickle.MARK + b"".join(map(number, values)) + pickle.TUPLE


def called(function: bytes, *arguments: bytes) -> bytes:
    return function + pickle.MARK + b"".join(arguments) + pickle.TUPLE + pickle.REDUCE


def whole(body: bytes) -> bytes:
    return pickle.PROTO + b"\x02" + body + pickle.STOP


def storage(key: str, kind: str, count: int, *, old: bool = False) -> bytes:
    parts = [text("storage"), named("torch", kind), text(key), text("cpu"), number(count)]
    if old:
        parts.append(pickle.NONE)
    return pickle.MARK + b"".join(parts) + pickle.TUPLE + pickle.BINPERSID


def tensor(
    key: str,
    array: Array,
    *,
    offset: int = 0,
    size: tuple[int, ...] | None = None,
    stride: tuple[int, ...] | None = None,
    count: int | None = None,
    old: bool = False,
) -> bytes:
    """The call that makes a tensor of a storage; what differs from ``array`` is given."""
    strides = tuple(step // array.itemsize for step in array.strides)
    kind = STORAGES[array.dtype.str[1:]]
    elements = array.size if count is None else count
    return called(
        named("torch._utils", "_rebuild_tensor_v2"),
        storage(key, kind, elements, old=old),
        number(offset),
        numbers(array.shape if size is None else size),
        numbers(strides if stride is None else stride),
        pickle.NEWFALSE,
        called(named("collections", "OrderedDict")),
    )


def dictionary(items: Mapping[str, bytes]) -> bytes:
    """An ordered dictionary with ``_metadata``, as a module's ``state_dict`` is."""
    entries = b"".join(text(name) + value for name, value in items.items())
    state = pickle.EMPTY_DICT + text("_metadata") + pickle.EMPTY_DICT + pickle.SETITEM
    made = called(named("collections", "OrderedDict"))
    return made + pickle.MARK + entries + pickle.SETITEMS + state + pickle.BUILD


def archive(path: Path, body: bytes, storages: Mapping[str, bytes]) -> Path:
    """The layout since PyTorch 1.6."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("archive/data.pkl", whole(body))
        file.writestr("archive/byteorder", "little")
        for key, data in storages.items():
            file.writestr(f"archive/data/{key}", data)
        file.writestr("archive/version", "3\n")
    return path


def legacy(path: Path, body: bytes, arrays: Mapping[str, Array], *, little: bool = True) -> Path:
    """The layout before."""
    out = io.BytesIO()
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}
    for value in (MAGIC, 1001, system):
        pickle.dump(value, out, protocol=2)
    out.write(whole(body))
    pickle.dump(list(arrays), out, protocol=2)
    for array in arrays.values():
        out.write(struct.pack("<q", array.size) + array.tobytes())
    path.write_bytes(out.getvalue())
    return path


def save(
    path: Path, weights: Mapping[str, Array], *, old: bool = False, nested: bool = False
) -> Path:
    """Weights by name, as ``torch.save(module.state_dict(), path)``."""
    keys = {name: str(number) for number, name in enumerate(weights)}
    body = dictionary({name: tensor(keys[name], w, old=old) for name, w in weights.items()})
    if nested:
        body = pickle.EMPTY_DICT + text("state_dict") + body + pickle.SETITEM
    if old:
        return legacy(path, body, {keys[name]: w for name, w in weights.items()})
    return archive(path, body, {keys[name]: w.tobytes() for name, w in weights.items()})
