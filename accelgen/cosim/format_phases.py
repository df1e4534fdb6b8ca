"""Phases about formats of problems: all of them, none of them, and codes that are no numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Protocol

from accelgen.cosim.sequence import Asked, Phase
from accelgen.cosim.stimuli import Fill, stimuli_at
from accelgen.emit import stream_specs
from accelgen.processor.design import ProcessorModel

__all__ = ["Make", "bad_numbers", "every_format", "no_such_format"]


class Make(Protocol):
    """What makes a problem of a dataflow, by its number or any, at random bounds."""

    def __call__(
        self,
        number: int | None = None,
        formats: Mapping[str, str] | None = None,
        *,
        fill: Fill = "any",
        spoilt: int | None = None,
    ) -> Asked:
        """A problem in the formats, with values as :func:`draw_inputs` says."""


def every_format(model: ProcessorModel, number: int, make: Make) -> list[Phase]:
    """Problems of a dataflow in all formats, where these are chosen."""
    if not model.choices:
        return []
    name = model.flows[number].description.name
    fills: tuple[Fill, ...] = ("any", "extreme")
    asked = [make(number, formats, fill=fill) for formats in _combinations(model) for fill in fills]
    return [Phase(asked, f"{name}, every format")]


def no_such_format(model: ProcessorModel, make: Make) -> list[Phase]:
    """Starts that must be refused, by a format that there is not."""
    phases = []
    for choice in model.choices:
        register = next(r for r in model.registers if r.name == choice.register)
        beyond = (register.offset, register.most + 1)
        phases.append(Phase([make(), None, make()], f"no such {choice.register}", beyond))
    return phases


def bad_numbers(model: ProcessorModel, make: Make) -> list[Phase]:
    """Codes that are no numbers on each input that has some: a flag says so until reset."""
    kernel = model.flows[0].fabric.kernel
    if kernel.blocks is None:
        return []
    phases = []
    streams = list(enumerate(stream_specs(model.flows[0].fabric)[:-1]))
    for (number, spec), formats in product(streams, _combinations(model)):
        form = next(iter(formats.values()), "")
        if not len(stimuli_at(number, kernel.product, spec.number, form).bad):
            continue
        asked = [make(None, formats, spoilt=number), make()]
        name = " ".join(filter(None, (f"bad numbers on {spec.prefix}", form)))
        phases.append(Phase(asked, name, reset=True, bad_number=True))
    if phases:
        phases.append(Phase([make()], "after a reset", reset=True))
    return phases


def _combinations(model: ProcessorModel) -> list[dict[str, str]]:
    """All that a problem can choose, by register."""
    registers = [choice.register for choice in model.choices]
    every = product(*(choice.names for choice in model.choices))
    return [dict(zip(registers, names, strict=True)) for names in every]
