"""The passes, in the order in which they run, and why in that order."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

from accelgen.errors import AccelgenError, InfeasibleError, InputError
from accelgen.names import shorten
from accelgen.netlist.fuse import fuse
from accelgen.netlist.graph import Netlist
from accelgen.passes.base import DelayOption, NetlistPass, Pass, PipelinePass
from accelgen.passes.broadcast import BROADCAST
from accelgen.passes.constants import CONSTANTS
from accelgen.passes.delay_matching import Pipeline, alternative, match_delays
from accelgen.passes.exits import EXITS
from accelgen.passes.gating import GATING
from accelgen.passes.holds import HOLDS
from accelgen.passes.metrics import Metrics, measure
from accelgen.passes.pins import PINS
from accelgen.passes.taps import TAPS
from accelgen.passes.timing import TimingModel
from accelgen.passes.trees import TREES
from accelgen.passes.widths import WIDTHS
from accelgen.passes.widths_check import prove
from accelgen.technology import Technology

__all__ = [
    "PASSES",
    "Record",
    "Stage",
    "check_names",
    "last_netlist",
    "last_pipeline",
    "place_registers",
    "records",
    "rewrite",
    "rewrite_fused",
]

DELAY_MATCHING = DelayOption(
    "delay_matching",
    "pipeline registers by linear programming; without it, as early as possible",
)
SHARED_FANOUT = DelayOption(
    "shared_fanout",
    "one tapped delay line per value; without it, a line for every reader",
)

PASSES: tuple[Pass, ...] = (
    # First what shrinks the netlist: all that follows is then less work, and conditions that
    # are always met would keep adders and multiplexers apart that belong together.
    CONSTANTS,
    # The shape of sums, on which the ranges of their partial sums depend.  Up to here passes run on
    # each dataflow alone, before several are fused.
    TREES,
    # What is a delay line now may be shared with others.
    TAPS,
    # Which sources meet at which pin, now that all that share it are there.
    PINS,
    # Which registers do for several dataflows: of operands that are held in one of them, ...
    HOLDS,
    # ... and where values of several dataflows go, the same way once they are chosen from.
    EXITS,
    # The last to change nodes, since all before it change what values there are; delays, and so
    # the pipeline, depend on widths.
    WIDTHS,
    # Registers, at last; the two are choices of one step.
    DELAY_MATCHING,
    SHARED_FANOUT,
    # Which registers there are is known now; what enables them are readers like any other ...
    GATING,
    # ... and with these it is known which unit reads what how late.
    BROADCAST,
)

MOST_NODES = 10_000
"""Nodes up to which the linear program is solved for netlists on the way as well."""

Stage = tuple[str, Netlist | Pipeline]
"""What a pass made, with the pass's name; the first is what there was before all passes."""


@dataclass(frozen=True)
class Record:
    """The figures before and after a pass."""

    name: str
    before: Metrics
    after: Metrics

    def to_json(self) -> dict[str, object]:
        """Name and figures."""
        return {
            "name": self.name,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
        }


def check_names(without: Collection[str]) -> None:
    """Raise :class:`InputError` for a name that is no pass."""
    names = [step.name for step in PASSES]
    for name in without:
        if name not in names:
            raise InputError(
                f"there is no pass {shorten(name)}; there are {', '.join(names)}",
                where="without",
                hint="accelgen passes says what each does",
            )


def rewrite(netlist: Netlist, without: Collection[str] = ()) -> tuple[Stage, ...]:
    """The netlist, and what every pass before registers makes of it, each verified."""
    stages: list[Stage] = [("", netlist)]
    for step in _netlist_passes(without):
        netlist = _verified(step, netlist)
        stages.append((step.name, netlist))
    with _self_check(WIDTHS.name):
        prove(netlist)
    return tuple(stages)


def rewrite_fused(netlists: Sequence[Netlist], without: Collection[str] = ()) -> tuple[Stage, ...]:
    """The same of several dataflows on one array, which are fused after the passes that run on each
    alone; these come first in the order.

    Raises :class:`InputError` when they cannot be.
    """
    stages: list[Stage] = [("", fuse(netlists))]
    steps = _netlist_passes(without)
    for step in steps:
        if step.alone:
            netlists = [_verified(step, netlist) for netlist in netlists]
            stages.append((step.name, fuse(netlists)))
    netlist = last_netlist(stages)
    for step in steps:
        if not step.alone:
            netlist = _verified(step, netlist)
            stages.append((step.name, netlist))
    with _self_check(WIDTHS.name):
        prove(netlist)
    return tuple(stages)


def _netlist_passes(without: Collection[str]) -> list[NetlistPass]:
    return [step for step in PASSES if isinstance(step, NetlistPass) and step.name not in without]


def _verified(step: NetlistPass, netlist: Netlist) -> Netlist:
    """What a pass makes of a netlist, verified."""
    after = step.run(netlist)
    with _self_check(step.name):
        after.check()
        step.verify(netlist, after)
    return after


@contextmanager
def _self_check(name: str) -> Iterator[None]:
    """A failed check of a pass, said as an error that the user can do something about."""
    try:
        yield
    except AssertionError as error:
        reason = str(error) or "its result is not what there was before"
        raise AccelgenError(
            f"the check of this pass failed ({reason}): this is a fault of accelgen",
            where=f"pass {name}",
            hint=f"--without {name} generates the design without it",
        ) from error


def place_registers(
    netlist: Netlist, technology: Technology, period: float, without: Collection[str] = ()
) -> tuple[Stage, ...]:
    """The pipeline of the netlist, and what every pass over it makes of it, each verified."""
    pipeline = match_delays(
        netlist,
        technology,
        period,
        optimise=DELAY_MATCHING.name not in without,
        share=SHARED_FANOUT.name not in without,
    )
    stages: list[Stage] = [(DELAY_MATCHING.name, pipeline)]
    for step in PASSES:
        if isinstance(step, PipelinePass) and step.name not in without:
            changed = step.run(pipeline)
            with _self_check(step.name):
                step.verify(pipeline, changed, TimingModel(technology, period))
            stages.append((step.name, changed))
            pipeline = changed
    return tuple(stages)


def last_netlist(stages: Sequence[Stage]) -> Netlist:
    """What the passes before registers make of a netlist in the end."""
    found = stages[-1][1]
    assert isinstance(found, Netlist)
    return found


def last_pipeline(stages: Sequence[Stage]) -> Pipeline:
    """What the passes after registers make of a pipeline in the end."""
    found = stages[-1][1]
    assert isinstance(found, Pipeline)
    return found


def records(
    stages: Sequence[Stage], technology: Technology, without: Collection[str] = ()
) -> tuple[Record, ...]:
    """The figures before and after each pass that ran, all for the period of the last.

    ``lp_bits`` of a netlist are those of the pipeline it would have; ``None`` where that does not
    reach the period, or beyond ``MOST_NODES`` on the way.
    """
    last = stages[-1][1]
    assert isinstance(last, Pipeline)
    found = []
    before = _figures(stages[0][1], technology, last)
    for (_, old), (name, new) in pairwise(stages):
        after = before if new is old else _figures(new, technology, last)
        if name == DELAY_MATCHING.name:
            found += _options(new, after, technology, without)
        else:
            found.append(Record(name, before, after))
        before = after
    return tuple(found)


def _options(
    pipeline: Netlist | Pipeline,
    after: Metrics,
    technology: Technology,
    without: Collection[str],
) -> list[Record]:
    """What each choice of delay matching is good for: the pipeline without it, and with it."""
    assert isinstance(pipeline, Pipeline)
    found = []
    for option in (DELAY_MATCHING, SHARED_FANOUT):
        if option.name not in without:
            off = {*without, option.name}
            other = alternative(
                pipeline,
                technology,
                optimise=DELAY_MATCHING.name not in off,
                share=SHARED_FANOUT.name not in off,
            )
            found.append(Record(option.name, _figures(other, technology, pipeline), after))
    return found


def _figures(value: Netlist | Pipeline, technology: Technology, last: Pipeline) -> Metrics:
    if isinstance(value, Pipeline):
        nodes = value.netlist.nodes
        return measure(
            value.netlist,
            value.registers,
            shared=value.shared,
            lp_bits=value.bits,
            gated_bits=sum(nodes[enable.node].format.bits for enable in value.enables),
        )
    bits = None
    if len(value.nodes) <= MOST_NODES:
        with suppress(InfeasibleError):
            bits = match_delays(value, technology, last.period, share=last.shared).bits
    return measure(value, lp_bits=bits)
