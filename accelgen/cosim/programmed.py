"""Designs whose problems are described in registers: what their benches share."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.model import Model
from accelgen.cosim.plan import Plan, read_frames, stream_signals
from accelgen.cosim.simulate import run_simulator
from accelgen.cosim.toolchain import find_toolchain
from accelgen.rtl.processor.axil import AXIL_PORTS, CONTROL, REFUSED, STATUS

__all__ = ["listed", "ports_of", "programmed", "run_plan"]

_ANSWERS = "answers.json"


def ports_of(flags: Sequence[str], streams: Sequence[str]) -> list[str]:
    """The ports that the bench of a design with such ``flags`` and prefixes of streams uses."""
    registers = [f"s_axil_{name}" for name in AXIL_PORTS]
    return ["clk", "rst", *flags, *stream_signals(streams), *registers]


def programmed(
    inputs: Sequence[str], output: str, *, bad_number: bool = False
) -> dict[str, object]:
    """What the plan says of a design with these prefixes of streams: its ports and registers."""
    return {
        "ports": {
            "clock": "clk",
            "reset": "rst",
            "busy": "busy",
            "error": "error",
            "bad_number": "bad_number" if bad_number else None,
        },
        "registers": "s_axil",
        "offsets": {"control": CONTROL, "status": STATUS, "refused": REFUSED},
        "inputs": inputs,
        "output": output,
    }


def run_plan(
    model: Model, bench: str, plan: Plan, *, seed: int, waves: Path | None = None
) -> list[tuple[Mapping[str, object], list[NDArray[np.uint8]]]]:
    """Run a ``bench`` of ``sim/``: of every phase what was seen, with the answers of registers, and
    the packets that came.

    ``waves`` takes the trace, of a model built with one.
    """
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        folder = Path(name)
        plan.write(folder)
        results = run_simulator(
            find_toolchain(), model, bench, folder, model.top, seed=seed, waves=waves
        )
        seen = json.loads(results.read_text(encoding="utf-8"))
        answers = json.loads((folder / _ANSWERS).read_text(encoding="utf-8"))
        frames = read_frames(folder, [phase["outputs"] for phase in seen])
    merged = [{**phase, **answer} for phase, answer in zip(seen, answers, strict=True)]
    return list(zip(merged, frames, strict=True))


def listed(value: object) -> list[object]:
    """A value that was seen, as the list that it must be."""
    assert isinstance(value, list)
    return value
