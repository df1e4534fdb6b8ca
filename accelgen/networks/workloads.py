"""The workloads of layers: convolution, matrix product, attention, with loops always named alike.

======  =========================================================================
n       batch of a convolution; columns of a matrix product; keys of attention
g       groups: of a grouped or depthwise convolution, of heads that share keys
k       output channels of a convolution; the summed loop of a matrix product
c       input channels (of a group)
z p q   output positions: depth, row, column
t r s   positions in the kernel: depth, row, column
m       rows of a matrix product; queries of attention
b h d   batch, heads and head width of attention
======  =========================================================================

Padding belongs to the input: its shape is what the kernel touches.  Each function returns the
workload and how often it is executed: more than once only when a tensor would have more elements
than :class:`~accelgen.affine.workload.Workload` allows; a loop of the output is divided then
(columns of a matrix product; batch, heads and queries of attention).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod

from accelgen.affine.assignment import parse_assignment
from accelgen.affine.workload import MAX_ELEMENTS, Workload
from accelgen.errors import InputError

__all__ = [
    "attention_product",
    "attention_scores",
    "convolution",
    "divided",
    "matrix_product",
    "transposed_convolution",
]

Times = tuple[Workload, int]
_OUT, _KERNEL = ("z", "p", "q"), ("t", "r", "s")
MAX_DIVISOR = 4096
# What attention does apart: every query of every head has results of its own.
_APART = ("b", "g", "h", "m")


def convolution(
    batch: int,
    channels_in: int,
    channels_out: int,
    out: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> Times:
    """A convolution in one to three dimensions with ``out`` positions, grouped or depthwise."""
    rank = len(out)
    positions, taps = _OUT[-rank:], _KERNEL[-rank:]
    steps = zip(positions, taps, stride, dilation or (1,) * rank, strict=True)
    touched = ",".join(f"{_times(a, p)} + {_times(d, r)}" for p, r, a, d in steps)
    where, taken = ",".join(positions), ",".join(taps)
    spatial = {**dict(zip(positions, out, strict=True)), **dict(zip(taps, kernel, strict=True))}
    if groups == 1:
        expression = f"Y[n,k,{where}] += X[n,c,{touched}] * W[k,c,{taken}]"
        bounds = {"n": batch, "k": channels_out, "c": channels_in}
    elif groups == channels_in == channels_out:
        expression = f"Y[n,g,{where}] += X[n,g,{touched}] * W[g,{taken}]"
        bounds = {"n": batch, "g": groups}
    else:
        expression = f"Y[n,g,k,{where}] += X[n,g,c,{touched}] * W[g,k,c,{taken}]"
        bounds = _grouped(batch, channels_in, channels_out, groups)
    return divided(expression, {**bounds, **spatial}, ())


def transposed_convolution(
    batch: int,
    channels_in: int,
    channels_out: int,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int] | None = None,
    groups: int = 1,
) -> Times:
    """A transposed convolution of an input of ``size`` positions; the output is not cropped."""
    rank = len(size)
    positions, taps = _OUT[-rank:], _KERNEL[-rank:]
    steps = zip(positions, taps, stride, dilation or (1,) * rank, strict=True)
    touched = ",".join(f"{_times(a, p)} + {_times(d, r)}" for p, r, a, d in steps)
    where, taken = ",".join(positions), ",".join(taps)
    spatial = {**dict(zip(positions, size, strict=True)), **dict(zip(taps, kernel, strict=True))}
    if groups == 1:
        expression = f"Y[n,k,{touched}] += X[n,c,{where}] * W[c,k,{taken}]"
        bounds = {"n": batch, "k": channels_out, "c": channels_in}
    else:
        expression = f"Y[n,g,k,{touched}] += X[n,g,c,{where}] * W[g,c,k,{taken}]"
        bounds = _grouped(batch, channels_in, channels_out, groups)
    return divided(expression, {**bounds, **spatial}, ())


def matrix_product(rows: int, columns: int, inner: int) -> Times:
    """``rows`` vectors of ``inner`` elements times a matrix of weights."""
    bounds = {"m": rows, "n": columns, "k": inner}
    return divided("Y[m,n] += A[m,k] * W[k,n]", bounds, ("n",))


def attention_scores(
    batch: int, heads: int, queries: int, keys: int, width: int, groups: int | None = None
) -> Times:
    """Queries times keys; ``groups`` of heads share keys (as many as heads when ``None``)."""
    if groups in (None, heads):
        expression = "S[b,h,m,n] += Q[b,h,m,d] * K[b,h,n,d]"
    else:
        expression = "S[b,g,h,m,n] += Q[b,g,h,m,d] * K[b,g,n,d]"
    return divided(expression, _heads(batch, heads, groups, queries, keys, width), _APART)


def attention_product(
    batch: int, heads: int, queries: int, keys: int, width: int, groups: int | None = None
) -> Times:
    """Attention weights times values, as :func:`attention_scores`."""
    if groups in (None, heads):
        expression = "O[b,h,m,d] += P[b,h,m,n] * V[b,h,n,d]"
    else:
        expression = "O[b,g,h,m,d] += P[b,g,h,m,n] * V[b,g,n,d]"
    return divided(expression, _heads(batch, heads, groups, queries, keys, width), _APART)


def divided(expression: str, bounds: Mapping[str, int], loops: Sequence[str]) -> Times:
    """The workload, with those ``loops`` that it has divided evenly, the first first, until its
    tensors fit.

    Raises :class:`InputError` when no even division makes them fit.
    """
    known = tuple(loop for loop in loops if loop in bounds)
    return _divided(expression, tuple(bounds.items()), known)


@lru_cache(maxsize=4096)
def _divided(expression: str, given: tuple[tuple[str, int], ...], loops: tuple[str, ...]) -> Times:
    bounds, repeats = dict(given), 1
    for loop in loops:
        extent = bounds[loop]
        for parts in range(1, min(extent, MAX_DIVISOR) + 1):
            if extent % parts == 0 and _fits(expression, {**bounds, loop: extent // parts}):
                return Workload(expression, {**bounds, loop: extent // parts}), repeats * parts
        # All of it is not enough: divide the next loop as well.
        bounds[loop], repeats = 1, repeats * extent
    return Workload(expression, dict(given)), 1


@lru_cache(maxsize=256)
def _accesses(expression: str) -> tuple[tuple[tuple[tuple[str, int], ...], ...], ...]:
    """Per tensor and dimension: the loops with their coefficients."""
    assignment = parse_assignment(expression)
    return tuple(
        tuple(
            tuple((loop, index.coefficient(loop, lambda _: 1)) for loop in index.names)
            for index in access.indices
        )
        for access in (assignment.output, *assignment.inputs)
    )


def _fits(expression: str, bounds: Mapping[str, int]) -> bool:
    sizes = (
        prod(1 + sum(c * (bounds[loop] - 1) for loop, c in index) for index in access)
        for access in _accesses(expression)
    )
    return max(sizes) <= MAX_ELEMENTS


def _times(factor: int, loop: str) -> str:
    return loop if factor == 1 else f"{factor}*{loop}"


def _grouped(batch: int, channels_in: int, channels_out: int, groups: int) -> dict[str, int]:
    if groups < 1 or channels_in % groups or channels_out % groups:
        raise InputError(
            f"{groups} groups do not divide {channels_in} input and {channels_out} output channels"
        )
    return {
        "n": batch,
        "g": groups,
        "k": channels_out // groups,
        "c": channels_in // groups,
    }


def _heads(
    batch: int, heads: int, groups: int | None, queries: int, keys: int, width: int
) -> dict[str, int]:
    if groups is None or groups == heads:
        return {"b": batch, "h": heads, "m": queries, "n": keys, "d": width}
    if groups < 1 or heads % groups:
        raise InputError(f"{groups} groups of keys do not divide {heads} heads")
    return {"b": batch, "g": groups, "h": heads // groups, "m": queries, "n": keys, "d": width}
