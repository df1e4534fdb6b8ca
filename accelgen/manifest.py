"""``manifest.json``: what a test bench or a driver needs to know of a generated design."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar, cast

from accelgen.affine.blocks import scale_name
from accelgen.affine.composed import WORD_BITS, is_composed
from accelgen.affine.multi import is_multi
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, Format, IntFormat, get_format, parse_format

__all__ = ["MANIFEST_SCHEMA", "Listing", "Manifest", "Ports", "Predicted", "StreamSpec",
           "read_manifest", "stream_json", "write_manifest"]  # fmt: skip

Parsed = TypeVar("Parsed")

MANIFEST_SCHEMA = 1
"""The schema this version reads and writes."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


@dataclass(frozen=True)
class StreamSpec:
    """One AXI4-Stream port group: ``<prefix>_t{data,valid,ready,last}``, one packet per tensor.

    Elements are packed from the least significant bit of ``tdata`` upwards, ``element_bits``
    each, ``per_beat`` to a beat, in row-major order of ``shape``.  ``lanes`` consecutive ones (the
    last dimension of a tensor in blocks) are a word, which lies in one beat.  Elements and
    ``scales`` of a block format are codes; so are floats.  With ``user_bits`` the port group has
    ``<prefix>_tuser``, which says the width of elements of ``int8/4/2`` (0, 1, 2: 2, 4, 8 bits).
    """

    tensor: str
    direction: Literal["in", "out"]
    prefix: str
    shape: tuple[int, ...]
    format: str
    element_bits: int
    bus_bits: int
    beats: int
    kind: Literal["elements", "scales"] = "elements"
    lanes: int = 1
    user_bits: int = 0

    @property
    def operand(self) -> str:
        """The name of what it carries: of the tensor, or of the tensor of its scales."""
        return scale_name(self.tensor) if self.kind == "scales" else self.tensor

    @property
    def elements(self) -> int:
        """Elements of one packet."""
        return prod(self.shape)

    @property
    def per_beat(self) -> int:
        """Elements in a full beat."""
        return self.bus_bits // (self.element_bits * self.lanes) * self.lanes

    @property
    def number(self) -> IntFormat:
        """The integers that an element is one of: its values, or its codes."""
        if is_composed(self.format):
            return IntFormat(WORD_BITS, signed=False)
        if is_multi(self.format):
            return IntFormat(8 if self.kind == "scales" else 4, signed=False)
        found = get_format(self.format) if not self.is_integer else None
        return IntFormat(self._width(found), signed=False) if found else parse_format(self.format)

    @property
    def is_integer(self) -> bool:
        """Whether elements are integers, not codes of another format."""
        return re.fullmatch("u?int[0-9]+", self.format) is not None

    def _width(self, form: Format) -> int:
        if isinstance(form, BlockFormat):
            return form.scale_bits if self.kind == "scales" else form.element_bits
        return form.width

    def check(self) -> None:
        """Raise :class:`InputError` when the fields contradict each other."""
        where = f"stream of {self.tensor}"
        if self.direction not in ("in", "out"):
            raise InputError(f"direction {self.direction!r}", where=where, hint="use in or out")
        if not _IDENTIFIER.fullmatch(self.prefix):
            raise InputError(f"prefix {self.prefix!r} is not a Verilog identifier", where=where)
        if any(n < 1 for n in self.shape):
            raise InputError(f"shape {list(self.shape)} has an empty dimension", where=where)
        if self.number.bits != self.element_bits:
            raise InputError(
                f"element_bits {self.element_bits} is not the width of {self.format}", where=where
            )
        if self.lanes < 1 or self.elements % self.lanes:
            raise InputError(f"{self.lanes} lanes of {self.elements} elements", where=where)
        if self.bus_bits < (bits := self.element_bits * self.lanes):
            raise InputError(
                f"an element of {bits} bits does not fit a bus of {self.bus_bits}",
                where=where,
                hint=f"use a bus of at least {bits} bits",
            )
        if self.beats != -(-self.elements // self.per_beat):
            raise InputError(
                f"{self.beats} beats do not carry {self.elements} elements, "
                f"{self.per_beat} to a beat",
                where=where,
            )


@dataclass(frozen=True)
class Predicted:
    """Cycles of one problem, as defined in the manifest's documentation."""

    compute_cycles: int
    total_cycles: int


@dataclass(frozen=True)
class Ports:
    """Names of the ports that are not streams; only block formats have ``bad_number``."""

    clock: str = "clk"
    reset: str = "rst"
    busy: str = "busy"
    error: str = "error"
    bad_number: str | None = None


@dataclass(frozen=True)
class Manifest:
    """The stable part of the manifest; ``extra`` keeps every other key as it was read."""

    name: str
    top: str
    verilog: tuple[str, ...]
    expression: str
    bounds: Mapping[str, int]
    streams: tuple[StreamSpec, ...]
    predicted: Predicted
    ports: Ports = Ports()
    extra: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def inputs(self) -> tuple[StreamSpec, ...]:
        """Input streams, in the order of the expression."""
        return tuple(s for s in self.streams if s.direction == "in")

    @property
    def output(self) -> StreamSpec:
        """The output stream."""
        return next(s for s in self.streams if s.direction == "out")

    def check(self) -> None:
        """Raise :class:`InputError` when the manifest is not usable."""
        for stream in self.streams:
            stream.check()
        if not self.inputs or len(self.inputs) + 1 != len(self.streams):
            raise InputError("a design needs one input stream at least and one output stream")
        if len({s.prefix for s in self.streams}) != len(self.streams):
            raise InputError("two streams have the same prefix")
        _check_files(self.verilog, self.top)

    def to_json(self) -> dict[str, object]:
        """The manifest as JSON values, the stable keys first."""
        stable: dict[str, object] = {
            "schema": MANIFEST_SCHEMA,
            "name": self.name,
            "top": self.top,
            "verilog": list(self.verilog),
            "expression": self.expression,
            "bounds": dict(self.bounds),
            "streams": [stream_json(s) for s in self.streams],
            "predicted": {
                "compute_cycles": self.predicted.compute_cycles,
                "total_cycles": self.predicted.total_cycles,
            },
            "ports": {
                "clock": self.ports.clock,
                "reset": self.ports.reset,
                "busy": self.ports.busy,
                "error": self.ports.error,
                **({"bad_number": self.ports.bad_number} if self.ports.bad_number else {}),
            },
        }
        return stable | {k: v for k, v in self.extra.items() if k not in stable}

    @classmethod
    def from_json(cls, data: object) -> Manifest:
        """Read JSON values; raise :class:`InputError` naming the first key that is wrong."""
        top = _mapping(data, "manifest")
        if (schema := top.get("schema")) != MANIFEST_SCHEMA:
            raise InputError(
                f"schema {schema!r} is not {MANIFEST_SCHEMA}", hint="generate the design again"
            )
        if "design" in top:
            # By their names: the modules that write them import this.
            kinds = {
                "processor": "a design whose bounds are registers",
                "attention": "an attention accelerator",
            }
            kind = kinds.get(str(top["design"]), "an arithmetic unit")
            raise InputError(f"is that of {kind}", hint="a kernel of fixed size is needed here")
        bounds = _mapping(_get(top, "bounds"), "bounds")
        predicted = _mapping(_get(top, "predicted"), "predicted")
        ports = _mapping(top.get("ports", {}), "ports")
        manifest = cls(
            name=_text(top, "name"),
            top=_text(top, "top"),
            verilog=tuple(_texts(top, "verilog")),
            expression=_text(top, "expression"),
            bounds=MappingProxyType({k: _number(bounds, k) for k in bounds}),
            streams=tuple(
                _stream(_mapping(s, "streams")) for s in _sequence(_get(top, "streams"), "streams")
            ),
            predicted=Predicted(
                _number(predicted, "compute_cycles"), _number(predicted, "total_cycles")
            ),
            ports=Ports(**{k: _text(ports, k) for k in _PORTS if k in ports}),
            extra=MappingProxyType({k: v for k, v in top.items() if k not in _STABLE}),
        )
        manifest.check()
        return manifest

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Read ``directory/manifest.json``; raise :class:`InputError` saying what is wrong."""
        return read_manifest(directory, cls.from_json)

    def write(self, directory: Path) -> Path:
        """Write ``directory/manifest.json`` whole or not at all; returns its path."""
        return write_manifest(directory, self.to_json())


@dataclass(frozen=True)
class Listing:
    """What the manifests of all designs have: Verilog files and the module at their top.

    ``design`` is ``kernel``, ``processor``, ``attention``, or the kind of an arithmetic unit.
    """

    name: str
    top: str
    verilog: tuple[str, ...]
    design: str

    @classmethod
    def from_json(cls, data: object) -> Listing:
        """Read JSON values; raise :class:`InputError` naming the first key that is wrong."""
        top = _mapping(data, "manifest")
        if (schema := top.get("schema")) != MANIFEST_SCHEMA:
            raise InputError(
                f"schema {schema!r} is not {MANIFEST_SCHEMA}", hint="generate the design again"
            )
        design = _text(top, "design") if "design" in top else "kernel"
        listing = cls(_text(top, "name"), _text(top, "top"), tuple(_texts(top, "verilog")), design)
        _check_files(listing.verilog, listing.top)
        return listing

    @classmethod
    def read(cls, directory: Path) -> Listing:
        """Read ``directory/manifest.json``; raise :class:`InputError` saying what is wrong."""
        return read_manifest(directory, cls.from_json)


def read_manifest(directory: Path, parse: Callable[[object], Parsed]) -> Parsed:
    """What ``parse`` makes of ``directory/manifest.json``.

    Raises :class:`InputError` when there is no such file, or ``parse`` raises one.
    """
    path = Path(directory) / "manifest.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = Path(directory).is_dir()
        raise InputError(
            "there is no manifest.json" if there else "there is no such folder",
            where=str(directory),
            hint="generate a design there" if there else "name one that generate wrote",
        ) from None
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from None
    try:
        return parse(data)
    except InputError as error:
        where = f"{path}: {error.where}" if error.where else str(path)
        raise InputError(error.message, where=where, hint=error.hint) from None


def write_manifest(directory: Path, values: Mapping[str, object]) -> Path:
    """Write ``directory/manifest.json`` whole or not at all; returns its path."""
    path = Path(directory) / "manifest.json"
    handle, name = tempfile.mkstemp(dir=directory, prefix=".manifest")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
            file.write("\n")
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def _check_files(verilog: Sequence[str], top: str) -> None:
    if not verilog:
        raise InputError("no Verilog file is listed")
    for file in verilog:
        if Path(file).name != file:
            raise InputError(f"Verilog file {file!r} is not a plain file name")
    if not _IDENTIFIER.fullmatch(top):
        raise InputError(f"top {top!r} is not a Verilog identifier")


_PORTS = ("clock", "reset", "busy", "error", "bad_number")
_STABLE = frozenset(
    ("schema", "name", "top", "verilog", "expression", "bounds", "streams", "predicted", "ports")
)


def stream_json(stream: StreamSpec) -> dict[str, object]:
    """A stream as JSON values."""
    return {
        "tensor": stream.tensor,
        "kind": stream.kind,
        "direction": stream.direction,
        "prefix": stream.prefix,
        "shape": list(stream.shape),
        "format": stream.format,
        "element_bits": stream.element_bits,
        "bus_bits": stream.bus_bits,
        "beats": stream.beats,
        **({"lanes": stream.lanes} if stream.lanes > 1 else {}),
        **({"user_bits": stream.user_bits} if stream.user_bits else {}),
    }


def _stream(data: Mapping[str, object]) -> StreamSpec:
    kind = data.get("kind", "elements")
    if kind not in ("elements", "scales"):
        raise InputError(f"kind {kind!r}", where="streams", hint="use elements or scales")
    direction = _text(data, "direction")
    if direction not in ("in", "out"):
        raise InputError(f"direction {direction!r}", where="streams", hint="use in or out")
    shape = _sequence(_get(data, "shape"), "shape")
    return StreamSpec(
        tensor=_text(data, "tensor"),
        direction=cast(Literal["in", "out"], direction),
        prefix=_text(data, "prefix"),
        shape=tuple(_integer(n, "shape") for n in shape),
        format=_text(data, "format"),
        element_bits=_number(data, "element_bits"),
        bus_bits=_number(data, "bus_bits"),
        beats=_number(data, "beats"),
        kind=kind,
        lanes=_number(data, "lanes") if "lanes" in data else 1,
        user_bits=_number(data, "user_bits") if "user_bits" in data else 0,
    )


def _get(data: Mapping[str, object], key: str) -> object:
    if key not in data:
        raise InputError(f"key {key!r} is missing")
    return data[key]


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise InputError("is not an object", where=where)
    return value


def _sequence(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, list):
        raise InputError("is not a list", where=where)
    return value


def _text(data: Mapping[str, object], key: str) -> str:
    value = _get(data, key)
    if not isinstance(value, str):
        raise InputError("is not text", where=key)
    return value


def _texts(data: Mapping[str, object], key: str) -> list[str]:
    values = _sequence(_get(data, key), key)
    if not all(isinstance(v, str) for v in values):
        raise InputError("is not a list of text", where=key)
    return cast(list[str], list(values))


def _integer(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InputError(f"{value!r} is not a natural number", where=where)
    return value


def _number(data: Mapping[str, object], key: str) -> int:
    return _integer(_get(data, key), key)
