"""The output stage of a design: for which tensors it is made, and what its registers hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from accelgen.affine import Description
from accelgen.affine.blocks import BlockProduct
from accelgen.errors import InputError
from accelgen.fabric.fabric import Fabric
from accelgen.formats import IntFormat
from accelgen.golden.output_stage import OutputStage, output_stage
from accelgen.manifest import StreamSpec
from accelgen.processor.flow import Flow
from accelgen.processor.registers import STAGE
from accelgen.rtl.output_stage.form import MULTIPLIER_BITS, SUM_BITS, WORDS, StageForm, planes
from accelgen.technology import Technology

__all__ = ["CODE_BITS", "Staged", "form_of", "parameter_words", "plain_stage",
           "stage_setting", "stage_specs", "summed_in_32_bits", "through_stage",
           "worked_off"]  # fmt: skip

CODE_BITS = (8, 16)
"""Widths that codes can have."""

_CHUNKS = (16, 8, 4, 2, 1)

_MARGIN = 1.3
"""By how much longer than the table says a product may take: every bit of a multiplier goes to all
of a sum, and ``accelgen synth`` found up to 1.3 times the table where the period was short."""


@dataclass(frozen=True, eq=False)
class Staged:
    """What a problem does with its sums; ``residual_signed`` says how codes of the residual are
    read, where there is one.
    """

    stage: OutputStage
    residual_signed: bool = False


def summed_in_32_bits(description: Description) -> Description:
    """The description with an output of ``int32``, where it does not say of what it is."""
    work = description.workload
    output = work.accesses[-1].name
    if output in work.types or isinstance(work.product, BlockProduct):
        return description
    return description.with_overrides(types={output: f"int{SUM_BITS}"})


def form_of(flows: Sequence[Flow], bits: int, chunk: int) -> StageForm:
    """The stage that serves the outputs of some dataflows.

    Raises :class:`InputError` where an output is none of channels, rows and columns, or no int32.
    """
    if bits not in CODE_BITS:
        raise InputError(f"codes of {bits} bits", where="output stage", hint="8 or 16")
    shapes = []
    for flow in flows:
        tensor, where = flow.fabric.output.tensor, flow.description.name
        blocks = flow.fabric.kernel.blocks
        if (tensor.format if blocks is None else blocks.result) != IntFormat(SUM_BITS):
            raise InputError(
                f"the output stage takes sums of int{SUM_BITS}, not of {tensor.type_name}",
                where=where,
                hint=f"--types {list(flow.tensors)[-1]}=int{SUM_BITS}",
            )
        if not 2 <= tensor.rank <= 4:
            raise InputError(
                f"the output stage takes channels, rows and columns, not {tensor.rank} dimensions",
                where=where,
                hint="Y[k,p,q], Y[n,k,p,q], or Y[k,p] of one row",
            )
        shapes.append(planes(tensor.shape))
    channels, rows, columns = (max(extents) for extents in zip(*shapes, strict=True))
    return StageForm(bits, chunk, channels, rows, columns)


def worked_off(technology: Technology, period: float) -> int:
    """How many bits of a multiplier fit a cycle of ``period`` ns, by the technology's table."""
    register = technology.clock_to_q + technology.setup
    for chunk in _CHUNKS[:-1]:
        if register + _MARGIN * technology.delay("mul", SUM_BITS + 1, chunk + 1) <= period:
            return chunk
    return _CHUNKS[-1]


def plain_stage(form: StageForm, shape: Sequence[int]) -> OutputStage:
    """The sums themselves, clipped to the range of a code with a sign."""
    channels, _, _ = planes(shape)
    ones, most = np.ones(channels, np.int64), (1 << (form.bits - 1)) - 1
    return OutputStage(0 * ones, ones, 0 * ones, -most - 1, most)


def stage_setting(form: StageForm, shape: Sequence[int], staged: Staged) -> dict[str, int]:
    """What the registers of the stage hold for sums of a shape, by name.

    Raises :class:`InputError` when the stage cannot do what is asked for.
    """
    stage, (channels, rows, columns) = staged.stage, planes(shape)
    if stage.channels != channels:
        raise InputError(
            f"{stage.channels} channels for {channels} of the sums", where="output stage",
            hint="one entry per channel",
        )  # fmt: skip
    height, width = stage.window
    if height > rows or width > columns:
        raise InputError(
            f"no window of {height} x {width} in {rows} rows and {columns} columns",
            where="output stage",
            hint="give a smaller window",
        )
    _check_codes(form, stage)
    values = {
        "channels": channels - 1,
        "rows": rows - 1,
        "columns": columns - 1,
        "low": stage.low,
        "high": stage.high,
        "residual": 0 if stage.residual_multiplier is None else 1 + staged.residual_signed,
        "average": int(stage.pool == "average"),
        "window_rows": height - 1,
        "window_columns": width - 1,
        "pool_multiplier": stage.pool_multiplier,
        "pool_shift": stage.pool_shift,
    }
    return {STAGE + f.name: values[f.name] & ((1 << f.bits) - 1) for f in form.fields}


def through_stage(
    staged: Staged, sums: NDArray[np.int64], residual: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """What becomes of sums of any shape that the stage takes; ``residual`` has that shape too."""
    if sums.ndim > 2:
        return output_stage(sums, staged.stage, residual)
    beside = None if residual is None else residual[:, None]
    return output_stage(sums[:, None], staged.stage, beside)[:, 0]


def parameter_words(stage: OutputStage) -> NDArray[np.int64]:
    """A packet of parameters: [channels, WORDS], 32 bits each."""
    residual = stage.residual_multiplier
    return np.stack(
        [
            np.asarray(stage.bias, np.int64),
            np.asarray(stage.multiplier) | np.asarray(stage.shift, np.int64) << MULTIPLIER_BITS,
            np.zeros(stage.channels, np.int64) if residual is None else np.asarray(residual),
        ],
        axis=1,
    )


def stage_specs(form: StageForm, fabric: Fabric, staged: Staged) -> list[StreamSpec]:
    """The streams of the stage: parameters, residual (also where a problem uses none), results."""
    tensor, bus = fabric.output.tensor, fabric.bus_bits
    name = tensor.name.lower()
    channels, rows, columns = planes(tensor.shape)
    height, width = staged.stage.window
    pooled = (rows // height, columns // width)[-1 if len(tensor.shape) == 2 else 0 :]
    shape = (*tensor.shape[: len(tensor.shape) - len(pooled)], *pooled)
    code = f"int{form.bits}"

    def spec(kind: str, prefix: str, shape: tuple[int, ...], number: str, bits: int) -> StreamSpec:
        return StreamSpec(
            tensor=tensor.name if kind == "out" else f"{tensor.name}_{kind}",
            direction="out" if kind == "out" else "in",
            prefix=prefix,
            shape=shape,
            format=number,
            element_bits=bits,
            bus_bits=bus,
            beats=-(-prod(shape) // (bus // bits)),
        )

    own, other = (code if signed else f"u{code}" for signed in (
        staged.stage.low < 0, staged.residual_signed
    ))  # fmt: skip
    return [
        spec("parameters", f"s_axis_{name}_parameters", (channels, WORDS), f"int{SUM_BITS}",
             SUM_BITS),
        spec("residual", f"s_axis_{name}_residual", tensor.shape, other, form.bits),
        spec("out", f"m_axis_{name}", shape, own, form.bits),
    ]  # fmt: skip


def _check_codes(form: StageForm, stage: OutputStage) -> None:
    """That results are codes: all with a sign, or all without."""
    ends = [stage.low, stage.high]
    if stage.pool == "average":
        half = (1 << stage.pool_shift) >> 1
        count = prod(stage.window)
        ends += [(end * count * stage.pool_multiplier + half) >> stage.pool_shift for end in ends]
    number = IntFormat(form.bits, signed=stage.low < 0)
    if min(ends) < number.min or max(ends) > number.max:
        raise InputError(
            f"results from {min(ends)} to {max(ends)} are no {number}",
            where="output stage",
            hint="choose other limits or another pool multiplier"
            + (", or codes of 16 bits" if form.bits == 8 else ""),
        )
