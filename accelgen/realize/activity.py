"""What an inference takes from what switched when it ran on the Verilog: energy by layer and part.

Toggles of the simulated nets are priced by the technology of the estimate, without cells: a toggle
of a net as part of what a register bit takes (``link_pj``); memories of flip-flops by the bits of
their addresses and of what comes in; macros by their accesses.  In a tree of multiplexers the
lowest bit of an address selects in half of them, the next in a quarter, and so on.  What has a
clock takes energy as in :mod:`accelgen.realize.estimate`, in which nothing is known of data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from accelgen.energy import Energies, load_energies
from accelgen.names import FrozenMap
from accelgen.processor.design import ProcessorDesign
from accelgen.realize.estimate import FACTORS, Estimate, Factors, waiting_pj
from accelgen.realize.program import Program
from accelgen.realize.structure import PAGES, Banks, structure_of
from accelgen.silicon.toggles import Event, Toggles

__all__ = ["EVENTS", "PARTS", "PRICES", "Prices", "activity", "parts_of"]

EVENTS = {
    "write": Event(("write_enable",), lambda write: write),
    # The lowest bit of an address is the page: a write to a macro has its only port.
    "read": Event(
        ("read_enable", "read_address", "write_enable", "write_address"),
        lambda read, page, write, written: read & ~(write & (page == written)),
    ),
}
"""Accesses of a macro: what to count of a trace beside toggles."""

PARTS = ("products", "inputs", "weights", "results", "output", "control", "clock")
"""``control`` is what streams tensors and counts loops."""

_CLOCKED = ("clk", "rst")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Prices:
    """Parts of technology figures, fitted to networks at gate level on SG13G2
    (``benchmarks/realised_energy.py``).
    """

    clock: Factors
    """Of what has a clock: its ``bit``, ``gate`` and ``stage``."""
    plain: float
    """Of ``link_pj``, a toggle of a net of an array of plain multipliers."""
    composable: float
    """The same of composable ones, of which inner nets are in the Verilog too."""
    blocks: float
    """The same of those of blocks."""
    output: float
    """The same of the output stage."""
    net: float
    """The same of all else."""
    address: float
    """Of reading a word of flip-flops, when an address changes at random."""
    write: float
    """Of writing a bit there, when it is another one."""
    sum_address: float
    """As ``address``, of memories that sums are added up in."""
    sum_write: float
    """As ``write``, of these."""


PRICES = Prices(
    clock=replace(FACTORS, bit=0.45, gate=0.37, stage=0.81),
    plain=11.1,
    composable=2.3,
    blocks=4.24,
    output=2.97,
    net=1.6,
    address=1.2,
    write=1.66,
    sum_address=0.57,
    sum_write=0.22,
)


def activity(
    program: Program,
    design: ProcessorDesign,
    estimate: Estimate,
    toggles: Toggles,
    images: int,
    technology: str = "sg13g2",
    prices: Prices = PRICES,
) -> Estimate:
    """The estimate of an inference with the energy of its layers from the ``toggles`` of so many
    images, a window per layer; a layer has its PARTS.
    """
    energies = load_energies(technology)
    taken = parts_of(program, design, energies, toggles, prices)
    waiting = sum(waiting_pj(structure_of(design, energies), energies, prices.clock).values())
    layers = tuple(
        replace(
            layer,
            energy_pj=FrozenMap(
                {part: float(pj[number]) / images for part, pj in taken.items()}
                | {"clock": waiting * layer.cycles}
            ),
        )
        for number, layer in enumerate(estimate.layers)
    )
    return replace(estimate, layers=layers)


def parts_of(
    program: Program,
    design: ProcessorDesign,
    energies: Energies,
    toggles: Toggles,
    prices: Prices = PRICES,
) -> dict[str, Floats]:
    """Picojoules by part in every window of ``toggles``, without those of the clock."""
    windows = toggles.counts[0].shape[1]
    found = {part: np.zeros(windows) for part in PARTS[:-1]}
    fabric = design.flows[0].fabric
    tensors = [tensor.name.lower() for tensor in (*fabric.kernel.inputs, fabric.kernel.output)]
    *_, result = tensors
    kind = program.kernel.multiplier
    of_array = {"plain": prices.plain, "composable": prices.composable}.get(kind, prices.blocks)
    of_unit = {
        "array": ("products", of_array),
        f"stage_{result}": ("output", prices.output),
    }
    memories = _memories(toggles)
    structure = structure_of(design, energies)
    for number, (tensor, banks) in enumerate(zip(tensors, structure.memories, strict=True)):
        # Blocks have their scales behind them.
        last = number == len(tensors) - 1
        part = "results" if last else ("inputs", "weights")[2 * number // (len(tensors) - 1)]
        of_unit[f"buffer_{tensor}"] = (part, prices.net)
        sums = last and fabric.output.accumulate
        for path, ports in memories.items():
            if not path.startswith(f"buffer_{tensor}."):
                continue
            if banks.macro:
                found[part] += toggles.events[path, "read"] * banks.read_pj
                found[part] += toggles.events[path, "write"] * banks.write_pj
            else:
                found[part] += _bank_pj(ports, banks, sums, prices)
    for unit, switched in _nets(toggles):
        part, price = of_unit.get(unit, ("control", prices.net))
        found[part] += price * energies.link_pj * switched
    return found


def _nets(toggles: Toggles) -> Iterator[tuple[str, Ints]]:
    """Units below the top, and toggles of a net of theirs [windows].  A net that units share is one
    of each; what is inside of a memory of a tensor is none.
    """
    inside = {path for path in _memories(toggles) if path.startswith("buffer_")}
    for signals, counts in zip(toggles.names, toggles.counts, strict=True):
        # Of clocks the price is another one; words of small memories are traced too.
        if any(signal.name in _CLOCKED or "[" in signal.name for signal in signals):
            continue
        units = {signal.path.partition(".")[0] for signal in signals if signal.path not in inside}
        for unit in units:
            yield unit, counts.sum(axis=0)


def _memories(toggles: Toggles) -> dict[str, dict[str, Ints]]:
    """The memories by path: of each the toggles of its ports [bits x windows] by name.  What sums
    are added up in has nets of such names too, and its pages, which are memories, below it.
    """
    found: dict[str, dict[str, Ints]] = {}
    for signals, counts in zip(toggles.names, toggles.counts, strict=True):
        for signal in signals:
            if signal.name in ("read_address", "write_data"):
                found.setdefault(signal.path, {})[signal.name] = counts
    above = {path.rpartition(".")[0] for path in found}
    return {path: ports for path, ports in found.items() if len(ports) == 2 and path not in above}


def _bank_pj(ports: Mapping[str, Ints], banks: Banks, sums: bool, prices: Prices) -> Floats:
    """Of a memory of flip-flops with the toggles of its ``ports``."""
    # Pages of sums are memories of their own; elsewhere the lowest bit of the address is the page.
    words = banks.words if sums else PAGES * banks.words
    address, write = (
        (prices.sum_address, prices.sum_write) if sums else (prices.address, prices.write)
    )
    bits = ports["read_address"]
    # Of an address at random: one.
    halves = 0.5 ** np.arange(len(bits)) * words / (words - 1)
    read = address * banks.read_pj * (halves @ bits)
    # Of a word at random half of the bits toggle.
    written = write * 2 * banks.cost.write_pj * ports["write_data"].sum(axis=0)
    return np.asarray(read + written, np.float64)
