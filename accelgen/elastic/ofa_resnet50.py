"""OFA-ResNet50: widths, depths and expansions of ResNet-50-D.

Cai et al.: Once for All, arXiv 1908.09791, and the released network ``ofa_resnet50``
(github.com/mit-han-lab/once-for-all): ResNet-D (He et al.: Bag of Tricks, arXiv 1812.01187) whose
four stages have 2, 2, 4, 2 blocks and up to two more, channels of 65, 80 or 100 per cent, and
bottlenecks of 20, 25 or 35 per cent of these; images of 128 to 224.
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
from accelgen.networks.network import Network

__all__ = ["OfaResNet50"]

BASE_DEPTHS = (2, 2, 4, 2)
DEPTHS = (0, 1, 2)
EXPANSIONS = (20, 25, 35)
WIDTHS = (65, 80, 100)
_STEM = 64
_STAGES = (256, 512, 1024, 2048)


@dataclass(frozen=True)
class OfaResNet50:
    """The space, with images in steps of ``step`` pixels.

    Choices: ``resolution``; ``stem_block`` (1: the stem has its residual convolution);
    ``stem_width`` and ``width0`` (inside the stem, and what it makes), ``width1`` .. ``width4`` of
    the stages, in per cent; ``depth1`` .. ``depth4``, blocks beyond the least; ``expansion1_1`` ..
    ``expansion4_4`` (stage, block), in per cent.  The expansion of a block that the depth leaves
    out has no effect, and of widths inside the stem that round to as many channels the first one
    counts.  Raises :class:`InputError` for a step that is no positive divisor of the range.
    """

    step: int = 4
    classes: int = 1000

    def __post_init__(self) -> None:
        if self.step < 1 or 96 % self.step:
            raise InputError(f"steps of {self.step} pixels", where="step", hint="use 4, 8 or 16")

    @property
    def name(self) -> str:
        """``ofa_resnet50``."""
        return "ofa_resnet50"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions, in order."""
        return (
            Choice("resolution", tuple(range(128, 225, self.step))),
            Choice("stem_block", (0, 1)),
            Choice("stem_width", WIDTHS),
            *(Choice(f"width{stage}", WIDTHS) for stage in range(5)),
            *(Choice(f"depth{stage}", DEPTHS) for stage in range(1, 5)),
            *(
                Choice(f"expansion{stage}_{i}", EXPANSIONS)
                for stage, base in enumerate(BASE_DEPTHS, start=1)
                for i in range(1, base + max(DEPTHS) + 1)
            ),
        )

    def legal(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        """See :meth:`accelgen.elastic.space.ElasticSpace.legal`."""
        chosen = check_architecture(self.choices, architecture)
        inside = _inside(chosen["stem_width"])
        chosen["stem_width"] = next(width for width in WIDTHS if _inside(width) == inside)
        for stage, base in enumerate(BASE_DEPTHS, start=1):
            for i in range(base + chosen[f"depth{stage}"] + 1, base + max(DEPTHS) + 1):
                chosen[f"expansion{stage}_{i}"] = EXPANSIONS[0]
        return FrozenMap(chosen)

    def network(self, architecture: Mapping[str, int]) -> Network:
        """See :meth:`accelgen.elastic.space.ElasticSpace.network`."""
        chosen = self.legal(architecture)
        image, b = chosen["resolution"], Builder()
        with b.scope("stem"):
            x = _stem(b, Value((3, image, image)), chosen)
        x = b.pool(x, 3, 2, padding=1)
        for stage, channels in enumerate(_STAGES, start=1):
            out = rounded(channels * chosen[f"width{stage}"] / 100)
            for i in range(1, BASE_DEPTHS[stage - 1] + chosen[f"depth{stage}"] + 1):
                inside = rounded(round(out * chosen[f"expansion{stage}_{i}"] / 100))
                with b.scope(f"stage{stage}.{i}"):
                    stride = 2 if stage > 1 and i == 1 else 1
                    x = _bottleneck(b, x, inside, out, stride, first=i == 1)
        b.linear("classifier", b.mean(x), self.classes)
        return b.network(self.name, "Cai et al.: Once for All, arXiv 1908.09791")


def _inside(width: int) -> int:
    """Channels inside the stem: half of those that it would make at this width."""
    return rounded(rounded(_STEM * width / 100) // 2)


def _stem(b: Builder, x: Value, chosen: Mapping[str, int]) -> Value:
    inside = _inside(chosen["stem_width"])
    x = b.conv("conv1", x, inside, 3, stride=2, norm=True)
    x = b.vector("relu", x, name="relu1")
    if chosen["stem_block"]:
        y = b.conv("conv2", x, inside, 3, norm=True)
        x = b.vector("add", b.vector("relu", y, name="relu2"), x)
    x = b.conv("conv3", x, rounded(_STEM * chosen["width0"] / 100), 3, norm=True)
    return b.vector("relu", x, name="relu3")


def _bottleneck(b: Builder, x: Value, inside: int, out: int, stride: int, *, first: bool) -> Value:
    """The first block of a stage takes the mean of 2 x 2 positions on its way around."""
    y = b.vector("relu", b.conv("conv1", x, inside, 1, norm=True))
    y = b.vector("relu", b.conv("conv2", y, inside, 3, stride=stride, norm=True))
    y = b.conv("conv3", y, out, 1, norm=True)
    if stride > 1:
        shape = (x.shape[0], *y.shape[1:])
        window = stride**2 * shape[0] * shape[1] * shape[2]
        x = b.vector("average_pool", x, shape=shape, elements=window)
    if first:
        x = b.conv("downsample", x, out, 1, norm=True)
    return b.vector("relu", b.vector("add", y, x))
