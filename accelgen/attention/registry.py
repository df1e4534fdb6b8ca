"""Patterns by name, and their text: ``streaming(sink=4, recent=2000)``."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from accelgen.attention.patterns.adaspa import AdaSpa
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.block_streaming import BlockStreaming
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.duo import Duo
from accelgen.attention.patterns.longlora import LongLora
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.patterns.radial import Radial
from accelgen.attention.patterns.s2 import S2
from accelgen.attention.patterns.sparda import Sparda
from accelgen.attention.patterns.spatten import Spatten
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.patterns.svg import Svg
from accelgen.attention.patterns.svg2 import Svg2
from accelgen.attention.patterns.window_pruning import WindowPruning
from accelgen.attention.patterns.xattention import XAttention
from accelgen.attention.text import Value, parse_call, value_text
from accelgen.errors import InputError
from accelgen.names import shorten, unknown, within

__all__ = [
    "PATTERNS",
    "get_pattern",
    "parameters",
    "parse_pattern",
    "pattern_names",
    "pattern_text",
]

PATTERNS: tuple[type[Pattern], ...] = (
    Dense,
    Streaming,
    BlockStreaming,
    Duo,
    LServe,
    Radial,
    S2,
    LongLora,
    Quest,
    Moba,
    XAttention,
    AdaSpa,
    Sparda,
    Svg,
    Svg2,
    WindowPruning,
    Spatten,
)


def pattern_names() -> tuple[str, ...]:
    """The names of all patterns."""
    return tuple(pattern.name for pattern in PATTERNS)


def get_pattern(name: str) -> type[Pattern]:
    """The pattern of that name; :class:`InputError` with the nearest one when there is none."""
    for pattern in PATTERNS:
        if pattern.name == name:
            return pattern
    raise unknown(name, "pattern", pattern_names())


def parameters(pattern: Pattern | type[Pattern]) -> tuple[Field[Any], ...]:
    """The fields that are parameters: not tensors and state, which take no part in equality."""
    return tuple(field for field in fields(pattern) if field.compare)


def parse_pattern(text: str) -> Pattern:
    """Read ``name`` or ``name(value, ..., field=value, ...)``; fields come in their order.

    Values are numbers, ``true`` and ``false``, ``none``, names, text in quotes, and lists in
    brackets.  Raises :class:`InputError` that shows the text.
    """
    with within(shorten(text)):
        call = parse_call(text)
        cls = get_pattern(call.name)
        hints = get_type_hints(cls)
        names = [field.name for field in parameters(cls)]
        if len(call.values) > len(names):
            raise InputError(
                f"{len(call.values)} values and {call.name} has {len(names)} parameters",
                hint=f"they are {', '.join(names)}" if names else "write the name alone",
            )
        given = dict(zip(names, call.values, strict=False))
        for name, value in call.named.items():
            if name not in names:
                raise unknown(name, f"parameter of {call.name}", names)
            if name in given:
                raise InputError(f"parameter {name} is given twice")
            given[name] = value
        for field in parameters(cls):
            required = field.default is MISSING and field.default_factory is MISSING
            if required and field.name not in given:
                hint = f"write {field.name}=..."
                raise InputError(f"parameter {field.name} is missing", hint=hint)
        return cls(**{name: _typed(name, value, hints[name]) for name, value in given.items()})


def pattern_text(pattern: Pattern) -> str:
    """The text of a pattern, without parameters that have their default; :func:`parse_pattern`
    reads it back to an equal one.
    """
    given = [
        f"{field.name}={value_text(getattr(pattern, field.name))}"
        for field in parameters(pattern)
        if getattr(pattern, field.name) != field.default
    ]
    return f"{pattern.name}({', '.join(given)})" if given else pattern.name


def _typed(name: str, value: Value, hint: object) -> object:
    """``value`` as the type of a field; what the pattern itself checks is left to it."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None and NoneType in options:
        return None
    for option in options:
        if get_origin(option) is Literal:
            choices = [str(choice) for choice in get_args(option)]
            if not isinstance(value, str) or value not in choices:
                raise InputError(f"{shorten(value)} is none of {', '.join(choices)}", where=name)
            return value
        if get_origin(option) is tuple and isinstance(value, tuple):
            return _floats(value) if float in _leaves(option) else value
        if option is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(option, type) and type(value) is option:
            return value
    words = {int: "an integer", float: "a number", bool: "true or false", str: "a name"}
    kinds = [
        words.get(option, "a list in brackets") for option in options if option is not NoneType
    ]
    raise InputError(f"{shorten(value)} is not {' or '.join(kinds)}", where=name)


def _leaves(hint: object) -> set[object]:
    """The types at the bottom of a nested tuple."""
    arguments = [one for one in get_args(hint) if one is not Ellipsis]
    return {leaf for one in arguments for leaf in _leaves(one)} if arguments else {hint}


def _floats(value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(_floats(one) for one in value)
    return float(value) if type(value) is int else value
