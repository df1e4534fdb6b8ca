"""Hardware for networks that are given: every layer on its best mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from accelgen import __version__
from accelgen.cache import digest
from accelgen.errors import InputError
from accelgen.hardware import Hardware
from accelgen.names import FrozenMap, unknown
from accelgen.search.spaces.describe import COLUMNS
from accelgen.search.spaces.hardware import Design
from accelgen.search.subject import Candidate, Figures
from accelgen.search.subjects.evaluate import LIMITED, Trial, evaluate, figures_of
from accelgen.store import Json
from accelgen.sweep.executors import Task
from accelgen.sweep.sources import NetworkSource
from accelgen.sweep.sweep import OBJECTIVES

__all__ = ["HardwareSubject", "content_of", "model"]

_RECORDS = 1
"""Changes with what is recorded of a trial."""


@dataclass(frozen=True)
class HardwareSubject:
    """Designs are judged on ``networks``; ``minimise`` is what the mapping of every layer
    minimises, ``about`` says where resources and cost model are from.

    A :class:`~accelgen.search.subject.Subject` for spaces with a part ``hardware``, whose values
    are designs.
    """

    networks: tuple[NetworkSource, ...]
    minimise: Literal["latency", "energy", "edp"] = "edp"
    about: str = ""

    columns = COLUMNS
    shown = ("array", "space", "stationary", "registers_bytes", "buffer_bytes")
    limited = LIMITED

    def __post_init__(self) -> None:
        if not self.networks:
            raise InputError("none", where="networks", hint="networks: [mobilenet_v2]")
        if self.minimise not in OBJECTIVES:
            raise unknown(self.minimise, "objective of mappings", OBJECTIVES)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the networks."""
        return tuple(network.name for network in self.networks)

    @property
    def task(self) -> Task[Any]:
        """See :func:`accelgen.search.subjects.evaluate.evaluate`."""
        return evaluate

    @property
    def definition(self) -> Mapping[str, Json]:
        """Networks and cost model."""
        return {
            "model": model(),
            "networks": [network.digest for network in self.networks],
            "minimise": self.minimise,
        }

    def candidate(self, number: int, found: FrozenMap[str, Any]) -> Candidate:
        """The design of a hardware space."""
        design = found["hardware"]
        assert isinstance(design, Design)
        key = digest(content_of(design.hardware, self.networks, self.minimise))
        return Candidate(design, Trial(number, key, design.hardware, self.networks, self.minimise))

    def figures(self, record: Mapping[str, Json]) -> Figures:
        """See :func:`accelgen.search.subjects.evaluate.figures_of`."""
        return figures_of(record)

    def next_command(self, folder: Path, point: int) -> tuple[str, ...]:
        """Simulate the first network on the hardware file."""
        hardware = str(folder / f"hardware_{point}.yaml")
        return "accelgen", "simulate", self.names[0], "--hardware", hardware


def content_of(
    hardware: Hardware, networks: tuple[NetworkSource, ...], minimise: str
) -> tuple[str, ...]:
    """What is evaluated: name and sources of hardware change nothing."""
    bare = repr(replace(hardware, name="hardware", sources=""))
    return (model(), bare, minimise, *(network.digest for network in networks))


def model() -> str:
    """What computes figures: those of another model are not taken from a journal."""
    # Only here, because what is compiled is slow to import.
    from accelgen.mapper.cache import MODEL

    return f"accelgen {__version__}, mapper {MODEL}, records {_RECORDS}"
