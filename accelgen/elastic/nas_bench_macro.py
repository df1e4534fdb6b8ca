"""NAS-Bench-Macro: eight blocks, each of three kinds, on CIFAR-10.

Su et al.: Prioritized Architecture Sampling with Monto-Carlo Tree Search, arXiv 2103.11922, and the
networks of the released benchmark (github.com/xiusu/NAS-Bench-Macro): three stages of 2, 3 and 3
blocks, in the first of which channels double and positions halve.  Kind 0 does nothing (the first
block of a stage: a 1 x 1 convolution), 1 is an inverted residual of expansion 3 and kernel 3, 2 one
of expansion 6 and kernel 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from accelgen.elastic.space import Choice, check_architecture
from accelgen.names import FrozenMap
from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.inverted import inverted_residual
from accelgen.networks.network import Network

__all__ = ["NasBenchMacro"]

STAGES = (2, 3, 3)
_STEM, _FEATURES = 32, 1280
_KINDS = {1: (3, 3), 2: (6, 5)}  # expansion, kernel


@dataclass(frozen=True)
class NasBenchMacro:
    """The space.  Choices: ``block1`` .. ``block8``, kinds 0, 1 and 2.

    A block that does nothing may stand anywhere behind the first one of its stage: the last places
    count.
    """

    image: int = 32
    classes: int = 10

    @property
    def name(self) -> str:
        """``nas_bench_macro``."""
        return "nas_bench_macro"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions, in order."""
        return tuple(Choice(f"block{i}", (0, 1, 2)) for i in range(1, sum(STAGES) + 1))

    def legal(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        """See :meth:`accelgen.elastic.space.ElasticSpace.legal`."""
        kinds = list(check_architecture(self.choices, architecture).values())
        begin = 0
        for count in STAGES:
            rest = kinds[begin + 1 : begin + count]
            kinds[begin + 1 : begin + count] = sorted(rest, key=lambda kind: kind == 0)
            begin += count
        return FrozenMap({f"block{i}": kind for i, kind in enumerate(kinds, start=1)})

    def network(self, architecture: Mapping[str, int]) -> Network:
        """See :meth:`accelgen.elastic.space.ElasticSpace.network`."""
        kinds = iter(self.legal(architecture).values())
        b = Builder()
        x = Value((3, self.image, self.image))
        x = b.vector("relu", b.conv("stem", x, _STEM, 3, norm=True))
        for stage, count in enumerate(STAGES, start=1):
            for i in range(1, count + 1):
                with b.scope(f"stage{stage}.{i}"):
                    x = _block(b, x, next(kinds), first=i == 1)
        x = b.vector("relu", b.conv("features", x, _FEATURES, 1, norm=True))
        b.linear("classifier", b.mean(x), self.classes)
        return b.network(self.name, "Su et al.: NAS-Bench-Macro, arXiv 2103.11922")


def _block(b: Builder, x: Value, kind: int, *, first: bool) -> Value:
    channels, stride = (2 * x.shape[0], 2) if first else (x.shape[0], 1)
    if kind:
        expansion, kernel = _KINDS[kind]
        return inverted_residual(
            b, x, channels, expansion=expansion, kernel=kernel, stride=stride, activation="relu"
        )
    return b.conv("skip", x, channels, 1, stride=stride, norm=True) if first else x
