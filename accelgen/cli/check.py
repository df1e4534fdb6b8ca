"""``accelgen lint``."""

from __future__ import annotations

import argparse
from pathlib import Path

from accelgen.cli.command import Command, add_json, print_json, stages

__all__ = ["LINT"]


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


LINT = Command("lint", "check a design with Verilator's lint and Yosys", _add_lint_arguments, _lint)
