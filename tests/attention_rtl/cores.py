"""Attention arrays that are built in tests: few and small ones, and many of every kind."""

from __future__ import annotations

from pathlib import Path

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.generate import attention_verilog
from accelgen.attention.array_options import ArrayOptions, core_of
from accelgen.attention.shape import AttentionShape
from accelgen.cosim.attention import build_attention
from accelgen.cosim.model import Model

__all__ = ["CORES", "SMALL", "built"]

Sizes = tuple[int, int, int]
"""Dimensions of queries and keys, of values, heads that share keys."""


def _core(sizes: Sizes, formats: str | tuple[str, str, str] = "int8", **options: int) -> Core:
    dim, value_dim, group = sizes
    q, k, v = (formats,) * 3 if isinstance(formats, str) else formats
    shape = AttentionShape(64, 64, group, 1, dim, value_dim)
    return core_of(shape, {"q": q, "k": k, "v": v}, ArrayOptions(**options))


SMALL = {
    "plain": _core((16, 16, 2), rows=8, mask_slots=2),
    "blocks": _core((32, 32, 1), ("mxfp8_e4m3", "nvfp4", "if4"), rows=8, query_tiles=2, arrays=2),
    "selecting": _core((16, 16, 2), rows=8, select_blocks=64, select_top=4),
    "floats": _core((16, 32, 3), ("bf16", "e4m3", "e5m2"), rows=8, list_depth=2, mask_slots=3),
}

CORES = {
    "int8_16": _core((32, 32, 1)),
    "e4m3_16": _core((64, 64, 2), "e4m3", query_tiles=2),
    "bf16_16": _core((128, 128, 4), "bf16"),
    "int8_256": _core((256, 256, 8), query_tiles=4),
    "mxfp8_8": _core((64, 64, 1), ("mxfp8_e4m3", "mxfp8_e5m2", "mxfp8_e4m3"), rows=8, arrays=3),
    "nvfp4_32": _core((32, 32, 1), "nvfp4", rows=32),
    "if4_16": _core((64, 64, 4), "if4", arrays=2),
    "int8_32": _core((64, 64, 8), rows=32, query_tiles=2),
    "e5m2_8": _core((128, 32, 5), "e5m2", rows=8, query_tiles=3),
    "mixed_16": _core((32, 64, 1), ("int8", "mxfp4", "int4"), list_depth=8),
    "arrays_8": _core((96, 48, 2), arrays=3, rows=8, query_bits=32, output_bits=128),
    "narrow_8": _core((48, 80, 1), rows=8, operand_bits=16, score_fraction=8, segments=4),
    "few_16": _core((32, 32, 4), arrays=2, select_blocks=64, select_top=16),
    "many_8": _core(
        (16, 32, 1), ("int8", "nvfp4", "int8"), rows=8, select_blocks=40, select_top=20
    ),
    "int12_8": _core((32, 32, 7), "int12", rows=8, query_tiles=2, mask_slots=4),
}


def built(core: Core, name: str, folder: Path) -> Model:
    """The core as a model for the bench."""
    verilog = folder / f"{name}.v"
    verilog.write_text(attention_verilog(name, core), encoding="utf-8")
    return build_attention(core, verilog, name)
