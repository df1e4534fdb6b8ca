"""What every layer costs with every pair of formats, from the cost model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from accelgen.accuracy.source import LayerBits
from accelgen.bits.table import BitTable, LayerOptions, Option
from accelgen.errors import InputError
from accelgen.hardware import Hardware
from accelgen.mapper.cache import Solved
from accelgen.mapper.search import Objective
from accelgen.names import unknown
from accelgen.networks import Network
from accelgen.simulation import simulate

__all__ = ["MEASURES", "Measure", "bit_costs"]

Measure = Literal["energy", "latency"]
MEASURES = {"energy": "energy in pJ", "latency": "cycles"}
"""What adds up over layers, and its unit."""

Progress = Callable[[int, int], None]
"""Is told how many of how many pairs of formats are simulated."""


def bit_costs(
    network: Network,
    hardware: Hardware,
    offered: Sequence[LayerBits],
    measure: Measure = "energy",
    *,
    objective: Objective | None = None,
    fallback: str | None = None,
    solved: Solved | None = None,
    progress: Progress | None = None,
) -> BitTable:
    """The table of every layer of matrix work with every pair of ``offered`` formats.

    Each layer has its best mapping for ``objective`` (``None``: the measure).  ``fallback`` is the
    type of layers that cannot have blocks, as in :meth:`accelgen.networks.Network.with_formats`.
    Sensitivities are 0.  Raises what :func:`accelgen.simulation.simulate` raises, and
    :class:`InputError` for no formats.
    """
    if measure not in MEASURES:
        raise unknown(measure, "measure", MEASURES)
    if not offered:
        raise InputError("no formats", where="bits", hint="offer at least one pair")
    solver = solved or Solved()
    costs: list[list[Option]] = [[] for _ in network.matrix_layers]
    for number, bits in enumerate(offered):
        if progress is not None:
            progress(number, len(offered))
        low = network.with_formats(
            activations=bits.activations, weights=bits.weights, fallback=fallback
        )
        found = simulate(low, hardware, objective or measure, solved=solver)
        for options, result in zip(costs, found.layers, strict=True):
            cost = result.energy_pj if measure == "energy" else result.cycles
            options.append(Option(bits, cost))
    layers = tuple(
        LayerOptions(layer.name, tuple(options))
        for layer, options in zip(network.matrix_layers, costs, strict=True)
    )
    return BitTable(layers, MEASURES[measure])
