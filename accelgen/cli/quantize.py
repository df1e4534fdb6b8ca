"""``accelgen quantize``."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING

from accelgen.cli.command import Command, add_json, print_json, remark, stages, table
from accelgen.cli.values import add_seed
from accelgen.errors import InputError

if TYPE_CHECKING:
    from accelgen.formats import Comparison

__all__ = ["QUANTIZE"]

FORMATS = "nvfp4,nvfp4_4over6,if4,mxfp4,int4"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a tensor: .npy or .safetensors")
    parser.add_argument(
        "--format", default=FORMATS, metavar="NAMES",
        help="formats to compare, separated by commas (default %(default)s)",
    )  # fmt: skip
    parser.add_argument("--tensor", metavar="NAME", help="which tensor of a .safetensors file")
    parser.add_argument(
        "--axis", type=int, default=-1, metavar="N", help="axis of the blocks (default: the last)"
    )
    parser.add_argument(
        "--block", type=int, metavar="N",
        help="elements per FP32 scale of int4, e4m3 and their like (default: one per tensor)",
    )  # fmt: skip
    parser.add_argument(
        "--rounding", default="nearest-even", metavar="RULE",
        help="nearest-even (default), nearest-away, nearest-zero, toward-zero or stochastic",
    )  # fmt: skip
    add_seed(parser, "of stochastic rounding")
    parser.add_argument(
        "--mx-scale", default="floor", metavar="RULE",
        help="scale of MX blocks: floor (OCP, default) or ceil (never saturates)",
    )  # fmt: skip
    parser.add_argument(
        "--choose", default="mse", metavar="ERROR",
        help="how blocks with a choice choose: mse (default), mae or abs_max",
    )  # fmt: skip
    parser.add_argument("--plot", metavar="FILE", help="draw the errors as an .svg or .png file")
    add_json(parser)


def _quantize(arguments: argparse.Namespace) -> int:
    from accelgen.formats import Policy, compare
    from accelgen.formats.metrics import takes_block
    from accelgen.formats.tensor_file import read_tensor

    names = [name.strip() for name in arguments.format.split(",")]
    if len(set(names)) < len(names):
        raise InputError("a format is given twice", where="--format")
    if arguments.block is not None and (fixed := [n for n in names if not takes_block(n)]):
        remark(f"--block says nothing for {', '.join(fixed)}")
    policy = Policy(
        rounding=arguments.rounding,
        scale_rule=arguments.mx_scale,
        error=arguments.choose,
        seed=arguments.seed,
    )
    path = Path(arguments.file)
    with stages(f"quantising {path}"):
        values = read_tensor(path, arguments.tensor)
        rows = compare(values, names, arguments.axis, arguments.block, policy)
    shape = " x ".join(map(str, values.shape))
    if arguments.plot is not None:
        from accelgen.formats.picture import draw_comparison

        draw_comparison(rows, f"{arguments.tensor or path.name}, {shape}", Path(arguments.plot))
    if arguments.json:
        print_json(
            {
                "file": str(path),
                "tensor": arguments.tensor,
                "shape": list(values.shape),
                "axis": arguments.axis,
                "block": arguments.block,
                "policy": asdict(policy),
                "formats": [_figures(row) for row in rows],
            }
        )
        return 0
    print(f"{path}: {shape} elements")
    print(table([("format", "bits/element", "MSE", "SQNR dB", "max error", "lost"), *_rows(rows)]))
    if arguments.plot is not None:
        print(arguments.plot)
    return 0


def _rows(rows: list[Comparison]) -> list[tuple[object, ...]]:
    return [
        (
            row.format,
            f"{row.bits_per_element:.4f}",
            _shown(row.errors.mse, ".4e"),
            _shown(row.errors.sqnr_db, ".2f"),
            _shown(row.errors.max_abs, ".4e"),
            row.errors.lost,
        )
        for row in rows
    ]


def _shown(value: float, form: str) -> str:
    """A figure, or that there is none, for no element is left."""
    return "-" if isnan(value) else format(value, form)


def _figures(row: Comparison) -> dict[str, object]:
    """The row as JSON, which has no infinity and no NaN: ``null`` decibels are no error at all, or
    where all figures are ``null``, no element left.
    """
    found = {key: v if isfinite(v) else None for key, v in asdict(row.errors).items()}
    return {"format": row.format, "bits_per_element": row.bits_per_element, **found}


QUANTIZE = Command(
    "quantize", "quantise a tensor, and compare formats by their errors", _add_arguments, _quantize
)
