"""What the benches of ``sim/`` that drive streams are given, and the frames they hand back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTPUTS", "PLAN", "RESULTS", "Paused", "Plan", "phase_plan", "read_frames",
           "stream_signals"]  # fmt: skip

Bytes = NDArray[np.uint8]

PLAN, OUTPUTS, RESULTS = "plan.json", "outputs.npz", "results.json"
"""Files of a simulation: what the bench reads, the packets it received, what else it saw."""

_PACKETS = "packets.npz"


class Paused(Protocol):
    """A phase whose ports pause for these shares of the cycles."""

    @property
    def pause_in(self) -> float:
        """Of the inputs."""

    @property
    def pause_out(self) -> float:
        """Of the outputs."""


@dataclass(frozen=True, eq=False)
class Plan:
    """``design``: its ports, the prefixes of its ``inputs`` and its ``output``, and what else its
    bench needs; ``phases`` in order; ``packets``: the beats that these name, each a row of bytes.
    """

    design: Mapping[str, object]
    phases: Sequence[Mapping[str, object]]
    packets: Mapping[str, Bytes]

    def write(self, folder: Path) -> None:
        """Write it for a bench that runs in ``folder``."""
        plan = {
            **self.design,
            "packets": _PACKETS,
            "outputs": OUTPUTS,
            "results": RESULTS,
            "phases": list(self.phases),
        }
        np.savez(folder / _PACKETS, **self.packets)  # type: ignore[arg-type]
        (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")


def phase_plan(
    number: int, phase: Paused, *, outputs: int, limit: int, reset: bool, seed: int
) -> dict[str, object]:
    """What every bench is told of phase ``number``: how many packets come out of it, the cycles
    after which it is given up, whether a reset comes first, and how ports pause.
    """
    return {
        "outputs": outputs,
        "limit": limit,
        "reset": reset,
        "pause_in": phase.pause_in,
        "pause_out": phase.pause_out,
        "seed": seed + 100 * number,
    }


def read_frames(folder: Path, counts: Iterable[int]) -> list[list[Bytes]]:
    """Of every phase the packets received, of which there are as many as ``counts`` says."""
    with np.load(folder / OUTPUTS) as archive:
        frames = {name: archive[name] for name in archive.files}
    return [[frames[f"{number}.{i}"] for i in range(count)] for number, count in enumerate(counts)]


def stream_signals(prefixes: Iterable[str]) -> list[str]:
    """The ports of AXI4-Streams that benches use."""
    return [f"{p}_{s}" for p in prefixes for s in ("tdata", "tvalid", "tready", "tlast")]
