"""``accelgen generate`` and ``verify`` of designs whose bounds are registers."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import print_json, stages, table
from accelgen.cli.options import BOUNDS, SPACE, passes_without, with_options
from accelgen.cli.values import extents, pairs
from accelgen.errors import InputError

if TYPE_CHECKING:
    from accelgen.affine import Description
    from accelgen.cosim.verify_processor import ProcessorReport
    from accelgen.processor.design import ProcessorDesign
    from accelgen.rtl.output_stage.form import StageForm

__all__ = ["add_processor", "generate", "is_processor", "verify"]


def add_processor(parser: argparse.ArgumentParser) -> None:
    """Add the options of designs whose bounds are registers."""
    parser.add_argument(
        "--programmable", action="store_true",
        help="bounds are registers, up to those given; so they are with several descriptions",
    )  # fmt: skip
    parser.add_argument(
        "--words", metavar="A=1024",
        help="words of each memory of a tensor, where these are registers",
    )  # fmt: skip
    parser.add_argument(
        "--accumulate-in", action="store_true",
        help="a stream of what problems may add to their result, where bounds are registers",
    )  # fmt: skip
    parser.add_argument(
        "--output-stage", action="store_true",
        help="bias, requantisation, residual, clip and pooling, where bounds are registers",
    )  # fmt: skip
    parser.add_argument(
        "--code-bits", type=int, metavar="8",
        help="of the results of an output stage: 8 or 16",
    )  # fmt: skip
    parser.add_argument("--name", metavar="NAME", help="of a design of several dataflows")


def is_processor(arguments: argparse.Namespace) -> bool:
    """Whether a design with registers is asked for."""
    from accelgen.processor.suite import is_suite

    several = len(arguments.description) > 1
    if several or arguments.programmable or is_suite(arguments.description[0]):
        return True
    for option in ("words", "name", "accumulate-in", "output-stage", "code-bits"):
        if getattr(arguments, option.replace("-", "_")) not in (None, False):
            raise InputError(
                f"--{option} is of designs whose bounds are registers", hint="add --programmable"
            )
    return False


def generate(arguments: argparse.Namespace) -> int:
    """Generate the design of one or several descriptions, or of a file that lists them."""
    from accelgen.affine import load_description
    from accelgen.processor.generate import generate_processor
    from accelgen.processor.suite import Suite, is_suite, load_suite

    sources: list[str] = arguments.description
    if len(sources) == 1 and is_suite(sources[0]):
        suite = load_suite(sources[0])
    else:
        found = tuple(load_description(source) for source in sources)
        suite = Suite(found[0].name if len(found) == 1 else "fused", found)
    descriptions = _with_options(suite.descriptions, arguments)
    words = dict(suite.words)
    if arguments.words is not None:
        words |= extents(arguments.words, "--words", "A=1024")
    stage = suite.output_stage
    if arguments.output_stage or stage is not None:
        stage = arguments.code_bits or stage or 8
    elif arguments.code_bits is not None:
        raise InputError("--code-bits is of an output stage", hint="add --output-stage")
    name = arguments.name or suite.name
    folder = Path(arguments.output or Path("rtl_out", name))
    with stages(f"generating {name}") as progress:
        made = generate_processor(
            descriptions,
            folder,
            name=name,
            period=arguments.period,
            technology=arguments.technology,
            bus_bits=arguments.bus,
            words=words,
            accumulate_in=arguments.accumulate_in or suite.accumulate_in,
            output_stage=stage,
            without=passes_without(arguments),
            progress=progress,
        )
    if arguments.json:
        print_json(_figures(made, folder))
    else:
        print(_summary(made, folder))
    return 0


def _with_options(
    descriptions: tuple[Description, ...], arguments: argparse.Namespace
) -> tuple[Description, ...]:
    """Descriptions with the options: of several, with those that can be meant for all of them."""
    from accelgen.processor.suite import with_common

    if len(descriptions) == 1:
        return (with_options(descriptions[0], arguments),)
    for option in ("time", "skew", "chain"):
        if getattr(arguments, option) is not None:
            raise InputError(
                f"--{option} does not say which of {len(descriptions)} dataflows it is meant for",
                hint="write it into the descriptions",
            )
    bounds, space, types = arguments.bounds, arguments.space, arguments.types
    return with_common(
        descriptions,
        bounds=extents(bounds, "--bounds", BOUNDS) if bounds is not None else None,
        space=extents(space, "--space", SPACE) if space is not None else None,
        types=pairs(types, "--types", "A=int4") if types is not None else None,
    )


def verify(directory: Path, arguments: argparse.Namespace, problems: int) -> int:
    """Verify such a design."""
    from accelgen.cosim.verify_processor import verify_processor

    with stages(f"building and simulating {directory}"):
        report = verify_processor(
            directory, seed=arguments.seed, problems=problems, waves=arguments.waves
        )
    if arguments.json:
        print_json(report.to_json())
    else:
        print(_shown(report))
    return 0 if report.passed else 1


def _summary(made: ProcessorDesign, folder: Path) -> str:
    from accelgen.passes.metrics import mux_inputs
    from accelgen.processor.largest import problem_at_largest

    pipeline = made.pipeline
    units = " x ".join(map(str, made.flows[0].fabric.kernel.space_extents))
    rows = [
        ("Verilog", folder / f"{made.name}.v"),
        *(
            (
                f"dataflow {number}",
                f"{flow.description.name}: {flow.description.workload.expression}, up to "
                + " ".join(f"{k}={n}" for k, n in flow.description.workload.bounds.items())
                + ("" if problem_at_largest(made, number) else ", as far as its memories go"),
            )
            for number, flow in enumerate(made.flows)
        ),
        *([("accumulates", _accumulates(made))] if made.accumulate_in else []),
        *([("output stage", _staged(made.stage))] if made.stage else []),
        ("registers", f"{len(made.registers)} describe a problem, on s_axil"),
        *((choice.register, f"a register: {', '.join(choice.names)}") for choice in made.choices),
        (
            "clock",
            f"{made.critical:.3f} ns of a period of {pipeline.period:g} ns, "
            f"estimated ({made.technology.name})",
        ),
        ("pipeline", f"{made.latency} cycles, {pipeline.bits} register bits"),
        ("multiplexers", f"{mux_inputs(pipeline.netlist.nodes)} inputs"),
        *([("without", ", ".join(made.without))] if made.without else []),
        ("next", f"accelgen verify {shlex.quote(str(folder))}"),
    ]
    several = len(made.flows)
    count = f"{several} dataflow{'s' * (several > 1)}"
    return f"{made.name}: {count} on {units} units\n{table(rows, indent='  ')}"


def _accumulates(made: ProcessorDesign) -> str:
    name = made.flows[0].fabric.output.tensor.name.lower()
    return f"what comes on s_axis_{name}, where a problem says so"


def _staged(form: StageForm) -> str:
    return (
        f"codes of {form.bits} bits, one per cycle; up to {form.channels} channels, "
        f"{form.rows} x {form.columns}"
    )


def _figures(made: ProcessorDesign, folder: Path) -> dict[str, object]:
    from accelgen.passes.metrics import mux_inputs
    from accelgen.processor.manifest import to_json

    manifest = to_json(made)
    return {
        "name": made.name,
        "output": str(folder),
        "verilog": [str(folder / f"{made.name}.v")],
        "manifest": str(folder / "manifest.json"),
        "report": str(folder / "report.md"),
        "dataflows": manifest["dataflows"],
        "memories": manifest["memories"],
        "accumulate_in": made.accumulate_in,
        **({"output_stage": manifest["output_stage"]} if made.stage else {}),
        "without": list(made.without),
        "technology": made.technology.name,
        "period_ns": made.pipeline.period,
        "critical_path_ns": round(made.critical, 6),
        "register_bits": made.pipeline.bits,
        "mux_inputs": mux_inputs(made.pipeline.netlist.nodes),
    }


def _shown(report: ProcessorReport) -> str:
    rows: list[tuple[object, ...]] = [("phase", "problems", "busy cycles", "total cycles", "")]
    for phase in report.phases:
        total = "-" if phase.total_cycles is None else phase.total_cycles
        busy = " ".join(map(str, phase.busy))
        rows.append((phase.name, phase.problems, busy, total, "pass" if phase.passed else "FAIL"))
    failed = sum(not phase.passed for phase in report.phases)
    verdict = f"FAIL in {failed} of" if failed else "PASS in all"
    last = f"{report.name}: {verdict} {len(report.phases)} phases"
    waves = [f"waves: {report.waves}"] if report.waves is not None else []
    return "\n".join([table(rows), "", *report.faults, *waves, last])
