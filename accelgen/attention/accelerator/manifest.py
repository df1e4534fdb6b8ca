"""``manifest.json`` of an attention accelerator: written, and read back as its core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

from accelgen.attention.accelerator.core import LIST_BITS, SCALE_BUS, TENSORS, Core
from accelgen.attention.accelerator.datapath.numerics import Numerics
from accelgen.attention.accelerator.datapath.topk import SelectorShape
from accelgen.attention.accelerator.predict import LayerCycles, tile_cycles
from accelgen.attention.accelerator.registers import registers
from accelgen.attention.description import AttentionDescription
from accelgen.attention.load import parse_attention
from accelgen.errors import InputError
from accelgen.manifest import MANIFEST_SCHEMA, StreamSpec, read_manifest, stream_json
from accelgen.rtl.attention.kernel import suffixes
from accelgen.rtl.attention.lists import BLOCKS, FAULTS, LIST, SELECT, TOKENS
from accelgen.rtl.attention.tile_info import CAUSAL, MASKED, WINDOW
from accelgen.rtl.processor.axil import REPORTS, register_map

__all__ = ["ATTENTION", "EXPRESSION", "AttentionModel", "read_attention", "stream_specs", "to_json"]

ATTENTION = "attention"
"""The ``design`` of such manifests."""

EXPRESSION = "O[h,m,e] += softmax_n(scale * Q[h,m,d] * K[h/g,n,d]) * V[h/g,n,e]"
"""Attention, in the manner of the expressions of kernels.

``h`` heads, ``g`` of which share keys and values, ``m`` queries, ``n`` keys, ``d`` and ``e``
dimensions; the softmax is along ``n``, over the pairs that the lists keep.
"""


@dataclass(frozen=True)
class AttentionModel:
    """What a manifest says of a design: what it was made of, its core, its Verilog."""

    name: str
    top: str
    verilog: tuple[str, ...]
    core: Core
    description: AttentionDescription


def stream_specs(core: Core) -> list[StreamSpec]:
    """The streams of tensors; shapes are those of a packet: vectors, elements (or scales)."""
    n = core.numerics
    size = core.query_tiles * n.rows
    shapes = {"q": (size, n.head_dim), "k": (n.rows, n.head_dim), "v": (n.rows, n.value_dim)}
    buses = {"q": core.query_bits, "k": core.key_bits, "v": core.key_bits}
    found = []
    for end in suffixes(core):
        for tensor in TENSORS:
            decoding, (rows, dim) = core.decoding(tensor), shapes[tensor]
            kinds = [("elements", "", (rows, dim), decoding.code_bits, buses[tensor])]
            if decoding.block:
                scales = (rows, dim // decoding.block)
                kinds.append(("scales", "_scale", scales, decoding.scale_bits, SCALE_BUS))
            for kind, label, shape, bits, bus in kinds:
                found.append(
                    StreamSpec(
                        tensor=tensor.upper(),
                        direction="in",
                        prefix=f"s_axis_{tensor}{label}{end}",
                        shape=shape,
                        format=decoding.name,
                        element_bits=bits,
                        bus_bits=bus,
                        beats=-(-prod(shape) // (bus // bits)),
                        kind="elements" if kind == "elements" else "scales",
                    )
                )
        found.append(
            StreamSpec(
                tensor="O",
                direction="out",
                prefix=f"m_axis_o{end}",
                shape=(size, n.value_dim),
                format=f"int{n.OUTPUT_BITS}",
                element_bits=n.OUTPUT_BITS,
                bus_bits=core.output_bits,
                beats=size * n.value_dim // core.outputs_per_beat,
            )
        )
    return found


def to_json(
    description: AttentionDescription, core: Core, predicted: LayerCycles
) -> dict[str, Any]:
    """The manifest: the stable keys first."""
    shape, name = description.shape, description.name
    return {
        "schema": MANIFEST_SCHEMA,
        "design": ATTENTION,
        "name": name,
        "top": name,
        "verilog": [f"{name}.v"],
        "expression": EXPRESSION,
        "bounds": {
            "h": shape.heads,
            "g": shape.group,
            "m": shape.queries,
            "n": shape.keys,
            "d": shape.head_dim,
            "e": shape.value_dim,
        },
        "streams": [stream_json(spec) for spec in stream_specs(core)],
        "predicted": predicted.to_json(),
        "ports": {
            "clock": "clk",
            "reset": "rst",
            "busy": "busy",
            "error": "error",
            "malformed": "malformed",
            "registers": "s_axil",
        },
        "attention": {
            "core": asdict(core),
            "numbers": _numbers(core),
            "rows": {
                "of_a_packet": core.query_tiles * core.numerics.rows,
                "of_a_tile": core.numerics.rows,
                "tokens_of_a_tile": core.tokens_per_tile,
                "tokens_of_a_row_group": core.tokens,
                "row": "tile * rows + token * group + head; rows beyond are zeros",
            },
            "cycles_per_tile": tile_cycles(core),
        },
        "lists": _lists(core),
        "registers": _registers(core),
        "description": str(description),
        "generator": f"accelgen {version('accelgen')}",
    }


def read_attention(directory: Path) -> AttentionModel:
    """What the design in a folder is; :class:`InputError` when its manifest is no such one, or
    was written by another version.
    """
    return read_manifest(directory, _parse)


def _parse(data: object) -> AttentionModel:
    if not isinstance(data, dict) or data.get("design") != ATTENTION:
        raise InputError("is not that of an attention accelerator")
    again = "generate the design again"
    try:
        core = _core(data["attention"]["core"])
        listed = [(r["name"], r["offset"]) for r in data["registers"]["problem"]]
        model = AttentionModel(
            str(data["name"]),
            str(data["top"]),
            tuple(str(file) for file in data["verilog"]),
            core,
            parse_attention(str(data["description"]), "manifest"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", hint=again) from None
    if listed != [(register.name, register.offset) for register in registers(core)]:
        raise InputError("lists other registers than this version of accelgen makes", hint=again)
    return model


def _core(given: Mapping[str, Any]) -> Core:
    """The core whose fields are given."""
    values = dict(given)
    numerics = Numerics(**values.pop("numerics"))
    q, k, v = values.pop("formats")
    selector = values.pop("selector", None)
    return Core(
        numerics,
        formats=(str(q), str(k), str(v)),
        selector=SelectorShape(**selector) if selector else None,
        **values,
    )


def _numbers(core: Core) -> dict[str, object]:
    """Widths inside, and how codes and results are to be understood."""
    n = core.numerics
    return {
        "stored_element": n.element_bits,
        "folded_query": {"bits": n.operand_bits, "fraction": n.query_fraction},
        "score": {"bits": n.score_bits, "fraction": n.score_fraction},
        "maximum": {"bits": n.maximum_bits, "fraction": 0},
        "probability": {"bits": n.probability_fraction, "fraction": n.probability_fraction},
        "accumulator": {"bits": n.accumulator_bits},
        "total": {"bits": n.total_bits, "fraction": n.probability_fraction},
        "result": {"bits": n.OUTPUT_BITS, "fraction": n.output_fraction},
        "divisor_bits": n.DIVISOR_BITS,
    }


def _lists(core: Core) -> dict[str, object]:
    """The streams of block lists and of requests."""
    ends = suffixes(core)
    return {
        "bus_bits": LIST_BITS,
        "prefixes": [f"s_axis_list{end}" for end in ends],
        "header": {
            "row_group": [0, 23],
            "entries_phase_or_blocks": [24, 47],
            "kind": [48, 49],
            **({"rows": [50, 56], "bounds": 57} if core.selector else {}),
        },
        "kinds": {
            "list": LIST,
            "tokens": TOKENS,
            "blocks": BLOCKS,
            **({"select": SELECT} if core.selector else {}),
        },
        "entry": {"tile": [0, 23], "flags": [24, 26]},
        "flags": {"causal": CAUSAL, "window": WINDOW, "masked": MASKED},
        "mask": {
            "words": core.query_tiles * core.numerics.rows,
            "bits": core.numerics.rows,
            "words_per_beat": LIST_BITS // core.numerics.rows,
        },
        "requests": {
            "prefixes": [f"m_axis_request{end}" for end in ends],
            "tile": [0, 23],
            "position": [24, 47],
            "last": 48,
            **({"summary": [49, 50]} if core.selector else {}),
        },
        "faults": {name: 1 << k for k, name in enumerate(FAULTS)},
    }


def _registers(core: Core) -> dict[str, object]:
    return {**register_map(registers(core)), "malformed": {"offset": REPORTS}}
