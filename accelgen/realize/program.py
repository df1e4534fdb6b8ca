"""A network as a program: the layers as problems of one design, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from accelgen.names import FrozenMap, within
from accelgen.processor.design import Problem, ProcessorDesign, ProcessorModel, design_processor
from accelgen.processor.output_stage import Staged
from accelgen.quantised.graph import QuantisedLayer, QuantisedNetwork
from accelgen.realize.kernel import LOOPS, Kernel, check_weights, describe
from accelgen.realize.words import (
    BLOCK_BITS,
    E8M0_ONE,
    blocks_of,
    padded,
    width_of,
    words_of,
)

__all__ = ["Program", "Step", "compile_network", "design_kernel", "largest_bounds", "layer_bounds"]

Int64s = NDArray[np.int64]

CODE_BITS = 16
"""Bits of results: those of the last layer are compared, not computed with."""


@dataclass(frozen=True, eq=False)
class Step:
    """A layer as a problem.

    ``formats`` are what registers of a composable design hold; ``widths`` those of activations and
    weights, ``count`` the elements of a word or block (1 of plain multipliers).  ``weights`` is the
    tensor W as the design takes it, and ``scales`` those of its blocks, where it has blocks.
    """

    layer: QuantisedLayer
    problem: Problem
    bounds: Mapping[str, int]
    formats: Mapping[str, str]
    widths: tuple[int, int]
    count: int
    weights: Int64s
    scales: Int64s | None = None

    @property
    def macs(self) -> int:
        """Products of elements, zeros around an image among them."""
        k, c, r, s = self.layer.weights.shape
        return int(k * c * r * s) * self.bounds["p"] * self.bounds["q"]

    @property
    def products(self) -> int:
        """Products of words or blocks: a unit makes one in a cycle."""
        k, c, r, s = self.layer.weights.shape
        return int(k * -(-c // self.count) * r * s) * self.bounds["p"] * self.bounds["q"]

    @property
    def staged(self) -> Staged:
        """What the output stage does."""
        return Staged(self.layer.stage)

    def inputs(self, codes: Int64s) -> dict[str, Int64s]:
        """The tensors that the design takes, by name, for input codes ``[channels, rows,
        columns]``: these padded, in words or in blocks of scale 1.
        """
        whole = padded(codes, self.layer.padding)
        if self.scales is not None:
            blocks = blocks_of(whole, 0, self.count)
            ones = np.full(blocks.shape[:-1], E8M0_ONE, np.int64)
            return {"X": blocks, "X_scale": ones, "W": self.weights, "W_scale": self.scales}
        if self.count > 1:
            whole = words_of(whole, 0, self.count, self.widths[0])
        return {"X": whole, "W": self.weights}


@dataclass(frozen=True, eq=False)
class Program:
    """The steps of an inference of ``network`` on ``model``, one after the other."""

    network: QuantisedNetwork
    kernel: Kernel
    model: ProcessorModel
    steps: tuple[Step, ...]

    @property
    def cycles(self) -> int:
        """Of an inference: every layer waits for the results of the one before."""
        return sum(step.problem.cycles.total_cycles for step in self.steps)


def layer_bounds(
    network: QuantisedNetwork, layer: QuantisedLayer, kernel: Kernel
) -> tuple[FrozenMap[str, int], tuple[int, int], int]:
    """Bounds of a layer's loops on a kernel, the widths of its elements, and how many are a word or
    a block.

    Raises :class:`InputError` for elements of more than 8 bits, and for weights that multipliers
    of this kind do not take.
    """
    with within(layer.name):
        activation = width_of(network.tensor_format(layer.source).bits)
        check_weights(kernel.multiplier, layer.weight_name)
        blocks = layer.blocks
        weight = width_of(layer.weight_format.bits) if blocks is None else BLOCK_BITS
    count = kernel.elements(activation, weight)
    k, c, r, s = layer.weights.shape
    _, p, q = network.sum_shapes[layer.name]
    # Bounds count words, but elements of blocks.
    words = c if blocks is not None else -(-c // count)
    bounds = {"k": k, "c": words, "p": p, "q": q, "r": r, "s": s}
    return FrozenMap(bounds), (activation, weight), count


def largest_bounds(networks: Sequence[QuantisedNetwork], kernel: Kernel) -> FrozenMap[str, int]:
    """The bounds that a kernel needs to run all layers of all networks."""
    found = dict.fromkeys(LOOPS, 1)
    for network in networks:
        for layer in network.layers:
            bounds, _, _ = layer_bounds(network, layer, kernel)
            found = {loop: max(found[loop], bounds[loop]) for loop in LOOPS}
    return FrozenMap(found)


def design_kernel(kernel: Kernel, bounds: Mapping[str, int], name: str = "conv") -> ProcessorDesign:
    """The design of a kernel, with an output stage.

    Raises what :func:`accelgen.processor.design.design_processor` raises.
    """
    return design_processor(
        [describe(kernel, bounds, name)],
        name,
        bus_bits=kernel.bus_bits,
        output_stage=CODE_BITS,
    )


def compile_network(network: QuantisedNetwork, kernel: Kernel, model: ProcessorModel) -> Program:
    """The program of a network on a design of ``kernel``.

    Raises :class:`InputError`, naming the layer, where the design does not reach that far.
    """
    steps = []
    for layer in network.layers:
        bounds, widths, count = layer_bounds(network, layer, kernel)
        formats: dict[str, str] = {}
        weights = layer.weights
        if kernel.multiplier == "composable":
            formats = {"x_format": f"uint{widths[0]}", "w_format": f"int{widths[1]}"}
            weights = words_of(layer.weights, 1, count, widths[1])
        scales = None
        if layer.blocks is not None:
            weights = blocks_of(np.asarray(layer.blocks.codes, np.int64), 1, count)
            scales = np.asarray(layer.blocks.scales, np.int64)
        with within(layer.name):
            problem = model.problem(0, bounds, formats, staged=Staged(layer.stage))
        steps.append(
            Step(layer, problem, bounds, FrozenMap(formats), widths, count, weights, scales)
        )
    return Program(network, kernel, model, tuple(steps))
