"""Loop nests and affine counters in hardware: one iteration per cycle, no multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value

__all__ = ["Nest", "affine_counter", "loop_nest", "step_distances"]


@dataclass(frozen=True)
class Nest:
    """Signals of a loop nest.  ``valid``: this cycle issues iteration ``indices``; ``steps[l]``:
    it is followed by a step of loop ``l`` (all inner loops wrap); ``final``: it is the last.
    """

    extents: tuple[int, ...]
    valid: Signal
    indices: tuple[Signal, ...]
    at_end: tuple[Value, ...]
    steps: tuple[Value, ...]
    final: Value


def loop_nest(m: Module, extents: Sequence[int], gaps: Sequence[int], start: Value) -> Nest:
    """Add a loop nest to ``m``: the first iteration is issued in the cycle after ``start``.

    After an iteration that steps loop ``l``, ``gaps[l]`` cycles pass idle.  Signals are registers
    or follow from them directly.  An empty nest issues once.  After the last iteration the
    nest is ready for the next ``start``.
    """
    valid = Signal(name="valid")
    indices = [Signal(range(n), name=f"t{level}") for level, n in enumerate(extents)]
    at_end = []
    for level, extent in enumerate(extents):
        # Registered, so that a step does not wait for the comparison.
        flag = Signal(name=f"t{level}_at_end", init=extent == 1)
        at_end.append(flag)
    wrapped: list[Value] = [Const(1)] * (len(indices) + 1)
    for level in reversed(range(len(indices))):
        wrapped[level] = wrapped[level + 1] & at_end[level]
    steps: list[Value] = []
    for level, (index, extent) in enumerate(zip(indices, extents, strict=True)):
        step = Signal(name=f"step{level}")
        m.d.comb += step.eq(valid & wrapped[level + 1] & ~at_end[level])
        steps.append(step)
        if extent > 1:
            with m.If(valid & wrapped[level + 1]):
                m.d.sync += [
                    index.eq(Mux(at_end[level], 0, index + 1)),
                    at_end[level].eq(
                        Mux(at_end[level], 0, index == extent - 2) if extent > 2 else ~at_end[level]
                    ),
                ]
    final = Signal(name="final")
    m.d.comb += final.eq(valid & wrapped[0])
    with m.If(start):
        m.d.sync += valid.eq(1)
    with m.Elif(final):
        m.d.sync += valid.eq(0)
    if any(gaps):
        waiting = Signal(range(max(gaps) + 1), name="waiting")
        for gap, step in zip(gaps, steps, strict=True):
            if gap:
                with m.If(step):
                    m.d.sync += [valid.eq(0), waiting.eq(gap)]
        with m.If(waiting != 0):
            m.d.sync += waiting.eq(waiting - 1)
        with m.If(waiting == 1):
            m.d.sync += valid.eq(1)
    return Nest(tuple(extents), valid, tuple(indices), tuple(at_end), tuple(steps), final)


def step_distances(extents: Sequence[int], coefficients: Sequence[int]) -> list[int]:
    """By how much ``coefficients . t`` changes when loop ``l`` steps and the inner ones wrap."""
    distances = []
    inner = 0
    for extent, coefficient in zip(reversed(extents), reversed(coefficients), strict=True):
        distances.append(coefficient - inner)
        inner += (extent - 1) * coefficient
    return distances[::-1]


def affine_counter(
    m: Module, nest: Nest, coefficients: Sequence[int], origin: int, shape: Shape, name: str
) -> Signal:
    """A register that holds ``origin + coefficients . t``, modulo two to its width."""
    counter = Signal(shape, name=name, init=wrap(origin, shape))
    distances = step_distances(nest.extents, coefficients)
    advance(m, nest, counter, distances, Const(0), origin)
    return counter


def modular_counter(
    m: Module,
    nest: Nest,
    coefficients: Sequence[int],
    origin: int,
    modulus: int,
    name: str,
) -> tuple[Signal, Value]:
    """A register that holds ``(origin + coefficients . t) mod modulus``, and whether its next
    step carries into the quotient (which otherwise moves by the floor of the distance).
    """
    residue = Signal(range(modulus), name=name, init=origin % modulus)
    carry = Signal(name=f"{name}_carry")
    distances = step_distances(nest.extents, coefficients)
    moved = Signal(range(2 * modulus - 1), name=f"{name}_moved")
    m.d.comb += moved.eq(residue)
    for step, distance in zip(nest.steps, distances, strict=True):
        if distance % modulus:
            with m.If(step):
                m.d.comb += moved.eq(residue + distance % modulus)
    m.d.comb += carry.eq(moved >= modulus)
    with m.If(nest.final):
        m.d.sync += residue.eq(origin % modulus)
    with m.Elif(nest.valid):
        m.d.sync += residue.eq(Mux(carry, moved - modulus, moved))
    return residue, carry


def advance(
    m: Module, nest: Nest, counter: Signal, distances: Sequence[int], extra: Value, origin: int
) -> None:
    """Move ``counter`` with every step, by the step's distance plus ``extra``."""
    shape = counter.shape()
    distance = Signal(shape, name=f"{counter.name}_step")
    for step, value in zip(nest.steps, distances, strict=True):
        if value:
            with m.If(step):
                m.d.comb += distance.eq(wrap(value, shape))
    with m.If(nest.final):
        m.d.sync += counter.eq(wrap(origin, shape))
    with m.Elif(nest.valid):
        m.d.sync += counter.eq(counter + distance + extra)


def wrap(value: int, shape: Shape) -> int:
    """``value`` modulo two to the width of ``shape``, in its range."""
    value &= (1 << shape.width) - 1
    return value - (1 << shape.width) if shape.signed and value >> (shape.width - 1) else value
