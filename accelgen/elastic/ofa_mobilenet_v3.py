"""OFA-MobileNetV3: kernels, expansions and depths of MobileNetV3-like networks.

Cai et al.: Once for All, arXiv 1908.09791, section 4.1, and the released networks
``ofa_mbv3_d234_e346_k357_w1.0`` and ``_w1.2`` (github.com/mit-han-lab/once-for-all): five units of
2 to 4 blocks, every block with a kernel of 3, 5 or 7 and an expansion of 3, 4 or 6; images of 128
to 224, for the wider one of 160 to 224.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from accelgen.elastic.channels import rounded
from accelgen.elastic.space import Choice, check_architecture
from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.inverted import inverted_residual
from accelgen.networks.network import Network

__all__ = ["OfaMobileNetV3"]

DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)
_STEM, _FIRST, _LAST, _FEATURES = 16, 16, 960, 1280
# Of each unit: channels, stride of the first block, activation, squeeze-and-excitation.
_UNITS = (
    (24, 2, "relu", False), (40, 2, "relu", True), (80, 2, "h_swish", False),
    (112, 1, "h_swish", True), (160, 2, "h_swish", True),
)  # fmt: skip
_SMALLEST = {1.0: 128, 1.2: 160}


@dataclass(frozen=True)
class OfaMobileNetV3:
    """The space for a ``width`` multiplier of 1.0 or 1.2, with images in steps of ``step`` pixels.

    Choices: ``resolution``; ``depth1`` .. ``depth5``; ``kernel1_1`` .. ``kernel5_4`` and
    ``expansion1_1`` .. ``expansion5_4`` (unit, block).  Kernel and expansion of a block that the
    depth leaves out have no effect.  Raises :class:`InputError` for another width, and a step that
    is no positive divisor of the range of images.
    """

    width: float = 1.0
    step: int = 4
    classes: int = 1000

    def __post_init__(self) -> None:
        if self.width not in _SMALLEST:
            hint = "use 1.0 or 1.2, the published ones"
            raise InputError(f"a width multiplier of {self.width}", where="width", hint=hint)
        if self.step < 1 or (224 - _SMALLEST[self.width]) % self.step:
            raise InputError(f"steps of {self.step} pixels", where="step", hint="use 4, 8 or 16")

    @property
    def name(self) -> str:
        """``ofa_mobilenet_v3`` for width 1.0, ``ofa_mobilenet_v3_w12`` for 1.2."""
        return "ofa_mobilenet_v3" if self.width == 1.0 else "ofa_mobilenet_v3_w12"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions, in order."""
        units, blocks = range(1, len(_UNITS) + 1), range(1, max(DEPTHS) + 1)
        return (
            Choice("resolution", tuple(range(_SMALLEST[self.width], 225, self.step))),
            *(Choice(f"depth{u}", DEPTHS) for u in units),
            *(Choice(f"kernel{u}_{i}", KERNELS) for u in units for i in blocks),
            *(Choice(f"expansion{u}_{i}", EXPANSIONS) for u in units for i in blocks),
        )

    def legal(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        """See :meth:`accelgen.elastic.space.ElasticSpace.legal`."""
        chosen = check_architecture(self.choices, architecture)
        for u in range(1, len(_UNITS) + 1):
            for i in range(chosen[f"depth{u}"] + 1, max(DEPTHS) + 1):
                chosen[f"kernel{u}_{i}"] = KERNELS[0]
                chosen[f"expansion{u}_{i}"] = EXPANSIONS[0]
        return FrozenMap(chosen)

    def network(self, architecture: Mapping[str, int]) -> Network:
        """See :meth:`accelgen.elastic.space.ElasticSpace.network`."""
        chosen = self.legal(architecture)
        image, b = chosen["resolution"], Builder()
        x = Value((3, image, image))
        x = b.vector("h_swish", b.conv("stem", x, self._wide(_STEM), 3, stride=2, norm=True))
        with b.scope("first"):
            wide = self._wide(_FIRST)
            x = inverted_residual(b, x, wide, expansion=1, kernel=3, stride=1, activation="relu")
        for u, (channels, stride, activation, squeezes) in enumerate(_UNITS, start=1):
            for i in range(1, chosen[f"depth{u}"] + 1):
                expansion = chosen[f"expansion{u}_{i}"]
                squeezed = rounded(expansion * x.shape[0] // 4) if squeezes else 0
                with b.scope(f"unit{u}.{i}"):
                    x = inverted_residual(
                        b, x, self._wide(channels), expansion=expansion,
                        kernel=chosen[f"kernel{u}_{i}"], stride=stride if i == 1 else 1,
                        activation=activation, squeezed=squeezed,
                        gate=("relu", "h_sigmoid"),
                    )  # fmt: skip
        x = b.vector("h_swish", b.conv("last", x, self._wide(_LAST), 1, norm=True))
        x = b.linear("features", b.mean(x), self._wide(_FEATURES), bias=False)
        b.linear("classifier", b.vector("h_swish", x), self.classes)
        return b.network(self.name, "Cai et al.: Once for All, arXiv 1908.09791")

    def _wide(self, channels: int) -> int:
        return rounded(channels * self.width)
