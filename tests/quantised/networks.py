"""Random small integer networks, and inference written the slow way: loops over every index."""

from __future__ import annotations

from itertools import product

import numpy as np

from accelgen.formats.integer import IntFormat
from accelgen.golden.output_stage import OutputStage, Pool
from accelgen.quantised.graph import IMAGE, Int64s, QuantisedLayer, QuantisedNetwork


def random_network(seed: int) -> QuantisedNetwork:
    """Two to four layers of random sizes, formats, paddings, residuals and pools, then one that
    sums whole maps.
    """
    drawn = np.random.default_rng(seed)
    image_format = IntFormat(int(drawn.integers(1, 9)), signed=bool(drawn.integers(2)))
    shape = (int(drawn.integers(1, 4)), int(drawn.integers(3, 7)), int(drawn.integers(3, 7)))
    source, layers = IMAGE, []
    image_shape = shape
    for number in range(int(drawn.integers(2, 5))):
        taps = (int(drawn.choice([1, 2, 3, 5])), int(drawn.choice([1, 2, 3, 5])))
        padding = (taps[0] // 2, taps[1] // 2)
        rows = shape[1] + 2 * padding[0] - taps[0] + 1
        columns = shape[2] + 2 * padding[1] - taps[1] + 1
        same = (rows, columns) == shape[1:]
        residual = same and bool(drawn.integers(2))
        channels = shape[0] if residual else int(drawn.integers(1, 4))
        pool: Pool = ("none", "max", "average")[int(drawn.integers(3))]
        if rows < 2 or columns < 3:
            pool = "none"
        window = (1, 1) if pool == "none" else (2, int(drawn.integers(1, 4)))
        bits = int(drawn.integers(2, 9))
        output_format = IntFormat(8, signed=False)
        layer = QuantisedLayer(
            f"layer{number}",
            _weights(drawn, bits, (channels, shape[0], *taps)),
            IntFormat(bits),
            OutputStage(
                drawn.integers(-3000, 3000, channels),
                drawn.integers(0, 2**16, channels),
                drawn.integers(0, 25, channels),
                0,
                255,
                drawn.integers(0, 2**16, channels) if residual else None,
                pool,
                window,
                *((65535 // (window[0] * window[1]), 16) if pool == "average" else (1, 0)),
            ),
            output_format,
            1.0,
            padding,
            source,
            source if residual else None,
        )
        layers.append(layer)
        shape, source = layer.shape(shape)[1], layer.name
    last = QuantisedLayer(
        "last",
        _weights(drawn, 8, (5, *shape)),
        IntFormat(8),
        OutputStage(
            drawn.integers(-3000, 3000, 5),
            drawn.integers(1, 2**16, 5),
            drawn.integers(14, 20, 5),
            -(2**15),
            2**15 - 1,
        ),
        IntFormat(16),
        1.0,
        (0, 0),
        source,
    )
    return QuantisedNetwork("random", (*layers, last), image_shape, image_format, 1.0)


def _weights(drawn: np.random.Generator, bits: int, shape: tuple[int, int, int, int]) -> Int64s:
    return drawn.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)


def slow_tensors(network: QuantisedNetwork, image: Int64s) -> dict[str, list[list[list[int]]]]:
    """Every tensor of one image as nested lists of Python's integers."""
    found = {IMAGE: image.tolist()}
    for layer in network.layers:
        x = found[layer.source]
        residual = None if layer.residual is None else found[layer.residual]
        channels, rows, columns = network.sum_shapes[layer.name]
        y = [[[0] * columns for _ in range(rows)] for _ in range(channels)]
        for k, p, q in product(range(channels), range(rows), range(columns)):
            total = _sum(layer, x, k, p, q)
            stage = layer.stage
            shift = int(stage.shift[k])
            value = (total + int(stage.bias[k])) * int(stage.multiplier[k])
            if residual is not None and stage.residual_multiplier is not None:
                value += residual[k][p][q] * int(stage.residual_multiplier[k])
            if shift:
                value = (value + 2 ** (shift - 1)) // 2**shift
            y[k][p][q] = min(max(value, stage.low), stage.high)
        found[layer.name] = _pooled(y, layer.stage)
    return found


def _sum(layer: QuantisedLayer, x: list[list[list[int]]], k: int, p: int, q: int) -> int:
    total = 0
    _, channels, height, width = layer.weights.shape
    for c, r, s in product(range(channels), range(height), range(width)):
        row, column = p + r - layer.padding[0], q + s - layer.padding[1]
        if 0 <= row < len(x[0]) and 0 <= column < len(x[0][0]):
            total += x[c][row][column] * int(layer.weights[k, c, r, s])
    return total


def _pooled(y: list[list[list[int]]], stage: OutputStage) -> list[list[list[int]]]:
    height, width = stage.window
    pooled = []
    for channel in y:
        rows = []
        for top in range(0, len(channel) - height + 1, height):
            row = []
            for left in range(0, len(channel[0]) - width + 1, width):
                window = [
                    v for line in channel[top : top + height] for v in line[left : left + width]
                ]
                value = max(window)
                if stage.pool == "average":
                    value = sum(window) * stage.pool_multiplier
                    if stage.pool_shift:
                        value = (value + 2 ** (stage.pool_shift - 1)) // 2**stage.pool_shift
                row.append(value)
            rows.append(row)
        pooled.append(rows)
    return pooled
