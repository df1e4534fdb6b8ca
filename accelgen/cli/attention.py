"""``accelgen attention``."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.attention_hint import check_number, dense_remark
from accelgen.cli.command import Command, add_json, print_json, remark, stages, table
from accelgen.cli.values import add_seed
from accelgen.errors import InputError

if TYPE_CHECKING:
    from accelgen.attention.description import AttentionDescription
    from accelgen.attention.inputs import AttentionInputs
    from accelgen.attention.masks.mask import HeadMask
    from accelgen.attention.shape import AttentionShape

__all__ = ["ATTENTION"]

_SIZES = ("queries", "keys", "heads", "kv_heads", "head_dim")
_TOKENS = 4096
_HEADS = 8


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action", choices=("list", "show"), metavar="list|show",
        help="list patterns and shipped descriptions, or show the masks of one",
    )  # fmt: skip
    parser.add_argument(
        "source", nargs="?", metavar="PATTERN|DESCRIPTION",
        help="a pattern, as 'streaming(sink=4, recent=2000)', a shipped name or a YAML file",
    )  # fmt: skip
    sizes = parser.add_argument_group(
        "sizes", f"those of the description; for a pattern {_TOKENS} tokens and {_HEADS} heads"
    )
    sizes.add_argument("--tokens", type=int, metavar="N", help="queries and keys")
    sizes.add_argument("--queries", type=int, metavar="N", help="queries alone (1: decode)")
    sizes.add_argument("--keys", type=int, metavar="N", help="keys alone")
    sizes.add_argument("--heads", type=int, metavar="N", help="query heads")
    sizes.add_argument("--kv-heads", type=int, metavar="N", help="heads of keys and values")
    sizes.add_argument("--head-dim", type=int, metavar="N", help="dimensions of a head")
    sizes.add_argument(
        "--causal", action=argparse.BooleanOptionalAction,
        help="a query sees no key after its own, or may see every key",
    )  # fmt: skip
    sizes.add_argument("--block", type=int, metavar="N", help="side of a block, in tokens")
    parser.add_argument("--head", type=int, metavar="N", help="this query head alone")
    parser.add_argument("--layer", type=int, metavar="N", default=0, help="this layer (default 0)")
    parser.add_argument(
        "--arrays", type=int, metavar="N", default=16,
        help="arrays that share the rows of blocks (default 16)",
    )  # fmt: skip
    tensors = parser.add_mutually_exclusive_group()
    tensors.add_argument(
        "--tensors", metavar="FILE",
        help=".npz with q [heads, queries, dim], k and v [kv heads, keys, dim]",
    )  # fmt: skip
    tensors.add_argument(
        "--random", action="store_true", help="draw tensors, for patterns that look at them"
    )
    add_seed(parser, "of --random")
    parser.add_argument("-o", "--output", metavar="FILE", help="draw an .svg, .png or .pdf file")
    add_json(parser)


def _attention(arguments: argparse.Namespace) -> int:
    return _list(arguments) if arguments.action == "list" else _show(arguments)


def _list(arguments: argparse.Namespace) -> int:
    from accelgen.attention.load import list_attention, load_attention
    from accelgen.attention.registry import PATTERNS, parameters, pattern_text

    if arguments.source is not None:
        raise InputError("list takes no name", hint=f"accelgen attention show {arguments.source}")
    descriptions = [load_attention(name) for name in list_attention()]
    if arguments.json:
        patterns = [
            {
                "name": pattern.name,
                "parameters": [field.name for field in parameters(pattern)],
                "dynamic": pattern.dynamic,
                "source": pattern.source,
            }
            for pattern in PATTERNS
        ]
        found = [
            {**_sizes(one.shape), "name": one.name, "layers": one.layers, "source": one.source}
            for one in descriptions
        ]
        print_json({"patterns": patterns, "descriptions": found})
        return 0
    rows: list[tuple[object, ...]] = [("pattern", "looks at", "source", "parameters")]
    for pattern in PATTERNS:
        names = ", ".join(field.name for field in parameters(pattern))
        looks = "q and k" if pattern.dynamic else "positions"
        rows.append((pattern.name, looks, pattern.source, names))
    print(table(rows))
    rows = [("description", "queries", "keys", "heads", "layers", "patterns")]
    for one in descriptions:
        shape = one.shape
        texts = ", ".join(_short(pattern_text(pattern)) for pattern in one.patterns)
        rows.append((one.name, shape.queries, shape.keys, shape.heads, one.layers, texts))
    print()
    print(table(rows))
    print(f"next: accelgen attention show {descriptions[0].name}", file=sys.stderr)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from accelgen.attention.masks.report import distinct, figures
    from accelgen.output_file import check_file
    from accelgen.show.style import check_suffix

    path = Path(arguments.output) if arguments.output is not None else None
    if path is not None:
        from accelgen.attention.masks.picture import PICTURES

        check_suffix(path, PICTURES)
        check_file(path)
    if arguments.source is None:
        raise InputError("show needs a pattern or a description", hint="accelgen attention list")
    if arguments.arrays < 1:
        raise InputError(
            f"{arguments.arrays} is no number of arrays", where="--arrays", hint="use 1 or more"
        )
    with stages(arguments.source) as progress:
        progress("masks")
        description, inputs = _read(arguments)
        shape = description.shape
        head: int | None = arguments.head
        check_number("--layer", arguments.layer, description.layers)
        if head is not None:
            check_number("--head", head, shape.heads)
        patterns = description.head_patterns(arguments.layer)
        said = dense_remark(
            patterns if head is None else patterns[head : head + 1], shape, arguments.layer,
            None if _is_pattern(arguments.source) else description.layers,
        )  # fmt: skip
        masks = distinct(description.masks(inputs, arguments.layer))
        if head is not None:
            masks = [(mask, (head,)) for mask, heads in masks if head in heads]
        progress("figures")
        found = [(heads, figures(mask, arguments.arrays)) for mask, heads in masks]
        if path is not None:
            from accelgen.attention.masks.picture import draw_masks

            progress("draw")
            draw_masks(description.name, [(_label(heads), mask) for mask, heads in masks], path)
    if arguments.json:
        print_json(
            {
                "name": description.name,
                "layer": arguments.layer,
                "remark": said,
                **_sizes(shape),
                "dense_pairs": shape.pairs,
                "arrays": arguments.arrays,
                "masks": [{"heads": heads, **vars(one)} for heads, one in found],
                "picture": None if path is None else str(path),
            }
        )
        return 0
    kind = "causal" if shape.causal else "not causal"
    print(f"{description.name}: {shape.queries} queries x {shape.keys} keys, {kind}, ", end="")
    print(f"{shape.heads} heads, {shape.kv_heads} of keys and values")
    rows: list[tuple[object, ...]] = [
        ("heads", "pairs", "density", "of dense", "bytes", "full", "diagonal", "partial",
         "contiguous", "cyclic", "longest first"),
    ]  # fmt: skip
    for heads, one in found:
        blocks = (
            "-" if count is None else count for count in (one.full, one.diagonal, one.partial)
        )
        ratios = (f"{ratio:.2f}" for ratio in one.balance.values())
        of_dense = f"{one.nnz / shape.pairs:.4f}"
        rows.append(
            (_spans(heads), one.nnz, f"{one.density:.4f}", of_dense, one.bytes, *blocks, *ratios)
        )
    print(table(rows, indent="  "))
    _print_characters(masks[0][0], _label(masks[0][1]))
    if path is not None:
        print(path)
    if said is not None:
        remark(said)
    print(f"next: {_next(arguments, description)}", file=sys.stderr)
    return 0


def _is_pattern(source: str) -> bool:
    """Whether a pattern is named, and not a description."""
    from accelgen.attention.load import is_file_name
    from accelgen.attention.registry import pattern_names

    return ("(" in source and not is_file_name(source)) or source in pattern_names()


def _print_characters(mask: HeadMask, label: str) -> None:
    from accelgen.attention.masks.characters import LEGEND, draw_characters

    print(f"  {label}: rows are queries, columns keys; {LEGEND}")
    for line in draw_characters(mask):
        print(f"  {line}")


def _read(arguments: argparse.Namespace) -> tuple[AttentionDescription, AttentionInputs | None]:
    """The description with the sizes that are asked for, and tensors if any."""
    from dataclasses import replace

    from accelgen.attention.description import MAX_LAYERS, AttentionDescription
    from accelgen.attention.inputs import random_inputs
    from accelgen.attention.load import is_file_name, list_attention, load_attention
    from accelgen.attention.registry import parse_pattern, pattern_names
    from accelgen.attention.shape import AttentionShape
    from accelgen.attention.tensors import load_inputs, shape_of
    from accelgen.names import unknown

    source: str = arguments.source
    inputs = load_inputs(Path(arguments.tensors)) if arguments.tensors is not None else None
    name = source.partition("(")[0].strip()
    causal = arguments.causal is not False
    if _is_pattern(source):
        pattern = parse_pattern(source)
        check_number("--layer", arguments.layer, MAX_LAYERS)
        if inputs is not None:
            shape = shape_of(inputs, causal=causal)
        else:
            heads = arguments.heads if arguments.heads is not None else _HEADS
            shape = AttentionShape(_TOKENS, _TOKENS, heads, heads, causal=causal)
        shape = _resized(shape, arguments)
        # A pattern alone is that of every layer.
        description = AttentionDescription.uniform(name, shape, pattern, arguments.layer + 1)
    elif is_file_name(source) or source in list_attention():
        description = load_attention(source)
        description = replace(description, shape=_resized(description.shape, arguments))
    else:
        raise unknown(source, "pattern or description", (*pattern_names(), *list_attention()))
    if arguments.block is not None:
        description = description.with_block(arguments.block)
    if inputs is not None:
        inputs.check(description.shape)
    elif arguments.random:
        inputs = random_inputs(description.shape, arguments.seed)
    return description, inputs


def _resized(shape: AttentionShape, arguments: argparse.Namespace) -> AttentionShape:
    from dataclasses import replace

    change: dict[str, int] = {
        name: getattr(arguments, name) for name in _SIZES if getattr(arguments, name) is not None
    }
    if arguments.tokens is not None:
        change = {"queries": arguments.tokens, "keys": arguments.tokens, **change}
    if "head_dim" in change and shape.head_dim == shape.value_dim:
        change["value_dim"] = change["head_dim"]
    causal = shape.causal if arguments.causal is None else arguments.causal
    return replace(shape, causal=causal, **change)


def _sizes(shape: AttentionShape) -> dict[str, object]:
    return {
        **{name: getattr(shape, name) for name in (*_SIZES, "value_dim")},
        "causal": shape.causal,
    }


def _spans(heads: tuple[int, ...]) -> str:
    """``0-3,8``."""
    found: list[list[int]] = []
    for head in heads:
        if found and found[-1][1] == head - 1:
            found[-1][1] = head
        else:
            found.append([head, head])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def _label(heads: tuple[int, ...]) -> str:
    return f"head{'s' if len(heads) > 1 else ''} {_short(_spans(heads), 24)}"


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _next(arguments: argparse.Namespace, description: AttentionDescription) -> str:
    """The same as a picture; after that, all that is known; of a layer that a pattern leaves dense,
    one that it does not.
    """
    layer: int = arguments.layer
    patterns = description.head_patterns(layer)
    selecting = [pattern for pattern in patterns if not pattern.keeps_all(description.shape)]
    first = max((pattern.first_sparse_layer for pattern in selecting), default=0)
    random: bool = arguments.random
    if layer < first and (_is_pattern(arguments.source) or first < description.layers):
        layer = first
        random |= arguments.tensors is None and any(pattern.dynamic for pattern in patterns)
    words = ["accelgen", "attention", "show", arguments.source]
    for name in ("tokens", *_SIZES, "block", "head", "tensors"):
        value = getattr(arguments, name)
        if value is not None:
            words += [f"--{name.replace('_', '-')}", str(value)]
    if arguments.causal is not None:
        words.append("--causal" if arguments.causal else "--no-causal")
    words += ["--random"] if random else []
    words += ["--seed", str(arguments.seed)] if random and arguments.seed else []
    words += ["--layer", str(layer)] if layer else []
    if layer != arguments.layer:
        return shlex.join(words)
    words += ["--json"] if arguments.output is not None else ["-o", "attention.svg"]
    return shlex.join(words)


ATTENTION = Command(
    "attention", "list sparse attention patterns, or show the masks of one", _add_arguments,
    _attention,
)  # fmt: skip
