"""A mapping: what runs in parallel, the tiles each level holds, the order in which they come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accelgen.mapper.problem import Problem

__all__ = ["Mapping"]


@dataclass(frozen=True)
class Mapping:
    """``tiles[0]`` iterations run at once; level k holds tiles of ``tiles[k]`` iterations, k >= 1.

    Tiles are boxes (an extent per loop of the problem), each at most as large as the next one; the
    last one is the whole problem, held by the outermost level.  ``orders[k]`` lists the loops over
    tiles k within a tile k + 1, outermost first.  ``axes`` says which loop an array axis unrolls.
    """

    tiles: tuple[tuple[int, ...], ...]
    orders: tuple[tuple[int, ...], ...]
    axes: tuple[tuple[str, int], ...] = ()

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

    def nest(self, problem: Problem, levels: Sequence[str]) -> str:
        """The loop nest, outermost first, a line per level; ``levels`` name tiles 1 and up."""
        lines = []
        for k in reversed(range(len(self.orders))):
            trips = [
                f"{problem.loops[d]}: {-(-self.tiles[k + 1][d] // self.tiles[k][d])}"
                for d in self.orders[k]
                if self.tiles[k][d] < self.tiles[k + 1][d]
            ]
            lines.append(f"{levels[k]}: for {', '.join(trips) if trips else 'all at once'}")
        unrolled = [
            f"{problem.loops[loop]} on {axis} ({self.tiles[0][loop]})" for axis, loop in self.axes
        ]
        lines.append(f"array: {', '.join(unrolled) if unrolled else 'one iteration'}")
        return "\n".join(f"{'  ' * depth}{line}" for depth, line in enumerate(lines))
