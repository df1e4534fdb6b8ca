"""A small, strict YAML: mappings, lists, integers and text, with line numbers.

Nothing is constructed but plain values.  Anchors, aliases, tags and duplicate keys are refused;
size and depth are bounded before anything is built.  Plain scalars are integers when they are
up to 100 decimal digits, ``None`` when empty, ``~``, ``null`` or ``none``, else text: ``no`` is
text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["MAX_BYTES", "Node", "Plain", "at_line", "flag", "parse_yaml", "read_text"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16

Plain = int | str | list["Plain"] | dict[str, "Plain"] | None

_INTEGER = re.compile(r"[-+]?[0-9]{1,100}")


@dataclass(frozen=True)
class Node:
    """A value and the line (from 1) it starts on; keys of mappings are text."""

    value: int | str | tuple[Node, ...] | dict[str, Node] | None
    line: int

    def plain(self) -> Plain:
        """The value without line numbers."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value


@contextmanager
def at_line(node: Node, where: str, field: str = "") -> Iterator[None]:
    """Put ``where:line`` in front of the location of an error, unless it has a line already."""
    try:
        yield
    except InputError as error:
        if not (error.where or "").startswith(f"{where}:"):
            parts = [f"{where}:{node.line}", field, error.where]
            error.where = ": ".join(part for part in parts if part)
        raise


def read_text(path: Path) -> str:
    """The text of a description file; :class:`InputError` when unreadable or too long."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(error.strerror or "cannot be read", where=str(path)) from error
    if len(data) > MAX_BYTES:
        raise InputError(f"a description longer than {MAX_BYTES} bytes", where=str(path))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text", where=str(path)) from error


def parse_yaml(text: str, where: str) -> Node:
    """Read one document; raise :class:`InputError` at ``where:line`` when it is not one."""
    if len(text) > MAX_BYTES:
        raise InputError(f"a description longer than {MAX_BYTES} characters", where=where)
    try:
        events = yaml.parse(text, Loader=yaml.SafeLoader)
        first = next(events)
        assert isinstance(first, yaml.StreamStartEvent)
        start = next(events)
        if isinstance(start, yaml.StreamEndEvent):
            raise InputError("is empty", where=where)
        node = _build(next(events), events, where, 0)
        next(events)
        if not isinstance(next(events), yaml.StreamEndEvent):
            raise InputError("more than one document", where=where, hint="drop what follows ---")
        return node
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None)
        at = f"{where}:{mark.line + 1}" if mark is not None else where
        raise InputError(f"is not YAML: {problem or 'unreadable'}", where=at) from error


def flag(value: Plain | float, where: str) -> bool:
    """A value as true or false, the latter when empty; :class:`InputError` for anything else."""
    if isinstance(value, bool):
        return value
    if value is None or value in ("true", "false", "yes", "no"):
        return value in ("true", "yes")
    raise InputError(f"{shorten(value)} is neither true nor false", where=where)


def _build(event: yaml.Event, events: Iterator[yaml.Event], where: str, depth: int) -> Node:
    line = _line(event)
    at = f"{where}:{line}"
    tag = getattr(event, "tag", None)
    if depth > MAX_DEPTH:
        raise InputError(f"nested deeper than {MAX_DEPTH}", where=at)
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise InputError("anchors and aliases are not allowed", where=at, hint="write it out")
    if tag is not None:
        raise InputError(f"tag {shorten(tag, 30)} is not allowed", where=at, hint="drop it")
    if isinstance(event, yaml.ScalarEvent):
        return Node(_scalar(event), line)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_build(event, events, where, depth + 1))
        return Node(tuple(items), line)
    entries: dict[str, Node] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        at = f"{where}:{_line(event)}"
        _build(event, events, where, depth + 1)  # refuses anchors and tags
        if not isinstance(event, yaml.ScalarEvent):
            raise InputError("a key must be a name", where=at)
        if event.value in entries:
            raise InputError(f"key {shorten(event.value, 30)} appears twice", where=at)
        entries[event.value] = _build(next(events), events, where, depth + 1)
    return Node(entries, line)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 1


def _scalar(event: yaml.ScalarEvent) -> int | str | None:
    text: str = event.value
    if event.style:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    return None if text in ("", "~", "null", "none") else text
