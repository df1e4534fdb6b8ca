"""Architectures of an elastic space, formats per layer and hardware together.

Every layer has its best mapping on the cost model, as in searches of hardware; accuracy is what its
source says, which is named with every figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from accelgen.accuracy.measured import MeasuredDigits
from accelgen.accuracy.source import Accuracy, AccuracySource, LayerBits
from accelgen.accuracy.user import source_text
from accelgen.cache import digest
from accelgen.elastic.registry import elastic_space
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from accelgen.names import FrozenMap, unknown
from accelgen.networks.elastic_file import elastic_text
from accelgen.output_file import write_text
from accelgen.search.spaces.describe import COLUMNS
from accelgen.search.spaces.hardware import Design
from accelgen.search.spaces.offered_bits import OfferedBits
from accelgen.search.subject import Candidate, Figures
from accelgen.search.subjects.elastic_trial import ElasticTrial, elastic_figures, evaluate_elastic
from accelgen.search.subjects.evaluate import LIMITED, Trial
from accelgen.search.subjects.hardware import content_of, model
from accelgen.search.vector import Rejected
from accelgen.store import Json
from accelgen.sweep.executors import Task
from accelgen.sweep.metrics import Constraint
from accelgen.sweep.sources import NetworkSource
from accelgen.sweep.sweep import OBJECTIVES

__all__ = ["ElasticDesign", "ElasticSubject"]

_RECORDS = 1
"""Changes with what is recorded of a trial."""

_LOOKED_UP = ("tabular", "predicted")
"""Kinds of accuracy that take no time: what they say nothing of is rejected, not evaluated."""


@dataclass(frozen=True)
class ElasticDesign:
    """Hardware, and ``architecture`` of the space ``named`` with ``bits`` by layer."""

    hardware: Design
    named: str
    parameters: FrozenMap[str, int | float]
    architecture: FrozenMap[str, int]
    bits: FrozenMap[str, LayerBits]
    judged_by: str

    @property
    def text(self) -> str:
        """The network's file, without a name."""
        bits = {
            layer: {"weights": one.weights, "activations": one.activations}
            for layer, one in self.bits.items()
        }
        return elastic_text(self.named, self.parameters, self.architecture, bits)

    def described(self) -> dict[str, int | float | str]:
        """The columns of the hardware, ``layers``, and formats with how many layers have them."""
        return {
            **self.hardware.described(),
            "layers": len(self.bits),
            "weights": _counts([one.weights for one in self.bits.values()]),
            "activations": _counts([one.activations for one in self.bits.values()]),
        }

    def to_json(self) -> dict[str, Json]:
        """The values of both files, and where the accuracy is from."""
        return {
            **self.hardware.to_json(),
            "elastic": self.named,
            "parameters": dict(self.parameters),
            "architecture": dict(self.architecture),
            "bits": {
                layer: {"weights": one.weights, "activations": one.activations}
                for layer, one in self.bits.items()
            },
            "accuracy_from": self.judged_by,
        }

    def write(self, folder: Path, name: str, comment: str) -> list[Path]:
        """Write a hardware file and a network's file, for every command that takes these."""
        path = folder / f"network_{name.rpartition('_')[2]}.yaml"
        text = f"# {comment}\n# Its accuracy: {self.judged_by}.\nname: {name}\n{self.text}"
        written = self.hardware.write(folder, name, comment)
        return [*written, write_text(path, text)]


@dataclass(frozen=True)
class ElasticSubject:
    """Architectures of the elastic space ``named`` (see :mod:`accelgen.elastic.registry`) with
    formats of ``offered`` on hardware, judged by ``accuracy``.

    ``limits`` are constraints on ``accuracy``: what is out of them is not mapped.  ``minimise`` and
    ``hardware_about`` as in :class:`accelgen.search.subjects.hardware.HardwareSubject`.

    A :class:`~accelgen.search.subject.Subject` for spaces with the parts ``hardware`` (designs),
    ``network`` (architectures) and ``bits`` (of ``offered``).  With several processes trials carry
    a source of kind ``measured`` or ``user`` to these: it can be pickled.
    """

    named: str
    accuracy: AccuracySource
    offered: OfferedBits
    parameters: FrozenMap[str, int | float] = FrozenMap()  # noqa: RUF009 - frozen
    limits: tuple[Constraint, ...] = ()
    minimise: Literal["latency", "energy", "edp"] = "edp"
    hardware_about: str = ""

    columns = (*COLUMNS, "layers", "weights", "activations")
    shown = ("array", "space", "mac", "layers", "weights", "activations")
    limited = LIMITED

    def __post_init__(self) -> None:
        if self.minimise not in OBJECTIVES:
            raise unknown(self.minimise, "objective of mappings", OBJECTIVES)

    @cached_property
    def elastic(self) -> ElasticSpace:
        """The space."""
        return elastic_space(self.named, self.parameters)

    @property
    def about(self) -> str:
        """Where accuracy, resources and cost model are from."""
        return f"accuracy {self._judged_by}; {self.hardware_about}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of the space."""
        return (self.elastic.name,)

    @property
    def task(self) -> Task[Any]:
        """See :func:`accelgen.search.subjects.elastic_trial.evaluate_elastic`."""
        return evaluate_elastic

    @cached_property
    def definition(self) -> Mapping[str, Json]:
        """Cost model, space and source of accuracy."""
        return {
            "model": f"{model()}, {_RECORDS}",
            "elastic": f"{self.named} {dict(self.parameters)}",
            "accuracy": f"{self._judged_by} {_content(self.accuracy)}",
            "minimise": self.minimise,
        }

    def candidate(self, number: int, found: FrozenMap[str, Any]) -> Candidate | Rejected:
        """Hardware and a network on it; rejected where the units multiply nothing that is offered,
        or where the source of accuracy cannot say.
        """
        hardware, architecture = found["hardware"], found["network"]
        assert isinstance(hardware, Design)
        network = self.elastic.network(architecture)
        bits = self.offered.bits(network, hardware.hardware, found["bits"])
        if isinstance(bits, Rejected):
            return bits
        judge: Accuracy | AccuracySource = self.accuracy
        if self.accuracy.kind in _LOOKED_UP:
            try:
                judge = self.accuracy.accuracy(architecture, bits)
            except InputError as error:
                return Rejected(f"accuracy: {' '.join(str(error).split())}")
        design = ElasticDesign(
            hardware, self.named, self.parameters, architecture, bits, self._judged_by
        )
        text = design.text
        source = NetworkSource(self.elastic.name, "candidate.yaml", text, digest([text]))
        content = (*content_of(hardware.hardware, (source,), self.minimise), repr(self.limits))
        said = repr(judge) if isinstance(judge, Accuracy) else str(self.definition["accuracy"])
        key = digest((*content, said))
        mapped = Trial(number, key, hardware.hardware, (source,), self.minimise, kept=True)
        return Candidate(design, ElasticTrial(key, mapped, architecture, bits, judge, self.limits))

    def figures(self, record: Mapping[str, Json]) -> Figures:
        """See :func:`accelgen.search.subjects.elastic_trial.elastic_figures`."""
        return elastic_figures(record)

    def next_command(self, folder: Path, point: int) -> tuple[str, ...]:
        """Simulate the network's file on the hardware file."""
        files = (str(folder / f"{what}_{point}.yaml") for what in ("network", "hardware"))
        network, hardware = files
        words = ("accelgen", "simulate", network, "--hardware", hardware)
        return words if self.minimise == "edp" else (*words, "--objective", self.minimise)

    @property
    def _judged_by(self) -> str:
        return f"{self.accuracy.kind}: {self.accuracy.source}"


def _content(source: AccuracySource) -> str:
    """Changes with the code and the weights that accuracies are from."""
    if isinstance(source, MeasuredDigits):
        return source.content
    return digest([source_text(source)])


def _counts(names: list[str]) -> str:
    """``int8 12, int4 40``."""
    return ", ".join(f"{name} {names.count(name)}" for name in dict.fromkeys(sorted(names)))
