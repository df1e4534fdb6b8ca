"""``accelgen show``."""

from __future__ import annotations

import argparse
from pathlib import Path

from accelgen.cli.command import Command, stages
from accelgen.cli.options import add_description, add_hardware, passes_without, read_description

__all__ = ["SHOW"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_description(parser)
    add_hardware(parser)
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="an .svg or .png file (default: <name>.svg)"
    )
    parser.add_argument(
        "--what", choices=("array", "spacetime", "both"), default="both",
        help="the array with its links, the space-time diagram, or both (default)",
    )  # fmt: skip


def _show(arguments: argparse.Namespace) -> int:
    from accelgen.pipeline import design
    from accelgen.show import draw

    description = read_description(arguments)
    path = Path(arguments.output or f"{description.name}.svg")
    with stages(f"drawing {description.name}") as progress:
        made = design(
            description,
            period=arguments.period,
            technology=arguments.technology,
            bus_bits=arguments.bus,
            without=passes_without(arguments),
            progress=progress,
        )
        progress("draw")
        print(draw(made, path, what=arguments.what))
    return 0


SHOW = Command("show", "draw the array and the space-time diagram", _add_arguments, _show)
