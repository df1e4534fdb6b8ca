"""Networks from YAML: a builder with its parameters, an architecture of an elastic space, or a list
of layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelgen.affine.workload import Workload
from accelgen.affine.yaml_text import Node, at_line, parse_yaml, read_text
from accelgen.content import content_path, list_content
from accelgen.errors import InputError
from accelgen.names import shorten, unknown
from accelgen.networks.elastic_file import ELASTIC_KEYS, elastic_network
from accelgen.networks.families import build_network, check_parameters
from accelgen.networks.layer import Layer, VectorWork
from accelgen.networks.network import MAX_LAYERS, Network

__all__ = ["list_networks", "load_network", "parse_network"]

_FOLDER = "networks/"
_COMMON = ("name", "source", "formats")
_KINDS = {"builder": ("builder", "parameters"), "layers": ("layers",), "elastic": ELASTIC_KEYS}
_MATRIX = ("name", "expression", "bounds", "types", "repeats", "weights", "parameters", "tied")
_VECTOR = ("name", "operation", "elements", "repeats", "parameters")
_FORMATS = ("activations", "weights", "outputs", "fallback")

Parameters = Mapping[str, int | str]


def list_networks() -> tuple[str, ...]:
    """The names of the shipped networks, sorted."""
    files = (file for file in list_content("mapping") if file.startswith(_FOLDER))
    return tuple(Path(file).stem for file in files if file.endswith(".yaml"))


def load_network(source: str | Path, parameters: Parameters | None = None) -> Network:
    """Read a network: a shipped one by name (``resnet50``), a YAML file, or an ONNX file.

    ``parameters`` replace those of the builder (``{"tokens": 384}``) or of the elastic space, or
    give the symbolic dimensions of an ONNX file; a list of layers has none.  Raises
    :class:`InputError` at ``file:line`` when it cannot be read.
    """
    path = Path(source)
    if path.suffix == ".onnx":
        from accelgen.networks.onnx_file import read_onnx

        return read_onnx(path, parameters)
    is_name = path.suffix not in (".yaml", ".yml") and len(path.parts) == 1
    if is_name and not path.is_file():
        if str(source) not in list_networks():
            raise unknown(str(source), "network", list_networks())
        path = content_path("mapping", f"{_FOLDER}{source}.yaml")
    if not path.exists():
        raise InputError("there is no such file", where=str(path))
    name = path.stem.replace("-", "_")
    return parse_network(read_text(path), where=str(source), name=name, parameters=parameters)


def parse_network(
    text: str,
    where: str = "network",
    name: str | None = None,
    parameters: Parameters | None = None,
) -> Network:
    """Read a network from YAML text; ``name`` is used when the text gives none (when that is
    ``None``: the builder's name for it).

    Raises :class:`InputError` whose location is ``where:line``.
    """
    root = parse_yaml(text, where)
    nodes = _entries(root, where)
    kinds = [key for key in _KINDS if key in nodes]
    if len(kinds) != 1:
        raise InputError("give either a builder or layers, or an elastic space", where=where)
    kind = kinds[0]
    _known(nodes, (*_COMMON, *_KINDS[kind]), where)
    if kind == "builder":
        network = _built(nodes, where, parameters or {})
    elif kind == "elastic":
        network = elastic_network(nodes, where, parameters or {})
    elif parameters:
        raise InputError(
            f"no builder, so no parameter {shorten(next(iter(parameters)))}", where=where
        )
    else:
        network = _listed(nodes, where, name or "network")
    with at_line(nodes.get("name", root), where):
        label = _text(nodes, "name", name or network.name, where)
        comment = _text(nodes, "source", network.source, where)
        network = Network(label, network.layers, network.edges, comment)
    return _formatted(network, nodes, where)


def _built(nodes: dict[str, Node], where: str, replaced: Parameters) -> Network:
    given: dict[str, int | str] = {}
    if (node := nodes.get("parameters")) is not None and node.value is not None:
        for key, entry in _entries(node, where).items():
            if not isinstance(entry.value, int | str):
                raise InputError(f"{key} has no value", where=f"{where}:{entry.line}: parameters")
            given[key] = entry.value
    builder = nodes["builder"]
    with at_line(builder, where, "builder"):
        check_parameters(str(builder.value), {})
    with at_line(nodes.get("parameters", builder), where, "parameters"):
        check_parameters(str(builder.value), given)
    check_parameters(str(builder.value), replaced)
    with at_line(builder, where):
        return build_network(str(builder.value), {**given, **replaced})


def _listed(nodes: dict[str, Node], where: str, name: str) -> Network:
    node = nodes["layers"]
    if not isinstance(node.value, tuple) or not node.value:
        hint = "write layers: [{name: fc, expression: ..., bounds: {...}}]"
        raise InputError("a list of layers expected", where=f"{where}:{node.line}", hint=hint)
    if len(node.value) > MAX_LAYERS:
        raise InputError(f"more than {MAX_LAYERS} layers", where=f"{where}:{node.line}")
    layers: list[Layer | VectorWork] = []
    numbers: dict[str, int] = {}
    edges: list[tuple[int, int]] = []
    for number, entry in enumerate(node.value):
        with at_line(entry, where):
            keys = _entries(entry, where)
            layer = _layer(keys, where)
            layers.append(layer)
            edges.extend((before, number) for before in _after(keys, numbers, number, where))
            numbers.setdefault(layer.name, number)
    with at_line(node, where):
        return Network(name, tuple(layers), tuple(edges))


def _layer(keys: dict[str, Node], where: str) -> Layer | VectorWork:
    matrix = "expression" in keys
    if matrix == ("operation" in keys):
        raise InputError("give either an expression or an operation")
    _known(keys, (*(_MATRIX if matrix else _VECTOR), "after"), where)
    name = str(keys["name"].value) if "name" in keys else ""
    repeats, further = _integer(keys, "repeats", 1), _integer(keys, "parameters", 0)
    if not matrix:
        operation = str(keys["operation"].value)
        return VectorWork(name, operation, _integer(keys, "elements", 0), repeats, further)
    workload = Workload(
        str(keys["expression"].value), _mapping(keys, "bounds"), _mapping(keys, "types")
    )
    tied = _text(keys, "tied", "no", where)
    if tied not in ("yes", "no"):
        raise InputError(f"{shorten(tied)} is neither yes nor no", where="tied")
    weights = _weights(keys, workload)
    return Layer(name, workload, repeats, weights, further, tied == "yes")


def _weights(keys: dict[str, Node], workload: Workload) -> str | None:
    """The tensor of weights as given; else ``W`` where the expression has one."""
    if "weights" in keys:
        value = keys["weights"].value
        return None if value is None else str(value)
    names = [access.tensor for access in workload.assignment.inputs]
    return "W" if "W" in names else None


def _after(keys: dict[str, Node], numbers: Mapping[str, int], number: int, where: str) -> list[int]:
    """Numbers of the layers that this one reads: as given, else the one before it."""
    if "after" not in keys:
        return [number - 1] if number else []
    node = keys["after"]
    if not isinstance(node.value, tuple):
        raise InputError("a list of names expected", where="after", hint="write after: [conv1]")
    found = []
    for entry in node.value:
        if str(entry.value) not in numbers:
            error = unknown(str(entry.value), "layer above", numbers)
            error.where = "after"
            raise error
        found.append(numbers[str(entry.value)])
    return found


def _formatted(network: Network, nodes: dict[str, Node], where: str) -> Network:
    if (node := nodes.get("formats")) is None or node.value is None:
        return network
    with at_line(node, where, "formats"):
        entries = _entries(node, where)
        _known(entries, _FORMATS, where)
        roles = {key: str(entry.value) for key, entry in entries.items()}
        return network.with_formats(
            activations=roles.get("activations"),
            weights=roles.get("weights"),
            outputs=roles.get("outputs"),
            fallback=roles.get("fallback"),
        )


def _entries(node: Node, where: str) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise InputError("a mapping expected", where=f"{where}:{node.line}")
    return node.value


def _known(nodes: dict[str, Node], known: tuple[str, ...], where: str) -> None:
    for key, node in nodes.items():
        if key not in known:
            error = unknown(key, "key", known)
            error.where = f"{where}:{node.line}"
            raise error


def _text(nodes: dict[str, Node], key: str, otherwise: str, where: str) -> str:
    if key not in nodes:
        return otherwise
    value = nodes[key].value
    if not isinstance(value, str):
        raise InputError("text expected", where=f"{where}:{nodes[key].line}: {key}")
    return value


def _integer(nodes: dict[str, Node], key: str, otherwise: int) -> int:
    value = nodes[key].value if key in nodes else otherwise
    if not isinstance(value, int):
        raise InputError(f"{shorten(value)} is no integer", where=key)
    return value


def _mapping(nodes: dict[str, Node], key: str) -> dict[str, Any]:
    """A mapping as written; the workload checks its values."""
    value = nodes[key].plain() if key in nodes else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError("a mapping expected", where=key, hint=f"write {key}: {{name: value}}")
    return dict(value)
