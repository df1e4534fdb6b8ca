"""The signals of a simulated design as the header of a VCD declares them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["STEPS", "Signal", "read_header"]

STEPS = 10
"""Simulator steps per cycle of the benches."""

_VAR = re.compile(rb"\$var\s+\S+\s+(\d+)\s+(\S+)\s+(.*?)\s*(\[(\d+):(\d+)\]|\[(\d+)\])?\s+\$end")


@dataclass(frozen=True)
class Signal:
    """A name of a signal: the path of its instance below the top (``array.pe_0_1``; empty: the
    top), how many bits it has, and the number of the lowest.
    """

    path: str
    name: str
    width: int
    lowest: int


def read_header(lines: Iterator[bytes], top: str) -> dict[bytes, list[Signal]]:
    """The signals of the module ``top`` and below, by the code that their changes are under; what
    follows in ``lines`` are the changes.
    """
    found: dict[bytes, list[Signal]] = {}
    scope: list[str] = []
    for line in lines:
        words = line.split(None, 3)
        if not words:
            continue
        if words[0] == b"$scope":
            scope.append(words[2].decode("latin-1"))
        elif words[0] == b"$upscope":
            scope.pop()
        elif words[0] == b"$var":
            if top in scope and (var := _VAR.match(line.strip())):
                path = ".".join(scope[scope.index(top) + 1 :])
                name, lowest = var[3].decode("latin-1"), int(var[6] or var[7] or 0)
                found.setdefault(var[2], []).append(Signal(path, name, int(var[1]), lowest))
        elif words[0] == b"$enddefinitions":
            break
    return found
