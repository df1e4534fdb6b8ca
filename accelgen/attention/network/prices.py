"""What the actions of an attention array cost: from the energies of its hardware."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.attention.accelerator.core import Core
from accelgen.attention.accelerator.datapath.exp2 import exp2_lines
from accelgen.energy import load_energies
from accelgen.errors import InputError
from accelgen.hardware.model import Hardware
from accelgen.rtl.attention.fold import SCALE_BITS

__all__ = ["Prices", "prices_of"]

_INTEGERS = (4, 8, 16, 32)


@dataclass(frozen=True)
class Prices:
    """Picojoule per action.

    ``mac``: an element times an operand, added to a sum; ``score``: what the lane does with a
    score, seen twice; ``rescale``: an element of the totals, shifted, and a sum added; ``divide``:
    the reciprocal of a row's sum; ``result``: an element of the results; ``fold``: an element of
    the queries.  Per bit: ``link`` between cells; the buffers of keys, values, queries and totals,
    read and written; the DRAM, read and written.  ``leakage`` is per cycle.
    """

    mac: float
    score: float
    rescale: float
    divide: float
    result: float
    fold: float
    link: float
    keys: tuple[float, float]
    values: tuple[float, float]
    queries: tuple[float, float]
    totals: tuple[float, float]
    dram: tuple[float, float]
    leakage: float


def prices_of(hardware: Hardware, core: Core, arrays: int) -> Prices:
    """The prices of ``arrays`` arrays.

    Energy tables have multiply-accumulates of equal integers; the array multiplies an element
    with an operand of more bits, and its lanes add, compare and multiply other widths.  All of
    these are counted in full adders: a product of ``a`` and ``b`` bits is ``a * b`` of them, a sum,
    a comparison or a shift of ``n`` bits ``n``, a division ``n * n``; one costs ``1 / w**2`` of the
    hardware's multiply-accumulate of the narrowest integers of ``w`` bits that hold an element, or
    else of the widest it has.
    An estimate for the lanes, whose share of the energy is small (reported by itself).

    Buffers are those of the accelerator, in the technology of ``hardware.attention``: flip-flops or
    SRAM as its table for registers says, one bank per row.  The DRAM is the outermost memory of
    the hardware.  Leakage is that of the whole hardware, whose units stand for the cells, and of
    the buffers.  Raises :class:`InputError` when the hardware has no energy for such integers.
    """
    n = core.numerics
    adder = _adder_pj(hardware, n.element_bits)
    lines = exp2_lines(n)
    slope = max(lines.slopes).bit_length()
    energies = load_energies(hardware.attention.technology)
    buffers = {
        # Bytes and bits of a port of a bank, and banks.
        "keys": (2 * n.head_dim * n.element_bits, n.element_bits, n.rows),
        "values": (2 * n.value_dim * n.element_bits, n.element_bits, n.rows),
        "queries": (
            2 * core.query_tiles * n.head_dim * n.operand_bits,
            n.operand_bits,
            n.rows,
        ),
        "totals": (
            2 * core.query_tiles * (n.value_dim + 1) * n.total_bits,
            n.total_bits,
            n.rows,
        ),
    }
    costs, leaking = {}, 0.0
    for name, (bits, width, banks) in buffers.items():
        cost = energies.registers(-(-bits // 8), width)
        costs[name] = (cost.read_pj, cost.write_pj)
        leaking += banks * arrays * cost.leakage_mw
    outermost = hardware.levels[-1].memories
    read, write = outermost[0].read_pj, outermost[-1].write_pj
    normalised = n.DIVISOR_BITS + n.element_bits + n.GUARD
    return Prices(
        mac=adder * n.operand_bits * n.element_bits,
        # Compared with the maximum, subtracted from it, a line: a product and a sum.
        score=adder * (2 * n.score_bits + slope * lines.local_bits + n.operand_bits),
        rescale=adder * 2 * n.total_bits,
        divide=adder * n.DIVISOR_BITS**2,
        result=adder * (n.total_bits + normalised * n.DIVISOR_BITS),
        fold=adder * n.element_bits * SCALE_BITS,
        link=hardware.link_pj,
        keys=costs["keys"],
        values=costs["values"],
        queries=costs["queries"],
        totals=costs["totals"],
        dram=(read, write),
        # mW x us / 1000 is pJ, a cycle is 1 / clock_mhz us.
        leakage=hardware.leakage_pj_per_cycle + 1000.0 * leaking / hardware.clock_mhz,
    )


def _adder_pj(hardware: Hardware, element_bits: int) -> float:
    """A full adder of the narrowest multiply-accumulate that holds an element, or the widest."""
    narrowest = [bits for bits in _INTEGERS if bits >= element_bits]
    # Without such integers, of the widest there are.
    narrower = [bits for bits in reversed(_INTEGERS) if bits < element_bits]
    problem: InputError | None = None
    for bits in (*narrowest, *narrower):
        try:
            return hardware.mac_energy(f"int{bits}") / bits**2
        except InputError as error:
            problem = problem or error
    assert problem is not None
    raise problem
