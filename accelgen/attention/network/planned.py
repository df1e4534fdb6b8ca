"""Which pattern the heads of each attention layer of a network follow."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from accelgen.attention.description import AttentionDescription
from accelgen.attention.load import is_file_name, list_attention, load_attention
from accelgen.attention.patterns.base import Pattern
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.duo import Duo
from accelgen.attention.patterns.gates import dense_kv_heads
from accelgen.attention.patterns.lserve import LServe
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.patterns.spatten import Spatten
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.patterns.window_pruning import WindowPruning
from accelgen.attention.registry import parse_pattern, pattern_names, pattern_text
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.names import unknown

__all__ = ["Plan", "layer_class", "read_plan"]


@dataclass(frozen=True)
class Plan:
    """One pattern for all heads of all layers, or those of a description."""

    name: str
    source: Pattern | AttentionDescription

    @property
    def dynamic(self) -> bool:
        """Whether a pattern looks at tensors."""
        if isinstance(self.source, Pattern):
            return self.source.dynamic
        return any(pattern.dynamic for pattern in self.source.patterns)

    def heads(self, shape: AttentionShape, layer: int) -> tuple[Pattern, ...]:
        """The pattern of every query head of a layer; ``duo``, ``lserve`` in prefill, and any in
        a layer that it leaves dense, as what they are there, dense or streaming.

        Raises :class:`InputError` where a description has no such layer or other heads.
        """
        if isinstance(self.source, Pattern):
            given: tuple[Pattern, ...] = (self.source,) * shape.heads
        else:
            if layer >= self.source.layers:
                raise InputError(
                    f"has {self.source.layers} layers, and there is a layer {layer}",
                    where=self.name,
                    hint="give a pattern to every layer of the network",
                )
            if self.source.shape.heads != shape.heads:
                raise InputError(
                    f"is of {self.source.shape.heads} heads, and there are {shape.heads}",
                    where=self.name,
                    hint="write a description with the heads of the network",
                )
            given = replace(self.source, shape=shape).head_patterns(layer)
        return tuple(_plain(one, shape, layer, head) for head, one in enumerate(given))

    def text(self, shape: AttentionShape, layer: int) -> str:
        """The patterns of a layer, each once."""
        if isinstance(self.source, Pattern):
            return pattern_text(self.source)
        given = replace(self.source, shape=shape).head_patterns(layer)
        return ", ".join(dict.fromkeys(map(pattern_text, given)))


def read_plan(text: str) -> Plan:
    """A pattern as text, a shipped description or a file of one.

    Raises :class:`InputError`, with the nearest name, for what is none of these.
    """
    name = text.partition("(")[0].strip()
    if ("(" in text and not is_file_name(text)) or text in pattern_names():
        return Plan(name, parse_pattern(text))
    if is_file_name(text) or text in list_attention():
        description = load_attention(text)
        return Plan(description.name, description)
    raise unknown(text, "pattern or description", (*pattern_names(), *list_attention()))


def layer_class(pattern: Pattern, layer: int) -> Hashable:
    """Equal for layers in which a pattern does the same, but for what it draws: one of them stands
    for all (the queries that ``svg`` samples differ from layer to layer).
    """
    if isinstance(pattern, Quest):
        return layer >= pattern.first_sparse_layer
    if isinstance(pattern, WindowPruning):
        return min(layer, len(pattern.sparsity) - 1)
    if isinstance(pattern, Spatten):
        return pattern.shares(layer)
    if getattr(pattern, "gates", None):
        return layer
    return 0


def _plain(pattern: Pattern, shape: AttentionShape, layer: int, head: int) -> Pattern:
    if layer < pattern.first_sparse_layer:
        return Dense()
    if isinstance(pattern, Duo) and pattern.gates:
        kept = dense_kv_heads("duo: gates", pattern.gates, pattern.sparsity, shape.kv_heads, layer)
        if kept[head // shape.group]:
            return Dense(pattern.block)
        return Streaming(pattern.sink, pattern.recent, pattern.block)
    if isinstance(pattern, LServe) and shape.queries > 1:
        gates, row = (pattern.gates, layer) if pattern.gates else (((0.0,) * shape.kv_heads,), 0)
        kept = dense_kv_heads("lserve: gates", gates, pattern.sparsity, shape.kv_heads, row)
        if kept[head // shape.group]:
            return Dense(pattern.block)
        return Streaming(pattern.sink, pattern.prefill_local, pattern.block)
    return pattern
