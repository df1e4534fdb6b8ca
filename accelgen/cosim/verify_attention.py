"""Prove an attention accelerator right by simulation: bit for bit, and to the cycle."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from accelgen.attention.accelerator.manifest import read_attention
from accelgen.cosim.attention import (
    AttentionPhase,
    AttentionSeen,
    build_attention,
    simulate_attention,
)
from accelgen.cosim.attention_phases import FULL_BLOCKS, make_attention_phases
from accelgen.cosim.verdict import PhaseVerdict, Verdict
from accelgen.cosim.verify import trace_format

__all__ = ["AttentionPhaseVerdict", "AttentionReport", "verify_attention"]


@dataclass(frozen=True, kw_only=True)
class AttentionPhaseVerdict(PhaseVerdict):
    """The verdict on one phase; predicted cycles are ``None`` where ports pause or packets are
    dropped.
    """

    row_groups: int
    tiles: int
    busy_cycles: int
    predicted_busy: int | None
    total_cycles: int | None
    predicted_total: int | None


@dataclass(frozen=True, kw_only=True)
class AttentionReport(Verdict):
    """The verdict on a design; ``utilisation`` is that of the multipliers on full blocks, from the
    cycles that were measured.
    """

    phases: tuple[AttentionPhaseVerdict, ...]
    utilisation: float

    def to_json(self) -> dict[str, object]:
        """All figures as JSON values."""
        return self.framed({"utilisation": round(self.utilisation, 6)})


def verify_attention(
    directory: Path | str, *, seed: int = 0, waves: bool = False
) -> AttentionReport:
    """Simulate the design in ``directory`` on random problems, and compare with its model.

    ``waves`` and errors are those of :func:`accelgen.verify`.
    """
    directory = Path(directory)
    model = read_attention(directory)
    core = model.core
    phases = make_attention_phases(core, np.random.default_rng(seed))
    trace = trace_format() if waves else "none"
    target = directory / f"waves.{trace}" if waves else None
    bench = build_attention(core, directory / model.verilog[0], model.top, trace)
    start = time.monotonic()
    seen = simulate_attention(core, bench, phases, seed=seed, waves=target)
    full = next(one for phase, one in zip(phases, seen, strict=True) if phase.name == FULL_BLOCKS)
    return AttentionReport(
        name=model.name,
        seed=seed,
        phases=tuple(_verdict(*pair) for pair in zip(phases, seen, strict=True)),
        utilisation=full.predicted.multiplying / (max(1, full.busy) * core.arrays),
        build_seconds=bench.seconds,
        simulate_seconds=time.monotonic() - start,
        waves=target,
    )


def _verdict(phase: AttentionPhase, seen: AttentionSeen) -> AttentionPhaseVerdict:
    predicted = seen.predicted if phase.timed else None
    return AttentionPhaseVerdict(
        name=phase.name,
        faults=seen.faults,
        row_groups=sum(len(problem.groups) for problem in phase.problems),
        tiles=sum(len(tiles) for problem in phase.problems for tiles in problem.tiles),
        busy_cycles=seen.busy,
        predicted_busy=predicted.busy if predicted else None,
        total_cycles=seen.total,
        predicted_total=predicted.total if predicted else None,
    )
