"""The command that shows the masks of a pattern at the sizes of a layer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelgen.errors import InputError

if TYPE_CHECKING:
    from accelgen.attention.network.compare import AttentionLayer
    from accelgen.attention.network.planned import Plan
    from accelgen.attention.patterns.base import Pattern
    from accelgen.attention.shape import AttentionShape

__all__ = ["check_number", "dense_remark", "next_show", "size_words"]


def size_words(shape: AttentionShape, *, causal: bool = True) -> list[str]:
    """The options that give a shape, to what is ``causal`` without one."""
    tokens = ["--tokens", str(shape.queries)]
    if shape.queries != shape.keys:
        tokens = ["--queries", str(shape.queries), "--keys", str(shape.keys)]
    heads = ["--heads", str(shape.heads), "--kv-heads", str(shape.kv_heads)]
    rule = ["--causal" if shape.causal else "--no-causal"] if shape.causal != causal else []
    return [*tokens, *heads, "--head-dim", str(shape.head_dim), *rule]


def next_show(source: str, plan: Plan, layers: Sequence[AttentionLayer], seed: int) -> str:
    """``accelgen attention show`` of the first layer in which ``source`` is not dense.

    Of patterns that look at tensors: of those that were drawn for the layer, the last queries where
    not all are looked at; but of a description, which is of all its heads, of all.
    """
    from dataclasses import replace

    from accelgen.attention.network.planned import layer_class
    from accelgen.attention.network.work import drawn_shape
    from accelgen.attention.patterns.base import Pattern
    from accelgen.attention.patterns.dense import Dense

    words = ["accelgen", "attention", "show", source]
    found = [
        (layer.number, layer.part.shape, plan.heads(layer.part.shape, layer.number))
        for layer in layers
        if layer.number is not None
    ]
    if not found:
        return shlex.join([*words, "--random"] if plan.dynamic else words)
    number, shape, patterns = next(
        (one for one in found if not all(isinstance(head, Dense) for head in one[2])), found[0]
    )
    looking = next((pattern for pattern in patterns if pattern.dynamic), None)
    if looking is not None:
        drawn, part = drawn_shape(shape, looking)
        seed += part
        if not isinstance(plan.source, Pattern):
            drawn = replace(drawn, heads=shape.heads, kv_heads=shape.kv_heads)
        shape = drawn
    one = plan.source
    words += size_words(shape, causal=isinstance(one, Pattern) or one.shape.causal)
    alike = isinstance(one, Pattern) and layer_class(one, number) == layer_class(one, 0)
    words += [] if alike or not number else ["--layer", str(number)]
    words += ["--random"] if looking is not None else []
    words += ["--seed", str(seed)] if looking is not None and seed else []
    return shlex.join(words)


def check_number(option: str, number: int, count: int) -> None:
    """Raise :class:`InputError` unless a head or a layer is among ``count``, from 0."""
    if not 0 <= number < count:
        what = option.removeprefix("--")
        most = "use 0" if count == 1 else f"use 0 to {count - 1}"
        raise InputError(f"no {what} {number} among {count}", where=option, hint=most)


def dense_remark(
    patterns: Sequence[Pattern],
    shape: AttentionShape,
    layer: int,
    layers: int | None,
    option: str = "--layer",
) -> str | None:
    """What to say when patterns keep every pair of a layer, as they do not of others.

    ``layers`` is how many there are, ``None`` where any may be asked for; another one is with
    ``option``.  How to see a selection is said where there is one for keys of the ``shape``.
    """
    from dataclasses import fields, replace

    from accelgen.attention.registry import pattern_text

    for one in dict.fromkeys(patterns):
        if layer >= one.first_sparse_layer:
            continue
        first = one.first_sparse_layer
        dense = "layer 0" if first == 1 else f"layers 0 to {first - 1}"
        said = f"{one.name} keeps every pair of {dense}, and this is layer {layer}"
        if one.keeps_all(shape):
            return f"{said}; of only {shape.keys} keys it keeps every pair of all layers"
        ways = [f"{option} {first}"] if layers is None or first < layers else []
        if any(field.name == "dense_layers" for field in fields(one)):
            ways.append(pattern_text(replace(one, dense_layers=0)))  # type: ignore[call-arg]
        return f"{said}; to see what it selects: {' or '.join(ways)}" if ways else said
    return None
