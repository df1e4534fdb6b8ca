"""Phases in which a design is used wrongly, and must go on rightly after it: packets of the wrong
length, problems that are cancelled, starts that must be refused.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from accelgen.cosim.format_phases import Make
from accelgen.cosim.phases import noise, wrong_lengths
from accelgen.cosim.sequence import Asked, Cancelled, Phase
from accelgen.cosim.staged import inputs_of
from accelgen.cosim.stimuli import stimuli_at
from accelgen.emit import stream_specs
from accelgen.processor.design import ProcessorModel
from accelgen.processor.formats import format_of
from accelgen.processor.registers import ACCUMULATE, FIRST_REGISTER, STAGE

__all__ = ["cancelled", "refused", "undescribed", "wrong_packets"]


def refused(model: ProcessorModel, make: Make) -> list[Phase]:
    """Starts that must be refused: values outside what a register takes."""
    phases = []
    dataflow, *others = model.registers
    last = next((r for r in others if r.name.startswith("last")), None)
    row = next(r for r in others if r.name.endswith("_row"))
    flag = next((r for r in others if r.name == ACCUMULATE), None)
    residual = next((r for r in others if r.name == f"{STAGE}residual"), None)
    for name, register, value in (
        ("no such dataflow", dataflow, dataflow.most + 1),
        ("bound out of range", last, last.most + 1 if last else 0),
        ("rows of nothing", row, row.least - 1),
        ("accumulate out of range", flag, flag.most + 1 if flag else 0),
        ("no such residual", residual, residual.most + 1 if residual else 0),
    ):
        if register is not None:
            problems = [make(), None, make(), None, make()]
            phases.append(Phase(problems, name, (register.offset, value)))
    return phases


def undescribed(make: Make) -> Phase:
    """A start right after reset, which must be refused, then a problem."""
    return Phase([None, make()], "nothing described", (FIRST_REGISTER, None), reset=True)


def wrong_packets(largest: Asked, rng: np.random.Generator) -> list[Phase]:
    """Packets of each input that end early or late, which must be dropped for the right one."""
    kernel = largest.problem.fabric.kernel
    form = format_of(largest.problem.setting, kernel)
    phases = []
    for number, spec in enumerate(stream_specs(largest.problem.fabric)[:-1]):
        stimuli = stimuli_at(number, kernel.product, spec.number, form)
        asked = [
            replace(
                largest,
                wrong={spec.operand: [noise(rng, spec, stimuli, n).beats for n in lengths]},
            )
            for lengths in wrong_lengths(spec.beats).values()
        ]
        name = f"early and late tlast on {spec.prefix}"
        phases.append(Phase([*asked, largest], name, reset=True, error=True))
    return phases


def cancelled(model: ProcessorModel, largest: Asked, make: Make) -> list[Phase]:
    """Problems that wait and are cancelled: their registers contradict their packets, or a packet
    does not come; then one that must take the cycles of its model.
    """
    specs = inputs_of(model, largest.problem)
    wrong = [Cancelled(asked) for asked in _contradictory(model, largest)]
    waiting = [Cancelled(largest, spec.operand) for spec in specs]
    problems: list[Asked | Cancelled | None] = [make()]
    for one in (*wrong, *waiting):
        # Packets that are dropped pass while the next problem waits for its own behind them.
        problems += [one, make()]
    return [
        Phase(problems, "cancelled", reset=True, error=bool(wrong)),
        Phase([make()], "after a cancel", error=bool(wrong)),
    ]


def _contradictory(model: ProcessorModel, asked: Asked) -> list[Asked]:
    """A problem whose registers say that a packet is longer than it is, and one shorter."""
    setting = asked.problem.setting
    found: dict[bool, Asked] = {}
    for spec in stream_specs(asked.problem.fabric)[:-1]:
        x = spec.operand.lower()
        shape = [r for r in model.registers if r.name.startswith((f"{x}_row", f"{x}_last_"))]
        for register in shape:
            for value in (register.least, register.most):
                changed = {**setting, register.name: value}
                elements = prod(changed[r.name] + (r.least == 0) for r in shape)
                beats = -(-elements * spec.lanes // spec.per_beat)
                if beats != spec.beats:
                    problem = replace(asked.problem, setting=changed)
                    found.setdefault(beats > spec.beats, replace(asked, problem=problem))
    return list(found.values())
