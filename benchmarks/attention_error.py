"""How far the outputs of the attention array are from float64, on tensors in its formats.

    python -m benchmarks.attention_error > benchmarks/results/attention_error.json

The tensors are quantised first; what that loses is not counted.  4096 keys; of a pattern the last
512 queries, else 64.  Tensors are normal (``plain``) or those of ``random_inputs``, which have
sinks and neighbours.  Errors are norms of differences over norms.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.elements import decoding_of, stored_bits
from accelgen.attention.accelerator.design_report import exponential_error
from accelgen.attention.accelerator.driver import encode, problem_of
from accelgen.attention.accelerator.schedule import row_groups
from accelgen.attention.array_options import ArrayOptions, core_of
from accelgen.attention.inputs import AttentionInputs, random_inputs
from accelgen.attention.masks.mask import HeadMask
from accelgen.attention.reference import attention
from accelgen.attention.registry import parse_pattern
from accelgen.attention.shape import AttentionShape
from benchmarks.record import Mark, emit, header, progress, table

LIMIT = 5e-4
"""Most error of an output with the widths that are the default of each format."""

FORMATS = ("int8", "int4", "e4m3", "e5m2", "bf16", "mxfp8_e4m3", "mxfp4", "nvfp4", "if4")
WIDTHS = (8, 10, 12, 14, 16)
PATTERNS = (
    "dense",
    "streaming(4, 500, block=64)",
    "block_streaming(1, 3, block=128)",
    "s2(local=4, stride=8, block=64)",
    "longlora",
)
VARIANTS: Mapping[str, Mapping[str, int]] = {
    "default": {},
    "4 segments": {"segments": 4},
    "8 segments": {"segments": 8},
    "32 segments": {"segments": 32},
    "operands of 12 bits": {"operand_bits": 12},
    "operands of 16 bits": {"operand_bits": 16},
    "6 fraction bits of scores": {"score_fraction": 6, "segments": 16},
    "8 fraction bits of scores": {"score_fraction": 8},
    "8 fraction bits of results": {"output_fraction": 8},
}
KEYS = 4096


@dataclass(frozen=True)
class Row:
    """One measurement."""

    what: str
    formats: str
    element_bits: int
    dims: int
    tensors: str
    error: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keys", type=int, default=KEYS)
    options = parser.parse_args()
    keys, seed = options.keys, options.seed
    rows: list[Row] = []

    def add(what: str, name: str, dims: int, plain: bool, **more: int) -> None:
        shape = AttentionShape(64, keys, head_dim=dims, value_dim=dims, causal=False)
        masks = parse_pattern("dense").masks(shape)
        rows.append(_row(what, name, shape, masks, plain, seed, more))

    for name in FORMATS:
        widths = (stored_bits(name),) if decoding_of(name).whole else WIDTHS
        for bits in widths:
            for dims in (64, 128):
                for plain in (True, False):
                    add("format", name, dims, plain, element_bits=bits)
        progress(f"{name} done")
    for what, more in VARIANTS.items():
        for plain in (True, False):
            add(what, "int8", 64, plain, **more)
    shape = AttentionShape(min(512, keys), keys)
    for text in PATTERNS:
        masks = parse_pattern(text).masks(shape)
        for plain in (True, False):
            rows.append(_row(text, "int8", shape, masks, plain, seed, {}))
    heads = ["what", "formats", "bits", "dims", "tensors", "error"]
    progress(table(heads, [[*list(asdict(row).values())[:-1], f"{row.error:.1e}"] for row in rows]))
    marks = [Mark(f"error of {name}", LIMIT, _worst(rows, name), "") for name in FORMATS]
    for mark in marks:
        progress(str(mark))
    lines = {str(count): exponential_error(_core("int8", 64, keys, {"segments": count}).numerics)
             for count in (4, 8, 16, 32)}  # fmt: skip
    emit(
        header("attention_error")
        | {
            "parameters": {"seed": seed, "keys": keys},
            "errors": [asdict(row) for row in rows],
            "exponential": lines,
            "marks": [mark.to_json() for mark in marks],
        }
    )
    return 0 if all(mark.met for mark in marks) else 1


def _worst(rows: Sequence[Row], name: str) -> float:
    """Of a format with the width that is its default."""
    bits = stored_bits(name)
    return max(r.error for r in rows if r.formats == name and r.element_bits == bits
               and r.what == "format")  # fmt: skip


def _core(name: str, dims: int, keys: int, more: Mapping[str, int]) -> Core:
    shape = AttentionShape(64, keys, head_dim=dims, value_dim=dims, causal=False)
    return core_of(shape, dict.fromkeys("qkv", name), ArrayOptions(**{"rows": 32, **more}))


def _row(
    what: str,
    name: str,
    shape: AttentionShape,
    masks: Sequence[HeadMask],
    plain: bool,
    seed: int,
    more: Mapping[str, int],
) -> Row:
    core = _core(name, shape.head_dim, shape.keys, more)
    inputs = random_inputs(shape, seed)
    if plain:
        rng = np.random.default_rng(seed)
        q, k, v = (rng.normal(size=part.shape) for part in (inputs.q, inputs.k, inputs.v))
        inputs = AttentionInputs(q, k, v)
    encoded = encode(core, shape, inputs)
    groups = list(row_groups(core, masks))
    found = encoded.results(problem_of(encoded, groups).outputs(), groups)
    exact = attention(encoded.values, masks)
    error = float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
    tensors = "plain" if plain else "structured"
    return Row(what, name, core.numerics.element_bits, shape.head_dim, tensors, error)


if __name__ == "__main__":
    raise SystemExit(main())
