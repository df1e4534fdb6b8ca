"""``accelgen verify``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.attention_design import verify as verify_attention
from accelgen.cli.command import Command, add_json, print_json, remark, stages, table
from accelgen.cli.mac import show_unit_report
from accelgen.cli.processor import verify as verify_processor
from accelgen.cli.values import add_seed

if TYPE_CHECKING:
    from accelgen.cosim.verify import VerifyReport

__all__ = ["VERIFY", "simulate", "summary"]


_LATE = "late tlast on "
_PROBLEMS = 3


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="what generate or mac wrote")
    add_seed(parser, "of the random tensors and pauses")
    parser.add_argument(
        "--problems", type=int, metavar="N",
        help="problems queued back to back, at least 2 (default 3); units of mac have none",
    )  # fmt: skip
    parser.add_argument("--waves", action="store_true", help="write waves.fst or waves.vcd")
    add_json(parser)


def _verify(arguments: argparse.Namespace) -> int:
    from accelgen.manifest import Listing

    # Bad usage is an error of its own, whatever the folder holds.
    problems = _PROBLEMS if arguments.problems is None else arguments.problems
    usable = problems >= 2
    directory = Path(arguments.directory)
    design = Listing.read(directory).design if usable else "kernel"
    if design == "processor":
        return verify_processor(directory, arguments, problems)
    if design == "attention":
        if arguments.problems is not None:
            remark("--problems says nothing here: the phases of an attention accelerator are fixed")
        return verify_attention(directory, arguments)
    if design != "kernel":
        if arguments.problems is not None:
            remark("--problems says nothing here: an arithmetic unit has no problems")
        return _verify_unit(arguments)
    report = simulate(
        directory,
        seed=arguments.seed,
        problems=problems,
        waves=arguments.waves,
    )
    if arguments.json:
        print_json(report.to_json())
    else:
        print(_phases(report))
        print()
        print(summary(report))
    return 0 if report.passed else 1


def _verify_unit(arguments: argparse.Namespace) -> int:
    from accelgen.cosim.verify_unit import verify_unit

    directory = Path(arguments.directory)
    with stages(f"building and simulating {directory}"):
        report = verify_unit(directory, seed=arguments.seed, waves=arguments.waves)
    if arguments.json:
        print_json(report.to_json())
    else:
        print(show_unit_report(report))
    return 0 if report.passed else 1


def simulate(
    directory: Path, *, seed: int = 0, problems: int = _PROBLEMS, waves: bool = False
) -> VerifyReport:
    """:func:`accelgen.verify`, showing that it is at work."""
    from accelgen.cosim.verify import verify

    with stages(f"building and simulating {directory}"):
        return verify(directory, seed=seed, problems=problems, waves=waves)


def _phases(report: VerifyReport) -> str:
    rows: list[tuple[object, ...]] = [("phase", "problems", "busy cycles", "total cycles", "")]
    for phase in report.phases:
        total = "-" if phase.total_cycles is None else phase.total_cycles
        verdict = "pass" if phase.passed else "FAIL"
        rows.append((phase.name, phase.problems, phase.busy_cycles, total, verdict))
    return table(rows)


def summary(report: VerifyReport) -> str:
    """Predicted and measured cycles, the faults, what was left out and why, and the verdict."""
    measured = "hung" if report.measured_total is None else report.measured_total
    lines = [
        table(
            [
                ("", "predicted", "measured"),
                ("compute_cycles", report.predicted_compute, report.measured_compute),
                ("total_cycles", report.predicted_total, measured),
            ]
        ),
        *report.faults,
    ]
    if report.waves is not None:
        lines.append(f"waves: {report.waves}")
    names = {phase.name for phase in report.phases}
    lines += [
        f"{stream}: a packet is one beat, so none can end early"
        for stream in sorted(name.removeprefix(_LATE) for name in names if name.startswith(_LATE))
        if f"early tlast on {stream}" not in names
    ]
    failed = sum(not phase.passed for phase in report.phases)
    verdict = f"FAIL in {failed} of" if failed else "PASS in all"
    lines.append(f"{report.name}: {verdict} {len(report.phases)} phases")
    return "\n".join(lines)


VERIFY = Command(
    "verify", "simulate a design; compare with NumPy and the cycle model", _add_arguments, _verify
)
