"""A network: a list of layers, and the graph of the data between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from accelgen.affine.blocks import common_loop
from accelgen.affine.workload import Workload
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, format_names, get_format
from accelgen.names import check_name, nearest, shorten, within
from accelgen.networks.layer import Layer, VectorWork

__all__ = ["MAX_LAYERS", "Edge", "Network"]

MAX_LAYERS = 20_000

Edge = tuple[int, int]
"""Numbers of two layers: the first makes what the second reads."""


@dataclass(frozen=True)
class Network:
    """Layers in an order in which they can be executed, and who reads whose results.

    ``edges`` are pairs of numbers of layers (from 0), the smaller first: the data flow.  ``source``
    says where the definition comes from.  Layer names are unique.  Raises :class:`InputError` for
    anything else, and beyond 20,000 layers.
    """

    name: str
    layers: tuple[Layer | VectorWork, ...]
    edges: tuple[Edge, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        with within("name"):
            check_name(self.name, "network")
        object.__setattr__(self, "layers", tuple(self.layers))
        object.__setattr__(self, "edges", tuple(sorted({(a, b) for a, b in self.edges})))
        if not self.layers:
            raise InputError("no layers", where=self.name)
        if len(self.layers) > MAX_LAYERS:
            raise InputError(f"{len(self.layers)} layers, beyond {MAX_LAYERS}", where=self.name)
        seen: set[str] = set()
        for layer in self.layers:
            if layer.name in seen:
                raise InputError(f"two layers are named {shorten(layer.name)}", where=self.name)
            seen.add(layer.name)
        for before, after in self.edges:
            if not 0 <= before < after < len(self.layers):
                raise InputError(
                    f"edge {before} -> {after} does not lead from a layer to a later one",
                    where=self.name,
                    hint=f"number layers from 0 to {len(self.layers) - 1}",
                )

    @property
    def matrix_layers(self) -> tuple[Layer, ...]:
        """The layers that are matrix work, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Layer))

    @property
    def vector_work(self) -> tuple[VectorWork, ...]:
        """The other work, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, VectorWork))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all layers and repeats."""
        return sum(layer.macs for layer in self.matrix_layers)

    @property
    def parameters(self) -> int:
        """Parameters, each counted once."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def vector_operations(self) -> int:
        """Elements of all vector work; :class:`VectorWork` says what is one."""
        return sum(work.operations for work in self.vector_work)

    @property
    def distinct(self) -> tuple[tuple[Workload, int], ...]:
        """Every different workload, in order of appearance, with how often it is executed.

        Layers with equal workloads (types included) are one problem for a mapper.
        """
        counts: dict[Workload, int] = {}
        for layer in self.matrix_layers:
            counts[layer.workload] = counts.get(layer.workload, 0) + layer.repeats
        return tuple(counts.items())

    def layer(self, name: str) -> Layer | VectorWork:
        """The layer of that name; :class:`InputError` with the nearest name when there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise InputError(
            f"unknown layer {shorten(name)}", where=self.name, hint=nearest(name, names)
        )

    def sources(self, number: int) -> tuple[int, ...]:
        """Numbers of the layers whose results layer ``number`` reads, ascending."""
        return tuple(before for before, after in self.edges if after == number)

    def with_formats(
        self,
        *,
        activations: str | None = None,
        weights: str | None = None,
        outputs: str | None = None,
        fallback: str | None = None,
        only: Sequence[str] | None = None,
    ) -> Network:
        """The network with other element types by role; ``None`` keeps those it has.

        ``activations``: inputs that are no weights; ``weights``: tensors of parameters;
        ``outputs``: the type of sums (that of a layer without one follows from its inputs).
        Layers without a summed loop
        for blocks to lie along (depthwise convolutions) cannot have block formats: ``fallback``
        is the type of both their inputs, and their sums follow from it.  ``only`` are the names
        of the layers to change (all when ``None``).

        Raises :class:`InputError` naming the layer whose expression cannot have these types.
        """
        names = None if only is None else {self.layer(name).name for name in only}
        blocks = any(_is_block(name) for name in (activations, weights))
        layers: list[Layer | VectorWork] = []
        for layer in self.layers:
            if isinstance(layer, VectorWork) or (names is not None and layer.name not in names):
                layers.append(layer)
            elif blocks and fallback is not None and not _takes_blocks(layer):
                layers.append(layer.with_inputs(fallback))
            else:
                try:
                    changed = layer.with_formats(
                        activations=activations, weights=weights, outputs=outputs
                    )
                except InputError as error:
                    if blocks and not _takes_blocks(layer):
                        error.hint = "give a fallback, the type of layers that cannot have blocks"
                    raise
                layers.append(changed)
        return replace(self, layers=tuple(layers))


def _is_block(name: str | None) -> bool:
    return name in format_names() and isinstance(get_format(name or ""), BlockFormat)


def _takes_blocks(layer: Layer) -> bool:
    try:
        common_loop(layer.workload.assignment, "blocks")
    except InputError:
        return False
    return True
