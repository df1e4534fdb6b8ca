"""A search as a value: what is searched, on what it is judged, how, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal

from accelgen.cache import digest
from accelgen.errors import InputError
from accelgen.names import check_name, unknown, within
from accelgen.search.space import Given, Joint
from accelgen.search.subject import Candidate, Subject
from accelgen.search.vector import Rejected, Vector
from accelgen.store import Json
from accelgen.sweep.metrics import Constraint, is_maximised, metric_name

__all__ = ["METHODS", "Method", "Search"]

Method = Literal["cma_es", "nsga2", "forest", "random"]
METHODS: tuple[Method, ...] = ("cma_es", "nsga2", "forest", "random")

MOST_EVALUATIONS = 1_000_000


@dataclass(frozen=True)
class Search:
    """Vectors of ``space`` become designs, which are evaluated as ``subject`` says.

    ``objectives`` are metrics, of which less is better but for utilisation and accuracy;
    ``constraints`` decide what is feasible.  ``population`` vectors are asked for at a time
    (``None``: as the method likes); more than ``evaluations`` designs are not evaluated.
    """

    name: str
    space: Joint | Given
    subject: Subject
    objectives: tuple[str, ...] = ("edp_js",)
    constraints: tuple[Constraint, ...] = ()
    method: Method = "cma_es"
    evaluations: int = 1000
    population: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        with within("name"):
            check_name(self.name, "search")
        object.__setattr__(self, "objectives", tuple(metric_name(x) for x in self.objectives))
        if not self.objectives:
            raise InputError("none", where="objectives", hint="objectives: [edp]")
        if self.method not in METHODS:
            raise unknown(self.method, "optimiser", METHODS)
        if self.method == "cma_es" and len(self.objectives) > 1:
            raise InputError(
                f"cma_es minimises one objective, not {len(self.objectives)}",
                where="optimiser",
                hint="use nsga2, or objectives: [edp]",
            )
        for where, number, least in (
            ("evaluations", self.evaluations, 1),
            ("population", self.population, 2),
            ("seed", self.seed, 0),
        ):
            if number is not None and not least <= number <= MOST_EVALUATIONS:
                hint = f"use {least} to {MOST_EVALUATIONS}"
                raise InputError(f"{number}", where=where, hint=hint)

    def candidate(self, number: int, vector: Vector) -> Candidate | Rejected:
        """What the vector of trial ``number`` stands for, or why it is none."""
        found = self.space.decode(vector)
        if isinstance(found, Rejected):
            return found
        return self.subject.candidate(number, found)

    @property
    def definition(self) -> dict[str, Json]:
        """What a journal is of: another definition asks for other vectors, or weighs them
        otherwise.  The number of evaluations is not part of it.
        """
        # CMA-ES journals of before began elsewhere, with spaces that are the same.
        begin = {"starts": digest([repr(self.space.starts)])} if self.method == "cma_es" else {}
        return {
            **begin,
            **self.subject.definition,
            "genes": [gene.name for gene in self.space.genes],
            "space": digest([repr(self.space)]),
            "objectives": list(self.objectives),
            "constraints": [str(constraint) for constraint in self.constraints],
            "method": self.method,
            "population": self.population,
            "seed": self.seed,
        }

    def weighed(self, figures: dict[str, float | None]) -> tuple[float, ...] | None:
        """The objectives, less being better; ``None`` where one is not known."""
        values: list[float] = []
        for name in self.objectives:
            value = figures.get(name)
            if value is None:
                return None
            values.append(-value if is_maximised(name) else value)
        return tuple(values)

    @property
    def limits(self) -> tuple[float, ...]:
        """The most that constraints allow of every objective, as :meth:`weighed` has it."""
        found = []
        for name in self.objectives:
            own = [x for x in self.constraints if x.metric == name]
            sides = [-x.low if is_maximised(name) else x.high for x in own]
            found.append(min(sides, default=inf))
        return tuple(found)

    def violations(self, figures: dict[str, float | None]) -> list[str]:
        """The constraints that figures do not satisfy, and by how much."""
        return [
            constraint.violation(figures.get(constraint.metric))
            for constraint in self.constraints
            if not constraint.holds(figures.get(constraint.metric))
        ]
