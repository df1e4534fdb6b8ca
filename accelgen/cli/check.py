"""``accelgen lint`` and ``accelgen synth``."""

from __future__ import annotations

import argparse
from pathlib import Path

from accelgen.cli.command import Command, add_json, print_json, stages, table

__all__ = ["LINT", "SYNTH"]


def _add_lint_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="what generate wrote")
    add_json(parser)


def _lint(arguments: argparse.Namespace) -> int:
    from accelgen.cosim.lint import lint, yosys_check

    directory = Path(arguments.directory)
    with stages(f"checking {directory}"):
        reports = [lint(directory), yosys_check(directory)]
    passed = all(report.passed for report in reports)
    if arguments.json:
        tools = [{"tool": report.tool, "problems": list(report.problems)} for report in reports]
        print_json({"passed": passed, "tools": tools})
    else:
        for report in reports:
            print(f"{report.tool}: {'clean' if report.passed else 'NOT clean'}")
            for problem in report.problems:
                print(f"  {problem}")
    return 0 if passed else 1


def _add_synth_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="what generate wrote")
    parser.add_argument(
        "--target", choices=("ecp5", "generic"), default="ecp5",
        help="Lattice ECP5 cells (default), or two-input gates",
    )  # fmt: skip
    add_json(parser)


def _synth(arguments: argparse.Namespace) -> int:
    from accelgen.cosim.lint import synthesise

    directory = Path(arguments.directory)
    with stages(f"synthesising {directory} for {arguments.target}"):
        report = synthesise(directory, arguments.target)
    if arguments.json:
        print_json(
            {
                "target": report.target,
                "cells": dict(report.cells),
                "seconds": round(report.seconds, 3),
            }
        )
    else:
        print(table([("cell", "count"), *report.cells.items()]))
    return 0


LINT = Command("lint", "check a design with Verilator's lint and Yosys", _add_lint_arguments, _lint)
SYNTH = Command("synth", "synthesise a design with Yosys", _add_synth_arguments, _synth)
