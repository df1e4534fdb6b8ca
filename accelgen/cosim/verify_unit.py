"""Prove a block dot-product unit right by simulation: its results, its cycles, its flags."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.model import build_model
from accelgen.cosim.runtime import Trace
from accelgen.cosim.simulate import run_simulator
from accelgen.cosim.toolchain import find_toolchain
from accelgen.cosim.unit_stimuli import UnitPhase, make_unit_phases
from accelgen.cosim.verdict import PhaseVerdict, Verdict
from accelgen.cosim.verify import trace_format
from accelgen.errors import InputError
from accelgen.golden import block_specials, block_terms, exact_dot, fp32_dot
from accelgen.mac import MacManifest

__all__ = ["UnitPhaseResult", "UnitReport", "verify_unit"]

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class UnitPhaseResult(PhaseVerdict):
    """The verdict on one phase; ``faults`` is empty when all is as it must be."""

    sums: int
    blocks: int


@dataclass(frozen=True, kw_only=True)
class UnitReport(Verdict):
    """The verdict on a unit; ``latency`` is that of a sum of one cycle, predicted and measured
    (``None`` when there was no answer).
    """

    predicted_latency: int
    measured_latency: int | None
    phases: tuple[UnitPhaseResult, ...]

    def to_json(self) -> dict[str, object]:
        """All figures as JSON values."""
        latency = {"predicted": self.predicted_latency, "measured": self.measured_latency}
        return self.framed({"latency_cycles": latency})


@dataclass(frozen=True, eq=False)
class _Plan:
    """A phase cycle by cycle: what is offered, and when what is taken and answered."""

    phase: UnitPhase
    inputs: Mapping[str, Bytes]
    taken: NDArray[np.int64]
    ready: NDArray[np.bool_]
    answered: NDArray[np.int64]


def verify_unit(directory: Path | str, *, seed: int = 0, waves: bool = False) -> UnitReport:
    """Simulate the unit in ``directory`` and compare it with its model, cycle by cycle.

    ``waves`` writes ``waves.fst`` into ``directory`` where the headers of lz4 are present, else
    ``waves.vcd``.  A unit that is wrong gives a report that did not pass, not an error.

    Raises:
        InputError: there is no usable manifest or Verilog.
        MissingToolError: a tool is missing.
        AccelgenError: the Verilog does not compile, or the simulator crashes.
    """
    directory = Path(directory)
    manifest = MacManifest.read(directory)
    options, listing = manifest.options, manifest.listing
    exact = options.accumulate == "exact"
    phases = make_unit_phases(options.pair, options.long_sum, seed, limited=exact)
    plans = [_plan(manifest, phase) for phase in phases]
    outputs = ["ready", "y", "done", "bad_number"]
    if exact:
        outputs += ["sum", "sum_done", "too_long"]
    tools = find_toolchain()
    trace: Trace = trace_format() if waves else "none"
    sources = [directory / file for file in listing.verilog]
    ports = ["clk", "rst", *plans[0].inputs, *outputs]
    model = build_model(tools, sources, listing.top, ports, trace)
    _check_ports(sources, listing.top, ports)
    target = directory / f"waves.{trace}" if waves else None
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="accelgen-") as name:
        folder = Path(name)
        _write(folder, plans, outputs)
        run_simulator(tools, model, "unit_bench.py", folder, listing.name, seed=seed, waves=target)
        with np.load(folder / "outputs.npz") as archive:
            seen = [
                {port: archive[f"{number}.{port}"] for port in outputs}
                for number in range(len(plans))
            ]
    results = tuple(_judge(manifest, *pair) for pair in zip(plans, seen, strict=True))
    return UnitReport(
        name=listing.name,
        seed=seed,
        predicted_latency=manifest.latency,
        measured_latency=_latency(plans, seen),
        phases=results,
        build_seconds=model.seconds,
        simulate_seconds=time.monotonic() - start,
        waves=target,
    )


def _check_ports(sources: Sequence[Path], top: str, ports: Sequence[str]) -> None:
    """A signal inside of the unit is none that its user sees, though the bench does."""
    heading = re.compile(rf"^ *module +{top}\b[^(]*\(([^;]*);", re.MULTILINE)
    for path in sources:
        found = heading.search(path.read_text(encoding="utf-8", errors="replace"))
        words = set(re.findall(r"\w+", found[1])) if found else set(ports)
        for port in ports:
            if port not in words:
                raise InputError(
                    f"module {top} has no port {port}",
                    where=str(path),
                    hint="write the unit again with this version",
                )


def _plan(manifest: MacManifest, phase: UnitPhase) -> _Plan:
    """When each cycle of each sum is offered and taken; noise where nothing is."""
    steps = manifest.partials
    joining = (min(phase.cycles, steps) - 1) * steps
    taken = np.zeros(phase.gaps.shape, dtype=np.int64)
    offered = taken.copy()
    now, free = 0, 0
    busy: list[int] = []
    for number, gaps in enumerate(phase.gaps):
        for cycle, gap in enumerate(gaps):
            wanted = now + int(gap)
            # While partial sums are added nothing is taken.
            now = max(wanted, free)
            offered[number, cycle] = wanted if phase.eager else now
            taken[number, cycle] = now
            now += 1
        busy += range(now, now + joining)
        free = now + joining
    answered = taken[:, -1] + manifest.latency + joining
    count = int(answered[-1]) + 2
    ready = np.ones(count, dtype=np.bool_)
    ready[busy] = False
    inputs = _rows(manifest, phase, offered.reshape(-1), taken.reshape(-1), count)
    return _Plan(phase, inputs, taken, ready, answered)


def _rows(
    manifest: MacManifest,
    phase: UnitPhase,
    offered: NDArray[np.int64],
    taken: NDArray[np.int64],
    count: int,
) -> dict[str, Bytes]:
    """Inputs in every cycle; the blocks of others where nothing is offered."""
    pair = manifest.options.pair
    blocks = len(taken)
    which = np.random.default_rng(count).integers(0, blocks, count)
    valid = np.zeros(count, dtype=np.uint8)
    for number, (begin, end) in enumerate(zip(offered, taken, strict=True)):
        which[begin : end + 1] = number
        valid[begin : end + 1] = 1
    place = which % phase.cycles
    words = {
        "a": _words(phase.a.reshape(blocks, -1), pair.a.element.width),
        "b": _words(phase.b.reshape(blocks, -1), pair.b.element.width),
        "a_scale": phase.a_scales.reshape(blocks, 1).astype(np.uint8),
        "b_scale": phase.b_scales.reshape(blocks, 1).astype(np.uint8),
    }
    return {
        **{name: rows[which] for name, rows in words.items()},
        "valid": valid[:, None],
        "first": (place == 0).astype(np.uint8)[:, None],
        "last": (place == phase.cycles - 1).astype(np.uint8)[:, None],
    }


def _words(codes: NDArray[np.int64], width: int) -> Bytes:
    """Rows of codes as words, the first code lowest, in bytes."""
    bits = (codes[:, :, None] >> np.arange(width)) & 1
    return np.packbits(bits.reshape(len(codes), -1).astype(np.uint8), axis=1, bitorder="little")


def _write(folder: Path, plans: list[_Plan], outputs: list[str]) -> None:
    arrays = {
        f"{number}.{name}": rows
        for number, plan in enumerate(plans)
        for name, rows in plan.inputs.items()
    }
    np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]
    plan = {
        "clock": "clk",
        "reset": "rst",
        "inputs": list(plans[0].inputs),
        "outputs": outputs,
        "phases": len(plans),
        "inputs_file": "inputs.npz",
        "outputs_file": "outputs.npz",
    }
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")


def _judge(manifest: MacManifest, plan: _Plan, seen: Mapping[str, Bytes]) -> UnitPhaseResult:
    """Compare what was seen with what must be."""
    phase, options, pair = plan.phase, manifest.options, manifest.options.pair
    numbers = (pair, phase.a, phase.b, phase.a_scales, phase.b_scales)
    flags = {name: seen[name][:, 0].astype(bool) for name in ("ready", "done", "bad_number")}
    faults = []
    done = np.zeros(len(plan.ready), dtype=np.bool_)
    done[plan.answered] = True
    for name, expected in (("ready", plan.ready), ("done", done)):
        wrong = np.flatnonzero(flags[name] != expected)
        if len(wrong):
            level = "high" if flags[name][wrong[0]] else "low"
            faults.append(f"{name} is {level} in cycle {wrong[0]} ({len(wrong)} cycles differ)")
    if options.accumulate == "exact":
        codes = exact_dot(*numbers, options.target)
        faults += _sum_faults(manifest, plan, seen)
        faults += _length_faults(manifest, plan, seen["too_long"][:, 0].astype(bool))
    else:
        codes = fp32_dot(*numbers, manifest.partials, options.target)
    found = _integers(seen["y"][plan.answered])
    wrong = np.flatnonzero(found != codes.astype(object))
    if len(wrong):
        where = int(wrong[0])
        faults.append(
            f"sum {where + 1} of {len(codes)} is {found[where]:#x} instead of "
            f"{int(codes[where]):#x} ({len(wrong)} differ)"
        )
    faults += _flag_faults(manifest, plan, flags["bad_number"])
    return UnitPhaseResult(
        name=phase.name, sums=len(phase.a), blocks=phase.a_scales.size, faults=tuple(faults)
    )


def _sum_faults(manifest: MacManifest, plan: _Plan, seen: Mapping[str, Bytes]) -> list[str]:
    """Of the exact sums, as far as no block of theirs is bad."""
    phase, pair = plan.phase, manifest.options.pair
    rows = [codes.reshape(-1, pair.lanes) for codes in (phase.a, phase.b)]
    scales = [codes.reshape(-1) for codes in (phase.a_scales, phase.b_scales)]
    terms, _ = block_terms(pair, rows[0], rows[1], scales[0], scales[1])
    sums = terms.reshape(len(phase.a), -1).sum(axis=1)
    bits = pair.accumulator(manifest.options.long_sum * pair.lanes).bits
    at = plan.taken[:, -1] + (manifest.sum_latency or 0)
    found = _integers(seen["sum"][at])
    found = np.where(found >= 1 << (bits - 1), found - (1 << bits), found)
    faults = []
    if not seen["sum_done"][at, 0].all() or int(seen["sum_done"].sum()) != len(at):
        faults.append("sum_done is not high in the cycles of the sums alone")
    if (wrong := np.flatnonzero(found != sums)).size:
        where = int(wrong[0])
        faults.append(f"exact sum {where + 1} is {found[where]} instead of {sums[where]}")
    return faults


def _flag_faults(manifest: MacManifest, plan: _Plan, raised: NDArray[np.bool_]) -> list[str]:
    """``bad_number`` rises between the first bad block and its sum's answer, and stays."""
    phase, pair = plan.phase, manifest.options.pair
    rows = [codes.reshape(-1, pair.lanes) for codes in (phase.a, phase.b)]
    bad = pair.bad_scales(phase.a_scales, phase.b_scales).reshape(-1)
    bad |= block_specials(pair, *rows)
    taken = plan.taken.reshape(-1)
    where = np.flatnonzero(bad)
    if not len(where):
        return ["bad_number rises although every number is good"] if raised.any() else []
    first = int(taken[where[0]])
    if raised[: first + 1].any():
        return ["bad_number rises before the first bad number"]
    if not raised[first + manifest.latency :].all():
        return ["bad_number is low after a bad number"]
    return []


def _length_faults(manifest: MacManifest, plan: _Plan, raised: NDArray[np.bool_]) -> list[str]:
    """``too_long`` rises after the first cycle that is too many in its sum, and stays."""
    most = manifest.options.long_sum
    if plan.phase.cycles <= most:
        return ["too_long rises although no sum is"] if raised.any() else []
    first = int(plan.taken[0, most])
    if raised[: first + 1].any():
        return ["too_long rises before a sum is"]
    if not raised[first + 1 :].all():
        return ["too_long is low after a sum that is"]
    return []


def _latency(plans: list[_Plan], seen: list[dict[str, Bytes]]) -> int | None:
    """From the first block of a sum of one cycle to the first answer."""
    for plan, outputs in zip(plans, seen, strict=True):
        if plan.phase.cycles == 1:
            done = np.flatnonzero(outputs["done"][:, 0])
            return int(done[0] - plan.taken[0, 0]) if len(done) else None
    return None


def _integers(rows: Bytes) -> NDArray[np.object_]:
    return np.array([int.from_bytes(row.tobytes(), "little") for row in rows], dtype=object)
