"""Loop nests whose extents, gaps and steps are values: one iteration per cycle, no multipliers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import C, Module, Mux, Shape, Signal, Value

__all__ = ["Index", "LoadedNest", "Turning", "loaded_nest", "paced", "triggered"]


@dataclass(frozen=True)
class LoadedNest:
    """As :class:`accelgen.rtl.nest.Nest`; ``lasts`` are the extents less one, which stay from
    ``start`` (a pulse before the first iteration) to the last iteration.
    """

    start: Value
    lasts: tuple[Value, ...]
    valid: Value
    indices: tuple[Signal, ...]
    at_end: tuple[Signal, ...]
    steps: tuple[Signal, ...]
    final: Signal


def loaded_nest(m: Module, lasts: Sequence[Value], valid: Value, start: Value) -> LoadedNest:
    """Add the counters of a nest that issues an iteration whenever ``valid`` is high."""
    indices = [Signal(max(1, len(n)), name=f"t{level}") for level, n in enumerate(lasts)]
    at_end = [Signal(name=f"t{level}_at_end") for level in range(len(lasts))]
    wrapped: list[Value] = [valid] * (len(lasts) + 1)
    for level in reversed(range(len(lasts))):
        inner = Signal(name=f"wrapped{level}")
        m.d.comb += inner.eq(wrapped[level + 1] & at_end[level])
        wrapped[level] = inner
    steps = []
    for level, (index, last) in enumerate(zip(indices, lasts, strict=True)):
        step = Signal(name=f"step{level}")
        m.d.comb += step.eq(wrapped[level + 1] & ~at_end[level])
        steps.append(step)
        with m.If(start | wrapped[level]):
            m.d.sync += [index.eq(0), at_end[level].eq(last == 0)]
        with m.Elif(step):
            m.d.sync += [index.eq(index + 1), at_end[level].eq(index + 1 == last)]
    final = Signal(name="final")
    m.d.comb += final.eq(wrapped[0])
    return LoadedNest(
        start, tuple(lasts), valid, tuple(indices), tuple(at_end), tuple(steps), final
    )


def paced(m: Module, lasts: Sequence[Value], gaps: Mapping[int, Value], start: Value) -> LoadedNest:
    """A nest that issues its first iteration in the cycle after ``start``, then one per cycle but
    for ``gaps[l]`` idle cycles after a step of loop ``l``.
    """
    valid = Signal(name="valid")
    nest = loaded_nest(m, lasts, valid, start)
    waiting = Signal(max([1, *map(len, gaps.values())]), name="waiting")
    with m.If(start):
        m.d.sync += valid.eq(1)
    with m.Elif(nest.final):
        m.d.sync += valid.eq(0)
    for level, gap in gaps.items():
        with m.If(nest.steps[level] & (gap != 0)):
            m.d.sync += [valid.eq(0), waiting.eq(gap)]
    with m.If(waiting != 0):
        m.d.sync += waiting.eq(waiting - 1)
    with m.If(waiting == 1):
        m.d.sync += valid.eq(1)
    return nest


def triggered(
    m: Module, lasts: Sequence[Value], gap: Value, trigger: Value, start: Value
) -> LoadedNest:
    """A nest whose innermost loop runs once, from the cycle after each ``trigger``, with ``gap``
    idle cycles between its iterations; the outer loops step from one run to the next.
    """
    valid = Signal(name="valid")
    nest = loaded_nest(m, lasts, valid, start)
    left = Signal(max(1, len(lasts[-1])), name="left")
    waiting = Signal(max(1, len(gap)), name="waiting")
    with m.If(trigger):
        m.d.sync += [valid.eq(1), left.eq(lasts[-1])]
    with m.Elif(valid):
        m.d.sync += valid.eq((left != 0) & (gap == 0))
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), waiting.eq(gap)]
    with m.Elif(waiting != 0):
        m.d.sync += [waiting.eq(waiting - 1), valid.eq(waiting == 1)]
    return nest


@dataclass(frozen=True)
class Turning:
    """A residue beside an index: ``turns[l]`` is added, modulo ``modulus``, when loop ``l`` steps;
    what wraps adds ``stride`` to the index.
    """

    modulus: int
    origin: Value
    turns: Mapping[int, Value]
    stride: Value


@dataclass(frozen=True)
class _State:
    index: Signal
    residues: tuple[Signal, ...]

    def set(self, values: tuple[Value, ...]) -> list[Value]:
        parts = (self.index, *self.residues)
        return [part.eq(value) for part, value in zip(parts, values, strict=True)]

    @property
    def values(self) -> tuple[Value, ...]:
        return (self.index, *self.residues)


class Index:
    """``origin + steps . t``, modulo two to its width, and residues that carry into it.

    Where several loops move it, a register per loop holds what it was when the loops inside began,
    so that no step depends on an extent.
    """

    def __init__(
        self,
        m: Module,
        nest: LoadedNest,
        shape: Shape,
        origin: Value,
        steps: Mapping[int, Value],
        name: str,
        turning: Mapping[int, Turning] | None = None,
    ) -> None:
        self._m = m
        self._steps = steps
        self._turning = turning or {}
        self._shape = shape
        self._name = name
        levels = sorted({*steps, *(level for t in self._turning.values() for level in t.turns)})
        states = [self._state(level) for level in levels or [0]]
        begin = (origin, *(t.origin for t in self._turning.values()))
        moved = [self._moved(state, level) for state, level in zip(states, levels, strict=False)]
        with m.If(nest.start):
            m.d.sync += [assignment for state in states for assignment in state.set(begin)]
        for level, step in enumerate(nest.steps):
            outer = [n for n in levels if n <= level]
            if not levels:
                break
            if not outer:
                new, inside = begin, states
            elif outer[-1] == level:
                new, inside = moved[len(outer) - 1], states[len(outer) - 1 :]
            else:
                new, inside = states[len(outer) - 1].values, states[len(outer) :]
            with m.If(step):
                m.d.sync += [assignment for state in inside for assignment in state.set(new)]
        self.value = states[-1].index
        self.residues = dict(zip(self._turning, states[-1].residues, strict=True))

    def _state(self, level: int) -> _State:
        return _State(
            Signal(self._shape, name=f"{self._name}_from{level}"),
            tuple(
                Signal(range(t.modulus), name=f"{self._name}_{j}_from{level}")
                for j, t in self._turning.items()
            ),
        )

    def _moved(self, state: _State, level: int) -> tuple[Value, ...]:
        """What a state is once its loop has stepped."""
        m = self._m
        index = Signal(self._shape, name=f"{self._name}_after{level}")
        total: Value = state.index + self._steps.get(level, C(0))
        residues = []
        for (j, t), residue in zip(self._turning.items(), state.residues, strict=True):
            if level not in t.turns:
                residues.append(residue)
                continue
            turned = Signal(range(2 * t.modulus), name=f"{self._name}_{j}_turned{level}")
            carry = Signal(name=f"{self._name}_{j}_carry{level}")
            m.d.comb += [turned.eq(residue + t.turns[level]), carry.eq(turned >= t.modulus)]
            residues.append(Mux(carry, turned - t.modulus, turned))
            total = total + Mux(carry, t.stride, 0)
        m.d.comb += index.eq(total)
        return (index, *residues)
