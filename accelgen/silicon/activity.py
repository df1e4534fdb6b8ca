"""What a design does while it works: its own bench with random data, traced, cycle by cycle."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Workload
from accelgen.cosim.model import build_model
from accelgen.cosim.phases import Phase, make_phases
from accelgen.cosim.simulate import run_bench
from accelgen.cosim.stimuli import stimuli_of
from accelgen.cosim.toolchain import find_toolchain
from accelgen.cosim.verify import port_names
from accelgen.errors import AccelgenError
from accelgen.manifest import Manifest

__all__ = ["Trace", "Window", "read_vcd", "record"]

STEPS = 10
"""Simulator steps per cycle of the bench."""

PROBLEMS = 4
"""Queued back to back; the cycles from the second's begin to the third's are the steady state."""

_VAR = re.compile(r"\$var\s+\S+\s+(\d+)\s+(\S+)\s+(.*?)\s*(\[(\d+):(\d+)\]|\[(\d+)\])?\s+\$end")


@dataclass(frozen=True)
class Window:
    """Cycles from the begin of one problem to that of the next, the design fully loaded."""

    first: int
    end: int

    @property
    def cycles(self) -> int:
        """Its length."""
        return self.end - self.first


@dataclass(frozen=True)
class _Signal:
    """Where a signal changed (cycles, ascending) and to what (bits x changes, lowest bit first)."""

    cycles: NDArray[np.int64]
    bits: NDArray[np.uint8]
    lowest: int


@dataclass(frozen=True)
class Trace:
    """The values of all traced signals at the end of every cycle of a window."""

    window: Window
    signals: Mapping[tuple[str, str], _Signal]
    """By path of the instance (``array.pe_0_1``; empty: the top) and name."""

    def find(self, path: str, name: str) -> _Signal | None:
        """A signal of an instance; one of a generate block has the block in its name."""
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


def record(directory: Path, seed: int) -> Trace:
    """Run random problems back to back through the bench of ``accelgen verify``, traced.

    Raises what :func:`accelgen.verify` raises, and :class:`AccelgenError` when a result is missing.
    """
    manifest = Manifest.read(directory)
    phase = _random_phase(manifest, seed)
    tools = find_toolchain()
    sources = [directory / name for name in manifest.verilog]
    options = ["--trace-max-array", "65536", "--trace-max-width", "8192"]
    model = build_model(tools, sources, manifest.top, port_names(manifest), "vcd", options)
    beats = sum(len(p) for packets in phase.packets.values() for p in packets)
    limit = 1000 + 4 * (PROBLEMS * manifest.predicted.total_cycles + beats)
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        folder = Path(name)
        target = folder / "trace.vcd"
        seen = run_bench(tools, model, manifest, [phase], [limit], folder, seed=seed, waves=target)[
            0
        ]
        spans = sorted(seen.busy_spans)
        if seen.hung or len(spans) < 1:
            raise AccelgenError(
                "the design hung in the simulation for its power", where=manifest.name,
                hint=f"run accelgen verify {directory}",
            )  # fmt: skip
        # Problems of one cycle after the other may leave ``busy`` high: then one span is all.
        starts = [start for start, _ in spans]
        window = (
            Window(starts[1], starts[2]) if len(starts) == PROBLEMS
            else Window(spans[0][0], spans[-1][1])
        )  # fmt: skip
        return read_vcd(target, manifest.top, window)


def _random_phase(manifest: Manifest, seed: int) -> Phase:
    types = {s.tensor: s.format for s in manifest.streams if s.kind == "elements"}
    workload = Workload(manifest.expression, manifest.bounds, types)
    stimuli = stimuli_of(manifest, workload.product)
    phases = make_phases(manifest, stimuli, workload.evaluate, seed, PROBLEMS)
    return next(
        phase
        for phase in phases
        if len(phase.problems) == PROBLEMS and not phase.paused and not phase.expect_error
    )


def read_vcd(path: Path, top: str, window: Window) -> Trace:
    """The signals below the module ``top``, from two cycles before the window to its end."""
    names: dict[str, list[tuple[str, str, int, int]]] = {}
    scope: list[str] = []
    first, end = (window.first - 2) * STEPS, window.end * STEPS
    latest: dict[str, str] = {}
    changes: dict[str, list[tuple[int, str]]] = {}
    now = 0
    with path.open(encoding="latin-1") as file:
        for indented in file:
            line = indented.strip()
            if line.startswith("$scope"):
                scope.append(line.split()[2])
            elif line.startswith("$upscope"):
                scope.pop()
            elif line.startswith("$var"):
                if top in scope and (found := _VAR.match(line)):
                    place = ".".join(scope[scope.index(top) + 1 :])
                    low = int(found[6] or found[7] or 0)
                    names.setdefault(found[2], []).append((place, found[3], int(found[1]), low))
            elif line.startswith("$enddefinitions"):
                break
        # Values before the window are of interest only as far as they last.
        for line in file:
            mark = line[0]
            if mark == "#":
                now = int(line[1:])
                if now >= first:
                    break
            elif mark == "b":
                value, _, code = line[1:].rstrip().partition(" ")
                latest[code] = value
            elif mark in "01xz":
                latest[line[1:].rstrip()] = mark
        changes = {code: [(window.first - 3, value)] for code, value in latest.items()}
        cycle = now // STEPS
        for line in file:
            mark = line[0]
            if mark == "#":
                now = int(line[1:])
                if now >= end:
                    break
                cycle = now // STEPS
            elif mark == "b":
                value, _, code = line[1:].rstrip().partition(" ")
                changes.setdefault(code, []).append((cycle, value))
            elif mark in "01xz":
                changes.setdefault(line[1:].rstrip(), []).append((cycle, mark))
    signals = {}
    for code, places in names.items():
        if code in changes:
            signal = _signal(changes[code], places[0][2])
            for place, name, _, low in places:
                signals[place, name] = _Signal(*signal, low)
    return Trace(window, signals)


def _signal(
    changes: Sequence[tuple[int, str]], width: int
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The last change of every cycle."""
    last = dict(changes)
    text = "".join(value.rjust(width, "0") for value in last.values())
    digits = np.frombuffer(text.encode(), np.uint8).reshape(len(last), width)
    bits = np.ascontiguousarray((digits == ord("1")).astype(np.uint8).T[::-1])
    return np.fromiter(last, np.int64, len(last)), bits
