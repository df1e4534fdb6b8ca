"""A search as a value: what is searched, on what it is judged, how, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, cast

from accelgen import __version__
from accelgen.cache import digest
from accelgen.errors import InputError
from accelgen.hardware import Hardware
from accelgen.names import check_name, unknown, within
from accelgen.search.evaluate import Trial
from accelgen.search.hardware_space import Design
from accelgen.search.space import Joint
from accelgen.search.vector import Rejected, Vector
from accelgen.store import Json
from accelgen.sweep.metrics import Constraint, metric_name
from accelgen.sweep.sources import NetworkSource
from accelgen.sweep.sweep import OBJECTIVES

__all__ = ["METHODS", "Candidate", "Method", "Search"]

Method = Literal["cma_es", "nsga2", "random"]
METHODS: tuple[Method, ...] = ("cma_es", "nsga2", "random")

_RECORDS = 1
"""Changes with what is recorded of a trial."""

MOST_EVALUATIONS = 1_000_000


@dataclass(frozen=True)
class Candidate:
    """What a vector stands for: a design, and the trial that evaluates it."""

    design: Design
    trial: Trial


@dataclass(frozen=True)
class Search:
    """Vectors of ``space`` become designs, which are evaluated on ``networks``.

    ``space`` has a part ``hardware`` whose values are designs.  ``objectives`` are metrics, of
    which less is better but for utilisation; ``constraints`` decide what is feasible.
    ``minimise`` is what the mapping of every layer minimises.  ``population`` vectors are asked
    for at a time (``None``: as the method likes); more than ``evaluations`` designs are not
    evaluated.  ``about`` says where resources and cost model are from.
    """

    name: str
    space: Joint
    networks: tuple[NetworkSource, ...]
    objectives: tuple[str, ...] = ("edp_js",)
    constraints: tuple[Constraint, ...] = ()
    minimise: Literal["latency", "energy", "edp"] = "edp"
    method: Method = "cma_es"
    evaluations: int = 1000
    population: int | None = None
    seed: int = 0
    about: str = ""

    def __post_init__(self) -> None:
        with within("name"):
            check_name(self.name, "search")
        object.__setattr__(self, "objectives", tuple(metric_name(x) for x in self.objectives))
        if "hardware" not in self.space.spaces:
            raise InputError("no hardware", where="spaces", hint="give a space of hardware")
        if not self.networks:
            raise InputError("none", where="networks", hint="networks: [mobilenet_v2]")
        if not self.objectives:
            raise InputError("none", where="objectives", hint="objectives: [edp]")
        if self.minimise not in OBJECTIVES:
            raise unknown(self.minimise, "objective of mappings", OBJECTIVES)
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
        design = cast("Design", found["hardware"])
        key = self._key(design.hardware)
        return Candidate(design, Trial(number, key, design.hardware, self.networks, self.minimise))

    def _key(self, hardware: Hardware) -> str:
        """What is evaluated, by content."""
        bare = repr(_named(hardware))
        return digest((model(), bare, self.minimise, *(x.digest for x in self.networks)))

    @property
    def definition(self) -> dict[str, Json]:
        """What a journal is of: another definition asks for other vectors, or weighs them
        otherwise.  The number of evaluations is not part of it.
        """
        return {
            "model": model(),
            "genes": [gene.name for gene in self.space.genes],
            "space": digest([repr(self.space)]),
            "networks": [network.digest for network in self.networks],
            "objectives": list(self.objectives),
            "constraints": [str(constraint) for constraint in self.constraints],
            "minimise": self.minimise,
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
            values.append(-value if name == "utilisation" else value)
        return tuple(values)

    def violations(self, figures: dict[str, float | None]) -> list[str]:
        """The constraints that figures do not satisfy, and by how much."""
        return [
            constraint.violation(figures.get(constraint.metric))
            for constraint in self.constraints
            if not constraint.holds(figures.get(constraint.metric))
        ]


def _named(hardware: Hardware) -> Hardware:
    """The same without name and sources, which change nothing."""
    return replace(hardware, name="hardware", sources="")


def model() -> str:
    """What computes figures: those of another model are not taken from a journal."""
    # Only here, because what is compiled is slow to import.
    from accelgen.mapper.cache import MODEL

    return f"accelgen {__version__}, mapper {MODEL}, records {_RECORDS}"
