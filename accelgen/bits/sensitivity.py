"""How much is lost when one layer alone has fewer bits: measured, never assumed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.source import AccuracySource, LayerBits
from accelgen.bits.table import BitTable
from accelgen.errors import InputError

__all__ = ["accuracy_losses", "output_errors"]

Sensitivities = dict[tuple[str, LayerBits], float]
"""By layer and its formats."""

Outputs = Callable[[Mapping[str, LayerBits]], NDArray[np.float64]]
"""What a network puts out, with formats by layer, for data that are always the same."""


def accuracy_losses(
    source: AccuracySource,
    architecture: Mapping[str, int],
    table: BitTable,
    wide: Mapping[str, LayerBits],
) -> Sensitivities:
    """Of every layer and option of the table the accuracy (0 .. 1) that is lost when this layer has
    it and all others are ``wide``; 0 where nothing is lost.

    What ``source`` says is as good as it is: a measured one has the noise of its images, and
    losses of several layers need not add up.  Raises what it raises.
    """
    whole = source.accuracy(architecture, wide).value
    return _each(
        table, wide, lambda bits: max(0.0, whole - source.accuracy(architecture, bits).value)
    )


def output_errors(
    outputs: Outputs, table: BitTable, wide: Mapping[str, LayerBits]
) -> Sensitivities:
    """Of every layer and option the mean squared error of the outputs when this layer has it and
    all others are ``wide``, relative to the mean square of the wide ones.

    Finer than accuracy, which few images change.  Raises :class:`InputError` for outputs that are
    all 0 when wide, or change their shape.
    """
    right = np.asarray(outputs(wide), dtype=np.float64)
    power = float(np.mean(right**2)) if right.size else 0.0
    if not power > 0:
        raise InputError("the outputs are all 0", where="outputs", hint="use other data")

    def error(bits: Mapping[str, LayerBits]) -> float:
        found = np.asarray(outputs(bits), dtype=np.float64)
        if found.shape != right.shape:
            raise InputError(f"outputs of shape {found.shape}, not {right.shape}", where="outputs")
        return float(np.mean((found - right) ** 2)) / power

    return _each(table, wide, error)


def _each(
    table: BitTable,
    wide: Mapping[str, LayerBits],
    measured: Callable[[Mapping[str, LayerBits]], float],
) -> Sensitivities:
    names = [layer.name for layer in table.layers]
    for name in names:
        if name not in wide:
            raise InputError("no wide formats", where=name, hint="give every layer its formats")
    return {
        (layer.name, option.bits): 0.0
        if option.bits == wide[layer.name]
        else measured({**wide, layer.name: option.bits})
        for layer in table.layers
        for option in layer.options
    }
