"""The values of all signals of a simulated design in the cycles that are asked for, from a VCD."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.silicon.vcd import STEPS, read_header

__all__ = ["BEFORE", "Trace", "read_vcd"]

BEFORE = 2
"""Cycles before each that is asked for whose values are kept as well."""


@dataclass(frozen=True)
class _Signal:
    """Where a signal changed (cycles, ascending) and to what (bits x changes, lowest bit first)."""

    cycles: NDArray[np.int64]
    bits: NDArray[np.uint8]
    lowest: int


@dataclass(frozen=True)
class Trace:
    """The values of all traced signals at the end of the cycles that are kept."""

    signals: Mapping[tuple[str, str], _Signal]
    """By path of the instance (``array.pe_0_1``; empty: the top) and name."""

    def find(self, path: str, name: str) -> _Signal | None:
        """A signal of an instance; one of a generate block has the block in its name."""
        name = name.removeprefix("\\")
        found = self.signals.get((path, name))
        if found is None and "." in name:
            block, _, rest = name.rpartition(".")
            found = self.signals.get((f"{path}.{block}" if path else block, rest))
        return found

    def planes(
        self, paths: Sequence[str], name: str, cycles: NDArray[np.int64]
    ) -> dict[int, int] | None:
        """Every bit of a signal as an integer with a bit per instance and cycle, the cycles of the
        first instance lowest; ``None`` where it is not traced in all instances.
        """
        found = [self.find(path, name) for path in paths]
        if any(signal is None for signal in found):
            return None
        columns = [
            signal.bits[:, np.searchsorted(signal.cycles, cycles, "right") - 1]
            for signal in found
            if signal is not None
        ]
        if len({column.shape for column in columns}) != 1 or found[0] is None:
            return None
        rows = np.concatenate(columns, axis=1)
        packed = np.packbits(rows, axis=1, bitorder="little")
        return {
            found[0].lowest + k: int.from_bytes(row.tobytes(), "little")
            for k, row in enumerate(packed)
        }


def read_vcd(path: Path, top: str, cycles: Iterable[int]) -> Trace:
    """The signals below the module ``top`` in ``cycles`` and the :data:`BEFORE` before each."""
    kept = sorted({int(c) - back for c in cycles for back in range(BEFORE + 1)})
    with path.open("rb") as file:
        header = read_header(iter(file.readline, b""), top)
        changes = _changes(io.TextIOWrapper(file, "latin-1"), kept)
    signals = {}
    for code, named in header.items():
        values = changes.get(code.decode("latin-1"))
        if values is not None:
            signal = _signal(values, named[0].width)
            for one in named:
                signals[one.path, one.name] = _Signal(*signal, one.lowest)
    return Trace(signals)


def _changes(lines: Iterable[str], kept: Sequence[int]) -> dict[str, dict[int, str]]:
    """Of every signal the last value before the end of each of the ``kept`` cycles (ascending) in
    or before which it changed since the one before.
    """
    found: dict[str, dict[int, str]] = {}
    current: dict[str, str] = {}
    left = iter(kept)
    cycle = next(left, None)
    for line in lines:
        mark = line[0]
        if mark == "#":
            now = int(line[1:]) // STEPS
            while cycle is not None and now > cycle:
                for code, value in current.items():
                    found.setdefault(code, {})[cycle] = value
                current = {}
                cycle = next(left, None)
            if cycle is None:
                break
        elif mark == "b":
            value, _, code = line[1:].rstrip().partition(" ")
            current[code] = value
        elif mark in "01xz":
            current[line[1:].rstrip()] = mark
    if cycle is not None:
        for code, value in current.items():
            found.setdefault(code, {})[cycle] = value
    return found


def _signal(values: Mapping[int, str], width: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The cycles of the changes, and the bits after them."""
    text = "".join(value.rjust(width, "0") for value in values.values())
    digits = np.frombuffer(text.encode(), np.uint8).reshape(len(values), width)
    bits = np.ascontiguousarray((digits == ord("1")).astype(np.uint8).T[::-1])
    return np.fromiter(values, np.int64, len(values)), bits
