"""From real tensors to what the accelerator is given, and back: what a driver does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelgen.attention.accelerator.core import TENSORS, Core
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import RowGroup, Setting
from accelgen.attention.accelerator.schedule import share_out
from accelgen.attention.accelerator.tiling import group_rows
from accelgen.attention.inputs import AttentionInputs
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, FloatFormat, IntFormat, get_format
from accelgen.rtl.attention.fold import SCALE_BITS, SHIFT_BITS

__all__ = ["Encoded", "encode", "longest_first", "problem_of", "with_summaries"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Encoded:
    """The tensors of a layer as codes, what the registers that belong to them hold, and what one
    step of a result is worth.

    ``values`` are the tensors that the codes stand for: what the result is compared with.
    """

    core: Core
    shape: AttentionShape
    codes: Mapping[str, Ints]
    scales: Mapping[str, Ints]
    setting: Setting
    values: AttentionInputs
    step: float

    def results(self, outputs: Sequence[Ints], groups: Sequence[RowGroup]) -> Floats:
        """``[heads, queries, value_dim]`` of the packets of ``groups``; rows that none has: 0."""
        core, shape = self.core, self.shape
        found = np.zeros((shape.heads, shape.queries, shape.value_dim))
        for packet, group in zip(outputs, groups, strict=True):
            real, head, token = group_rows(core, shape.queries, core.group, group.row)
            head = group.head * core.group + head
            found[head[real], token[real]] = packet[real] * self.step
        return found


def encode(
    core: Core, shape: AttentionShape, inputs: AttentionInputs, scale: float | None = None
) -> Encoded:
    """Quantise the tensors of a layer to the formats of a core.

    ``scale`` multiplies the products of queries and keys: ``1 / sqrt(head_dim)`` unless given.
    Raises :class:`InputError` for tensors of another shape than the core's, or scales out of range.
    """
    inputs.check(shape)
    n = core.numerics
    if (shape.head_dim, shape.value_dim) != (n.head_dim, n.value_dim):
        raise InputError(
            f"{shape.head_dim} and {shape.value_dim} dimensions on an array for {n.head_dim} and"
            f" {n.value_dim}",
            where="shape",
        )
    if shape.group != core.group:
        raise InputError(
            f"{shape.group} heads share keys, and on the array {core.group}", where="group"
        )
    codes: dict[str, Ints] = {}
    scales: dict[str, Ints] = {}
    values: dict[str, Floats] = {}
    units: dict[str, float] = {}
    grids: dict[str, int] = {}
    for tensor in TENSORS:
        real: Floats = getattr(inputs, tensor)
        codes[tensor], found, values[tensor], units[tensor] = _codes(core, tensor, real)
        if found is not None:
            scales[tensor] = found
        if not core.decoding(tensor).whole:
            # The finest grid that holds the largest element.
            most = np.abs(values[tensor]).max() / units[tensor]
            room = (1 << (n.element_bits - 1)) - 1
            grids[tensor] = math.floor(math.log2(room / most)) if most > 0 else 0
            units[tensor] *= 2.0 ** -grids[tensor]
    factor = scale if scale is not None else 1 / math.sqrt(shape.head_dim)
    folded = units["q"] * units["k"] * factor * math.log2(math.e) * 2.0**n.query_fraction
    multiplier, shift = _as_scale(folded)
    setting = Setting(
        keys=shape.keys,
        offset=shape.offset,
        scale=multiplier,
        shift=shift,
        **{f"{tensor}_grid": grid for tensor, grid in grids.items()},
    )
    codes["q"] = codes["q"].reshape(shape.kv_heads, shape.group, shape.queries, -1)
    if "q" in scales:
        scales["q"] = scales["q"].reshape(shape.kv_heads, shape.group, shape.queries, -1)
    step = units["v"] * 2.0**-n.output_fraction
    used = AttentionInputs(values["q"], values["k"], values["v"])
    return Encoded(core, shape, codes, scales, setting, used, step)


def problem_of(encoded: Encoded, groups: Sequence[RowGroup], **rule: int) -> Problem:
    """The problem of some row groups; ``rule`` are registers of the rules by counters."""
    setting = replace(encoded.setting, **rule)
    codes = encoded.codes
    return Problem(
        encoded.core, setting, groups, codes["q"], codes["k"], codes["v"], encoded.scales
    )


def longest_first(problem: Problem) -> list[Problem]:
    """The problem dealt out to the arrays of its core (see share_out), by the tiles that are
    computed, whoever makes them.
    """
    tiles = [len(found) for found in problem.tiles]
    shared = share_out(problem.core, problem.groups, tiles)
    return [replace(problem, groups=groups) for groups in shared]


def with_summaries(problem: Problem, block: int, *, bounds: bool) -> Problem:
    """The problem with what stands for its blocks of ``block`` keys when they are selected.

    Means of the keys, or their largest and smallest elements; in the format of keys, of block
    formats under scales of their own.  A short last block is of the keys it has.
    """
    core = problem.core
    decoding = core.decoding("k")
    form = get_format(decoding.name)
    scales = problem.scales.get("k")
    if isinstance(form, IntFormat):
        keys = problem.k.astype(np.float64)
    elif isinstance(form, BlockFormat):
        assert scales is not None
        keys = form.decode(problem.k, np.repeat(scales, decoding.block, axis=-1))
    else:
        keys = form.decode(problem.k)
    starts = np.arange(0, keys.shape[1], block)
    if bounds:
        parts = [
            np.maximum.reduceat(keys, starts, axis=1),
            np.minimum.reduceat(keys, starts, axis=1),
        ]
    else:
        sizes = np.minimum(block, keys.shape[1] - starts)
        parts = [np.add.reduceat(keys, starts, axis=1) / sizes[:, None]]
    real = np.stack(parts, axis=2)
    if isinstance(form, IntFormat):
        return replace(problem, summaries=np.rint(real).astype(np.int64))
    if isinstance(form, BlockFormat):
        quantised = form.quantise(real)
        found = {**problem.scales, "summary": quantised.scales.astype(np.int64)}
        return replace(problem, summaries=quantised.codes.astype(np.int64), scales=found)
    assert isinstance(form, FloatFormat)
    return replace(problem, summaries=form.encode(real).astype(np.int64))


def _codes(core: Core, tensor: str, real: Floats) -> tuple[Ints, Ints | None, Floats, float]:
    """Codes, scales, the values they stand for, and the value of a decoded 1."""
    decoding = core.decoding(tensor)
    form = get_format(decoding.name)
    if isinstance(form, IntFormat):
        most = np.abs(real).max()
        unit = float(most / form.max) if most > 0 else 1.0
        whole = np.rint(real / unit).clip(-form.max, form.max).astype(np.int64)
        return whole, None, np.asarray(whole * unit), unit
    if isinstance(form, BlockFormat):
        quantised = form.quantise(real)
        unit = float(quantised.tensor_scale) / form.denominator
        scales = quantised.scales.astype(np.int64)
        codes = quantised.codes.astype(np.int64)
        decoded = form.decode(codes, np.repeat(scales, decoding.block, axis=-1))
        return codes, scales, decoded * unit, unit
    assert isinstance(form, FloatFormat)
    # A narrow float holds the tensor under a scale of its own; bf16 has the range of FP32.
    largest = float(np.abs(real).max())
    unit = 1.0 if form.width > 8 or largest == 0 else largest / float(form.limits.max)
    codes = form.encode(real / unit).astype(np.int64)
    values: Floats = form.decode(codes) * unit
    return codes, None, values, unit


def _as_scale(value: float) -> tuple[int, int]:
    """``scale / 2**shift`` nearest to a value."""
    most = 1 << SCALE_BITS
    shift = min(SCALE_BITS - 1 - math.floor(math.log2(value)), (1 << SHIFT_BITS) - 1)
    scale = round(value * 2.0**shift) if shift >= 1 else most
    if scale == most and shift > 1:
        scale, shift = most >> 1, shift - 1
    if not 1 <= scale < most:
        raise InputError(
            f"scores are scaled by {value:g}, beyond what the registers hold",
            where="scale",
            hint="use tensors of usual magnitudes, or element_bits nearer to those of the format",
        )
    return scale, shift
