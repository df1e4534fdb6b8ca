"""``accelgen passes`` and ``accelgen explain``."""

from __future__ import annotations

import argparse
from pathlib import Path

from accelgen.cli.command import Command, add_json, print_json, table

__all__ = ["EXPLAIN", "PASSES"]


def _passes(arguments: argparse.Namespace) -> int:
    from accelgen.passes import PASSES as ORDER

    if arguments.json:
        print_json({"passes": [{"name": p.name, "summary": p.summary} for p in ORDER]})
    else:
        print(table([(p.name, p.summary) for p in ORDER]))
    return 0


def _add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="a folder that generate wrote")
    add_json(parser)


def _explain(arguments: argparse.Namespace) -> int:
    from accelgen.manifest import Listing, read_manifest
    from accelgen.passes.table import pass_rows

    folder = Path(arguments.folder)
    name = Listing.read(folder).name
    values = read_manifest(folder, lambda data: data)
    assert isinstance(values, dict)
    passes = values.get("passes")
    rows = pass_rows(passes, str(folder / "manifest.json"))
    without = values.get("without", [])
    if arguments.json:
        print_json({"name": name, "passes": passes, "without": without})
        return 0
    # A column that says the same nothing for every pass says nothing.
    shown = [k for k in range(len(rows[0])) if any(row[k] not in ("0", "-") for row in rows[1:])]
    print(table([[row[k] for k in shown] for row in rows]))
    if isinstance(without, list) and without:
        print(f"without {', '.join(map(str, without))}")
    return 0


PASSES = Command("passes", "list the passes over the netlist, in order", add_json, _passes)
EXPLAIN = Command(
    "explain", "what every pass changed in a design", _add_explain_arguments, _explain
)
