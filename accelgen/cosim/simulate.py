"""Run the cocotb bench in the simulator: a plan goes in, observations come out."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config
import numpy as np
from numpy.typing import NDArray

from accelgen.content import content_path
from accelgen.cosim.model import Model
from accelgen.cosim.phases import Phase
from accelgen.cosim.plan import PLAN, RESULTS, Plan, phase_plan, read_frames
from accelgen.cosim.toolchain import Toolchain
from accelgen.errors import AccelgenError
from accelgen.manifest import Manifest

__all__ = ["Observation", "run_bench", "run_simulator"]

_PRELOADED = "model.so"


@dataclass(frozen=True, eq=False)
class Observation:
    """What the bench saw in one phase.

    ``outputs`` are the packets received (beats x bytes).  ``total_cycles`` runs from the first
    accepted input beat to the last accepted beat of the last expected packet, inclusive; ``None``
    when that never came (``hung``).  ``busy_spans`` are the cycles in which ``busy`` went high and
    low again.
    """

    outputs: tuple[NDArray[np.uint8], ...]
    hung: bool
    total_cycles: int | None
    busy_cycles: int
    busy_spans: tuple[tuple[int, int], ...]
    busy_at_end: bool
    error_before: bool
    error_after: bool
    bad_number_after: bool
    packets_left: int
    violations: tuple[str, ...]


def run_bench(
    tools: Toolchain,
    model: Model,
    manifest: Manifest,
    phases: Sequence[Phase],
    limits: Sequence[int],
    folder: Path,
    *,
    seed: int = 0,
    waves: Path | None = None,
) -> tuple[Observation, ...]:
    """Simulate ``phases``, each for at most ``limits`` cycles, one observation per phase.

    ``folder`` takes the files exchanged with the simulator; ``waves`` the trace, for a model built
    with one.
    """
    _plan(manifest, phases, limits, seed).write(folder)
    results = run_simulator(
        tools, model, "kernel_bench.py", folder, manifest.name, seed=seed, waves=waves
    )
    return _read_results(results)


def run_simulator(
    tools: Toolchain,
    model: Model,
    bench: str,
    folder: Path,
    name: str,
    *,
    seed: int = 0,
    waves: Path | None = None,
) -> Path:
    """Run a ``bench`` of ``sim/`` on the plan in ``folder``; return the file of its results.

    Raises :class:`AccelgenError` when the simulator ends without results; ``name`` is the design's.
    """
    # Beside the plan, because a path in LD_PRELOAD must have neither spaces nor colons.
    (folder / _PRELOADED).symlink_to(model.library)
    command = [str(tools.python)]
    if waves is not None:
        trace = folder / f"waves{waves.suffix}"
        command += ["--trace", "--trace-file", str(trace)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=_environment(tools, model, bench, folder, seed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if waves is not None and trace.exists():
        partial = waves.with_name(f".{waves.name}.part")
        shutil.move(trace, partial)
        partial.replace(waves)
    results = folder / RESULTS
    if not results.exists():
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        raise AccelgenError(
            f"the simulator ended with code {done.returncode} and no results: "
            f"{' | '.join(lines[-3:])}",
            where=name,
        )
    return results


def _plan(manifest: Manifest, phases: Sequence[Phase], limits: Sequence[int], seed: int) -> Plan:
    ports = manifest.ports
    arrays: dict[str, NDArray[np.uint8]] = {}
    plans = []
    for number, (phase, limit) in enumerate(zip(phases, limits, strict=True)):
        names: dict[str, list[tuple[str, int]]] = {}
        for prefix, packets in phase.packets.items():
            names[prefix] = []
            for i, packet in enumerate(packets):
                names[prefix].append((f"{number}.{prefix}.{i}", packet.user))
                arrays[f"{number}.{prefix}.{i}"] = packet.beats
        outputs = len(phase.problems)
        plan = phase_plan(number, phase, outputs=outputs, limit=limit, reset=phase.reset, seed=seed)
        plans.append({"name": phase.name, "packets": names, **plan})
    design = {
        "ports": {
            "clock": ports.clock,
            "reset": ports.reset,
            "busy": ports.busy,
            "error": ports.error,
            "bad_number": ports.bad_number,
        },
        "inputs": [s.prefix for s in manifest.inputs],
        "output": manifest.output.prefix,
    }
    return Plan(design, plans, arrays)


def _environment(
    tools: Toolchain, model: Model, name: str, folder: Path, seed: int
) -> dict[str, str]:
    """What cocotb's own runner would set, with the bench of ``sim/`` on the module path."""
    env = tools.environment()
    bench = content_path("sim", name)
    preloaded = os.pathsep.join(filter(None, [f"./{_PRELOADED}", env.get("LD_PRELOAD")]))
    env.update(
        ACCELGEN_PLAN=str(folder / PLAN),
        COCOTB_LOG_LEVEL="WARNING",
        COCOTB_RANDOM_SEED=str(seed),
        COCOTB_RESULTS_FILE=str(folder / "results.xml"),
        COCOTB_TEST_MODULES=bench.stem,
        COCOTB_TOPLEVEL=model.top,
        COCOTB_TRUST_INERTIAL_WRITES="1",
        GPI_USERS=cocotb_tools.config.pygpi_entry_point(),
        LD_PRELOAD=preloaded,
        OMP_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        PYGPI_PYTHON_BIN=sys.executable,
        PYTHONDONTWRITEBYTECODE="1",
        PYTHONPATH=os.pathsep.join([str(bench.parent), *filter(None, sys.path)]),
        TOPLEVEL_LANG="verilog",
    )
    return env


def _read_results(results: Path) -> tuple[Observation, ...]:
    found = json.loads(results.read_text(encoding="utf-8"))
    frames = read_frames(results.parent, [seen["outputs"] for seen in found])
    return tuple(
        Observation(
            outputs=tuple(outputs),
            hung=seen["hung"],
            total_cycles=seen["total_cycles"],
            busy_cycles=seen["busy_cycles"],
            busy_spans=tuple((start, end) for start, end in seen["busy_spans"]),
            busy_at_end=seen["busy_at_end"],
            error_before=bool(seen["error_before"]),
            error_after=bool(seen["error_after"]),
            bad_number_after=bool(seen["bad_number_after"]),
            packets_left=seen["packets_left"],
            violations=tuple(seen["violations"]),
        )
        for seen, outputs in zip(found, frames, strict=True)
    )
