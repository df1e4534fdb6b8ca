"""``accelgen generate`` and ``accelgen demo``."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.attention_design import check_sources, is_attention_source
from accelgen.cli.attention_design import generate as generate_attention
from accelgen.cli.command import Command, add_json, print_json, remark, stages, table
from accelgen.cli.options import add_description, add_hardware, passes_without, read_description
from accelgen.cli.processor import add_processor, is_processor
from accelgen.cli.processor import generate as generate_processor
from accelgen.cli.verify import simulate, summary

if TYPE_CHECKING:
    from accelgen.pipeline import Design

__all__ = ["DEMO", "GENERATE"]

DEMO_DESCRIPTION = "gemm_os_systolic"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser, several=True)
    add_processor(parser)
    add_hardware(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="default: rtl_out/<name>")
    add_json(parser)


def _generate(arguments: argparse.Namespace) -> int:
    from accelgen.pipeline import generate
    from accelgen.report import waiting

    if is_attention_source(arguments.description):
        return generate_attention(arguments.description[0], arguments)
    check_sources(arguments.description)
    if is_processor(arguments):
        return generate_processor(arguments)
    (arguments.description,) = arguments.description
    description = read_description(arguments)
    folder = Path(arguments.output or Path("rtl_out", description.name))
    with stages(f"generating {description.name}") as progress:
        made = generate(
            description,
            folder,
            period=arguments.period,
            technology=arguments.technology,
            bus_bits=arguments.bus,
            without=passes_without(arguments),
            progress=progress,
        )
    if made.cycles.chain_wait:
        remark(waiting(made.cycles))
    if arguments.json:
        print_json(_figures(made, folder))
    else:
        print(_summary(made, folder, ("next", f"accelgen verify {shlex.quote(str(folder))}")))
    return 0


def _add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="DIR", default=str(Path("rtl_out", DEMO_DESCRIPTION)),
        help="default: %(default)s",
    )  # fmt: skip


def _demo(arguments: argparse.Namespace) -> int:
    from accelgen.affine import load_description
    from accelgen.pipeline import generate

    folder = Path(arguments.output)
    with stages(f"generating {DEMO_DESCRIPTION}") as progress:
        made = generate(load_description(DEMO_DESCRIPTION), folder, progress=progress)
    print(_summary(made, folder), flush=True)
    report = simulate(folder)
    print()
    print(summary(report))
    return 0 if report.passed else 1


def _summary(made: Design, folder: Path, *more: tuple[str, str]) -> str:
    from accelgen.report import count_memories, count_units

    name, kernel, pipeline = made.description.name, made.kernel, made.pipeline
    bounds = " ".join(f"{k}={n}" for k, n in made.description.workload.bounds.items())
    array = " x ".join(map(str, kernel.space_extents))
    greedy = pipeline.greedy_bits
    rows = [
        ("Verilog", folder / f"{name}.v"),
        (
            "predicted",
            f"compute_cycles {made.cycles.compute_cycles}, total_cycles {made.cycles.total_cycles}",
        ),
        (
            "clock",
            f"{pipeline.critical:.3f} ns of a period of {pipeline.period:g} ns, "
            f"estimated ({made.technology.name})",
        ),
        ("registers", f"{pipeline.bits} pipeline bits, {greedy - pipeline.bits} fewer than greedy"),
        *([("without", ", ".join(made.without))] if made.without else []),
        ("units", _units(count_units(pipeline))),
        *(
            ("memory", f"{tensor}: {_banks(kinds)}, double-buffered")
            for tensor, kinds in count_memories(made.fabric).items()
        ),
        *more,
    ]
    heading = f"{name}: {made.description.workload.expression}, {bounds}, on {array} units"
    return f"{heading}\n{table(rows, indent='  ')}"


def _units(counts: Mapping[str, int]) -> str:
    """Functional units and, apart from them, the adder trees between them."""
    trees = [count for name, count in counts.items() if name.startswith("sum")]
    units = [count for name, count in counts.items() if not name.startswith("sum")]
    text = f"{sum(units)} of {len(units)} distinct module{'s' * (len(units) > 1)}"
    return f"{text}, and {sum(trees)} adder tree{'s' * (sum(trees) > 1)}" if trees else text


def _banks(kinds: Sequence[Mapping[str, int]]) -> str:
    return ", ".join(f"{kind['banks']} x {kind['words']} x {kind['bits']} bit" for kind in kinds)


def _figures(made: Design, folder: Path) -> dict[str, object]:
    from accelgen.report import count_memories, count_units

    name = made.description.name
    return {
        "name": name,
        "output": str(folder),
        "verilog": [str(folder / f"{name}.v")],
        "manifest": str(folder / "manifest.json"),
        "report": str(folder / "report.md"),
        "predicted": {
            "compute_cycles": made.cycles.compute_cycles,
            "total_cycles": made.cycles.total_cycles,
        },
        "technology": made.technology.name,
        "period_ns": made.pipeline.period,
        "critical_path_ns": round(made.critical, 6),
        "register_bits": {
            "lp": made.pipeline.bits,
            "greedy": made.pipeline.greedy_bits,
        },
        "units": count_units(made.pipeline),
        "memories": count_memories(made.fabric),
        "without": list(made.without),
    }


GENERATE = Command("generate", "write the Verilog of a description", _add_arguments, _generate)
DEMO = Command(
    "demo", "generate the default GEMM accelerator and verify it", _add_demo_arguments, _demo
)
