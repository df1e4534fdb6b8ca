"""What says that two layers are one attention layer, and which."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.attention.shape import AttentionShape

__all__ = ["AttentionPart"]


@dataclass(frozen=True)
class AttentionPart:
    """A layer is one of the two products of attention: queries times keys (``product`` false), or
    the weights times the values, the next matrix work after it.

    ``shape`` is the attention of one item, of which ``batch`` go through the network together.
    Builders and the ONNX operator Attention give it to their layers; a layer of a YAML file, and
    products that an ONNX graph has one by one, have none: nothing is guessed from names or shapes.
    """

    shape: AttentionShape
    batch: int
    product: bool

    @property
    def is_self(self) -> bool:
        """Whether queries and keys are of the same tokens: the layer is causal, or has as many of
        both.  Others are cross attention, to which patterns do not apply.
        """
        return self.shape.causal or self.shape.queries == self.shape.keys
