"""The structures of several dataflows on one array, chosen to share links and chains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from accelgen.affine.spacetime import SpaceTime
from accelgen.fabric.chain import Chain
from accelgen.fabric.sharing import (
    MUX_WEIGHT,
    Choice,
    Member,
    Sharing,
    alone,
    in_registers,
)
from accelgen.fabric.sharing_exact import exact
from accelgen.fabric.sharing_heuristic import heuristic
from accelgen.fabric.sharing_verify import Wired, verify
from accelgen.fabric.structure import Draft, Structure, decide
from accelgen.reuse.schedule import Schedule

__all__ = [
    "EXACT_UNITS",
    "Comparison",
    "Linked",
    "Solver",
    "Together",
    "best",
    "compare",
    "decide_together",
    "exactly",
    "pose",
]

EXACT_UNITS = 64
"""Units up to which links are chosen exactly unless asked otherwise: 8 x 8."""

EXACT_SECONDS = 10.0
"""Time for each exact choice where it is compared with others."""

EXACT_NODES = 200
"""Nodes of the search tree for each exact choice of a design, after which that of the heuristic is
taken: a limit in time would make the design depend on the machine.  Pairs and sets of shipped
dataflows take one node or two."""

Solver = Callable[[Sharing], tuple[Choice, float | None]]
"""How a choice is found, and a cost below which there is none, where that is known."""


@dataclass(frozen=True)
class Linked:
    """The links of an operand of several dataflows, those that hold it or the others.

    ``cost`` and ``bound``, below which no choice is, in registers of one bit; ``None``: not known.
    """

    operand: int
    held: bool
    cost: float
    bound: float | None

    @property
    def gap(self) -> float | None:
        """How much dearer the choice may be than the best, as a fraction of the bound."""
        if self.bound is None:
            return None
        return self.cost / self.bound - 1 if self.bound > 0 else 0.0


@dataclass(frozen=True)
class Together:
    """The structure of each dataflow, and how the links of several were chosen."""

    structures: tuple[Structure, ...]
    links: tuple[Linked, ...] = ()


def exactly(problem: Sharing) -> tuple[Choice, float | None]:
    """By mixed integer programming, within ``EXACT_NODES``."""
    found = exact(problem, float("inf"), nodes=EXACT_NODES)
    return found.choice, found.bound


def best(problem: Sharing) -> tuple[Choice, float | None]:
    """Exactly up to ``EXACT_UNITS`` units, by the heuristic beyond."""
    if problem.members[0].candidates.grid.size > EXACT_UNITS:
        return heuristic(problem), None
    return exactly(problem)


def decide_together(kernels: Sequence[SpaceTime], solver: Solver = best) -> Together:
    """The structure of each dataflow; that of one alone is what ``decide`` says.

    Input ``k`` of every dataflow is operand ``k`` of the units.  What is held is linked first,
    then chained, which sets the schedules, by which streams are linked.
    """
    if len(kernels) == 1:
        return Together((decide(kernels[0]),))
    drafts = [Draft.begin(kernel) for kernel in kernels]
    operands = [_Operand(drafts, k) for k in range(max(len(k.inputs) for k in kernels))]
    links = []
    for operand in operands:
        links += operand.link(solver, held=True)
        _chain([(d, t.name) for d, t in operand.users if d.hold[t.name] is not None])
    _chain([(draft, draft.kernel.output.name) for draft in drafts])
    for operand in operands:
        links += operand.link(solver, held=False)
    return Together(tuple(draft.structure() for draft in drafts), tuple(links))


def pose(kernels: Sequence[SpaceTime], operand: int) -> Sharing:
    """The problem of one operand, at the schedules of each dataflow alone."""
    members = []
    for kernel in kernels:
        draft, tensor = Draft.begin(kernel), kernel.inputs[operand]
        schedule = None if draft.hold[tensor.name] is not None else decide(kernel).schedule(kernel)
        members.append(Member.of(kernel, tensor, draft.grid, schedule, draft.offsets))
    return Sharing(members)


@dataclass(frozen=True)
class Comparison:
    """What the links of an operand cost, in registers of one bit, by how they are chosen.

    ``bound`` is proven: nothing is cheaper.
    """

    alone: float
    heuristic: float
    exact: float
    bound: float
    proven: bool

    @property
    def gap(self) -> float:
        """How much dearer the heuristic is than the bound, as a fraction of the bound."""
        return self.heuristic / self.bound - 1 if self.bound > 0 else 0.0


def compare(problem: Sharing, seconds: float = EXACT_SECONDS) -> Comparison:
    """All ways to choose, and the gap between heuristic and optimum."""
    near = heuristic(problem)
    found = exact(problem, seconds, near)
    apart, close, least = (problem.cost(choice) for choice in (alone(problem), near, found.choice))
    return Comparison(
        alone=in_registers(apart),
        heuristic=in_registers(close),
        exact=in_registers(least),
        bound=in_registers(found.bound),
        proven=found.proven,
    )


class _Operand:
    """An operand of the units: whose input it is, and what is known of its links."""

    def __init__(self, drafts: Sequence[Draft], number: int) -> None:
        self._number = number
        self.users = [(d, d.kernel.inputs[number]) for d in drafts if number < len(d.kernel.inputs)]
        # By position in ``users``, with no candidates but those chosen.
        self._linked: dict[int, tuple[Member, Wired]] = {}

    def link(self, solver: Solver, *, held: bool) -> list[Linked]:
        """Check, solve and verify, for the dataflows that hold the operand, or the others; what
        it costs where there are several.

        Links that are there stay, and count.
        """
        new = [u for u, (d, t) in enumerate(self.users) if (d.hold[t.name] is not None) == held]
        if not new:
            return []
        schedules = dict.fromkeys(new) if held else {u: self._schedule(u) for u in new}
        users = [*self._linked, *new]
        members = [linked[0] for linked in self._linked.values()]
        for u in new:
            draft, tensor = self.users[u]
            members.append(Member.of(draft.kernel, tensor, draft.grid, schedules[u], draft.offsets))
        problem = Sharing(members)
        choice, bound = solver(problem)
        for u, member, chosen in zip(users, members, choice, strict=True):
            if u in schedules:
                draft, tensor = self.users[u]
                links = draft.links[tensor.name] = member.candidates.interconnect(chosen)
                fixed = replace(member, candidates=member.candidates.only(chosen))
                wired = Wired(draft.kernel, tensor, schedules[u], links)
                self._linked[u] = fixed, wired
        cost = problem.cost(choice)
        assert verify([wired for _, wired in self._linked.values()]) == cost
        if len(members) == 1:
            return []
        least = None if bound is None else in_registers(bound)
        return [Linked(self._number, held, in_registers(cost), least)]

    def _schedule(self, user: int) -> Schedule:
        draft = self.users[user][0]
        return draft.structure().schedule(draft.kernel)


def _chain(users: Sequence[tuple[Draft, str]]) -> None:
    """Chains of one tensor of each dataflow, all one way where that saves registers.

    What each would choose alone is compared with what all choose who prefer one way: chains that
    go the same way share their registers, others are multiplexed into the units.
    """
    ways = {(axis, sign) for draft, _ in users for axis in range(len(draft.grid.extents))
            for sign in (1, -1)}  # fmt: skip
    chosen: list[list[Chain | None]] = [
        [draft.chain(name, prefer) for draft, name in users] for prefer in (None, *sorted(ways))
    ]
    cheapest = min(chosen, key=_chain_cost)
    for (draft, name), chain in zip(users, cheapest, strict=True):
        draft.chains[name] = chain


def _chain_cost(chains: Sequence[Chain | None]) -> float:
    """Registers, and multiplexers where there are several ways."""
    largest: dict[tuple[int, int], int] = {}
    members = 0
    for chain in chains:
        if chain is not None:
            way = (chain.axis, chain.direction)
            largest[way] = max(largest.get(way, 0), chain.registers)
            members = max(members, sum(map(len, chain.runs)))
    return sum(largest.values()) + MUX_WEIGHT * members * max(0, len(largest) - 1)
