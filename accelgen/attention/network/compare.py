"""The attention of a network on attention arrays: dense, and under a pattern."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from accelgen.attention.accelerator.core import Core
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.network.arrays import array_count, core_for
from accelgen.attention.network.cost import AttentionCost, HeadWork, attention_cost
from accelgen.attention.network.planned import Plan, layer_class
from accelgen.attention.network.prices import prices_of
from accelgen.attention.network.work import head_work, sampled_work
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.shape import AttentionShape
from accelgen.errors import AccelgenError, InputError
from accelgen.hardware.model import Hardware
from accelgen.names import within
from accelgen.networks.attention import AttentionPart
from accelgen.networks.layer import Layer
from accelgen.networks.network import Network

__all__ = ["AttentionLayer", "AttentionResult", "attention_pairs", "compare_attention",
           "without_attention"]  # fmt: skip

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class AttentionLayer:
    """An attention layer of a network.

    ``number`` counts those of self attention, to which the pattern applies; ``None``: cross
    attention, which stays dense.  ``note`` says how tensors were drawn, where a pattern looks at
    some.
    """

    name: str
    part: AttentionPart
    number: int | None
    pattern: str
    dense: AttentionCost
    sparse: AttentionCost
    note: str = ""


@dataclass(frozen=True)
class AttentionResult:
    """The attention layers of a network on ``arrays`` arrays, one layer after the other."""

    plan: Plan
    cores: tuple[Core, ...]
    arrays: int
    seed: int
    layers: tuple[AttentionLayer, ...]

    def cycles(self, *, sparse: bool) -> float:
        """Cycles of all layers."""
        return sum((x.sparse if sparse else x.dense).cycles for x in self.layers)

    def energy_pj(self, *, sparse: bool) -> float:
        """Energy of all layers."""
        return sum((x.sparse if sparse else x.dense).total_pj for x in self.layers)

    def dram_bytes(self, *, sparse: bool) -> float:
        """Traffic of all layers."""
        return sum((x.sparse if sparse else x.dense).dram_bytes for x in self.layers)

    @property
    def notes(self) -> tuple[str, ...]:
        """How tensors were drawn, each once."""
        return tuple(dict.fromkeys(layer.note for layer in self.layers if layer.note))


def attention_pairs(network: Network) -> tuple[tuple[Layer, Layer], ...]:
    """The layers that are the two products of attention, in pairs."""
    found = []
    scores: Layer | None = None
    for layer in network.matrix_layers:
        part = layer.attention
        if part is not None and part.product and scores is not None:
            before = scores.attention
            if before is not None and (before.shape, before.batch) == (part.shape, part.batch):
                found.append((scores, layer))
        scores = layer if part is not None and not part.product else None
    return tuple(found)


def without_attention(network: Network) -> Network | None:
    """The network without these layers; ``None`` when there is no other matrix work."""
    names = {layer.name for pair in attention_pairs(network) for layer in pair}
    layers = tuple(layer for layer in network.layers if layer.name not in names)
    if not any(isinstance(layer, Layer) for layer in layers):
        return None
    return replace(network, layers=layers, edges=())


def compare_attention(
    network: Network,
    hardware: Hardware,
    plan: Plan,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    stage: Callable[[str], None] = lambda text: None,
) -> AttentionResult:
    """Every attention layer of ``network`` on the attention arrays of ``hardware``, dense and under
    ``plan``.

    Static patterns are counted exactly; dynamic ones on tensors drawn with ``seed`` (see
    :func:`accelgen.attention.network.work.sampled_work`).  ``progress`` is told how many layers are
    done, ``stage`` what is looked at in the next one.  Raises :class:`InputError` when the
    network has no attention layer, and where a pattern does not apply to a layer, with its name.
    """
    pairs = attention_pairs(network)
    if not pairs:
        raise InputError(
            "no attention layer",
            where=network.name,
            hint="use a network of a builder with attention, or an ONNX file with Attention nodes",
        )
    simulator = _Simulator(hardware, plan, seed)
    layers = []
    number = 0
    for at, (scores, _) in enumerate(pairs):
        if progress is not None:
            progress(at, len(pairs))
        part = scores.attention
        assert part is not None
        name = scores.name.removesuffix(".scores")
        simulator.stage = _prefixed(stage, name)
        with within(f"{network.name}: {name}"):
            layers.append(simulator.layer(name, part, number if part.is_self else None))
        number += part.is_self
    cores = tuple(simulator.cores.values())
    return AttentionResult(plan, cores, simulator.arrays, seed, tuple(layers))


def _prefixed(stage: Callable[[str], None], name: str) -> Callable[[str], None]:
    return lambda text: stage(f"{name}, {text}")


class _Simulator:
    """Layers that are alike are worked out once; ``stage`` is told what is looked at."""

    def __init__(self, hardware: Hardware, plan: Plan, seed: int) -> None:
        self.hardware, self.plan, self.seed = hardware, plan, seed
        self.arrays = array_count(hardware)
        self.stage: Callable[[str], None] = lambda text: None
        self.cores: dict[AttentionShape, Core] = {}
        self._masks: dict[Hashable, tuple[HeadMask, ...]] = {}
        self._costs: dict[Hashable, tuple[AttentionCost, str]] = {}

    def layer(self, name: str, part: AttentionPart, number: int | None) -> AttentionLayer:
        """One layer, dense and under the plan."""
        shape = part.shape
        dense, _ = self._cost(part, (Dense(),) * shape.heads, 0)
        if number is None:
            return AttentionLayer(name, part, None, "dense", dense, dense)
        patterns = self.plan.heads(shape, number)
        sparse, note = self._cost(part, patterns, number)
        return AttentionLayer(
            name, part, number, self.plan.text(shape, number), dense, sparse, note
        )

    def _cost(
        self, part: AttentionPart, patterns: tuple[Pattern, ...], layer: int
    ) -> tuple[AttentionCost, str]:
        classes = tuple((one, layer_class(one, layer)) for one in patterns)
        key = part.shape, part.batch, classes
        if key not in self._costs:
            core = self.cores.get(part.shape)
            if core is None:
                core = self.cores[part.shape] = core_for(part.shape, self.hardware)
            work, note = self._work(core, part, patterns, layer)
            bandwidth = self.hardware.levels[-1].memories[0].bandwidth
            prices = prices_of(self.hardware, core, self.arrays)
            cost = attention_cost(
                core, part.shape, work, prices, arrays=self.arrays, bytes_per_cycle=bandwidth
            )
            self._costs[key] = cost, note
        return self._costs[key]

    def _work(
        self, core: Core, part: AttentionPart, patterns: tuple[Pattern, ...], layer: int
    ) -> tuple[Sequence[HeadWork], str]:
        """Heads of keys and values whose query heads have static patterns, and the others."""
        shape = part.shape
        static: list[int] = []
        dynamic: dict[Pattern, int] = {}
        for head in range(shape.kv_heads):
            own = set(patterns[head * shape.group : (head + 1) * shape.group])
            if not any(_looks(one, layer) for one in own):
                static.append(head)
            elif len(own) == 1:
                one = own.pop()
                dynamic[one] = dynamic.get(one, 0) + 1
            else:
                raise InputError(
                    "query heads that share keys have several patterns, one of which looks at them",
                    where=self.plan.name,
                    hint="give one pattern to all query heads of a head of keys and values",
                )
        work: list[HeadWork] = []
        notes = []
        if static:
            self.stage("masks")
            masks = [
                self._static(patterns[head], shape, layer)[head]
                for kv_head in static
                for head in range(kv_head * shape.group, (kv_head + 1) * shape.group)
            ]
            some = replace(shape, heads=len(masks), kv_heads=len(static))
            work += head_work(core, some, masks, part.batch)
        for one, count in dynamic.items():
            some = replace(shape, heads=count * shape.group, kv_heads=count)
            sample = sampled_work(
                core, some, one, seed=self.seed, layer=layer, batch=part.batch, stage=self.stage
            )
            work += sample.work
            notes.append(f"{one.name}: {sample.note}")
        return work, "; ".join(notes)

    def _static(self, pattern: Pattern, shape: AttentionShape, layer: int) -> tuple[HeadMask, ...]:
        key = pattern, shape, layer_class(pattern, layer)
        if key not in self._masks:
            try:
                self._masks[key] = pattern.masks(shape, layer=layer)
            except AccelgenError as error:
                # Some patterns name themselves.
                if (error.where or "").partition(":")[0] != pattern.name:
                    error.where = f"{pattern.name}: {error.where}" if error.where else pattern.name
                raise
        return self._masks[key]


def _looks(pattern: Pattern, layer: int) -> bool:
    """Whether a pattern looks at tensors in a layer."""
    return pattern.dynamic and layer >= pattern.first_sparse_layer
