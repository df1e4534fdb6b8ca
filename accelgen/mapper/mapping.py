"""A mapping: what runs in parallel, the tiles each level holds, the order in which they come."""

from __future__ import annotations

from dataclasses import dataclass
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
    """``tiles[0]`` iterations are a step of the array; level k >= 1 holds tiles of ``tiles[k]``.

    Tiles are boxes (an extent per loop of the problem), each at most as large as the next one; the
    last one is the whole problem, held by the outermost level.  ``orders[k]`` lists the loops over
    tiles k within a tile k + 1, outermost first.  ``unrolling`` says which loops the axes unroll: a
    unit takes an equal part of the array's step, ``inner`` iterations along every loop (all 1 when
    not given), one after the other.  ``dataflow`` is the name of the one it belongs to.
    """

    tiles: tuple[tuple[int, ...], ...]
    orders: tuple[tuple[int, ...], ...]
    unrolling: Unrolling = ()
    inner: tuple[int, ...] = ()
    dataflow: str = ""

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

    def nest(self, problem: Problem, levels: tuple[str, ...] | list[str]) -> str:
        """The loop nest, outermost first, a line per level; ``levels`` name tiles 1 and up."""
        lines = []
        for k in reversed(range(len(self.orders))):
            trips = [
                f"{problem.loops[d]}: {-(-self.tiles[k + 1][d] // self.tiles[k][d])}"
                for d in self.orders[k]
                if self.tiles[k][d] < self.tiles[k + 1][d]
            ]
            lines.append(f"{levels[k]}: for {', '.join(trips) if trips else 'all at once'}")
        unrolled = [f"{problem.loops[d]} on {axis} ({units})" for axis, d, units in self.unrolling]
        lines.append(f"array: {', '.join(unrolled) if unrolled else 'one unit'}")
        inside = [f"{x}: {n}" for x, n in zip(problem.loops, self.inner, strict=False) if n > 1]
        if inside:
            lines.append(f"unit: for {', '.join(inside)}")
        return "\n".join(f"{'  ' * depth}{line}" for depth, line in enumerate(lines))
