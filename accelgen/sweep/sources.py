"""What the files hold that the points of a sweep name: read once, and part of every key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from accelgen.affine.yaml_text import read_text
from accelgen.cache import digest
from accelgen.content import content_path, list_content
from accelgen.errors import InputError
from accelgen.hardware import hardware_values, list_hardware
from accelgen.names import FrozenMap, unknown
from accelgen.networks import list_networks
from accelgen.sweep.fields import Value

__all__ = ["HardwareSource", "NetworkSource", "Sources", "network_source", "read_sources"]


@dataclass(frozen=True)
class NetworkSource:
    """A network's YAML ``text`` (``None``: the ONNX file ``path``), and the digest of it."""

    name: str
    path: str
    text: str | None
    digest: str


@dataclass(frozen=True)
class HardwareSource:
    """The plain values of a hardware file, and their digest."""

    name: str
    values: Mapping[str, Value]
    digest: str


@dataclass(frozen=True)
class Sources:
    """By name; ``common`` is the digest of all that hardware may refer to by name."""

    networks: Mapping[str, NetworkSource]
    hardware: Mapping[str, HardwareSource]
    common: str


def read_sources(points: Iterable[Mapping[str, Value]], folder: Path) -> Sources:
    """Read every network and hardware that a point names, from ``folder`` or as shipped.

    Raises :class:`InputError` for those that cannot be read.
    """
    networks: dict[str, NetworkSource] = {}
    hardware: dict[str, HardwareSource] = {}
    referred: set[str] = set()
    for point in points:
        network, machine = str(point["network"]), str(point["hardware"])
        if network not in networks:
            networks[network] = network_source(network, folder)
        if machine not in hardware:
            path = _located(machine, "hardware", folder, list_hardware())
            values: dict[str, Value] = {**hardware_values(path)}
            hardware[machine] = HardwareSource(machine, FrozenMap(values), digest([_text(values)]))
            referred |= _names(values)
        for field, value in point.items():
            if field in ("technology", "dataflows"):
                referred |= _names({field: value})
    return Sources(FrozenMap(networks), FrozenMap(hardware), _common(referred))


def network_source(source: str, folder: Path) -> NetworkSource:
    """The network ``source`` in ``folder`` or as shipped.  Raises :class:`InputError`."""
    path = _located(source, "networks", folder, list_networks())
    if path.suffix == ".onnx":
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(error.strerror or "cannot be read", where=str(path)) from error
        return NetworkSource(source, str(path), None, digest([data]))
    text = read_text(path)
    return NetworkSource(source, str(path), text, digest([path.stem, text]))


def _located(source: str, kind: str, folder: Path, shipped: tuple[str, ...]) -> Path:
    for path in (folder / source, Path(source)):
        if path.is_file():
            return path.resolve()
    if source in shipped:
        return content_path("mapping", f"{kind}/{source}.yaml")
    raise unknown(source, kind.removesuffix("s"), shipped)


def _names(values: Mapping[str, Value]) -> set[str]:
    """Names of technologies and dataflows."""
    found = [values.get("technology")]
    flows = values.get("dataflows")
    found += flows if isinstance(flows, list) else [flows]
    return {name for name in found if isinstance(name, str)}


def _common(referred: set[str]) -> str:
    """Digest of the shipped technologies and dataflows, and of files of the user's own."""
    shipped = [content_path("dataflows", name) for name in list_content("dataflows")]
    shipped += [
        content_path("mapping", name)
        for name in list_content("mapping")
        if name.startswith("technology/")
    ]
    own = [Path(name) for name in sorted(referred) if Path(name).is_file()]
    return digest(part for path in (*shipped, *own) for part in (path.name, path.read_bytes()))


def _text(values: Mapping[str, Value]) -> str:
    return json.dumps(values)
