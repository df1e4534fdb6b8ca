"""The words of the command line: commands, their options, and one-line usage errors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from accelgen import __version__
from accelgen.cli import (
    attention,
    check,
    codesign,
    cycles,
    describe,
    doctor,
    explain,
    generate,
    hardware,
    mac,
    networks,
    pareto,
    quantize,
    realize,
    show,
    simulate,
    sweep,
    synth,
    verify,
)
from accelgen.cli.command import Command
from accelgen.errors import InputError
from accelgen.names import nearest, shorten

__all__ = ["COMMANDS", "parse"]

COMMANDS: tuple[Command, ...] = (
    generate.GENERATE,
    verify.VERIFY,
    cycles.CYCLES,
    explain.EXPLAIN,
    explain.PASSES,
    show.SHOW,
    quantize.QUANTIZE,
    mac.MAC,
    networks.NETWORKS,
    hardware.HARDWARE,
    attention.ATTENTION,
    simulate.SIMULATE,
    sweep.SWEEP,
    pareto.PARETO,
    codesign.CODESIGN,
    realize.REALIZE,
    describe.LIST,
    generate.DEMO,
    check.LINT,
    synth.SYNTH,
    doctor.DOCTOR,
)

_DESCRIPTION = """\
From an affine description of a tensor computation and of its layout in space and time:
synthesizable Verilog, verified by simulation, with its cycles predicted exactly."""

_EPILOG = """\
exit codes: 0 good, 1 the answer is no, 2 bad usage or input, 3 a tool is missing, 130 interrupted
begin with: accelgen demo"""


class _Parser(argparse.ArgumentParser):
    """Raises its errors, so that they look like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message, hint=f"see {self.prog} --help")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The arguments of one command; ``run`` is the function that carries it out.

    Raises :class:`InputError` for words that make no command, and :class:`SystemExit` after
    ``--help`` and ``--version``.
    """
    names = [command.name for command in COMMANDS]
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in names:
        raise InputError(f"unknown command {shorten(first)}", hint=nearest(first, names))
    parser = _Parser(
        prog="accelgen",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"accelgen {__version__}")
    _add_debug(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        below = commands.add_parser(
            command.name,
            help=command.summary,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            allow_abbrev=False,
        )
        command.add_arguments(below)
        _add_debug(below)
        below.set_defaults(run=command.run)
    arguments, unknown_words = parser.parse_known_args(words)
    if unknown_words:
        hint = f"see accelgen {first} --help"
        raise InputError(f"unknown argument {shorten(unknown_words[0])}", hint=hint)
    return arguments


def _add_debug(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
