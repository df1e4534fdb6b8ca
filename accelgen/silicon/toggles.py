"""How often the bits of a simulated design switch in windows of cycles, counted in a VCD.

Values are as Verilator writes them: zeros and ones, as many as a signal has bits.  The file is read
in blocks, and of each all changes of a signal are compared at once: a trace has hundreds of changes
per cycle, too many for a loop over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from accelgen.silicon.vcd import STEPS, Signal, read_header

__all__ = ["Event", "Toggles", "count_toggles"]

_BLOCK = 1 << 24
"""Bytes that are read at a time."""

_NONE = np.zeros(0, np.int64)

_NEWLINE, _SPACE, _ZERO, _TIME, _VECTOR = b"\n 0#b"
_SCALARS = np.frombuffer(b"01xzXZ", np.uint8)

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Event:
    """What may happen in a cycle of an instance: ``holds`` is asked of the lowest bits of ``nets``,
    at the end of many cycles.
    """

    nets: tuple[str, ...]
    holds: Callable[..., Bools]


@dataclass(frozen=True, eq=False)
class Toggles:
    """Of every net of a design its ``names`` and, in each window, how often its bits toggle [bits x
    windows], lowest first.  ``events`` has the cycles [windows] in which something happened, by the
    path of the instance and the name of the event.

    A value counts once per cycle and clock edge: there are no delays, hence no glitches.
    """

    names: tuple[tuple[Signal, ...], ...]
    counts: tuple[Ints, ...]
    events: Mapping[tuple[str, str], Ints]

    def plus(self, other: Toggles) -> Toggles:
        """The same windows of another trace of the design counted too."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        events = {key: cycles + other.events[key] for key, cycles in self.events.items()}
        return replace(self, counts=counts, events=events)

    def folded(self, period: int) -> Toggles:
        """Every ``period``-th window together, from each of the first ``period``."""
        return replace(
            self,
            counts=tuple(_folded(counts, period) for counts in self.counts),
            events={key: _folded(cycles, period) for key, cycles in self.events.items()},
        )


def count_toggles(
    path: Path,
    top: str,
    windows: Sequence[tuple[int, int]],
    events: Mapping[str, Event] = MappingProxyType({}),
) -> Toggles:
    """Count in the VCD at ``path`` what the module ``top`` and all below it does in ``windows``:
    cycles from the first to before the second, in order, none in two windows.  ``events`` are
    counted of every instance that has their nets.

    Raises :class:`ValueError` for windows that are not in order, and for a file without that module
    or with other values.
    """
    edges = [cycle for window in windows for cycle in window]
    if edges != sorted(edges):
        raise ValueError("the windows are not in order")
    with path.open("rb") as file:
        header = read_header(iter(file.readline, b""), top)
        if not header:
            raise ValueError(f"{path} has no signals of {top}")
        names = tuple(tuple(signals) for signals in header.values())
        watched = {name for event in events.values() for name in event.nets}
        nets = {
            (signal.path, signal.name): net
            for net, signals in enumerate(names)
            for signal in signals
            if signal.name in watched
        }
        counter = _Counter(header, windows, frozenset(nets.values()))
        for block in _blocks(file):
            counter.take(np.frombuffer(block, np.uint8))
    happened = {}
    for place in sorted({place for place, _ in nets}):
        for name, event in events.items():
            own = [nets[place, net] for net in event.nets if (place, net) in nets]
            if len(own) == len(event.nets):
                levels = [counter.level(net) for net in own]
                happened[place, name] = counter.cycles_of(event.holds(*levels))
    return Toggles(names, tuple(counter.counts), happened)


def _folded(values: Ints, period: int) -> Ints:
    folded = values.reshape(*values.shape[:-1], -1, period).sum(axis=-2)
    return np.asarray(folded, np.int64)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of the file in whole lines."""
    rest = b""
    while block := file.read(_BLOCK):
        whole, newline, rest = (rest + block).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest + b"\n"


class _Counter:
    """What was counted so far, and the last value of every net."""

    def __init__(
        self,
        header: Mapping[bytes, Sequence[Signal]],
        windows: Sequence[tuple[int, int]],
        watched: frozenset[int],
    ) -> None:
        self._widths = [named[0].width for named in header.values()]
        # Of a line: the value, a letter and a space around it where it is long, and the code.
        self._lengths = np.array(
            [
                len(code) + width + (2 if width > 1 else 0)
                for code, width in zip(header, self._widths, strict=True)
            ]
        )
        keys = np.array([int.from_bytes(code, "big") for code in header], np.uint64)
        self._nets = np.argsort(keys)
        self._keys = keys[self._nets]
        self._longest = max(map(len, header))
        self._first = np.array([first for first, _ in windows], np.int64)
        self._end = np.array([end for _, end in windows], np.int64)
        self._last: dict[int, Bytes] = {}
        self._changes: dict[int, list[tuple[Ints, Bytes]]] = {net: [] for net in watched}
        self._cycle = 0
        self.counts = [np.zeros((width, len(windows)), np.int64) for width in self._widths]

    def take(self, data: Bytes) -> None:
        """Count a block of whole lines."""
        ends = np.flatnonzero(data == _NEWLINE)
        starts = np.concatenate([[0], ends[:-1] + 1])
        cycles = self._cycles(data, starts, ends)
        nets = self._find(data, starts, ends)
        windows = self._windows(cycles)
        lines = np.flatnonzero(nets >= 0)
        if (self._lengths[nets[lines]] != (ends - starts)[lines]).any():
            raise ValueError("the trace has values of other lengths than their signals")
        lines = lines[np.argsort(nets[lines], kind="stable")]
        cuts = np.flatnonzero(np.diff(nets[lines])) + 1
        for part in np.split(lines, cuts) if len(lines) else ():
            self._count(int(nets[part[0]]), data, starts[part], windows[part], cycles[part])

    def _cycles(self, data: Bytes, starts: Ints, ends: Ints) -> Ints:
        """The cycle that each line is in."""
        marks = np.flatnonzero(data[starts] == _TIME)
        text = data.tobytes()
        times = [int(text[starts[at] + 1 : ends[at]]) // STEPS for at in marks]
        found = np.array([self._cycle, *times], np.int64)
        self._cycle = int(found[-1])
        return found[np.searchsorted(marks, np.arange(len(starts)), "right")]

    def _find(self, data: Bytes, starts: Ints, ends: Ints) -> Ints:
        """The net that each line is about; -1: none."""
        vector = data[starts] == _VECTOR
        scalar = np.isin(data[starts], _SCALARS)
        key = np.zeros(len(starts), np.uint64)
        # Codes end a line; before them is the value of a net of one bit, or a space.
        inside = vector | scalar
        for back in range(self._longest):
            at = ends - 1 - back
            inside &= np.where(vector, data[at] != _SPACE, at > starts)
            key[inside] |= data[at[inside]].astype(np.uint64) << np.uint64(8 * back)
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        return np.where((vector | scalar) & (self._keys[place] == key), self._nets[place], -1)

    def _windows(self, cycles: Ints) -> Ints:
        """The window of each cycle; -1: none."""
        found = np.searchsorted(self._first, cycles, "right") - 1
        # The last of these ends is for cycles before the first window.
        return np.where(cycles < np.append(self._end, -1)[found], found, -1)

    def _count(self, net: int, data: Bytes, starts: Ints, windows: Ints, cycles: Ints) -> None:
        """Count the changes of a net that are in lines from ``starts``."""
        width = self._widths[net]
        first = starts + (1 if width > 1 else 0)
        values = data[first[:, None] + np.arange(width)]
        if (values - _ZERO > 1).any():
            raise ValueError("the trace has values that are not known")
        before = self._last.get(net, values[0])
        toggled = values != np.vstack([before, values[:-1]])
        # Lines are in order of time: those of a window are next to each other.
        cuts = np.append(0, np.flatnonzero(np.diff(windows)) + 1)
        sums = np.add.reduceat(toggled, cuts, axis=0, dtype=np.int64)
        inside = windows[cuts] >= 0
        # What is written first is the highest bit.
        self.counts[net][:, windows[cuts][inside]] += sums[inside, ::-1].T
        self._last[net] = values[-1]
        if net in self._changes:
            self._changes[net].append((cycles, values[:, -1] - _ZERO))

    def level(self, net: int) -> Bools:
        """The lowest bit of a watched net at the end of every cycle."""
        cycles = np.concatenate([_NONE, *(part for part, _ in self._changes[net])])
        values = np.concatenate([_NONE, *(part for _, part in self._changes[net])])
        # Low until it changes; of several changes in a cycle the last one stays.
        changes = np.searchsorted(cycles, np.arange(self._cycle + 1), "right")
        return np.asarray(np.append(0, values)[changes] > 0, np.bool_)

    def cycles_of(self, happens: Bools) -> Ints:
        """In how many cycles of each window something happens."""
        total = np.append(0, np.cumsum(happens))
        first, end = (np.minimum(edge, len(happens)) for edge in (self._first, self._end))
        return np.asarray(total[end] - total[first], np.int64)
