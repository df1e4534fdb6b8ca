"""Sequences of problems on a design whose bounds are registers: run, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.cosim.draws import draw_formats, draw_inputs, draw_integers, reference
from accelgen.cosim.model import Model, build_model
from accelgen.cosim.packing import beat_count, pack, unpack
from accelgen.cosim.plan import Plan, phase_plan
from accelgen.cosim.programmed import listed, ports_of, programmed, run_plan
from accelgen.cosim.runtime import Trace
from accelgen.cosim.staged import draw_residual, draw_staged, inputs_of, output_of, residual_of
from accelgen.cosim.stimuli import Fill
from accelgen.cosim.toolchain import find_toolchain
from accelgen.golden.integer import wrap
from accelgen.processor.design import Problem, ProcessorModel
from accelgen.processor.output_stage import Staged, parameter_words, through_stage

__all__ = ["Asked", "Cancelled", "Phase", "Seen", "build_bench", "run_sequences",
           "simulate_sequences"]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Asked:
    """A problem with the values of its inputs, by name in the design, and of its result; ``addend``
    comes in on the accumulate-in stream where the problem adds that.  ``wrong`` are packets, by
    name of their input, that come before the right one and must be dropped.

    Of a design with an output stage, ``inputs`` has its parameters too, ``sums`` are what goes
    through it, and ``residual`` comes in on the stream of that name where the problem adds it, in
    ``residual_beats`` beats where its packet has another length than it should.
    """

    problem: Problem
    inputs: Mapping[str, NDArray[np.int64]]
    output: NDArray[np.int64]
    addend: NDArray[np.int64] | None = None
    wrong: Mapping[str, Sequence[NDArray[np.uint8]]] = field(default_factory=dict)
    sums: NDArray[np.int64] | None = None
    residual: NDArray[np.int64] | None = None
    residual_beats: int | None = None

    @classmethod
    def of(
        cls,
        design: ProcessorModel,
        dataflow: int | str,
        bounds: Mapping[str, int],
        values: Mapping[str, NDArray[np.int64]],
        addend: NDArray[np.int64] | None = None,
        formats: Mapping[str, str] | None = None,
        *,
        staged: Staged | None = None,
        residual: NDArray[np.int64] | None = None,
    ) -> Asked:
        """A problem with given values of its inputs, by their names in the dataflow (its number or
        name); bounds not named are the largest, ``formats`` the defaults, and without ``staged`` an
        output stage clips.
        """
        problem = design.problem(
            dataflow, bounds, formats, accumulate=addend is not None, staged=staged
        )
        flow = design.flows[problem.dataflow]
        workload = flow.description.with_overrides(bounds=bounds).workload
        output = reference(workload, problem, values)
        if addend is not None:
            form = problem.fabric.kernel.output.format
            output = wrap(addend + output, form.bits, form.signed)
        named = {flow.tensors[own]: value for own, value in values.items()}
        if problem.staged is None:
            return cls(problem, named, output, addend)
        named[inputs_of(design, problem)[-1].operand] = parameter_words(problem.staged.stage)
        codes = through_stage(problem.staged, output, residual)
        return cls(problem, named, codes, sums=output, residual=residual)

    def with_residual_of(self, design: ProcessorModel, beats: int) -> Asked:
        """The same with a packet of so many beats for its residual: what does not come is zero."""
        assert self.residual is not None
        assert self.sums is not None
        assert self.problem.staged is not None
        come = np.zeros(self.residual.size, np.int64)
        count = beats * residual_of(design, self.problem).per_beat
        come[:count] = self.residual.reshape(-1)[:count]
        output = through_stage(self.problem.staged, self.sums, come.reshape(self.residual.shape))
        return replace(self, output=output, residual_beats=beats)

    @classmethod
    def random(
        cls,
        design: ProcessorModel,
        dataflow: int,
        bounds: Mapping[str, int],
        rng: np.random.Generator,
        formats: Mapping[str, str] | None = None,
        *,
        accumulate: bool = False,
        fill: Fill = "any",
        spoilt: int | None = None,
        staged: Staged | None = None,
    ) -> Asked:
        """A problem with random values, in ``formats`` or else in random ones; ``fill`` and
        ``spoilt`` are those of :func:`draw_inputs`.  An output stage does what ``staged`` says, or
        anything.
        """
        formats = draw_formats(design, rng) if formats is None else formats
        problem = design.problem(dataflow, bounds, formats)
        if design.stage is not None and staged is None:
            staged = draw_staged(design.stage, problem.fabric.output.tensor.shape, rng)
        own = list(design.flows[dataflow].tensors)
        drawn = draw_inputs(problem, rng, fill=fill, spoilt=spoilt)
        values = dict(zip(own, drawn, strict=False))
        addend = draw_integers(problem.fabric.kernel.output, rng) if accumulate else None
        residual = None
        if staged is not None and staged.stage.residual_multiplier is not None:
            residual = draw_residual(
                residual_of(design, replace(problem, staged=staged)), rng, fill
            )
        return cls.of(
            design, dataflow, bounds, values, addend, formats, staged=staged, residual=residual
        )


@dataclass(frozen=True, eq=False)
class Cancelled:
    """A problem that is started and then cancelled, because it waits for its packets: either the
    one of the input ``kept_back`` never comes, and it is cancelled while others come in; or the
    registers and the packets contradict each other, and it is cancelled after these.
    """

    asked: Asked
    kept_back: str | None = None


@dataclass(frozen=True, eq=False)
class Phase:
    """What is run in a row, under a ``name``: problems, some of them cancelled, and for every
    ``None`` among them a start that must be refused, because of the offset and value in ``illegal``
    (no value: because that register was not written).

    ``reset`` begins it with a reset; ``bad_number`` says that codes come in that are no numbers,
    ``error`` that packets of the wrong length do, or did since the last reset.
    """

    problems: Sequence[Asked | Cancelled | None]
    name: str = ""
    illegal: tuple[int, int | None] = (0, 0)
    pause_in: float = 0.0
    pause_out: float = 0.0
    reset: bool = False
    bad_number: bool = False
    error: bool = False

    @property
    def results(self) -> list[Asked]:
        """The problems that have results."""
        return [asked for asked in self.problems if isinstance(asked, Asked)]


@dataclass(frozen=True)
class Seen:
    """What was wrong in a phase, and the cycles of its problems: how many, and the first ones.

    ``results`` are the elements that came for every problem with a result, in row-major order;
    ``None`` where none came, or not as many as there are.  ``span`` has the cycles from the first
    beat that came in to behind the last that went out, ``total`` of them.
    """

    faults: tuple[str, ...]
    busy: tuple[int, ...]
    total: int | None
    begins: tuple[int, ...] = ()
    results: tuple[NDArray[np.int64] | None, ...] = ()
    span: tuple[int, int] | None = None


def run_sequences(
    design: ProcessorModel,
    verilog: Path,
    phases: Sequence[Phase],
    *,
    seed: int = 0,
    waves: Path | None = None,
    options: Sequence[str] = (),
) -> list[Seen]:
    """Build the design in the file ``verilog``, simulate it, and say what it did wrong in each
    phase: :func:`build_bench` and :func:`simulate_sequences` in one.
    """
    model = build_bench(design, verilog, waves=waves, options=options)
    return simulate_sequences(design, model, phases, seed=seed, waves=waves)


def build_bench(
    design: ProcessorModel, verilog: Path, *, waves: Path | None = None, options: Sequence[str] = ()
) -> Model:
    """Compile the design in the file ``verilog`` for sequences of problems.

    ``waves`` will take the trace, as its suffix says; ``options`` are further ones of Verilator.
    """
    trace: Trace = "none" if waves is None else "fst" if waves.suffix == ".fst" else "vcd"
    return build_model(find_toolchain(), [verilog], design.name, _ports(design), trace, options)


def simulate_sequences(
    design: ProcessorModel,
    model: Model,
    phases: Sequence[Phase],
    *,
    seed: int = 0,
    waves: Path | None = None,
) -> list[Seen]:
    """Simulate the ``model`` built of a design and say what it did wrong in each phase.

    ``waves`` takes the trace, for which the model has to be built.
    """
    seen = run_plan(
        model, "processor_bench.py", _plan(design, phases, seed), seed=seed, waves=waves
    )
    return [
        _judge(design, phase, found, outputs)
        for phase, (found, outputs) in zip(phases, seen, strict=True)
    ]


def _incoming(design: ProcessorModel) -> list[str]:
    """The prefixes of the streams that come in: the inputs, then what is accumulated, or those of
    the output stage.
    """
    kernel = design.flows[0].fabric.kernel
    tensors = [*kernel.inputs, *([kernel.output] if design.accumulate_in else [])]
    names = [tensor.name.lower() for tensor in tensors]
    if design.stage is not None:
        names += [f"{kernel.output.name.lower()}_{kind}" for kind in ("parameters", "residual")]
    return [f"s_axis_{name}" for name in names]


def _outgoing(design: ProcessorModel) -> str:
    """The prefix of the stream of results."""
    return f"m_axis_{design.flows[0].fabric.kernel.output.name.lower()}"


def _ports(design: ProcessorModel) -> list[str]:
    flags = ["busy", "error", *(["bad_number"] if design.flows[0].fabric.kernel.blocks else [])]
    return ports_of(flags, [*_incoming(design), _outgoing(design)])


def _plan(design: ProcessorModel, phases: Sequence[Phase], seed: int) -> Plan:
    offsets = {register.name: register.offset for register in design.registers}
    kernel = design.flows[0].fabric.kernel
    bus = design.flows[0].fabric.bus_bits
    arrays: dict[str, NDArray[np.uint8]] = {}
    plans = []
    written: dict[str, int] = {}
    for number, phase in enumerate(phases):
        problems: list[dict[str, object]] = []
        if phase.reset:
            written.clear()
        for i, asked in enumerate(phase.problems):
            if asked is None:
                unwritten = phase.illegal[1] is None
                writes = [] if unwritten else [phase.illegal]
                problems.append({"writes": writes, "packets": {}, "cancel": None})
                continue
            kept_back, cancel = None, None
            if isinstance(asked, Cancelled):
                kept_back, cancel = asked.kept_back, "at once" if asked.kept_back else "at the end"
                asked = replace(asked.asked, addend=None, residual=None)
            setting = asked.problem.setting
            writes = [
                (offsets[name], value)
                for name, value in setting.items()
                if written.get(name) != value
            ]
            written.update(setting)
            packets: dict[str, list[str]] = {}
            for spec in inputs_of(design, asked.problem):
                if spec.operand == kept_back:
                    continue
                right = pack(
                    asked.inputs[spec.operand], spec.element_bits, spec.bus_bits, spec.lanes
                )
                offered = [*asked.wrong.get(spec.operand, ()), right]
                names = [f"{number}.{spec.operand}.{i}.{k}" for k in range(len(offered))]
                arrays |= dict(zip(names, offered, strict=True))
                packets[spec.prefix] = names
            if asked.addend is not None:
                name = f"{number}.addend.{i}"
                # Bits beside its elements are ignored: let them be no zeros.
                form, spare = kernel.output.format, np.full(bus, -1, dtype=np.int64)
                whole = np.concatenate([asked.addend.reshape(-1), spare])
                beats = beat_count(asked.addend.size, form.bits, bus)
                arrays[name] = pack(whole, form.bits, bus)[:beats]
                packets[f"s_axis_{kernel.output.name.lower()}"] = [name]
            if asked.residual is not None:
                spec = residual_of(design, asked.problem)
                name = f"{number}.residual.{i}"
                # As above; what is more than its beats is noise too.
                beats = spec.beats if asked.residual_beats is None else asked.residual_beats
                spare = np.full((beats + 1) * spec.per_beat, -1, dtype=np.int64)
                whole = np.concatenate([asked.residual.reshape(-1), spare])
                arrays[name] = pack(whole, spec.element_bits, spec.bus_bits)[:beats]
                packets[spec.prefix] = [name]
            problems.append({"writes": writes, "packets": packets, "cancel": cancel})
        work = sum(asked.problem.cycles.total_cycles for asked in phase.results)
        paused = bool(phase.pause_in or phase.pause_out)
        plan = phase_plan(
            number,
            phase,
            outputs=len(phase.results),
            limit=20000 + (30 if paused else 4) * work,
            reset=number == 0 or phase.reset,
            seed=seed,
        )
        plans.append({"problems": problems, **plan})
    bad_number = bool(kernel.blocks)
    said = programmed(_incoming(design), _outgoing(design), bad_number=bad_number)
    return Plan(said, plans, arrays)


def _judge(
    design: ProcessorModel,
    phase: Phase,
    seen: Mapping[str, object],
    outputs: Sequence[NDArray[np.uint8]],
) -> Seen:
    known = phase.results
    faults = [str(violation) for violation in listed(seen["violations"])]
    if seen["hung"] or len(outputs) != len(known):
        faults.append(f"{len(outputs)} of {len(known)} results came")
    results: list[NDArray[np.int64] | None] = [None] * len(known)
    for number, (asked, beats) in enumerate(zip(known, outputs, strict=False)):
        expected = asked.output
        output = output_of(design, asked.problem)
        which = f"result {number + 1}: "
        if len(beats) != output.beats:
            faults.append(f"{which}{len(beats)} beats for {expected.size} elements")
            continue
        values, clean = unpack(beats, output.elements, output.number, output.bus_bits)
        results[number] = values
        wrong = np.flatnonzero(values != expected.reshape(-1))
        if len(wrong):
            k = int(wrong[0])
            faults.append(
                f"{which}element {k} is {values[k]} instead of {expected.reshape(-1)[k]} "
                f"({len(wrong)} of {expected.size} differ)"
            )
        if not clean:
            faults.append(f"{which}unused bits are not zero")
    refused = [int(str(at)) for at in listed(seen["refused"])]
    wanted = [phase.illegal[0] if asked is None else 0 for asked in phase.problems]
    if refused != wanted:
        faults.append(f"starts were refused for the registers {refused} instead of {wanted}")
    if not all(listed(seen["cancelled"])):
        faults.append("a problem that waits for its packets was not cancelled")
    if phase.error and not seen["error_after"]:
        faults.append("error stays low after packets of wrong length")
    if not phase.error and seen["error_after"]:
        faults.append("error rises although every packet is right")
    if seen["bad_number_after"] != phase.bad_number:
        faults.append(f"bad_number is {seen['bad_number_after']}, not {int(phase.bad_number)}")
    spans = [tuple(map(int, map(str, listed(span)))) for span in listed(seen["busy_spans"])]
    busy = tuple(end - start for start, end in spans)
    expected_busy = tuple(asked.problem.cycles.compute_cycles for asked in known)
    if busy != expected_busy:
        faults.append(f"busy for {busy} cycles instead of {expected_busy}")
    total = seen["total_cycles"]
    total = int(str(total)) if total is not None else None
    paused = phase.pause_in or phase.pause_out
    timed = len(known) == 1 and not paused and not known[0].wrong
    if timed and total != known[0].problem.cycles.total_cycles:
        faults.append(f"total_cycles {total} instead of {known[0].problem.cycles.total_cycles}")
    begins = tuple(start for start, _ in spans)
    span = None
    if total is not None and known:
        end = int(str(listed(seen["output_ends"])[len(known) - 1])) + 1
        span = (end - total, end)
    return Seen(tuple(faults), busy, total, begins, tuple(results), span)
