"""Accuracy measured: sub-networks of the digits supernet, run in integers on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from accelgen.accuracy.source import Accuracy, AccuracyKind, LayerBits
from accelgen.cache import digest
from accelgen.digits.data import Digits, Part, digits
from accelgen.digits.supernet import Supernet, load_supernet
from accelgen.quantised.graph import QuantisedNetwork
from accelgen.quantised.run import image_codes, predictions

__all__ = ["MeasuredDigits", "right_answers"]

_PACKAGE = Path(__file__).parent.parent
_PARTS = (
    "accuracy/measured.py", "digits/data.py", "digits/supernet.py", "elastic/digits.py",
    "formats/*.py", "golden/*.py", "quantised/*.py",
)  # fmt: skip
_SOURCES = digest(path.read_bytes() for part in _PARTS for path in sorted(_PACKAGE.glob(part)))


@dataclass(frozen=True, eq=False)
class MeasuredDigits:
    """An :class:`~accelgen.accuracy.source.AccuracySource` for the elastic space ``digits``.

    Searches use the ``validation`` images; ``test`` is for what they found, after them.
    """

    part: Part = "validation"
    supernet: Supernet = field(default_factory=load_supernet)

    kind: ClassVar[AccuracyKind] = "measured"

    def __reduce__(self) -> tuple[type[MeasuredDigits], tuple[object, ...]]:
        """The shipped weights need not be sent to other processes, which have them."""
        own = self.supernet is not load_supernet()
        return MeasuredDigits, (self.part, self.supernet) if own else (self.part,)

    @property
    def source(self) -> str:
        """What was run on how many images of which part."""
        count = len(digits(self.part))
        return f"digits supernet in integer arithmetic, {count} {self.part} images"

    @property
    def content(self) -> str:
        """Changes with the images, the weights, and the code that runs them: what records of
        accuracies are told apart by.
        """
        return digest((self.part, self.supernet.digest, _SOURCES))

    def accuracy(self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> Accuracy:
        """The share of right predictions.

        Raises :class:`InputError` for illegal architectures and bits.
        """
        return self.of(self.supernet.quantised(architecture, bits))

    def of(self, network: QuantisedNetwork) -> Accuracy:
        """The same of a sub-network of the supernet in integers."""
        images = digits(self.part)
        return Accuracy(right_answers(network, images) / len(images), self.kind, self.source)


def right_answers(network: QuantisedNetwork, images: Digits) -> int:
    """The number of ``images`` that ``network`` classifies right."""
    found = predictions(network, image_codes(network, images.images))
    return int((found == images.labels).sum())
