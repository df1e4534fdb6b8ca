"""The attention of a model: its sizes, number formats, and which head follows which pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from accelgen.attention.accelerator.core import TENSORS, Core
from accelgen.attention.array_options import ArrayOptions, core_of
from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.base import Pattern, masks_of
from accelgen.attention.ranges import Span, check_cover, span_text
from accelgen.attention.registry import pattern_text
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, within

__all__ = ["MAX_LAYERS", "TENSORS", "AttentionDescription", "HeadRule", "LayerRule", "check_rules"]

MAX_LAYERS = 1 << 12


@dataclass(frozen=True)
class HeadRule:
    """The pattern of the query heads ``first..last``."""

    heads: Span
    pattern: Pattern


@dataclass(frozen=True)
class LayerRule:
    """The patterns of the layers ``first..last``."""

    layers: Span
    rules: tuple[HeadRule, ...]


def check_rules(rules: Sequence[LayerRule], layers: int, heads: int) -> None:
    """Raise :class:`InputError` unless every head of every layer has one pattern."""
    check_cover([rule.layers for rule in rules], layers, "layer")
    for rule in rules:
        spans = [one.heads for one in rule.rules]
        if len(rules) == 1:
            # One rule for all layers: nobody wrote of layers.
            check_cover(spans, heads, "head")
            continue
        with within(f"layers {span_text(rule.layers)}"):
            check_cover(spans, heads, "head")


@dataclass(frozen=True)
class AttentionDescription:
    """``layers`` attention layers of one shape; every head of every layer has one pattern.

    ``formats`` are the number formats of ``q``, ``k`` and ``v``, ``array`` what is said of the
    array that computes them.  ``places`` are the ``file:line`` of what was read: of the whole under
    no name, of ``array``, and of entries, as ``array: rows`` and ``formats: q``.  Raises
    :class:`InputError` when a head or layer has no pattern or several, naming it.
    """

    name: str
    shape: AttentionShape
    rules: tuple[LayerRule, ...]
    layers: int = 1
    formats: FrozenMap[str, str] = field(
        default_factory=lambda: FrozenMap(dict.fromkeys(TENSORS, "int8"))
    )
    source: str = ""
    array: ArrayOptions = field(default_factory=ArrayOptions)
    places: FrozenMap[str, str] = field(default_factory=FrozenMap, compare=False, repr=False)

    def __post_init__(self) -> None:
        from accelgen.formats import get_format

        check_name(self.name, "attention")
        if tuple(self.formats) != TENSORS:
            raise InputError("needs formats of q, k and v, in this order", where="formats")
        for tensor, name in self.formats.items():
            with within(f"formats: {tensor}"):
                get_format(name)
        if not 1 <= self.layers <= MAX_LAYERS:
            raise InputError(f"{self.layers} is not in 1..{MAX_LAYERS}", where="layers")
        check_rules(self.rules, self.layers, self.shape.heads)

    @classmethod
    def uniform(
        cls, name: str, shape: AttentionShape, pattern: Pattern, layers: int = 1
    ) -> AttentionDescription:
        """Layers whose heads all follow ``pattern``."""
        rule = HeadRule((0, shape.heads - 1), pattern)
        return cls(name, shape, (LayerRule((0, layers - 1), (rule,)),), layers)

    def core(self) -> Core:
        """The accelerator that computes it; :class:`InputError` where none can, at the line that
        says so.
        """
        try:
            return core_of(self.shape, self.formats, self.array)
        except InputError as error:
            error.hint = error.hint or "change the section array of the description"
            named = error.where or ""
            named = named if named.startswith("formats") else f"array: {named}".removesuffix(": ")
            # Elements that are too narrow for a format are those that somebody asked for.
            asked = "array: element_bits" if named.startswith("formats") else named
            near = (asked, named, named.partition(":")[0], "")
            place = next((self.places[key] for key in near if key in self.places), self.name)
            error.where = f"{place}: {named}"
            raise

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The different patterns, in the order in which they are given."""
        found = (one.pattern for rule in self.rules for one in rule.rules)
        return tuple(dict.fromkeys(found))

    def head_patterns(self, layer: int = 0) -> tuple[Pattern, ...]:
        """The pattern of every query head of a layer."""
        for rule in self.rules:
            if rule.layers[0] <= layer <= rule.layers[1]:
                chosen: list[Pattern] = []
                for one in sorted(rule.rules, key=lambda one: one.heads):
                    chosen += [one.pattern] * (one.heads[1] - one.heads[0] + 1)
                return tuple(chosen)
        raise InputError(
            f"no layer {layer} among {self.layers}",
            where="layer",
            hint=f"layers are 0 to {self.layers - 1}",
        )

    def masks(self, inputs: AttentionInputs | None = None, layer: int = 0) -> tuple[HeadMask, ...]:
        """One mask per query head of a layer; ``inputs`` where a pattern needs them.

        Raises :class:`InputError` where a pattern does not apply to the shape, at its line.
        """
        try:
            return masks_of(self.head_patterns(layer), self.shape, inputs, layer)
        except InputError as error:
            if (place := self.places.get("pattern")) is not None:
                error.where = f"{place}: {error.where}" if error.where else place
            raise

    def with_block(self, block: int) -> AttentionDescription:
        """The same with blocks of that side; :class:`InputError` for patterns without blocks."""
        return replace(
            self,
            rules=tuple(
                LayerRule(
                    rule.layers,
                    tuple(HeadRule(one.heads, _blocked(one.pattern, block)) for one in rule.rules),
                )
                for rule in self.rules
            ),
        )

    def __str__(self) -> str:
        """As YAML, which :func:`accelgen.attention.load.parse_attention` reads back."""
        shape = self.shape
        lines = [f"name: {self.name}"]
        if self.source:
            lines.append(f"source: {_quoted(self.source)}")
        lines += [f"queries: {shape.queries}", f"keys: {shape.keys}", f"heads: {shape.heads}"]
        lines += [f"kv_heads: {shape.kv_heads}", f"head_dim: {shape.head_dim}"]
        lines += [f"value_dim: {shape.value_dim}", f"causal: {str(shape.causal).lower()}"]
        formats = ", ".join(f"{tensor}: {_quoted(name)}" for tensor, name in self.formats.items())
        lines += [f"formats: {{{formats}}}"]
        if given := self.array.given:
            options = ", ".join(f"{name}: {value}" for name, value in given.items())
            lines += [f"array: {{{options}}}"]
        lines += [f"layers: {self.layers}", "pattern:", "  layers:"]
        for rule in self.rules:
            lines += [f"    {span_text(rule.layers)}:", "      heads:"]
            for one in rule.rules:
                text = _quoted(pattern_text(one.pattern))
                lines.append(f"        {span_text(one.heads)}: {text}")
        return "\n".join(lines) + "\n"


def _blocked(pattern: Pattern, block: int) -> Pattern:
    if "block" not in pattern.__dataclass_fields__:
        raise InputError(f"{pattern.name} has no blocks of one size", where="block")
    return replace(pattern, block=block)  # type: ignore[call-arg]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
