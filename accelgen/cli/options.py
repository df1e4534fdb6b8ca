"""Options that several commands have."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from accelgen.cli.values import axes, extents, pairs

if TYPE_CHECKING:
    from accelgen.affine import Description

__all__ = ["BOUNDS", "SPACE", "add_description", "add_hardware", "add_workers",
           "passes_without", "read_description", "with_options"]  # fmt: skip

BOUNDS = "m=64,n=64"
SPACE = "i=16,j=16"


def add_description(
    parser: argparse.ArgumentParser, *, ranges: bool = False, several: bool = False
) -> None:
    """Add DESCRIPTION (or ``several``) and the options that change it; with ``ranges``, to many
    values.
    """
    more = "; each a number, a range FIRST:LAST:STEP or a list 16|32|64" if ranges else ""
    if several:
        parser.add_argument(
            "description", metavar="DESCRIPTION", nargs="+",
            help="a shipped name (accelgen list) or a YAML file; several run on one array, chosen "
            "at run time, as do those that a file lists as dataflows: [a, b]",
        )  # fmt: skip
    else:
        parser.add_argument(
            "description", metavar="DESCRIPTION",
            help="a shipped name (accelgen list) or a YAML file",
        )  # fmt: skip
    parser.add_argument("--bounds", metavar=BOUNDS, help=f"loop bounds{more}")
    parser.add_argument("--space", metavar=SPACE, help=f"extents of the array{more}")
    parser.add_argument("--time", metavar="k1=4", help="extents of time loops")
    parser.add_argument(
        "--types",
        metavar="A=int4",
        help="element types: int8, nvfp4, ...; int8/4/2 and "
        "nvfp4/if4/mxfp4/int4 are chosen by every problem",
    )
    parser.add_argument(
        "--skew", metavar="i=1,j=1", help="cycles per axis; or broadcast, or systolic"
    )
    parser.add_argument(
        "--chain", metavar="A=j,Y=none",
        help="axis of the shift chains of stationary tensors; none: a memory port per unit",
    )  # fmt: skip


def add_hardware(parser: argparse.ArgumentParser) -> None:
    """Add the options of the hardware: clock, technology, bus."""
    parser.add_argument(
        "--period", type=float, metavar="NS",
        help="target clock period; when not given, the technology's default or the shortest "
        "period of this design, whichever is longer",
    )  # fmt: skip
    parser.add_argument(
        "--technology", default="sg13g2", metavar="NAME",
        help="delays of the primitives: sg13g2 (default) or asap7",
    )  # fmt: skip
    parser.add_argument(
        "--bus", type=int, metavar="BITS",
        help="width of the streams (default 64, or a whole block where that is wider)",
    )  # fmt: skip
    parser.add_argument(
        "--without", metavar="PASS", action="append", default=[],
        help="leave out a pass over the netlist (accelgen passes); several with commas, or again",
    )  # fmt: skip


def passes_without(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The passes that are left out."""
    return tuple(name.strip() for text in arguments.without for name in text.split(","))


def read_description(arguments: argparse.Namespace, *, ranges: bool = False) -> Description:
    """The description with its options; with ``ranges``, without bounds and space."""
    from accelgen.affine import load_description

    return with_options(load_description(arguments.description), arguments, ranges=ranges)


def with_options(
    description: Description, arguments: argparse.Namespace, *, ranges: bool = False
) -> Description:
    """A description with the options; with ``ranges``, without bounds and space."""
    bounds, space = (None, None) if ranges else (arguments.bounds, arguments.space)
    skew: str | None = arguments.skew
    chain: str | None = arguments.chain
    return description.with_overrides(
        bounds=extents(bounds, "--bounds", BOUNDS) if bounds is not None else None,
        space=extents(space, "--space", SPACE) if space is not None else None,
        time=extents(arguments.time, "--time", "k1=4") if arguments.time is not None else None,
        types=pairs(arguments.types, "--types", "A=int4") if arguments.types is not None else None,
        chain=axes(chain, "--chain", "A=j,Y=none") if chain is not None else None,
        skew=extents(skew, "--skew", "i=1,j=1") if skew is not None and "=" in skew else skew,
    )


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Add what says where many evaluations run: ``--jobs``, ``--executor`` and ``--address``."""
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one per core)")
    parser.add_argument(
        "--executor", choices=("local", "ray"), default="local",
        help="processes on this machine (default), or Ray",
    )  # fmt: skip
    parser.add_argument("--address", metavar="HOST:PORT", help="of a Ray cluster")
