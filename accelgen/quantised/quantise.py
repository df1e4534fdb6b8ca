"""Layers of real numbers to layers of integers, without looking at any data.

Weights are symmetric with a scale per output channel, activations unsigned with a scale per tensor.
The multiplier of a channel is fixed before its weights are rounded, and they are rounded to the
scale that this multiplier stands for: 16 bits of multiplier cost no accuracy, not even where a
residual with a scale of its own leaves fewer of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.source import LayerBits
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, block_format
from accelgen.formats.integer import IntFormat
from accelgen.golden.output_stage import MOST_MULTIPLIER, MOST_POOL_SHIFT, MOST_SHIFT, OutputStage
from accelgen.names import shorten, within
from accelgen.quantised.blocks import (
    BLOCK_WEIGHTS,
    BlockWeights,
    block_slack,
    block_steps,
    block_weights,
)
from accelgen.quantised.graph import (
    IMAGE,
    Int64s,
    Pool,
    QuantisedLayer,
    QuantisedNetwork,
    Shape,
)

__all__ = [
    "ANSWERS",
    "AVERAGED_BITS",
    "FloatLayer",
    "RoundedWeights",
    "activation_format",
    "gaussian_step",
    "quantise",
    "rounded_weights",
    "weight_format",
    "weight_scales",
]

Float64s = NDArray[np.float64]

WeightFormat = IntFormat | BlockFormat

AVERAGED_BITS = 8
"""Bits of the codes that an average is made of, unless its own have more."""

ANSWERS = IntFormat(16)
"""The format of the last layer's outputs."""

_BITS = range(1, 17)


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """A layer before quantisation.

    ``weights`` [k, c, r, s] and ``bias`` [k] are real numbers.  After ReLU its outputs are clipped
    to 0 .. ``most``; the last layer of a network has no ReLU and ``None``.  The rest is as in
    :class:`~accelgen.quantised.graph.QuantisedLayer`.
    """

    name: str
    weights: Float64s
    bias: Float64s
    most: float | None
    padding: tuple[int, int]
    source: str
    residual: str | None = None
    pool: Pool = "none"
    window: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class RoundedWeights:
    """``codes`` of weights, and per output channel the value of code 1 (``steps``), and the
    ``multiplier`` and ``shift`` that this value is exact for.  Of a block format ``blocks`` has the
    codes, and ``codes`` are the integers that these stand for.
    """

    codes: Int64s
    steps: Float64s
    multiplier: Int64s
    shift: Int64s
    blocks: BlockWeights | None = None


@dataclass(frozen=True)
class _Scaled:
    """The tensor that a layer reads: its format, and what the largest code stands for."""

    form: IntFormat
    most: float

    @property
    def scale(self) -> float:
        """What code 1 stands for."""
        return self.most / self.form.max


@dataclass(frozen=True, eq=False)
class _Plan:
    """A layer between two tensors, before its weights are rounded: the output stage makes codes of
    ``stage_format`` for multiples of ``stage_scale``, and pooling of these the codes of
    ``output_format`` for multiples of ``output_scale``.  Codes of the residual stand for multiples
    of ``residual_scale``.
    """

    layer: FloatLayer
    weight_format: WeightFormat
    source: _Scaled
    residual_scale: float | None
    stage_format: IntFormat
    stage_scale: float
    output_format: IntFormat
    output_scale: float


def quantise(
    name: str,
    layers: Sequence[FloatLayer],
    bits: Mapping[str, LayerBits],
    image_shape: Shape,
    image_most: float,
) -> QuantisedNetwork:
    """The integer network of ``layers`` with the formats of ``bits``, an entry per layer.

    Images have values of 0 .. ``image_most``.  A tensor has the format that the layer which reads
    it wants for its activations (a residual is no reader: it takes what is there).  Before an
    average, codes have :data:`AVERAGED_BITS` bits.  The scale of the last layer's outputs is the
    smallest with which no input can overflow :data:`ANSWERS`.

    Raises :class:`InputError` for a missing or unknown layer in ``bits``, formats other than int2
    to int16 and those of :data:`BLOCK_WEIGHTS` for weights and uint1 to uint16 for activations, and
    where two layers want one tensor in different formats.
    """
    formats = _tensor_formats(layers, bits)
    ranges = {IMAGE: image_most}
    plans: list[_Plan] = []
    for layer in layers:
        with within(layer.name):
            weights = weight_format(bits[layer.name].weights)
            source = _Scaled(formats[layer.source], ranges[layer.source])
            residual = None
            if layer.residual is not None:
                residual = ranges[layer.residual] / formats[layer.residual].max
            form = formats.get(layer.name)
            if form is None:
                plans.append(_last(layer, weights, source))
            elif layer.most is None or not 0 < layer.most < np.inf:
                raise InputError("outputs have no range", hint="give most, above 0")
            else:
                ranges[layer.name] = layer.most
                plans.append(_plan(layer, weights, source, residual, form, layer.most))
    done = []
    for plan, made in zip(plans, _rounded(plans), strict=True):
        with within(plan.layer.name):
            done.append(_finished(plan, made))
    form = formats[IMAGE]
    return QuantisedNetwork(name, tuple(done), image_shape, form, image_most / form.max)


def weight_format(name: str) -> WeightFormat:
    """The format of weights called ``name``: int2 .. int16, used symmetrically, or one of
    :data:`BLOCK_WEIGHTS`.
    """
    if name in BLOCK_WEIGHTS:
        return block_format(name)
    form = _integer(name)
    if form is None or not form.signed or form.bits < 2:
        raise InputError(
            f"weights cannot be {shorten(name)} in integer networks",
            hint=f"use int2 .. int16, or one of {', '.join(BLOCK_WEIGHTS)}",
        )
    return IntFormat(form.bits, symmetric=True)


def activation_format(name: str) -> IntFormat:
    """The format of activations called ``name``: uint1 .. uint16."""
    form = _integer(name)
    if form is None or form.signed:
        raise InputError(
            f"activations cannot be {shorten(name)} in integer networks",
            hint="use uint1 .. uint16; after ReLU there is no sign",
        )
    return form


def weight_scales(weights: Float64s, form: IntFormat) -> Float64s:
    """The value of code 1 per output channel of ``weights`` [k, ...].

    It is the smaller of two: that with which the largest weight is just representable, and the
    best for Gaussian weights of the same root mean square.
    """
    flat = weights.reshape(len(weights), -1)
    largest = np.abs(flat).max(axis=1) / form.max
    spread = np.sqrt(np.square(flat).mean(axis=1))
    return np.asarray(np.minimum(largest, gaussian_step(form.bits) * spread))


def rounded_weights(
    weights: Float64s, form: IntFormat, source: float, scale: float, residual: float | None
) -> RoundedWeights:
    """``weights`` [k, c, r, s] in ``form``, between an input and an output whose codes stand for
    ``source`` and ``scale``, with a residual whose codes stand for ``residual`` (``None``: none).

    Raises :class:`InputError` where scales are too far from each other for 16-bit multipliers.
    """
    wanted = weight_scales(weights, form)
    # A channel of zeros has no scale of its own: with this one its bias is in codes of the output.
    wanted = np.where(wanted > 0, wanted, scale / source)
    factors = wanted * (source / scale)
    shift = _shifts(np.maximum(factors, 0.0 if residual is None else residual / scale), MOST_SHIFT)
    # Of the two multipliers around the wanted one, per channel that with which weights lose less.
    wide = weights.reshape(len(weights), -1)
    below = np.clip(np.floor(factors * np.exp2(shift)), 1, MOST_MULTIPLIER - 1)
    tries = np.stack((below, below + 1))
    steps = tries * (np.exp2(-shift) * scale / source)
    rounded = np.clip(np.rint(wide / steps[..., None]), form.min, form.max)
    errors = np.square(rounded * steps[..., None] - wide).sum(axis=2)
    best = (errors.argmin(axis=0), np.arange(len(wide)))
    codes = rounded[best].astype(np.int64).reshape(weights.shape)
    return RoundedWeights(codes, steps[best], tries[best].astype(np.int64), shift)


@cache
def gaussian_step(bits: int) -> float:
    """The step of the symmetric quantiser of ``bits`` bits (codes up to 2**(bits - 1) - 1 and their
    negatives) with the least mean squared error on normal numbers of variance 1, to 0.1 %.
    """
    values = np.linspace(0, 8, 8001)
    density = np.exp(-(values**2) / 2)
    most = 2 ** (bits - 1) - 1

    def error(step: float) -> float:
        rounded = np.minimum(np.rint(values / step), most) * step
        return float((density * (values - rounded) ** 2).sum())

    steps = np.geomspace(0.5, 8, 2774) / most
    return float(min(steps, key=error))


def _plan(
    layer: FloatLayer,
    weights: WeightFormat,
    source: _Scaled,
    residual: float | None,
    form: IntFormat,
    most: float,
) -> _Plan:
    """A layer with ReLU; ``residual`` is a scale."""
    inner = form
    if layer.pool == "average":
        inner = IntFormat(max(AVERAGED_BITS, form.bits), signed=False)
    return _Plan(layer, weights, source, residual, inner, most / inner.max, form, most / form.max)


def _last(layer: FloatLayer, weights: WeightFormat, source: _Scaled) -> _Plan:
    """The layer without ReLU."""
    if layer.residual is not None or layer.pool != "none":
        raise InputError("the last layer has a residual or a pool", hint="add a layer after it")
    reached = source.scale * source.form.max
    sums = np.abs(layer.weights).sum(axis=(1, 2, 3)) * reached
    # Rounded weights can be larger by half a step each, and clipped ones only smaller.
    if isinstance(weights, BlockFormat):
        slack = block_slack(layer.weights)
    else:
        slack = weight_scales(layer.weights, weights) * layer.weights[0].size / 2
    reach = float((sums + slack * reached + np.abs(layer.bias)).max())
    scale = max(reach, np.finfo(np.float64).tiny) * (1 + 2**-12) / ANSWERS.max
    return _Plan(layer, weights, source, None, ANSWERS, scale, ANSWERS, scale)


def _rounded(plans: Sequence[_Plan]) -> list[RoundedWeights]:
    """The weights of every layer, those in one block format together."""
    found: dict[int, RoundedWeights] = {}
    blocks: dict[str, list[int]] = {}
    for number, plan in enumerate(plans):
        form = plan.weight_format
        if isinstance(form, BlockFormat):
            blocks.setdefault(form.name, []).append(number)
            continue
        with within(plan.layer.name):
            found[number] = rounded_weights(
                plan.layer.weights, form, plan.source.scale, plan.stage_scale, plan.residual_scale
            )
    for name, numbers in blocks.items():
        made = _rounded_blocks([plans[number] for number in numbers], block_format(name))
        found |= zip(numbers, made, strict=True)
    return [found[number] for number in range(len(plans))]


def _rounded_blocks(plans: Sequence[_Plan], form: BlockFormat) -> list[RoundedWeights]:
    """Those in a block format.  The integer 1 is worth as little as int32 has room for."""
    scaled = []
    for plan in plans:
        layer, source, scale = plan.layer, plan.source, plan.stage_scale
        # A bias, too, has to fit.
        wanted = np.maximum(
            block_steps(layer.weights, form, source.form.max),
            np.abs(layer.bias) / (source.scale * 2.0**30),
        )
        wanted = np.where(wanted > 0, wanted, scale / source.scale)
        factors = wanted * (source.scale / scale)
        least = 0.0 if plan.residual_scale is None else plan.residual_scale / scale
        with within(layer.name):
            shift = _shifts(np.maximum(factors, least), MOST_SHIFT)
        multiplier = np.clip(np.ceil(factors * np.exp2(shift)), 1, MOST_MULTIPLIER)
        steps = multiplier * (np.exp2(-shift) * scale / source.scale)
        scaled.append((steps, multiplier.astype(np.int64), shift))
    pairs = [(plan.layer.weights, one[0]) for plan, one in zip(plans, scaled, strict=True)]
    return [
        RoundedWeights(made.integers, *one, made)
        for made, one in zip(block_weights(pairs, form), scaled, strict=True)
    ]


def _finished(plan: _Plan, made: RoundedWeights) -> QuantisedLayer:
    """The layer with its weights, and an output stage for them."""
    layer, weights, inner = plan.layer, plan.weight_format, plan.stage_format
    bias = np.rint(layer.bias / (made.steps * plan.source.scale))
    if np.abs(bias).max(initial=0) >= 2**31:
        raise InputError("a bias leaves int32", hint="weights are too small beside it")
    pool_multiplier, pool_shift = 1, 0
    if layer.pool == "average":
        factor = plan.output_format.max / (inner.max * layer.window[0] * layer.window[1])
        pool_multiplier, pool_shift = _fixed_point(factor, MOST_POOL_SHIFT)
    residual = None
    if plan.residual_scale is not None:
        share = plan.residual_scale / plan.stage_scale
        residual = np.rint(share * np.exp2(made.shift)).astype(np.int64)
    stage = OutputStage(
        bias.astype(np.int64), made.multiplier, made.shift, inner.min, inner.max, residual,
        layer.pool, layer.window, pool_multiplier, pool_shift,
    )  # fmt: skip
    if isinstance(weights, BlockFormat):
        most = int(np.abs(made.codes).max())
        weights = IntFormat.for_range(-max(1, most), max(1, most))
    return QuantisedLayer(
        layer.name, made.codes, weights, stage, plan.output_format, plan.output_scale,
        layer.padding, layer.source, layer.residual, made.blocks,
    )  # fmt: skip


def _fixed_point(factor: float, most_shift: int) -> tuple[int, int]:
    shift = int(_shifts(np.array([factor]), most_shift)[0])
    return round(factor * 2**shift), shift


def _shifts(factors: Float64s, most: int) -> Int64s:
    """The largest shifts, at most ``most``, with which rounded ``factors`` fit a multiplier."""
    room = np.floor(np.log2((MOST_MULTIPLIER + 0.49) / factors))
    if room.min() < 0:
        raise InputError(
            f"a factor of {factors.max():.4g} between two scales is beyond a multiplier",
            hint="give tensors ranges that are closer to each other",
        )
    return np.minimum(room, most).astype(np.int64)


def _tensor_formats(
    layers: Sequence[FloatLayer], bits: Mapping[str, LayerBits]
) -> dict[str, IntFormat]:
    """The format of every tensor that a layer reads."""
    names = [layer.name for layer in layers]
    for name in bits:
        if name not in names:
            raise InputError(
                f"no layer is named {shorten(name)}", hint=f"layers: {', '.join(names)}"
            )
    formats: dict[str, IntFormat] = {}
    for layer in layers:
        if layer.name not in bits:
            raise InputError("no formats", where=layer.name, hint="give bits for every layer")
        with within(layer.name):
            form = activation_format(bits[layer.name].activations)
        if formats.setdefault(layer.source, form) != form:
            raise InputError(
                f"wants {layer.source} as {form}, another layer as {formats[layer.source]}",
                where=layer.name,
                hint="give layers that read the same tensor the same activations",
            )
    for layer in layers:
        if layer.residual is not None and layer.residual not in formats:
            raise InputError(
                f"no convolution reads the residual {layer.residual}", where=layer.name
            )
    return formats


def _integer(name: str) -> IntFormat | None:
    """The integer format of that name, if it is one that networks can have."""
    prefix, digits = ("uint", name[4:]) if name.startswith("uint") else ("int", name[3:])
    if name.startswith(prefix) and digits.isdecimal() and digits.isascii() and len(digits) < 3:
        value = int(digits)
        if value in _BITS and name == f"{prefix}{value}":
            return IntFormat(value, signed=prefix == "int")
    return None
