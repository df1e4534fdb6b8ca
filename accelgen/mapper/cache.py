"""Solved mappings on disk, by the content of what was asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from accelgen.cache import cache_root, digest
from accelgen.hardware.attention import AttentionArrays
from accelgen.hardware.model import Hardware
from accelgen.mapper.compiled import SOURCES
from accelgen.mapper.cost import cost
from accelgen.mapper.mapping import Mapping
from accelgen.mapper.problem import Problem
from accelgen.mapper.search import Certificate, Objective, Optimum, best_mapping, exponents_of
from accelgen.mapper.space import Constraints
from accelgen.store import Json, Store

__all__ = ["MODEL", "Solved", "key_of", "open_solved"]

_PACKAGE = Path(__file__).parent.parent
_PARTS = ("affine/*.py", "energy/*.py", "hardware/*.py", "networks/**/*.py", "simulation.py")

MODEL = digest(
    (SOURCES, *(path.read_bytes() for part in _PARTS for path in sorted(_PACKAGE.glob(part))))
)
"""Changes with every change of what a mapping costs, of the map space, or of what is mapped."""

_KIND = "mappings"
_KEPT = 1 << 13
"""Optima kept in memory."""


class Solved:
    """Mappings solved before, in memory and, with a ``store``, on disk."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store
        self.hits = 0
        self._known: dict[str, Optimum] = {}
        self._latest: dict[Problem, Mapping] = {}

    def best_mapping(
        self,
        problem: Problem,
        hardware: Hardware,
        objective: Objective = "edp",
        constraints: Constraints = Constraints(),  # noqa: B008 - frozen
    ) -> Optimum:
        """As :func:`accelgen.mapper.search.best_mapping`, at once for what is known."""
        key = key_of(problem, hardware, objective, constraints)
        found = self._known.get(key)
        if found is None and self.store is not None:
            found = _read(self.store.get(key), problem, hardware)
        if found is not None:
            self.hits += 1
        else:
            found = best_mapping(
                problem, hardware, objective, constraints, self._latest.get(problem)
            )
            if self.store is not None:
                self.store.put(key, _written(found))
        if len(self._known) == _KEPT:
            self._known.clear()
            self._latest.clear()
        self._known[key] = found
        self._latest[problem] = found.mapping
        return found


def open_solved(path: Path | None = None) -> Solved:
    """The user's store of solved mappings, or the one at ``path``."""
    return Solved(Store(path or cache_root() / "mappings", _KIND))


def key_of(
    problem: Problem, hardware: Hardware, objective: Objective, constraints: Constraints
) -> str:
    """A key that changes with everything the best mapping and its cost depend on.

    Names of loops and tensors do not count, nor do names and sources of hardware.
    """
    shape = (
        problem.bounds,
        problem.roles,
        problem.number_format,
        [(x.axes, x.bits, x.is_output, x.partial_bits, x.role) for x in problem.operands],
    )
    pinned = constraints if constraints != Constraints() else None
    loops = problem.loops if constraints.named else None
    bare = replace(hardware, name="hardware", sources="", attention=AttentionArrays())
    return digest(map(repr, (MODEL, shape, bare, exponents_of(objective), pinned, loops)))


def _written(found: Optimum) -> Json:
    mapping, proof = found.mapping, found.certificate
    return {
        "tiles": [list(tile) for tile in mapping.tiles],
        "orders": [list(order) for order in mapping.orders],
        "unrolling": [list(entry) for entry in mapping.unrolling],
        "inner": list(mapping.inner),
        "dataflow": mapping.dataflow,
        "held": [list(level) for level in mapping.held],
        "proof": [proof.covered, proof.too_large, proof.bounded, proof.evaluated, proof.bounds],
    }


def _read(value: Json, problem: Problem, hardware: Hardware) -> Optimum | None:
    """The optimum, or ``None`` for a record that is none of this problem's."""
    if not isinstance(value, dict):
        return None
    try:
        mapping = Mapping(
            tuple(tuple(tile) for tile in value["tiles"]),
            tuple(tuple(order) for order in value["orders"]),
            tuple((axis, loop, units) for axis, loop, units in value["unrolling"]),
            tuple(value["inner"]),
            value["dataflow"],
            tuple(tuple(level) for level in value["held"]),
        )
        return Optimum(mapping, cost(problem, hardware, mapping), Certificate(*value["proof"]))
    except (AssertionError, IndexError, KeyError, TypeError, ValueError):
        return None
