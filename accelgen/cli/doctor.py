"""``accelgen doctor``."""

from __future__ import annotations

import argparse
import platform
from dataclasses import asdict

from accelgen import __version__
from accelgen.cli.command import Command, add_json, print_json, table
from accelgen.errors import MissingToolError

__all__ = ["DOCTOR"]


def _doctor(arguments: argparse.Namespace) -> int:
    from accelgen.cosim import toolchain

    findings = toolchain.doctor()
    missing = [tool for tool in findings if tool.required and not tool.found]
    if arguments.json:
        print_json(
            {
                "accelgen": __version__,
                "python": platform.python_version(),
                "complete": not missing,
                "tools": [asdict(tool) for tool in findings],
            }
        )
        return MissingToolError.exit_code if missing else 0
    rows = [("tool", "version", "for", "how to get it")]
    rows += [("accelgen", __version__, "", ""), ("python", platform.python_version(), "", "")]
    for tool in findings:
        absent = "MISSING" if tool.required else "absent"
        version = (tool.version or "found") if tool.found else absent
        rows.append((tool.name, version, tool.purpose, "" if tool.found else tool.remedy))
    print(table(rows))
    print()
    if missing:
        print(f"missing: {', '.join(tool.name for tool in missing)}")
        return MissingToolError.exit_code
    print("everything that is needed is there")
    return 0


DOCTOR = Command("doctor", "say which tools were found, and how to get the rest", add_json, _doctor)
