"""Gemmini as its own library drives it: what its loop unrollers run, tile by tile.

The rules are those of ``gemmini.h`` and ``LoopConv.scala`` of ucb-bar (2021), restated:

- matrix products, 1 x 1 convolutions among them, go through ``tiled_matmul_auto``, others through
  ``tiled_conv_auto`` as direct convolutions, both weight stationary; a 1 x 1 convolution of
  stride 2 is a product for every row of its output, a depthwise one a convolution per channel;
- half of the scratchpad and of the accumulator hold the tile in use, the other halves the next;
- tiles of a product begin as squares of outputs and grow in turn along columns, rows and depth;
  those of a convolution begin whole, and as long as they do not fit the longest extent shrinks;
- loops over tiles: positions, output channels, then what is summed.  Every tile moves in all its
  inputs and weights, whether or not they are there, and moves out its sums when they are finished;
- a block of 16 x 16 weights takes a cycle per row of inputs, 16 when it loads its weights, at least
  4.  The rows of a block are of one row of the image.  With at most 8 input channels several
  columns of the window are side by side in the array.

``reload`` is an early unroller, which we take for that of PR 69: it loads weights for every block
of rows, and has no columns of the window side by side.  The bus moves a row of at most 16 bytes per
cycle and is never late; a tile takes the longer of its computation and of what is moved meanwhile.
Instructions, address translation and the host take no time, pooling is not there, and the channels
of a depthwise convolution are moved 16 at a time: less than the hardware takes for this schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import isqrt

from accelgen.hardware import Hardware
from accelgen.mapper import Problem

__all__ = ["Convolution", "Layer", "Product", "Run", "conv_tile", "layer_of", "product_tile", "run"]

DIM = 16
SCRATCHPAD_ROWS, SUM_ROWS = 8192, 512
"""Half of 256 KB in rows of 16 bytes; half of 64 KB in rows of 16 sums of 4 bytes."""
LEAST_ROWS = 4
BIAS_BEATS = 4
"""Of the bus, for 16 sums of 4 bytes."""

Tile = tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """``count`` products of i x k by k x j."""

    i: int
    j: int
    k: int
    count: int = 1


@dataclass(frozen=True)
class Convolution:
    """``count`` direct convolutions: images, rows and columns of outputs, output channels, rows and
    columns of the window, input channels.
    """

    n: int
    p: int
    q: int
    k: int
    r: int
    s: int
    c: int
    stride: int
    count: int = 1

    @property
    def extents(self) -> Tile:
        """In the order of the library."""
        return self.n, self.p, self.q, self.k, self.r, self.s, self.c


Layer = Product | Convolution


@dataclass(frozen=True)
class Run:
    """A layer, or a tile of one: ``cycles``, with those of the array and of the bus on their own
    (``compute``, ``beats``); bytes loaded and stored; elements the array takes, additions to sums.
    """

    cycles: int = 0
    compute: int = 0
    beats: int = 0
    loaded: int = 0
    stored: int = 0
    inputs: int = 0
    weights: int = 0
    sums: int = 0

    def times(self, count: int) -> Run:
        """So many of it."""
        return Run(**{name: count * value for name, value in vars(self).items()})

    def __add__(self, other: Run) -> Run:
        return Run(**{name: value + vars(other)[name] for name, value in vars(self).items()})

    def energy_pj(self, hardware: Hardware, macs: int) -> dict[str, float]:
        """Energy by level at the hardware's figures.  Every sum is written to the accumulator as
        often as something is added to it, and read as often: the last time to move it out.
        """
        buffers, dram = hardware.levels
        pad, sums, outer = buffers.memory("weights"), buffers.memory("outputs"), dram.memories[0]
        taken = self.inputs + self.weights
        return {
            "mac": macs * hardware.mac_energy("int8*int8"),
            buffers.name: 8 * (taken * pad.read_pj + self.loaded * pad.write_pj)
            + (hardware.sum_bits or 32) * self.sums * (sums.read_pj + sums.write_pj),
            dram.name: 8 * (self.loaded * outer.read_pj + self.stored * outer.write_pj),
            "leakage": hardware.leakage_pj_per_cycle * self.cycles,
        }


def layer_of(problem: Problem) -> Layer:
    """What the library is called with for a layer."""
    sizes = dict.fromkeys("gnpqzkcrst", 1)
    for role, bound in zip(problem.roles, problem.bounds, strict=True):
        sizes[role] *= bound
    inputs = next(x for x in problem.operands if x.role == "inputs")
    steps = [abs(c) for axis in inputs.axes for d, c in axis if problem.roles[d] in "pqz"]
    stride, groups = max(steps, default=1), sizes["g"]
    n, q, k, s, c = (sizes[x] for x in "nqksc")
    p, r = sizes["p"] * sizes["z"], sizes["r"] * sizes["t"]
    if r * s > 1:
        return Convolution(n, p, q, k, r, s, c, stride, groups)
    if stride > 1:
        return Product(q, k, c, groups * n * p)
    return Product(n * p * q, k, c, groups)


def run(layer: Layer, *, reload: bool = False, bias: bool = False) -> Run:
    """Cycles and moves of a layer; with ``bias`` 4 bytes are moved in for every output."""
    kinds = _product_tiles(layer) if isinstance(layer, Product) else _conv_tiles(layer, reload)
    total, first, out = Run(), 0, 0
    for count, parts, stored, out in kinds:
        first = first or parts[0][1].beats
        for number, (repeats, part) in enumerate(parts):
            ends = number == len(parts) - 1
            # A sum begins with its bias, and leaves beside the last part of the tile.
            extra = out * (BIAS_BEATS * bias * (number == 0) + ends)
            plain = max(part.compute, part.beats)
            whole = max(part.compute, part.beats + extra)
            one = part.times(repeats) + Run(cycles=(repeats - 1) * plain + whole, beats=extra)
            total += one.times(count)
        total += Run(stored=stored).times(count)
    # Nothing happens beside the first loads and the last stores.
    return (total + Run(cycles=first + out)).times(layer.count)


def product_tile(layer: Product) -> Tile:
    """Blocks of 16 in a tile along i, j, k."""
    whole = _blocks(layer.i), _blocks(layer.j), _blocks(layer.k)
    square = isqrt(SUM_ROWS // DIM)
    deep = SCRATCHPAD_ROWS // 2 // DIM // square
    tile = [min(n, most) for n, most in zip(whole, (square, square, deep), strict=True)]
    grows = True
    while grows:
        grows = False
        for axis in (1, 0, 2):
            i, j, k = (n + (x == axis) for x, n in enumerate(tile))
            fits = (i + j) * k * DIM <= SCRATCHPAD_ROWS and i * j * DIM <= SUM_ROWS
            if fits and tile[axis] < whole[axis]:
                tile[axis] += 1
                grows = True
    return tuple(tile)


def conv_tile(layer: Convolution) -> Tile:
    """Extents of a tile: images, rows, columns, output channels, window, input channels."""
    tile = layer.extents
    while not _fits(layer, tile):
        # Columns that fill the array are kept as long as there are rows.
        kept = tile[2] <= DIM and tile[1] > 1
        longest = max((d for d in range(7) if not (kept and d == 2)), key=lambda d: (tile[d], -d))
        shorter = tile[longest] - 1
        if longest in (3, 6):
            shorter = max(1, shorter // DIM * DIM)
        tile = (*tile[:longest], shorter, *tile[longest + 1 :])
    for axes in ((2,), range(7)):
        grows = True
        while grows:
            grows = False
            for d in axes:
                larger = (*tile[:d], tile[d] + 1, *tile[d + 1 :])
                if larger[d] <= layer.extents[d] and _fits(layer, larger):
                    tile, grows = larger, True
    return tile


def _fits(layer: Convolution, tile: Tile) -> bool:
    n, p, q, k, r, s, c = tile
    rows, columns = p * layer.stride + r - 1, q * layer.stride + s - 1
    pad = _blocks(c) * n * rows * columns + _blocks(k) * r * s * c
    return pad <= SCRATCHPAD_ROWS and _blocks(k) * n * p * q <= SUM_ROWS


Kind = tuple[int, list[tuple[int, Run]], int, int]
"""How often a tile of outputs is there; parts of its sum, and how often; its bytes and beats."""


def _product_tiles(layer: Product) -> Iterator[Kind]:
    ti, tj, tk = (DIM * n for n in product_tile(layer))
    for (i, a), (j, b) in product(_parts(layer.i, ti), _parts(layer.j, tj)):
        parts = []
        for k, count in _parts(layer.k, tk):
            blocks = _blocks(j) * _blocks(k)
            compute = max(_rows(i), DIM) * blocks
            beats = i * _blocks(k) + k * _blocks(j)
            taken, weights, sums = i * k * _blocks(j), k * j, i * j * _blocks(k)
            parts.append((count, Run(0, compute, beats, i * k + k * j, 0, taken, weights, sums)))
        yield a * b, parts, i * j, i * _blocks(j)


def _conv_tiles(layer: Convolution, reload: bool) -> Iterator[Kind]:
    tile = conv_tile(layer)
    extents = [_parts(n, t) for n, t in zip(layer.extents, tile, strict=True)]
    # Several channels of a depthwise convolution share a row of the scratchpad and the bus.
    depthwise = layer.c == 1 and layer.k == 1
    for (n, a), (p, b), (q, e), (k, f) in product(*extents[:4]):
        rows = n * p * sum(count * _rows(part) for part, count in _parts(q, DIM))
        blocks_of_rows = n * p * _blocks(q)
        parts = []
        for (r, u), (s, v), (c, w) in product(*extents[4:]):
            high, wide = (p - 1) * layer.stride + r, (q - 1) * layer.stride + s
            pixels = n * high * wide
            beside = 1 if reload or c > DIM else min(s, DIM // c)
            weight_blocks = r * -(-s // beside) * _blocks(c) * _blocks(k)
            if reload:
                compute, loads = weight_blocks * blocks_of_rows * DIM, blocks_of_rows
            else:
                # The first block of rows takes as long as it takes to load the weights.
                spare = max(0, DIM - _rows(min(q, DIM)))
                compute, loads = weight_blocks * (rows + spare), 1
            weights, taken = r * s * c * k, n * p * q * r * s * c * _blocks(k)
            beats = pixels * _blocks(c) + r * s * c * _blocks(k)
            if depthwise:
                beats = -(-(pixels + weights) // DIM)
            sums = n * p * q * k * weight_blocks // _blocks(k)
            loaded = pixels * c + weights
            part = Run(0, compute, beats, loaded, 0, taken, loads * weights, sums)
            parts.append((u * v * w, part))
        out = n * p * q * k
        yield a * b * e * f, parts, out, -(-out // DIM) if depthwise else n * p * q * _blocks(k)


def _rows(size: int) -> int:
    """Cycles of so many rows in blocks of 16."""
    rest = size % DIM
    return size - rest + (max(rest, LEAST_ROWS) if rest else 0)


def _blocks(size: int) -> int:
    return -(-size // DIM)


def _parts(size: int, tile: int) -> list[tuple[int, int]]:
    """Lengths of tiles along an extent, and how many are as long; what is left comes last."""
    whole, rest = divmod(size, tile)
    return [(length, count) for length, count in ((tile, whole), (rest, 1)) if length and count]
