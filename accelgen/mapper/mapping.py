"""A mapping: what runs in parallel, the tiles each level holds, the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from accelgen.mapper.problem import Problem

__all__ = ["Mapping", "Unrolling", "spread_of"]

Unrolling = tuple[tuple[str, int, int], ...]
"""Axis of the array, loop, and how many units along it share the loop; axes in order."""


def spread_of(unrolling: Unrolling, loops: int) -> tuple[int, ...]:
    """Units along each of so many loops."""
    return tuple(prod(units for _, loop, units in unrolling if loop == d) for d in range(loops))


@dataclass(frozen=True)
class Mapping:
    """Boxes of iterations, from a step of the array to the whole problem, and their orders.

    ``tiles[0]`` iterations are a step of the array, ``tiles[k]`` a box of those; each is at most as
    large as the next one, and the last one is the whole problem, held by the outermost level.
    ``orders[k]`` lists the loops over boxes k within a box k + 1, outermost first.  ``held`` says
    for every level of buffers, innermost first, and every operand which box it holds the operand's
    part of (when not given, each level one box for all operands).  ``unrolling`` says which loops
    the axes unroll: a unit takes an equal part of the array's step, ``inner`` iterations along
    every loop (all 1 when not given), one after the other.  ``dataflow`` is the name of the one it
    belongs to.
    """

    tiles: tuple[tuple[int, ...], ...]
    orders: tuple[tuple[int, ...], ...]
    unrolling: Unrolling = ()
    inner: tuple[int, ...] = ()
    dataflow: str = ""
    held: tuple[tuple[int, ...], ...] = ()

    def check(self, problem: Problem) -> None:
        """Assert what the counts rely on."""
        loops = range(len(problem.bounds))
        assert self.tiles[-1] == problem.bounds
        assert len(self.orders) == len(self.tiles) - 1
        for inner, outer in zip(self.tiles, self.tiles[1:], strict=False):
            for d in loops:
                assert 1 <= inner[d] <= outer[d]
                assert outer[d] % inner[d] == 0 or outer[d] == problem.bounds[d]
        assert all(sorted(order) == list(loops) for order in self.orders)
        spread, inner = spread_of(self.unrolling, len(loops)), self.inner or (1,) * len(loops)
        assert self.tiles[0] == tuple(
            min(n, s * i) for n, s, i in zip(problem.bounds, spread, inner, strict=True)
        )
        for level, above in zip(self.held, self.held[1:], strict=False):
            assert all(x <= y for x, y in zip(level, above, strict=True))
        for level in self.held:
            assert len(level) == len(problem.operands)
            assert all(1 <= box < len(self.tiles) - 1 for box in level)

    def without(self, loops: frozenset[int]) -> Mapping:
        """That of the problem without some loops of a single iteration."""
        left = [d for d in range(len(self.tiles[0])) if d not in loops]
        number = {d: k for k, d in enumerate(left)}
        return replace(
            self,
            tiles=tuple(tuple(tile[d] for d in left) for tile in self.tiles),
            orders=tuple(tuple(number[d] for d in order if d in number) for order in self.orders),
            unrolling=tuple((x, number[d], n) for x, d, n in self.unrolling if d in number),
            inner=tuple(self.inner[d] for d in left if self.inner),
        )

    def including(self, loops: frozenset[int]) -> Mapping:
        """That of the problem with these loops of a single iteration, which come first."""
        every = range(len(self.tiles[0]) + len(loops))
        left = [d for d in every if d not in loops]
        number = {d: k for k, d in enumerate(left)}

        def sizes(of: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(of[number[d]] if d in number else 1 for d in every)

        return replace(
            self,
            tiles=tuple(map(sizes, self.tiles)),
            orders=tuple((*sorted(loops), *(left[k] for k in order)) for order in self.orders),
            unrolling=tuple((x, left[k], units) for x, k, units in self.unrolling),
            inner=sizes(self.inner) if self.inner else (),
        )

    def boxes_held(self, operands: int) -> tuple[tuple[int, ...], ...]:
        """``held``, of every level and operand."""
        return self.held or tuple((k,) * operands for k in range(1, len(self.tiles) - 1))

    def nest(self, problem: Problem, levels: tuple[str, ...] | list[str]) -> str:
        """The loop nest, outermost first, a line per box; ``levels`` name the buffers, innermost
        first, and the outermost memory.
        """
        lines = []
        for k in reversed(range(len(self.orders))):
            trips = [
                f"{problem.loops[d]}: {-(-self.tiles[k + 1][d] // self.tiles[k][d])}"
                for d in self.orders[k]
                if self.tiles[k][d] < self.tiles[k + 1][d]
            ]
            name = self._holder(problem, levels, k + 1)
            lines.append(f"{name}: for {', '.join(trips) if trips else 'all at once'}")
        unrolled = [f"{problem.loops[d]} on {axis} ({units})" for axis, d, units in self.unrolling]
        lines.append(f"array: {', '.join(unrolled) if unrolled else 'one unit'}")
        inside = [f"{x}: {n}" for x, n in zip(problem.loops, self.inner, strict=False) if n > 1]
        if inside:
            lines.append(f"unit: for {', '.join(inside)}")
        return "\n".join(f"{'  ' * depth}{line}" for depth, line in enumerate(lines))

    def _holder(self, problem: Problem, levels: tuple[str, ...] | list[str], box: int) -> str:
        """The level that holds a box, with the operands where it does not hold all of them."""
        if box == len(self.tiles) - 1:
            return levels[-1]
        parts = []
        for name, held in zip(levels, self.boxes_held(len(problem.operands)), strict=False):
            here = [x.name for x, k in zip(problem.operands, held, strict=True) if k == box]
            if here:
                parts.append(name if len(here) == len(held) else f"{name} ({', '.join(here)})")
        return ", ".join(parts)
