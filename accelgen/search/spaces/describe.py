"""A design in a few columns: what a table of candidates says of each."""

from __future__ import annotations

from accelgen.hardware import Hardware
from accelgen.mapper.space import dataflows

__all__ = ["COLUMNS", "described"]

COLUMNS = (
    "units", "array", "space", "stationary", "inner", "skewed", "mac", "registers_bytes",
    "buffer_bytes", "buffers", "links", "dram_bytes_per_cycle",
)  # fmt: skip
"""The columns of :func:`described`."""


def described(hardware: Hardware) -> dict[str, int | float | str]:
    """The columns of a design: ``array`` is ``x 12, y 14``, ``space`` ``x k|g, y p|c``,
    ``buffers`` ``inputs+outputs 65536x2`` (bytes of a memory, and 2 when tiles are double
    buffered), ``links`` bytes per cycle, ``mac`` what units multiply, or which kind they are of.
    """
    registers = hardware.registers
    in_unit = 0 if registers is None else sum(memory.size or 0 for memory in registers.memories)
    memories = [
        memory for level in hardware.levels for memory in level.memories if memory.size is not None
    ]
    flows = dataflows(hardware)
    rate = hardware.levels[-1].memories[0].bandwidth
    return {
        "units": hardware.units,
        "array": ", ".join(f"{axis} {extent}" for axis, extent in hardware.array.items()),
        "space": "; ".join(
            ", ".join(f"{axis} {'|'.join(loops)}" for axis, loops in flow.unrolls.items())
            + (" several" if flow.several else "")
            for flow in flows
        ),
        "stationary": "; ".join(str(flow.stationary or "any") for flow in flows),
        "inner": "; ".join(
            "any" if flow.inner is None else " ".join(flow.inner) or "-" for flow in flows
        )
        if registers is not None
        else "-",
        "skewed": " ".join(hardware.skewed) or "-",
        "mac": " ".join(hardware.mac_pj) if hardware.unit == "plain" else hardware.unit,
        "registers_bytes": in_unit,
        "buffer_bytes": sum(memory.size or 0 for memory in memories),
        "buffers": ", ".join(
            f"{'+'.join(memory.holds)} {memory.size}x{memory.buffers}" for memory in memories
        ),
        "links": ", ".join(f"{role} {links:g}" for role, links in hardware.levels[0].links.items())
        or "-",
        "dram_bytes_per_cycle": 0.0 if rate is None else rate,
    }
