"""The text ``name(value, field=value)``: words, values, and nothing that is executed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["MAX_TEXT", "Call", "Value", "parse_call", "value_text"]

Value = int | float | bool | str | None | tuple["Value", ...]

MAX_TEXT = 256 * 1024
"""Most characters of a pattern (tables of gates are long)."""
MAX_DEPTH = 8
"""Most brackets inside each other."""

_WORD = re.compile(
    r"""\s*(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    |(?P<name>[A-Za-z_]\w*)
    |'(?P<quoted>[^'\n]*)'|"(?P<double>[^"\n]*)"
    |(?P<mark>[()\[\],=]))""",
    re.VERBOSE | re.ASCII,
)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,100}")
_CONSTANTS = {"true": True, "false": False, "none": None}


@dataclass(frozen=True)
class Call:
    """A name, values by place, and values by name."""

    name: str
    values: tuple[Value, ...]
    named: Mapping[str, Value]


@dataclass(frozen=True)
class _Word:
    kind: str
    text: str
    place: int


def parse_call(text: str) -> Call:
    """Read a call; :class:`InputError` says at which character it is wrong."""
    words = _words(text)
    words.reverse()
    name = _take(words, "name", "the name of a pattern")
    values: list[Value] = []
    named: dict[str, Value] = {}
    if words[-1].text == "(" and words[-1].kind == "mark":
        words.pop()
        while not _is(words[-1], ")"):
            if words[-1].kind == "name" and _is(words[-2], "="):
                key = words.pop().text
                words.pop()
                if key in named:
                    raise InputError(f"parameter {shorten(key)} is given twice")
                named[key] = _value(words, 0)
            elif named:
                raise _wrong(words[-1], "a value without name after one with a name")
            else:
                values.append(_value(words, 0))
            _separate(words, ")")
        words.pop()
    if words[-1].kind != "end":
        raise _wrong(words[-1], "more text after the pattern")
    return Call(name, tuple(values), named)


def value_text(value: object) -> str:
    """A value as :func:`parse_call` reads it."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(value_text, value))}]"
    if isinstance(value, str):
        plain = _NAME.fullmatch(value) and value not in _CONSTANTS
        return value if plain else f'"{value}"' if "'" in value else f"'{value}'"
    return repr(value)


def _words(text: str) -> list[_Word]:
    if len(text) > MAX_TEXT:
        raise InputError(f"longer than {MAX_TEXT} characters")
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _WORD.match(text, place)
        if match is None:
            rest = text[place:].lstrip()
            raise InputError(
                f"{shorten(rest, 20)} at character {end - len(rest.rstrip()) + 1} is no value",
                hint="write name(field=value, ...)",
            )
        kind = str(match.lastgroup)
        found.append(_Word(kind, match[kind], match.start(kind)))
        place = match.end()
    # Two ends, so that one may look a word ahead.
    return [*found, _Word("end", "", end), _Word("end", "", end)]


def _value(words: list[_Word], depth: int) -> Value:
    word = words.pop()
    if word.kind == "number":
        return int(word.text) if _INTEGER.fullmatch(word.text) else float(word.text)
    if word.kind == "name":
        return _CONSTANTS.get(word.text, word.text)
    if word.kind in ("quoted", "double"):
        return word.text
    if not _is(word, "["):
        raise _wrong(word, "no value")
    if depth >= MAX_DEPTH:
        raise InputError(f"more than {MAX_DEPTH} brackets inside each other")
    items: list[Value] = []
    while not _is(words[-1], "]"):
        items.append(_value(words, depth + 1))
        _separate(words, "]")
    words.pop()
    return tuple(items)


def _separate(words: list[_Word], end: str) -> None:
    """A comma, or the end that follows."""
    if _is(words[-1], ","):
        words.pop()
    elif not _is(words[-1], end):
        raise _wrong(words[-1], f"no comma and no {end}")


def _take(words: list[_Word], kind: str, what: str) -> str:
    word = words.pop()
    if word.kind != kind:
        raise _wrong(word, f"not {what}")
    return word.text


def _is(word: _Word, mark: str) -> bool:
    return word.kind == "mark" and word.text == mark


def _wrong(word: _Word, what: str) -> InputError:
    if word.kind == "end":
        hint = "write name(field=value, ...); in YAML between { } put it into quotes"
        return InputError(f"ends too early: {what}", hint=hint)
    return InputError(f"{shorten(word.text, 20)} at character {word.place + 1}: {what}")
