"""The elastic space of accelgen's own: small residual networks for 8 x 8 images of digits.

::

    stem      k x k      image -> width1       8 x 8
    block1_i  k x k, 1 x 1, residual           8 x 8    depth1 times, through a middle width
              2 x 2 largest of
    entry2    k x k      width1 -> width2      4 x 4
    block2_i  k x k, 1 x 1, residual           4 x 4    depth2 times
              2 x 2 largest of
    entry3    3 x 3      width2 -> width3      2 x 2
              average
    classify  1 x 1      width3 -> 10          1 x 1

At 2 x 2, each position of a 3 x 3 kernel sees all four under other taps: averages after it know
what was where.  Every layer is one affine convolution with stride 1 and zeros around, then one
output stage (bias, rescaling, residual, ReLU, pooling).  Weights, biases and ranges are in
:mod:`accelgen.digits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

from accelgen.accuracy.source import LayerBits
from accelgen.elastic.space import Choice, check_architecture
from accelgen.names import FrozenMap
from accelgen.networks import workloads
from accelgen.networks.builder import Builder, Value
from accelgen.networks.layer import Layer
from accelgen.networks.network import Network
from accelgen.quantised.graph import IMAGE, Pool

__all__ = ["CLASSES", "SIDE", "VARIANTS", "DigitsLayer", "DigitsSpace"]

SIDE, CLASSES = 8, 10
WIDTHS1, WIDTHS2, WIDTHS3 = (4, 6, 8), (8, 16, 24), (16, 24, 32)
DEPTHS = (0, 1, 2)
KERNELS = (1, 3, 5)
ENTRY_KERNELS = (3, 5)
MIDDLES = (50, 100)
"""The middle width of a block in percent of its width."""

_EXPRESSION = "Y[k,p,q] += X[c,p + r,q + s] * W[k,c,r,s]"


@dataclass(frozen=True)
class DigitsLayer:
    """A layer of an architecture: ``channels_in`` to ``channels`` by a ``kernel`` x ``kernel``
    convolution at ``side`` x ``side`` positions.

    ``source`` and ``residual`` name the layer whose output is read and added, ``image`` the input.
    ``pool`` follows, over windows of ``window`` x ``window``.
    """

    name: str
    channels_in: int
    channels: int
    kernel: int
    side: int
    source: str
    residual: str | None = None
    pool: Pool = "none"
    window: int = 1

    @property
    def variant(self) -> int:
        """The number of its kernel and input channels among those of its name in ``VARIANTS``."""
        return VARIANTS[self.name].index((self.kernel, self.channels_in))


def _variants() -> dict[str, tuple[tuple[int, int], ...]]:
    """Kernels and input channels that a layer of each name can have."""
    found = {
        "stem": product(ENTRY_KERNELS, (1,)),
        "entry2": product(ENTRY_KERNELS, WIDTHS1),
        "entry3": product((3,), WIDTHS2),
        "classify": product((1,), WIDTHS3),
    }
    for stage, widths in ((1, WIDTHS1), (2, WIDTHS2)):
        middles = sorted({width * percent // 100 for width in widths for percent in MIDDLES})
        for block in range(1, max(DEPTHS) + 1):
            found[f"block{stage}_{block}.a"] = product(KERNELS, widths)
            found[f"block{stage}_{block}.b"] = product((1,), middles)
    return {name: tuple(pairs) for name, pairs in found.items()}


VARIANTS = _variants()


def _block_choices(stage: int) -> list[Choice]:
    return [
        choice
        for block in range(1, max(DEPTHS) + 1)
        for choice in (
            Choice(f"kernel{stage}_{block}", KERNELS),
            Choice(f"middle{stage}_{block}", MIDDLES),
        )
    ]


@dataclass(frozen=True)
class DigitsSpace:
    """The space ``digits``; see the module.  An :class:`~accelgen.elastic.space.ElasticSpace`."""

    name: str = "digits"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Kernels, widths, depths and middle widths, the smallest option first."""
        return (
            Choice("stem_kernel", ENTRY_KERNELS),
            Choice("width1", WIDTHS1),
            Choice("depth1", DEPTHS),
            *_block_choices(1),
            Choice("entry2_kernel", ENTRY_KERNELS),
            Choice("width2", WIDTHS2),
            Choice("depth2", DEPTHS),
            *_block_choices(2),
            Choice("width3", WIDTHS3),
        )

    @property
    def smallest(self) -> FrozenMap[str, int]:
        """The architecture with the first option of every choice."""
        return FrozenMap((choice.name, choice.values[0]) for choice in self.choices)

    @property
    def middle(self) -> FrozenMap[str, int]:
        """The architecture with the option in the middle of every choice, the later one of two."""
        found = {choice.name: choice.values[len(choice.values) // 2] for choice in self.choices}
        return self.legal(found)

    @property
    def largest(self) -> FrozenMap[str, int]:
        """The architecture with the last option of every choice; it has all layers."""
        return FrozenMap((choice.name, choice.values[-1]) for choice in self.choices)

    def legal(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        """As :class:`~accelgen.elastic.space.ElasticSpace`: choices of absent blocks are 1 and 50.

        Raises :class:`InputError` for a missing or unknown choice and a value that is no option.
        """
        chosen = check_architecture(self.choices, architecture)
        for stage in (1, 2):
            for block in range(chosen[f"depth{stage}"] + 1, max(DEPTHS) + 1):
                chosen[f"kernel{stage}_{block}"] = KERNELS[0]
                chosen[f"middle{stage}_{block}"] = MIDDLES[0]
        return FrozenMap(chosen)

    def layers(self, architecture: Mapping[str, int]) -> tuple[DigitsLayer, ...]:
        """Its layers in order of execution; raises as :meth:`legal`."""
        # Of what is legal by type too: 1 and True are the same key.
        legal = all(type(value) is int for value in architecture.values())
        if isinstance(architecture, FrozenMap) and legal:
            return _layers(self, architecture)
        return _layers(self, self.legal(architecture))

    def uniform(self, architecture: Mapping[str, int], bits: int) -> dict[str, LayerBits]:
        """``bits`` for all weights and activations, by name of layer; raises as :meth:`legal`."""
        both = LayerBits(f"int{bits}", f"uint{bits}")
        return {layer.name: both for layer in self.layers(architecture)}

    def network(self, architecture: Mapping[str, int]) -> Network:
        """Its convolutions on one image, inputs with their zeros around, elements int8.

        What output stages do (residuals, ReLU, pooling) is no work of its own.  Raises as
        :meth:`legal`.
        """
        b = Builder()
        made = {IMAGE: Value((1, SIDE, SIDE))}
        for layer in self.layers(architecture):
            bounds = {
                "k": layer.channels,
                "c": layer.channels_in,
                "p": layer.side,
                "q": layer.side,
                "r": layer.kernel,
                "s": layer.kernel,
            }
            workload, repeats = workloads.divided(_EXPRESSION, bounds, ())
            read = [made[name] for name in (layer.source, layer.residual) if name is not None]
            side = layer.side // layer.window
            made[layer.name] = b.add(
                Layer(layer.name, workload, repeats, "W", layer.channels),
                (layer.channels, side, side),
                *read,
            )
        return b.network(self.name, "accelgen's elastic space for scikit-learn's digits")


@lru_cache(maxsize=1 << 12)
def _layers(space: DigitsSpace, architecture: FrozenMap[str, int]) -> tuple[DigitsLayer, ...]:
    """See :meth:`DigitsSpace.layers`: searches ask for the same again and again."""
    chosen = space.legal(architecture)
    layers: list[DigitsLayer] = []
    before, channels = IMAGE, 1
    for stage, entry, side in ((1, "stem", SIDE), (2, "entry2", SIDE // 2)):
        width = chosen[f"width{stage}"]
        kernel = chosen[f"{entry}_kernel"]
        layers.append(DigitsLayer(entry, channels, width, kernel, side, before))
        before, channels = entry, width
        for block in range(1, chosen[f"depth{stage}"] + 1):
            kernel = chosen[f"kernel{stage}_{block}"]
            middle = width * chosen[f"middle{stage}_{block}"] // 100
            a, b = (f"block{stage}_{block}.{part}" for part in "ab")
            layers.append(DigitsLayer(a, width, middle, kernel, side, before))
            layers.append(DigitsLayer(b, middle, width, 1, side, a, residual=before))
            before = b
        layers[-1] = replace(layers[-1], pool="max", window=2)
    side, width = SIDE // 4, chosen["width3"]
    last = DigitsLayer("entry3", channels, width, 3, side, before, None, "average", side)
    layers.append(last)
    layers.append(DigitsLayer("classify", width, CLASSES, 1, 1, last.name))
    return tuple(layers)
