"""Cyclic rotation of signals by a run-time amount, built from two-way multiplexers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from amaranth.hdl import Const, Module, Mux, Signal, Value

__all__ = ["rotate", "rotate_dimension"]

Coordinates = tuple[int, ...]


def rotate(
    m: Module,
    inputs: Mapping[int, Value],
    size: int,
    amount: Value,
    factor: int,
    needed: Collection[int],
    name: str,
) -> dict[int, Value]:
    """``out[i] = inputs[(i + factor * amount) mod size]`` for the needed ``i``.

    An input that is missing is don't care; an output is missing when all it can be is.
    One stage per bit of ``amount``; a stage makes only what later ones look at, so rotating a
    few outputs costs as many multiplexers as selecting them, and all of them ``size`` a stage.
    """
    stages = [(bit, factor * (1 << bit)) for bit in range(len(amount))]
    wanted: list[set[int]] = [set(needed)]  # outputs of the last stage first
    for _, by in stages:
        wanted.append(wanted[-1] | {(i + by) % size for i in wanted[-1]})
    values = dict(inputs)
    # Inputs pass the stages from the highest bit down.
    for (bit, by), outputs in reversed(list(zip(stages, wanted, strict=False))):
        following: dict[int, Value] = {}
        for i in sorted(outputs):
            plain, moved = values.get(i), values.get((i + by) % size)
            if plain is None or moved is None or _same(plain, moved):
                chosen = moved if plain is None else plain
                if chosen is not None:
                    following[i] = chosen
                continue
            mux = Signal(max(len(plain), len(moved)), name=f"{name}_{bit}_{i}")
            m.d.comb += mux.eq(Mux(amount[bit], moved, plain))
            following[i] = mux
        values = following
    return {i: values[i] for i in needed if i in values}


def rotate_dimension(
    m: Module,
    inputs: Mapping[Coordinates, Value],
    dimension: int,
    size: int,
    amount: Value,
    factor: int,
    needed: Collection[Coordinates],
    name: str,
) -> dict[Coordinates, Value]:
    """Rotate an array of signals along one dimension; the others stay (see :func:`rotate`)."""
    lines: dict[Coordinates, list[int]] = {}
    for place in needed:
        rest = place[:dimension] + place[dimension + 1 :]
        lines.setdefault(rest, []).append(place[dimension])
    sources: dict[Coordinates, dict[int, Value]] = {}
    for place, value in inputs.items():
        rest = place[:dimension] + place[dimension + 1 :]
        sources.setdefault(rest, {})[place[dimension]] = value
    outputs: dict[Coordinates, Value] = {}
    for rest, wanted in sorted(lines.items()):
        label = "_".join([name, *map(str, rest)])
        line = rotate(m, sources.get(rest, {}), size, amount, factor, wanted, label)
        for i, value in line.items():
            outputs[(*rest[:dimension], i, *rest[dimension:])] = value
    return outputs


def _same(a: Value, b: Value) -> bool:
    if a is b:
        return True
    return isinstance(a, Const) and isinstance(b, Const) and a.value == b.value
