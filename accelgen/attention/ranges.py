"""Ranges such as ``0-15`` that together cover every head or layer once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["Span", "check_cover", "parse_span", "span_text"]

Span = tuple[int, int]
"""First and last index, both included."""

_SPAN = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?")


def parse_span(text: str) -> Span:
    """``3`` or ``0-15``."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InputError(f"{shorten(text)} is no range", hint="write 3 or 0-15")
    first, last = int(match[1]), int(match[2] or match[1])
    if last < first:
        raise InputError(f"{text} is an empty range", hint=f"write {last}-{first}")
    return first, last


def span_text(span: Span) -> str:
    """``3`` or ``0-15``."""
    return str(span[0]) if span[0] == span[1] else f"{span[0]}-{span[1]}"


def check_cover(spans: Sequence[Span], count: int, kind: str) -> None:
    """Raise :class:`InputError` unless ``0..count-1`` is each in exactly one of the spans."""
    following = 0
    for first, last in sorted(spans):
        if first < following:
            raise InputError(f"{kind} {first} is given twice", where=f"{kind}s")
        if first > following:
            break
        following = last + 1
    if following < count:
        raise InputError(
            f"{kind} {following} of {count} is missing",
            where=f"{kind}s",
            hint=f"the ranges must cover 0-{count - 1}",
        )
    if following > count:
        raise InputError(f"{kind} {following - 1} beyond the last, {count - 1}", where=f"{kind}s")
