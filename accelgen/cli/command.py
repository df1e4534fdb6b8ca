"""What a command is, and how every command shows its results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from accelgen.cli.interrupts import raise_if_interrupted

__all__ = ["JSON_SCHEMA", "Command", "add_json", "print_json", "remark", "stages", "table"]

JSON_SCHEMA = 1
"""Schema of everything that ``--json`` prints."""


@dataclass(frozen=True)
class Command:
    """A command: its name, a line of help, its arguments, and what it does.

    ``run`` returns the exit code.  Modules of commands import what is slow to import only in
    there, so that ``accelgen list`` answers at once.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")


def print_json(values: Mapping[str, object]) -> None:
    """Print ``values`` with the schema in front."""
    print(json.dumps({"schema": JSON_SCHEMA, **values}, indent=2))


def remark(text: str) -> None:
    """Say something beside the results, on standard error."""
    print(f"accelgen: {text}", file=sys.stderr)


def table(rows: Sequence[Sequence[object]], *, indent: str = "") -> str:
    """Rows in columns, numbers to the right; the last column may be of any length."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = range(len(cells[0]))
    widths = [max(len(row[column]) for row in cells) for column in columns]
    numeric = [any(type(row[column]) is int for row in rows) for column in columns]
    return "\n".join(
        indent
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


@contextmanager
def stages(title: str) -> Iterator[Callable[[str], None]]:
    """Show on standard error, when that is a terminal, which stage the work is at."""
    if not sys.stderr.isatty():
        yield lambda stage: raise_if_interrupted()
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(title)) as status:

        def show(stage: str) -> None:
            raise_if_interrupted()
            status.update(Text(f"{title}: {stage}"))

        yield show
