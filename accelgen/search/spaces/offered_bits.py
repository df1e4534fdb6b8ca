"""Formats per layer that depend on the layer and on the hardware: legal by construction.

Which pairs of formats a layer can have follows from its expression (blocks need a summed loop to
lie along, and both operands) and from what the units multiply.  A gene is therefore a place in the
list of what is left, not a format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from accelgen.accuracy.source import LayerBits
from accelgen.affine.assignment import parse_assignment
from accelgen.affine.workload import Workload
from accelgen.bits.table import element_bits
from accelgen.elastic.space import ElasticSpace
from accelgen.errors import InputError
from accelgen.hardware import Hardware, Level, Memory
from accelgen.names import FrozenMap
from accelgen.networks import Layer, Network
from accelgen.search.spaces.formats import check_formats
from accelgen.search.vector import Gene, Reader, Rejected, Vector, middle_of

__all__ = ["OfferedBits", "Places", "layers_of"]

_Shape = tuple[str, tuple[tuple[str, str], ...], str | None]
"""Of a layer: its expression, its types, its tensor of weights."""

Places = Mapping[str, tuple[float, float]]
"""By layer, numbers from 0 to 1 for weights and activations."""


@dataclass(frozen=True)
class OfferedBits:
    """A space: formats of ``weights`` and ``activations`` are offered to every one of ``layers``
    (name: whether it has weights).  With ``alike`` there is one choice for all of them.

    Its values are :data:`Places`; :meth:`bits` makes formats of them.  Layers without weights
    (products of attention) have the format of activations twice.
    """

    layers: Mapping[str, bool]
    weights: tuple[str, ...]
    activations: tuple[str, ...]
    alike: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", FrozenMap(self.layers))
        check_formats(self.weights, self.activations)

    @cached_property
    def genes(self) -> tuple[Gene, ...]:
        """See :class:`accelgen.search.space.Space`."""
        found = []
        if self.alike:
            if len(self.weights) > 1:
                found.append(Gene("weights", "format of all weights"))
            if len(self.activations) > 1:
                found.append(Gene("activations", "format of all activations"))
            return tuple(found)
        for layer, has_weights in self.layers.items():
            if has_weights and len(self.weights) > 1:
                found.append(Gene(f"weights.{layer}", f"format of the weights of {layer}"))
            if len(self.activations) > 1:
                found.append(Gene(f"activations.{layer}", f"format of activations of {layer}"))
        return tuple(found)

    @property
    def reference(self) -> Places:
        """The places of the formats of most bits."""
        places = _place(self.weights, 1.0), _place(self.activations, 1.0)
        return FrozenMap(dict.fromkeys(self.layers, places))

    @property
    def starts(self) -> tuple[Vector, ...]:
        """The same formats in all layers: those of most bits, in the middle, of fewest bits."""
        places = [
            [_place(names, rank) for rank in (1.0, 0.5, 0.0)]
            for names in (self.weights, self.activations)
        ]
        of_weights = [gene.name.partition(".")[0] == "weights" for gene in self.genes]
        found = (
            tuple(weights if one else other for one in of_weights)
            for weights, other in zip(*places, strict=True)
        )
        return tuple(dict.fromkeys(found))

    def decode(self, vector: Sequence[float]) -> Places:
        """The places of all layers, those too that an architecture lacks."""
        values = Reader.of(self.genes, vector).values
        if self.alike:
            places = values.get("weights", 0.0), values.get("activations", 0.0)
            return FrozenMap(dict.fromkeys(self.layers, places))
        return FrozenMap(
            {
                layer: (
                    values.get(f"weights.{layer}", 0.0),
                    values.get(f"activations.{layer}", 0.0),
                )
                for layer in self.layers
            }
        )

    def bits(
        self, network: Network, hardware: Hardware, places: Places
    ) -> FrozenMap[str, LayerBits] | Rejected:
        """The formats of every layer of ``network`` on ``hardware``; rejected where it multiplies
        none of the pairs that are offered.
        """
        units = _units_of(hardware)
        found: dict[str, LayerBits] = {}
        for layer in network.matrix_layers:
            if layer.name not in places:
                return Rejected(f"{layer.name} has no genes: it is in no architecture looked at")
            at, other = places[layer.name]
            work = layer.workload
            shape = work.expression, tuple(work.types.items()), layer.weights
            pairs, reason = _legal(shape, self.weights, self.activations, units)
            if not pairs:
                return Rejected(f"bits: {layer.name}: {reason}")
            weights = _at(list(dict.fromkeys(pair.weights for pair in pairs)), at)
            if layer.weights is None:
                weights = _at([pair.weights for pair in pairs], other)
            beside = [pair.activations for pair in pairs if pair.weights == weights]
            found[layer.name] = LayerBits(weights, _at(beside, other))
        return FrozenMap(found)


def _place(names: tuple[str, ...], rank: float) -> float:
    """Where the format of most bits is (``rank`` 1), of fewest (0) or between, of equal ones the
    first: at an end, where it is the first or the last, for a layer may have fewer to choose
    from.
    """
    bits = [element_bits(name) for name in names]
    widths = sorted(set(bits))
    at = bits.index(widths[round(rank * (len(widths) - 1))])
    if at in (0, len(names) - 1):
        return float(at > 0)
    return middle_of(at, len(names))


def layers_of(space: ElasticSpace) -> dict[str, Layer]:
    """The layers of matrix work that architectures of ``space`` have, by name, as one of them has
    it: those of the first and of the last options of all choices, with one of them changed.
    """
    found: dict[str, Layer] = {}
    seen = set()
    for end in (-1, 0):
        base = {choice.name: choice.values[end] for choice in space.choices}
        for choice in space.choices:
            for value in choice.values:
                architecture = space.legal({**base, choice.name: value})
                if architecture not in seen:
                    seen.add(architecture)
                    for layer in space.network(architecture).matrix_layers:
                        found.setdefault(layer.name, layer)
    return found


def _at(names: Sequence[str], place: float) -> str:
    return names[min(int(place * len(names)), len(names) - 1)]


def _units_of(hardware: Hardware) -> Hardware:
    """Hardware of the same units and nothing else: what legal formats depend on."""
    everything = Level("dram", (Memory("dram", None, None, 0.0, 0.0),))
    return Hardware(
        "units", FrozenMap({"x": 1}), (everything,), FrozenMap(hardware.mac_pj),
        sum_bits=hardware.sum_bits, unit=hardware.unit, lanes=hardware.lanes,
        alone_pj=FrozenMap(hardware.alone_pj),
    )  # fmt: skip


@lru_cache(maxsize=1 << 12)
def _legal(
    shape: _Shape, weights: tuple[str, ...], activations: tuple[str, ...], units: Hardware
) -> tuple[tuple[LayerBits, ...], str]:
    """The pairs that a layer can have and ``units`` multiply, in the order offered, and why
    another is not one of them.  Sizes change nothing.
    """
    # Only here, because what is compiled is slow to import.
    from accelgen.simulation import layer_work

    expression, types, tensor = shape
    loops = parse_assignment(expression).loops
    workload = Workload(expression, dict.fromkeys(loops, 1), dict(types))
    layer = Layer("layer", workload, weights=tensor)
    offered = [LayerBits(w, a) for w in weights for a in activations]
    if layer.weights is None:
        offered = [LayerBits(a, a) for a in activations]
    found, reason = [], ""
    for pair in offered:
        try:
            low = layer.with_formats(weights=pair.weights, activations=pair.activations)
            problem, words = layer_work(low.workload, low.weights, units)
            words.paced(units, problem.number_format).mac_energy(problem.number_format)
        except InputError as error:
            reason = reason or f"{pair.weights}, {pair.activations}: {error.message}"
        else:
            found.append(pair)
    return tuple(found), reason
