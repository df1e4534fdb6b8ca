"""Links of several dataflows on one array, chosen so that they share what they are made of.

Every dataflow feeds each cluster of units by one of its :class:`Candidates`, in a tree rooted at
memory.  What the options are made of, a *resource*, is there once for all dataflows, as large as
the largest use of it:

* the registers of a link through space, per unit at either end and depth;
* the FIFO of a unit for links through time, whose depth a register sets, so that dataflows share
  it whatever is at the other end;
* the way from a slot of the memory to a unit, or the register in which a unit holds the operand,
  both counted as a port is by :func:`accelgen.fabric.interconnect.connect`.

A unit whose source differs between dataflows takes it through a multiplexer, at
:data:`MUX_WEIGHT` for each source beyond the first (a slot of the memory or a giver, each at a
delay; links through time that differ in both giver and slot count once).

Of one dataflow alone the cheapest choice is the minimum arborescence.  Of several, the trees are
coupled like those of a fixed-charge network design, and there are a heuristic
(:mod:`accelgen.fabric.sharing_heuristic`) and an exact solver
(:mod:`accelgen.fabric.sharing_exact`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from accelgen.affine.spacetime import SpaceTime, TensorAccess
from accelgen.fabric.interconnect import SCALE, Candidates, Interconnect, candidates
from accelgen.fabric.space import Grid
from accelgen.reuse.schedule import Schedule

__all__ = ["MUX_WEIGHT", "Choice", "Member", "Sharing", "alone", "in_registers"]

MUX_WEIGHT = 0.75
"""Cost of one more input of a multiplexer, in registers of the same width.  In the technologies
that are measured (mapping/technology), an input beyond the first takes from 0.56 to 0.88 of the
area of a register on sg13g2 and from 0.8 to 1.3 on asap7, at 2 to 4 inputs of 8 or 32 bits; the
default technology counts."""

Ints = NDArray[np.int64]
Choice = Sequence[Ints]
"""Per dataflow the option of every cluster."""


@dataclass(frozen=True, eq=False)
class Member:
    """What one dataflow can do about an operand.

    ``held`` says that it is in a register of the unit, which no port of a dataflow that streams
    it replaces.  A port of unit ``u`` is of slot ``slots[u]`` of the memory and waits for
    ``offsets[u]`` cycles, by which the unit runs behind.
    """

    candidates: Candidates
    held: bool
    slots: tuple[int, ...]
    offsets: tuple[int, ...]

    @classmethod
    def of(
        cls,
        kernel: SpaceTime,
        tensor: TensorAccess,
        grid: Grid,
        schedule: Schedule | None,
        offsets: tuple[int, ...],
    ) -> Member:
        """All that can be done; ``schedule`` is ``None`` for what is held.

        Slots are numbered like the elements that the units need at once: a link through space
        keeps to one of them and one through time has a port beside it, so every one has a port.
        """
        index = grid.points @ kernel.along_space(tensor).T
        _, slots = np.unique(index, axis=0, return_inverse=True)
        ways = candidates(kernel, tensor, grid, schedule)
        return cls(ways, schedule is None, tuple(slots.reshape(-1).tolist()), offsets)


class Sharing:
    """The problem of one operand of the units, over the dataflows that are to share links.

    Per member ``d``: option ``o`` takes ``amount[d][o]`` (two, one may be 0) of the resources
    ``resource[d][o]``, and ``sees[d]`` is the matrix of options by *pairs*, a set of units that
    are in the same clusters in every dataflow and a source of theirs; ``weight`` is what a
    multiplexer input costs at all units of a pair.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        assert members
        self.members = tuple(members)
        size = members[0].candidates.grid.size
        assert all(m.candidates.grid.size == size for m in members)
        stacked = np.stack([m.candidates.cluster for m in members], axis=1)
        _, group, count = np.unique(stacked, axis=0, return_inverse=True, return_counts=True)
        bits = max(m.candidates.bits for m in members)
        # A group is all units with the same clusters.
        self._group_weight = np.rint(count * MUX_WEIGHT * SCALE * bits).astype(np.int64)
        self.first_sources = int(self._group_weight.sum())
        resources: dict[tuple[object, ...], int] = {}
        pairs: dict[tuple[int, tuple[object, ...]], int] = {}
        self.resource: list[Ints] = []
        self.amount: list[Ints] = []
        sees: list[tuple[list[int], list[int]]] = []
        for member in members:
            ways = member.candidates
            inside: list[list[int]] = [[] for _ in range(ways.clusters)]
            for number, c in sorted(
                set(zip(group.reshape(-1).tolist(), ways.cluster.tolist(), strict=True))
            ):
                inside[c].append(number)
            taken, rows, columns = [], [], []
            for o, (needs, key) in enumerate(_options(member)):
                taken.append([resources.setdefault(need, len(resources)) for need in needs])
                for number in inside[int(ways.target[o]) - 1]:
                    rows.append(o)
                    columns.append(pairs.setdefault((number, key), len(pairs)))
            self.resource.append(np.array(taken, dtype=np.int64).reshape(-1, 2))
            self.amount.append(np.stack([ways.hops, ways.port], axis=1))
            sees.append((rows, columns))
        self.resources = len(resources)
        self.weight = self._group_weight[[number for number, _ in pairs]]
        self.sees = [
            csr_array(
                (np.ones(len(rows), dtype=np.int64), (rows, columns)),
                shape=(len(self.amount[d]), len(pairs)),
            )
            for d, (rows, columns) in enumerate(sees)
        ]

    def levels(self, d: int, chosen: Ints) -> Ints:
        """How much of each resource a member takes."""
        levels = np.zeros(self.resources, dtype=np.int64)
        np.maximum.at(levels, self.resource[d][chosen].ravel(), self.amount[d][chosen].ravel())
        return levels

    def seen(self, d: int, chosen: Ints) -> NDArray[np.bool_]:
        """Which pairs of units and source a member has."""
        seen = np.zeros(len(self.weight), dtype=bool)
        seen[self.sees[d][chosen].indices] = True
        return seen

    def cost(self, choice: Choice) -> int:
        """What is paid for a choice, in registers of one bit times ``SCALE``."""
        levels = np.zeros(self.resources, dtype=np.int64)
        seen = np.zeros(len(self.weight), dtype=bool)
        for d, chosen in enumerate(choice):
            levels = np.maximum(levels, self.levels(d, chosen))
            seen |= self.seen(d, chosen)
        return int(levels.sum() + self.weight[seen].sum()) - self.first_sources

    def interconnects(self, choice: Choice) -> list[Interconnect]:
        """The choice in the form that a fabric is laid out by."""
        return [
            member.candidates.interconnect(chosen)
            for member, chosen in zip(self.members, choice, strict=True)
        ]


def in_registers(cost: float) -> float:
    """A cost in registers of one bit."""
    return cost / SCALE


def alone(problem: Sharing) -> list[Ints]:
    """What every dataflow would choose alone."""
    return [m.candidates.tree(m.candidates.hops + m.candidates.port) for m in problem.members]


_Key = tuple[object, ...]
_Option = tuple[tuple[_Key, _Key], _Key]


def _options(member: Member) -> list[_Option]:
    """Per option the resources it takes, of registers and of a port, and the source it is."""
    ways = member.candidates
    givers = [ways.grid.shifted(link.ds).tolist() for link in ways.links]
    options: list[_Option] = []
    for entry, via in zip(ways.entry.tolist(), ways.via.tolist(), strict=True):
        slot = member.slots[entry]
        port: _Key = ("held", entry) if member.held else ("port", slot, entry)
        memory: _Key = port if member.held else ("port", slot, member.offsets[entry])
        if via < 0:
            options.append(((("none",), port), memory))
            continue
        link = ways.links[via]
        giver = givers[via][entry]
        if link.predicated:
            options.append(((("fifo", entry), port), ("fifo", entry, giver, *memory)))
        else:
            # The registers belong to the edge, whichever units of a cluster listen to it.
            edge = ("edge", giver, entry, link.depth)
            options.append(((edge, port), ("edge", giver, link.depth)))
    return options
