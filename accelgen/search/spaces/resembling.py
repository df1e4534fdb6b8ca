"""The vector of a hardware space that resembles a design that is given, such as its baseline.

What the encoding cannot say (an axis with a role that another axis has too, tensors that share a
buffer in part, a memory without a limit) is left out: the vector is one to begin a search at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from accelgen.affine.roles import ROLES
from accelgen.hardware import Hardware, Memory
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
    dimensions = _nearest(len(hardware.array), genes.dimensions)
    axes = tuple(hardware.array)[:dimensions]
    found = {"units": _ALL, "dimensions": _slot(dimensions, genes.dimensions)}
    longest = math.log(max(2, *(hardware.array[axis] for axis in axes)))
    for name, axis in zip(AXES, axes, strict=False):
        share = 0.9 * math.log(hardware.array[axis]) / longest
        found[f"size.{name}"] = max(0.0, share - EVEN)
        found[f"skew.{name}"] = 0.75 if axis in hardware.skewed else 0.25
    for name in AXES[len(axes) :]:  # of a space without arrays of so few axes
        found[f"size.{name}"], found[f"skew.{name}"] = 0.0, 0.25
    unrolls = [tuple(r for r in flow.unrolls.get(a, ()) if r in genes.roles) for a in axes]
    unrolls += [()] * (dimensions - len(axes))
    each = _nearest(max(map(len, unrolls)), genes.loops)
    found["loops_per_axis"] = _slot(each, genes.loops)
    found["several"] = _slot(flow.several, genes.several)
    found["stationary"] = _slot(flow.stationary or "any", genes.stays)
    # One per axis, then a second one per axis: an axis that has no more takes what no other has.
    others = [role for role in genes.roles if not any(role in roles for roles in unrolls)]
    space: list[str] = []
    for turn in range(each):
        for roles in unrolls:
            free = [r for r in (*roles[turn:], *others, *genes.roles) if r not in space]
            space += free[:1]
    found |= _ranks("space", "space", space[: len(genes.roles)], genes)
    if genes.registers:
        inner = [role for role in flow.inner or () if role in genes.roles]
        inner = [] if hardware.registers is None else inner[:INNER]
        found["inner"] = middle_of(len(inner), INNER + 1)
        found |= _ranks("inner", "inner.index", inner, genes)
    return found


def memory_values(genes: MemoryGenes, hardware: Hardware, most: int) -> dict[str, float]:
    """Genes by name: buffers, wires and registers (of ``most`` bytes in a unit) in the proportions
    of the design.
    """
    memories = hardware.levels[0].memories
    buffers = dict.fromkeys(ROLES, 0.0)
    # What has no limit gets as much as the largest.
    limit = max((memory.size or 1 for memory in memories), default=1)
    for memory in memories:
        for role in memory.holds or ROLES:
            buffers[role] += (memory.size or limit) / len(memory.holds or ROLES)
    shared = any(len(memory.holds or ROLES) > 1 for memory in memories)
    found = {
        "buffer.bytes": _ALL,
        "buffer.shared": _slot(shared, genes.shared),
        "buffer.copies": _slot(_copies(memories), genes.copies),
        **shares_of("buffer", buffers),
        **shares_of("link", link_rates(hardware)),
    }
    if not genes.registers:
        return found
    least = sum(genes.element_bytes.values())
    files = dict.fromkeys(ROLES, 0.0)
    for memory in hardware.registers.memories if hardware.registers is not None else ():
        for role in memory.holds or ROLES:
            files[role] += (memory.size or 0) / len(memory.holds or ROLES)
    span = math.log(max(most, 2 * least) / least)
    found["registers.bytes"] = min(1.0, math.log(max(sum(files.values()), least) / least) / span)
    found |= shares_of("registers", {r: max(0.0, files[r] - genes.element_bytes[r]) for r in ROLES})
    own = hardware.registers.memories if hardware.registers is not None else ()
    found["registers.copies"] = _slot(_copies(own), genes.copies)
    found["registers.slides"] = 0.75 if any(memory.slides for memory in own) else 0.25
    return found


def _copies(memories: Sequence[Memory]) -> int:
    """Those of the largest memory."""
    return max(memories, key=lambda memory: memory.size or 0).buffers if memories else 2


def _nearest(value: int, options: Sequence[int]) -> int:
    return min(options, key=lambda option: abs(option - value))


def _slot(value: object, options: Sequence[object]) -> float:
    """Where ``value`` is among the options, or the middle."""
    return middle_of(options.index(value), len(options)) if value in options else 0.5


def _ranks(prefix: str, index: str, chosen: Sequence[str], genes: ArrayGenes) -> dict[str, float]:
    """Importances that rank the chosen roles first, or the index of their list."""
    if genes.encoding == "index":
        return {index: placed(genes.roles, chosen)}
    order = [*chosen, *(role for role in genes.roles if role not in chosen)]
    return {f"{prefix}.{role}": 1 - middle_of(k, len(order)) for k, role in enumerate(order)}
