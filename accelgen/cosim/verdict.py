"""What all verdicts by simulation have in common: phases with faults, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

__all__ = ["REPORT_SCHEMA", "PhaseVerdict", "Verdict"]

REPORT_SCHEMA = 1
"""Schema of the JSON of a verdict."""


@dataclass(frozen=True, kw_only=True)
class PhaseVerdict:
    """The verdict on one phase; ``faults`` is empty when all is as it must be."""

    name: str
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether there is no fault."""
        return not self.faults

    def to_json(self) -> dict[str, object]:
        """All figures as JSON values, the faults last."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "faults"}
        name = own.pop("name")
        return {"name": name, "passed": self.passed, **own, "faults": list(self.faults)}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on a design; ``waves`` is the file with them, if one was written."""

    name: str
    seed: int
    phases: tuple[PhaseVerdict, ...]
    build_seconds: float
    simulate_seconds: float
    waves: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether every phase passed."""
        return all(phase.passed for phase in self.phases)

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault, one line each, with the phase that showed it."""
        return tuple(f"{phase.name}: {fault}" for phase in self.phases for fault in phase.faults)

    def framed(self, cycles: Mapping[str, object]) -> dict[str, object]:
        """``cycles``, predicted and measured, among all other figures as JSON values."""
        return {
            "schema": REPORT_SCHEMA,
            "name": self.name,
            "passed": self.passed,
            "seed": self.seed,
            **cycles,
            "phases": [phase.to_json() for phase in self.phases],
            "build_seconds": round(self.build_seconds, 3),
            "simulate_seconds": round(self.simulate_seconds, 3),
            "waves": str(self.waves) if self.waves else None,
        }
