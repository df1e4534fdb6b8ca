"""The vector of a hardware space that resembles a design that is given, such as its baseline.

What the encoding cannot say (an axis with a role that another axis has too, tensors that share a
buffer in part, a memory without a limit) is left out: the vector is one to begin a search at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from accelgen.affine.roles import ROLES
from accelgen.hardware import Hardware
from accelgen.mapper.space import dataflows
from accelgen.search.spaces.array_genes import AXES, EVEN, INNER, ArrayGenes, placed
from accelgen.search.spaces.budget import link_rates
from accelgen.search.spaces.memory_genes import MemoryGenes
from accelgen.search.vector import middle_of, shares_of

__all__ = ["array_values", "memory_values"]

_ALL = 0.5
"""Where genes of sizes are all of a budget (:meth:`accelgen.search.vector.Reader.filling`)."""


def array_values(genes: ArrayGenes, hardware: Hardware) -> dict[str, float]:
    """Genes by name: the array at all units of the budget, and the first dataflow."""
    flow = dataflows(hardware)[0]
    axes = tuple(hardware.array)[: max(genes.dimensions)]
    found = {"units": _ALL, "dimensions": _slot(len(axes), genes.dimensions)}
    longest = math.log(max(2, *(hardware.array[axis] for axis in axes)))
    for name, axis in zip(AXES, axes, strict=False):
        share = 0.9 * math.log(hardware.array[axis]) / longest
        found[f"size.{name}"] = max(0.0, share - EVEN)
        found[f"skew.{name}"] = 0.75 if axis in hardware.skewed else 0.25
    unrolls = [tuple(r for r in flow.unrolls.get(a, ()) if r in genes.roles) for a in axes]
    each = max(1, *map(len, unrolls))
    found["loops_per_axis"] = _slot(each, genes.loops)
    found["several"] = _slot(flow.several, genes.several)
    found["stationary"] = _slot(flow.stationary or "any", genes.stays)
    # One per axis, then a second one per axis: an axis that has no more takes what is left.
    space: list[str] = []
    for turn in range(min(each, max(genes.loops))):
        for roles in unrolls:
            free = [role for role in (*roles[turn:], *genes.roles) if role not in space]
            space += free[:1]
    found |= _ranks("space", "space", space, genes)
    inner = [role for role in flow.inner or () if role in genes.roles]
    if genes.registers and hardware.registers is not None:
        inner = inner[:INNER]
        found["inner"] = middle_of(len(inner), INNER + 1)
        found |= _ranks("inner", "inner.index", inner, genes)
    return found


def memory_values(genes: MemoryGenes, hardware: Hardware) -> dict[str, float]:
    """Genes by name: buffers, wires and registers in the proportions of the design."""
    buffers = dict.fromkeys(ROLES, 0.0)
    shared = False
    # What has no limit gets as much as the largest.
    most = max((memory.size or 1 for memory in hardware.levels[0].memories), default=1)
    for memory in hardware.levels[0].memories:
        holds = memory.holds or ROLES
        shared = shared or len(holds) == len(ROLES)
        for role in holds:
            buffers[role] += (memory.size or most) / len(holds)
    copies = max((memory.buffers for memory in hardware.levels[0].memories), default=2)
    found = {
        "buffer.bytes": _ALL,
        "buffer.shared": _slot(shared, genes.shared),
        "buffer.copies": _slot(copies, genes.copies),
    }
    found |= shares_of("buffer", buffers) | shares_of("link", link_rates(hardware))
    if hardware.registers is not None:
        files = dict.fromkeys(ROLES, 0.0)
        for memory in hardware.registers.memories:
            holds = memory.holds or ROLES
            for role in holds:
                files[role] += (memory.size or genes.element_bytes[role]) / len(holds)
        least = sum(genes.element_bytes.values())
        span = math.log(max(genes.most_registers, 2 * least) / least)
        part = math.log(max(sum(files.values()), least) / least)
        spare = {role: max(0.0, files[role] - genes.element_bytes[role]) for role in ROLES}
        slides = any(memory.slides for memory in hardware.registers.memories)
        found["registers.bytes"] = min(1.0, part / span)
        found["registers.slides"] = 0.75 if slides else 0.25
        found |= shares_of("registers", spare)
    return found


def _slot(value: object, options: Sequence[object]) -> float:
    """Where ``value`` is among the options, or the middle."""
    return middle_of(options.index(value), len(options)) if value in options else 0.5


def _ranks(prefix: str, index: str, chosen: Sequence[str], genes: ArrayGenes) -> dict[str, float]:
    """Importances that rank the chosen roles first, or the index of their list."""
    if genes.encoding == "index":
        return {index: placed(genes.roles, chosen)}
    order = [*chosen, *(role for role in genes.roles if role not in chosen)]
    return {f"{prefix}.{role}": 1 - middle_of(k, len(order)) for k, role in enumerate(order)}
