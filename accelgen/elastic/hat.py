"""HAT: translation transformers of heterogeneous layers, the space for WMT'14 English to German.

Wang et al.: HAT, Hardware-Aware Transformers, arXiv 2005.14187, section 3 and table 1, with the
options of the released space (github.com/mit-han-lab/hardware-aware-transformers, WMT'14 En-De,
``space0``): six encoder layers and up to six decoder layers, each with widths of its own, and every
decoder layer attending to the results of the last one, two or three encoder layers at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from accelgen.elastic.space import Choice, check_architecture
from accelgen.errors import InputError
from accelgen.names import FrozenMap
from accelgen.networks.builder import Builder, Value
from accelgen.networks.network import Network

__all__ = ["Hat"]

DEPTH = 6
WIDTHS = (512, 640)
HIDDEN = (1024, 2048, 3072)
HEADS = (4, 8)
ATTENDED = (1, 2, 3)
_INSIDE = 512  # of queries, keys and values of all heads together, whatever the width
_PER_DECODER_LAYER = {
    "decoder_hidden": HIDDEN, "decoder_heads": HEADS, "cross_heads": HEADS, "attended": ATTENDED,
}  # fmt: skip


@dataclass(frozen=True)
class Hat:
    """The space, for sentences of ``source`` and ``target`` tokens and a joint ``vocabulary``.

    Choices: ``encoder_width`` and ``decoder_width`` (of embeddings); ``decoder_layers``;
    ``encoder_hidden1`` .. ``6`` and ``decoder_hidden1`` .. ``6`` (feed-forward widths);
    ``encoder_heads``, ``decoder_heads`` and ``cross_heads`` of every layer; ``attended1`` .. ``6``,
    the number of last encoder layers that a decoder layer attends to (-1, 1 and 2 in the released
    files are 1, 2 and 3).  Those of decoder layers that are left out have no effect.

    All target tokens go through the decoder at once, each pair of them counted, as when a
    translation is scored; generating them one by one computes as many tokens.  Raises
    :class:`InputError` for sizes below 1.
    """

    source: int = 30
    target: int = 30
    vocabulary: int = 32768

    def __post_init__(self) -> None:
        for what in ("source", "target", "vocabulary"):
            if getattr(self, what) < 1:
                raise InputError(f"{getattr(self, what)}", where=what, hint="use 1 or more")

    @property
    def name(self) -> str:
        """``hat_wmt_en_de``."""
        return "hat_wmt_en_de"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions, in order."""
        layers = range(1, DEPTH + 1)
        return (
            Choice("encoder_width", WIDTHS),
            Choice("decoder_width", WIDTHS),
            Choice("decoder_layers", tuple(layers)),
            *(Choice(f"encoder_hidden{i}", HIDDEN) for i in layers),
            *(Choice(f"encoder_heads{i}", HEADS) for i in layers),
            *(
                Choice(f"{what}{i}", values)
                for what, values in _PER_DECODER_LAYER.items()
                for i in layers
            ),
        )

    def legal(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        """See :meth:`accelgen.elastic.space.ElasticSpace.legal`."""
        chosen = check_architecture(self.choices, architecture)
        for i in range(chosen["decoder_layers"] + 1, DEPTH + 1):
            for what, values in _PER_DECODER_LAYER.items():
                chosen[f"{what}{i}"] = values[0]
        return FrozenMap(chosen)

    def network(self, architecture: Mapping[str, int]) -> Network:
        """See :meth:`accelgen.elastic.space.ElasticSpace.network`."""
        chosen = self.legal(architecture)
        wide, narrow = chosen["encoder_width"], chosen["decoder_width"]
        b = Builder()
        # One matrix of embeddings, of which each side uses the first columns.
        x = b.vector(
            "lookup", Value((self.source, wide)),
            parameters=self.vocabulary * max(wide, narrow), name="source_embeddings",
        )  # fmt: skip
        x = b.vector("add", x, name="source_positions")
        encoded: list[Value] = []
        for i in range(1, DEPTH + 1):
            with b.scope(f"encoder{i}"):
                x = _attend(b, "self", x, x, chosen[f"encoder_heads{i}"], causal=False)
                x = _feed_forward(b, x, chosen[f"encoder_hidden{i}"])
            encoded.append(x)
        y = b.vector("lookup", Value((self.target, narrow)), name="target_embeddings")
        y = b.vector("add", y, name="target_positions")
        for i in range(1, chosen["decoder_layers"] + 1):
            seen = encoded[-chosen[f"attended{i}"] :]
            made = tuple(number for value in seen for number in value.made_by)
            memory = Value((len(seen) * self.source, wide), made)
            with b.scope(f"decoder{i}"):
                y = _attend(b, "self", y, y, chosen[f"decoder_heads{i}"], causal=True)
                y = _attend(b, "cross", y, memory, chosen[f"cross_heads{i}"], causal=False)
                y = _feed_forward(b, y, chosen[f"decoder_hidden{i}"])
        b.linear("logits", y, self.vocabulary, bias=False, tied=True)
        return b.network(self.name, "Wang et al.: HAT, arXiv 2005.14187")


def _attend(b: Builder, name: str, x: Value, memory: Value, heads: int, *, causal: bool) -> Value:
    """Attention of ``x`` to ``memory``, added to ``x`` and normalised."""
    with b.scope(name):
        q = b.linear("query", x, _INSIDE)
        k, v = (b.linear(part, memory, _INSIDE) for part in ("key", "value"))
        y = b.linear("output", b.attention(q, k, v, heads, causal=causal), x.shape[1])
        return b.layer_norm(b.vector("add", y, x), "norm")


def _feed_forward(b: Builder, x: Value, hidden: int) -> Value:
    y = b.linear("fc2", b.vector("relu", b.linear("fc1", x, hidden)), x.shape[1])
    return b.layer_norm(b.vector("add", y, x), "norm")
