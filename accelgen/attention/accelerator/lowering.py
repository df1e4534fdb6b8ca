"""From patterns to row groups: by counters or selection where the hardware can, else by lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.rows import RowGroup
from accelgen.attention.accelerator.schedule import row_groups
from accelgen.attention.accelerator.tiling import row_group_count
from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.patterns.base import Pattern, masks_of
from accelgen.attention.patterns.block_streaming import BlockStreaming
from accelgen.attention.patterns.dense import Dense
from accelgen.attention.patterns.moba import Moba
from accelgen.attention.patterns.quest import Quest
from accelgen.attention.patterns.s2 import S2
from accelgen.attention.patterns.streaming import Streaming
from accelgen.attention.shape import AttentionShape
from accelgen.rtl.attention.lists import BLOCKS, LIST, SELECT, TOKENS

__all__ = ["Choice", "Lowered", "Rule", "choose", "lower", "rule_of"]


@dataclass(frozen=True)
class Rule:
    """What makes the tiles of a head in the accelerator: a kind of row groups, the registers it
    needs, and what of it is in the header.  ``block`` are the keys of a block that is selected.
    """

    kind: int
    registers: tuple[tuple[str, int], ...]
    phase: int = 0
    block: int = 0
    bounds: bool = False


@dataclass(frozen=True, eq=False)
class Choice:
    """What makes the tiles of a layer: a rule per KV head, none where it is given lists, and the
    registers that the rules need.

    With ``block``, summaries of blocks of as many keys are needed: their ``bounds`` or their means.
    """

    rules: tuple[Rule | None, ...]
    registers: Mapping[str, int]
    block: int = 0
    bounds: bool = False

    @property
    def kinds(self) -> tuple[int, ...]:
        """The kind of the row groups of every KV head."""
        return tuple(LIST if rule is None else rule.kind for rule in self.rules)

    def row_groups(
        self, core: Core, shape: AttentionShape, masks: Sequence[HeadMask]
    ) -> Iterator[RowGroup]:
        """Those of all KV heads, in order, made as they are asked for.

        ``masks``, one per query head, are looked at where a KV head is given lists.
        """
        for head, rule in enumerate(self.rules):
            if rule is None:
                yield from row_groups(core, masks, head)
            else:
                yield from _ruled(core, shape, rule, head)


@dataclass(frozen=True, eq=False)
class Lowered:
    """The row groups of a layer, KV head by KV head, and the registers that their rules need.

    ``rules`` has one per KV head, none where it is given lists.  With ``block``, summaries of
    blocks of as many keys are needed: their ``bounds`` or their means.
    """

    groups: tuple[RowGroup, ...]
    registers: Mapping[str, int]
    rules: tuple[Rule | None, ...]
    block: int = 0
    bounds: bool = False


def rule_of(
    pattern: Pattern, core: Core, shape: AttentionShape, head: int, layer: int = 0
) -> Rule | None:
    """How the accelerator makes the tiles of a query head itself; None where it needs a list.

    Counters follow causal rules only; blocks must be powers of two in which row groups lie whole.
    A selector chooses among equal blocks, at most as many as it was built for.
    """
    if not shape.causal:
        return None
    if isinstance(pattern, Dense):
        return Rule(TOKENS, (("sink", 0), ("window", shape.keys)))
    if isinstance(pattern, Streaming):
        sink, window = min(pattern.sink, shape.keys), min(pattern.recent, shape.keys)
        return Rule(TOKENS, (("sink", sink), ("window", window)))
    if isinstance(pattern, BlockStreaming | S2):
        return _block_rule(pattern, core, shape, head)
    if layer < pattern.first_sparse_layer:
        return Rule(TOKENS, (("sink", 0), ("window", shape.keys)))
    if isinstance(pattern, Moba | Quest):
        return _selection_rule(pattern, core, shape)
    return None


def _block_rule(
    pattern: BlockStreaming | S2, core: Core, shape: AttentionShape, head: int
) -> Rule | None:
    size = pattern.block
    power = size & (size - 1) == 0
    whole = size % core.tokens == 0 and shape.offset % core.tokens == 0
    if not (power and whole and size >= core.numerics.rows):
        return None
    shift = ("block_shift", size.bit_length() - 1)
    if isinstance(pattern, BlockStreaming):
        sink = min(pattern.sink_blocks * size, shape.keys)
        local = min(pattern.local_blocks, shape.keys)
        return Rule(BLOCKS, (("sink", sink), ("local", local), ("stride", 0), shift))
    if pattern.stride > shape.keys:
        return None
    step = max(1, pattern.stride // shape.heads)
    local = min(pattern.local, shape.keys)
    registers = (("sink", 0), ("local", local), ("stride", pattern.stride), shift)
    return Rule(BLOCKS, registers, head * step % pattern.stride)


def _selection_rule(pattern: Moba | Quest, core: Core, shape: AttentionShape) -> Rule | None:
    moba = isinstance(pattern, Moba)
    size, top = (
        (pattern.block, pattern.k)
        if isinstance(pattern, Moba)
        else (
            pattern.page,
            pattern.pages,
        )
    )
    selector = core.selector
    if selector is None or size & (size - 1) or -(-shape.keys // size) > selector.max_scores:
        return None
    # Bounds of the page of a query in the middle of it would be those of its first keys.
    if top > selector.max_k or (not moba and shape.queries > 1):
        return None
    registers = (
        ("sink", 0),
        ("local", int(moba)),
        ("top", top),
        ("block_shift", size.bit_length() - 1),
    )
    return Rule(SELECT, registers, block=size, bounds=not moba)


@dataclass
class _Registers:
    """Registers that the rules so far agree on."""

    held: dict[str, int] = field(default_factory=dict)
    block: int = 0
    bounds: bool = False

    def take(self, rule: Rule) -> bool:
        """Whether a rule can have its registers beside those of the others."""
        wanted = dict(rule.registers)
        if any(self.held.get(name, value) != value for name, value in wanted.items()):
            return False
        if rule.block and self.block and (rule.block, rule.bounds) != (self.block, self.bounds):
            return False
        self.held |= wanted
        if rule.block:
            self.block, self.bounds = rule.block, rule.bounds
        return True


def choose(
    core: Core, shape: AttentionShape, patterns: Sequence[Pattern], *, layer: int = 0
) -> Choice:
    """What makes the tiles of a layer in which query head ``h`` follows ``patterns[h]``.

    Heads that share keys and values share their tiles: where one rule makes those of all of them,
    and its registers agree with those of the KV heads before, the accelerator makes them itself.
    """
    taken = _Registers()
    rules: list[Rule | None] = []
    for kv in range(shape.kv_heads):
        heads = range(kv * shape.group, (kv + 1) * shape.group)
        found = {rule_of(patterns[head], core, shape, head, layer) for head in heads}
        rule = found.pop() if len(found) == 1 else None
        if rule is not None and not taken.take(rule):
            rule = None
        rules.append(rule)
    return Choice(tuple(rules), taken.held, taken.block, taken.bounds)


def lower(
    core: Core,
    shape: AttentionShape,
    patterns: Sequence[Pattern],
    masks: Sequence[HeadMask] | None = None,
    *,
    layer: int = 0,
    inputs: AttentionInputs | None = None,
) -> Lowered:
    """The row groups of a layer in which query head ``h`` follows ``patterns[h]``; see
    :func:`choose`.  Lists are made of ``masks``, or of those that the patterns give.
    """
    choice = choose(core, shape, patterns, layer=layer)
    if masks is None:
        masks = masks_of(patterns, shape, inputs, layer) if None in choice.rules else ()
    groups = tuple(choice.row_groups(core, shape, masks))
    return Lowered(groups, choice.registers, choice.rules, choice.block, choice.bounds)


def _ruled(core: Core, shape: AttentionShape, rule: Rule, head: int) -> Iterator[RowGroup]:
    """The row groups of a KV head whose tiles the accelerator makes."""
    blocks = -(-shape.keys // rule.block) if rule.block else 0
    for row in range(row_group_count(core, shape.queries)):
        used = min(core.tokens, shape.queries - row * core.tokens) * core.group
        yield RowGroup(
            row,
            rule.kind,
            phase=rule.phase,
            head=head,
            blocks=blocks,
            rows=used if rule.block else 0,
            bounds=rule.bounds,
        )
