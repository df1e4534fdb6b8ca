"""Attention descriptions from YAML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from accelgen.affine.yaml_text import Node, at_line, flag, parse_yaml, read_text
from accelgen.attention.array_options import ArrayOptions
from accelgen.attention.description import (
    TENSORS,
    AttentionDescription,
    HeadRule,
    LayerRule,
    check_rules,
)
from accelgen.attention.gates_file import parse_gates, read_gates
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.gates import Gates
from accelgen.attention.ranges import Span, parse_span
from accelgen.attention.registry import parse_pattern
from accelgen.attention.shape import AttentionShape
from accelgen.content import content_path, list_content
from accelgen.errors import InputError
from accelgen.formats import get_format
from accelgen.names import FrozenMap, shorten, unknown, within

__all__ = ["is_attention", "is_file_name", "list_attention", "load_attention", "parse_attention"]

_FOLDER = "attention/"
_SIZES = ("tokens", "queries", "keys", "heads", "kv_heads", "head_dim", "value_dim")
_KEYS = ("name", "source", *_SIZES, "causal", "layers", "formats", "array", "gates", "pattern")

_QUOTES = "between { } put a pattern with a comma into quotes"

Read = Callable[[str], Pattern]


def list_attention() -> tuple[str, ...]:
    """The names of the shipped attention descriptions, sorted."""
    files = (file for file in list_content("mapping") if file.startswith(_FOLDER))
    return tuple(Path(file).stem for file in files if file.endswith(".yaml"))


def is_file_name(source: str | Path) -> bool:
    """Whether a source is a file and not a shipped name."""
    path = Path(source)
    return path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or path.is_file()


def is_attention(source: str | Path) -> bool:
    """Whether a name or a file stands for an attention description, and not for a dataflow.

    A file does when it has keys of these and no ``expression`` and no ``dataflows``; a name when
    it is shipped.  Raises :class:`InputError` for a name that both kinds have.
    """
    path = Path(source)
    if not is_file_name(source):
        name = str(source)
        if name not in list_attention():
            return False
        if f"{name}.yaml" in list_content("dataflows"):
            raise InputError(
                "is a dataflow and an attention description",
                where=name,
                hint="name the file of the one that is meant",
            )
        return True
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return False
    value = parse_yaml(read_text(path), str(source)).value
    if not isinstance(value, dict) or {"expression", "dataflows"} & value.keys():
        return False
    return bool({"heads", "head_dim", "kv_heads", "pattern"} & value.keys())


def load_attention(source: str | Path) -> AttentionDescription:
    """Read a shipped description by name (``llama3_8b_duo``), or a YAML file.

    Raises :class:`InputError` at ``file:line`` when it cannot be read.
    """
    path = Path(source)
    if not is_file_name(source):
        if str(source) not in list_attention():
            raise unknown(str(source), "attention description", list_attention())
        path = content_path("mapping", f"{_FOLDER}{source}.yaml")
    if not path.exists():
        raise InputError("there is no such file", where=str(path))
    name = path.stem.replace("-", "_")
    return parse_attention(read_text(path), str(source), name, path.parent)


def parse_attention(
    text: str, where: str = "attention", name: str = "attention", folder: Path | None = None
) -> AttentionDescription:
    """Read a description from YAML text; ``name`` is used when the text gives none.

    Files of gates are relative to ``folder``.  Raises :class:`InputError` whose location is
    ``where:line``.
    """
    root = parse_yaml(text, where)
    nodes = _entries(root, where)
    for key, node in nodes.items():
        if key not in _KEYS:
            with at_line(node, where):
                raise unknown(key, "key", _KEYS)
    with at_line(root, where):
        shape = _shape(nodes, where)
    gates = _gates(nodes, where, folder)

    def read(text: str) -> Pattern:
        return _gated(parse_pattern(text), gates)

    pattern = nodes.get("pattern", Node("dense", root.line))
    layers = _integer(nodes, "layers", where) if "layers" in nodes else None
    with at_line(pattern, where, "pattern"):
        rules = _layers(pattern, where, shape, layers or max(1, len(gates)), read)
        if layers is None:
            layers = max(rule.layers[1] for rule in rules) + 1
        if layers >= 1:
            check_rules(rules, layers, shape.heads)
    with at_line(root, where):
        label, source = nodes.get("name"), nodes.get("source")
        return AttentionDescription(
            name=str(label.value) if label is not None else name,
            shape=shape,
            rules=rules,
            layers=layers,
            formats=_formats(nodes, where),
            array=_array(nodes, where),
            source=str(source.value) if source is not None and source.value is not None else "",
            places=_places(root, nodes, where),
        )


def _places(root: Node, nodes: dict[str, Node], where: str) -> FrozenMap[str, str]:
    """Where the description, its pattern, and the entries of ``array`` and ``formats`` are."""
    found = {"": f"{where}:{root.line}"}
    if "pattern" in nodes:
        found["pattern"] = f"{where}:{nodes['pattern'].line}"
    for key in ("array", "formats"):
        if key in nodes:
            found[key] = f"{where}:{nodes[key].line}"
            for name, entry in _entries(nodes[key], where).items():
                found[f"{key}: {name}"] = f"{where}:{entry.line}"
    return FrozenMap(found)


def _shape(nodes: dict[str, Node], where: str) -> AttentionShape:
    sizes = {key: _integer(nodes, key, where) for key in _SIZES if key in nodes}
    tokens = sizes.pop("tokens", None)
    if tokens is not None and {"queries", "keys"} & sizes.keys():
        raise InputError("give tokens, or queries and keys", where="tokens")
    if tokens is None and not {"queries", "keys"} <= sizes.keys():
        raise InputError("needs tokens, or queries and keys", hint="write tokens: 4096")
    if tokens is not None:
        sizes["queries"] = sizes["keys"] = tokens
    sizes.setdefault("kv_heads", sizes.get("heads", 1))
    sizes.setdefault("value_dim", sizes.get("head_dim", 64))
    causal = nodes["causal"].plain() if "causal" in nodes else "true"
    return AttentionShape(**sizes, causal=flag(causal, "causal"))


def _layers(
    node: Node, where: str, shape: AttentionShape, layers: int, read: Read
) -> tuple[LayerRule, ...]:
    """Of a text, of ``heads: {...}``, or of ``layers: {range: one of these}``."""
    if isinstance(node.value, dict) and set(node.value) == {"layers"}:
        rules = []
        for span, entry in _spans(node.value["layers"], where):
            with at_line(entry, where):
                rules.append(LayerRule(span, _heads(entry, where, shape, read)))
        return tuple(rules)
    return (LayerRule((0, layers - 1), _heads(node, where, shape, read)),)


def _heads(node: Node, where: str, shape: AttentionShape, read: Read) -> tuple[HeadRule, ...]:
    if isinstance(node.value, str):
        return (HeadRule((0, shape.heads - 1), read(node.value)),)
    if not isinstance(node.value, dict) or set(node.value) != {"heads"}:
        raise InputError(
            "is no pattern", hint="write streaming(4, 2000), or heads: with a pattern per range"
        )
    rules = []
    for span, entry in _spans(node.value["heads"], where):
        with at_line(entry, where):
            if not isinstance(entry.value, str):
                raise InputError("is no pattern", hint=_QUOTES)
            rules.append(HeadRule(span, read(entry.value)))
    return tuple(rules)


def _spans(node: Node, where: str) -> list[tuple[Span, Node]]:
    found: list[tuple[Span, Node]] = []
    for key, entry in _entries(node, where).items():
        with at_line(entry, where):
            if ")" in key:
                # YAML took the comma of streaming(4, 9) for one between entries.
                raise InputError(f"{shorten(key)} is no range", hint=_QUOTES)
            found.append((parse_span(key), entry))
    return found


def _formats(nodes: dict[str, Node], where: str) -> FrozenMap[str, str]:
    given = dict.fromkeys(TENSORS, "int8")
    if "formats" in nodes:
        for key, entry in _entries(nodes["formats"], where).items():
            with at_line(entry, where, "formats"):
                if key not in TENSORS:
                    raise unknown(key, "tensor", TENSORS)
                given[key] = str(entry.value)
                with within(key):
                    get_format(given[key])
    return FrozenMap(given)


def _array(nodes: dict[str, Node], where: str) -> ArrayOptions:
    if (node := nodes.get("array")) is None:
        return ArrayOptions()
    entries = _entries(node, where)
    try:
        return ArrayOptions.of({key: entry.plain() for key, entry in entries.items()})
    except InputError as error:
        # At the line of the key that is wrong.
        with at_line(entries.get(error.where or "", node), where, "array"):
            raise


def _gates(nodes: dict[str, Node], where: str, folder: Path | None) -> Gates:
    if (node := nodes.get("gates")) is None:
        return ()
    with at_line(node, where, "gates"):
        if isinstance(node.value, str):
            return read_gates((folder or Path()) / node.value)
        return parse_gates(node.plain())


def _gated(pattern: Pattern, gates: Gates) -> Pattern:
    """The pattern with the gates of the description, where it takes some and has none."""
    takes = any(field.name == "gates" for field in fields(pattern))
    if not takes or not gates or getattr(pattern, "gates", None):
        return pattern
    change: dict[str, Any] = {"gates": gates}
    return replace(pattern, **change)


def _entries(node: Node, where: str) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise InputError("a mapping expected", where=f"{where}:{node.line}")
    return node.value


def _integer(nodes: dict[str, Node], key: str, where: str) -> int:
    value = nodes[key].value
    if not isinstance(value, int):
        at = f"{where}:{nodes[key].line}: {key}"
        raise InputError(f"{shorten(value)} is no integer", where=at)
    return value
