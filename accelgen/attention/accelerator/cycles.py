"""The cycles of a problem, equal to the hardware's, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from accelgen.attention.accelerator.core import SCALE_BUS, Core
from accelgen.attention.accelerator.pace import pace_of, stream_latency
from accelgen.attention.accelerator.problem import Problem
from accelgen.attention.accelerator.rows import Step, Tile
from accelgen.rtl.attention.normaliser import Normaliser
from accelgen.rtl.attention.scale_buffer import ScaleBuffer
from accelgen.rtl.attention.sequencer import Sequencer
from accelgen.rtl.attention.softmax import Softmax
from accelgen.rtl.attention.tile_info import MASKED, UPPER

__all__ = ["AttentionCycles", "combined_cycles", "predict_cycles"]

Time = float
"""A cycle, or infinity: not known before something else happens."""


@dataclass(frozen=True)
class AttentionCycles:
    """``busy``: cycles in which a tile is computed; ``total``: from the first accepted input to the
    last accepted output, both counted, when all inputs are offered at once and nothing pauses.
    ``multiplying``: cycles in which the multipliers work, of all ``arrays`` together.
    """

    busy: int
    total: int
    multiplying: int
    arrays: int = 1

    @property
    def utilisation(self) -> float:
        """Share of the busy cycles in which the multipliers work on scores or outputs."""
        return self.multiplying / (self.busy * self.arrays)


@dataclass
class _Stream:
    """Packets into a buffer for two of them."""

    beats: int
    latency: int
    scales: _Stream | None = None
    ends: list[Time] = field(default_factory=list)
    releases: list[Time] = field(default_factory=list)

    def there(self, number: int) -> Time:
        """When packet ``number`` can be read."""
        while len(self.ends) <= number:
            n = len(self.ends)
            start = self.ends[-1] + 1 if n else 0
            if n >= 2:
                if len(self.releases) <= n - 2:
                    return inf
                start = max(start, self.releases[n - 2] + 1)
            if self.scales:
                start = max(start, self.scales.there(n))
            self.ends.append(start + self.beats - 1)
            if self.scales:
                self.scales.releases.append(self.ends[-1])
        return self.ends[number] + self.latency


def _stream(core: Core, tensor: str, elements: int, per_beat: int) -> _Stream:
    """The stream of a tensor, behind that of its scales where it has some."""
    decoding = core.decoding(tensor)
    scales = None
    if decoding.block:
        beats = -(-elements // decoding.block // (SCALE_BUS // decoding.scale_bits))
        scales = _Stream(beats, ScaleBuffer.FILL_LATENCY)
    return _Stream(elements // per_beat, stream_latency(core, tensor), scales)


@dataclass
class _Scheduler:
    """Steps of the scheduler, and when it passed tiles on."""

    core: Core
    steps: list[Step]
    now: Time = 0
    at: int = 0
    pushes: list[Time] = field(default_factory=list)
    pops: list[Time] = field(default_factory=list)
    masks: int = 0
    frees: list[Time] = field(default_factory=list)
    selections: int = 0
    selected: list[Time] = field(default_factory=list)

    def there(self, number: int) -> Time:
        """When tile ``number`` can be taken."""
        while len(self.pushes) <= number:
            if self.at == len(self.steps):
                return inf
            step = self.steps[self.at]
            start = self.now
            before = len(self.pushes) - self.core.list_depth
            if step.room and before >= 0:
                if len(self.pops) <= before:
                    return inf
                start = max(start, self.pops[before] + 1)
            taken = self.masks - self.core.mask_slots
            if step.mask_room and taken >= 0:
                if len(self.frees) <= taken:
                    return inf
                start = max(start, self.frees[taken] + 1)
            if step.selection:
                if len(self.selected) <= self.selections:
                    return inf
                start = max(start, self.selected[self.selections])
                self.selections += 1
            if step.emits:
                self.pushes.append(start)
            self.masks += step.mask_taken
            self.now = start + step.cycles
            self.at += 1
        return self.pushes[number] + 1


@dataclass
class _Scored:
    """A tile whose scores are computed: when they are captured, and what it is of."""

    tile: Tile
    query_tile: int
    group: int
    value: int | None
    capture: Time = inf


def predict_cycles(problem: Problem) -> AttentionCycles:
    """Follow the passes of the array through a problem (see Sequencer for the rule)."""
    return combined_cycles([problem])


def combined_cycles(problems: Sequence[Problem]) -> AttentionCycles:
    """Of arrays that work side by side, each with a problem and streams of its own."""
    runs = [run for run in map(_Run, problems) if run.items]
    multiplying = sum(run.run() for run in runs)
    busy: Time = 0
    reached: Time = -1
    for start, end in sorted(span for run in runs for span in run.spans):
        busy += max(0, end - max(start - 1, reached))
        reached = max(reached, end)
    total = max((run.last_beat for run in runs), default=-1) + 1
    return AttentionCycles(int(busy), int(total), multiplying, len(problems))


class _Run:
    """One walk through the passes; a cycle counts from the first accepted input."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.core = core = problem.core
        self.pace = pace_of(core)
        n = core.numerics
        tile, group = n.rows * n.head_dim, core.query_tiles * n.rows * n.head_dim
        self.keys = _stream(core, "k", tile, core.keys_per_beat)
        self.values = _stream(core, "v", n.rows * n.value_dim, core.values_per_beat)
        self.queries = _stream(core, "q", group, core.queries_per_beat)
        self.scheduler = _Scheduler(core, [s for walk in problem.walks for s in walk.steps])
        self.items = [
            (tile, number) for number, tiles in enumerate(problem.tiles) for tile in tiles
        ]
        self.spans: list[tuple[Time, Time]] = []
        self.freed: list[Time] = []
        self.last_beat: Time = 0

    def run(self) -> int:
        """All passes; the cycles in which the multipliers work."""
        core, n = self.core, self.core.numerics
        ready_cycles = Softmax.ready_cycles(n.rows)
        item = query_tile = key_number = value_number = 0  # of the next scores
        alone: Time = 0  # when the cells have no summaries any more
        kept: _Scored | None = None  # in the cells
        waiting: _Scored | None = None  # in the accumulators
        scoring: _Scored | None = None  # whose last step is in this cycle
        began: dict[int, Time] = {}
        now: Time = 0
        multiplying = 0
        while item < len(self.items) or kept or scoring:
            scoring_ends, scoring = scoring, None
            if scoring_ends:
                self._released(scoring_ends, now)
                if scoring_ends.tile.summary:
                    alone = self._summarised(scoring_ends, now)
                    scoring_ends = None
                elif kept:
                    waiting = scoring_ends
            can_score = can_output = inf
            if item < len(self.items) and not waiting:
                tile, group = self.items[item]
                can_score = max(self.scheduler.there(item), self.queries.there(group))
                if tile.column is not None:
                    can_score = max(can_score, self.keys.there(key_number))
                if tile.summary:
                    can_score = inf if kept or scoring_ends else max(can_score, alone)
            if kept:
                can_output = kept.capture + ready_cycles
                if kept.value is not None:
                    can_output = max(can_output, self.values.there(kept.value))
                if kept.tile.first and kept.group >= 2:
                    can_output = max(can_output, self._half_free(kept.group))
            if not kept and scoring_ends:
                kept = scoring_ends
                kept.capture = now + Sequencer.CAPTURE
                if can_score > now:
                    continue
            if max(now, can_score) <= max(now, can_output):
                assert can_score != inf
                now = max(now, can_score)
                tile, group = self.items[item]
                has_values = tile.column is not None and not tile.summary
                value = value_number if has_values else None
                scoring = _Scored(tile, query_tile, group, value)
                query_tile += 1
                if query_tile == core.query_tiles:
                    self.scheduler.pops.append(now)
                    query_tile, item = 0, item + 1
                    key_number += tile.column is not None
                    value_number += has_values
                began[id(scoring)] = now + 1
                if tile.summary:
                    self.spans.append((now + 1, now + n.head_dim))
                else:
                    multiplying += n.head_dim
                now += n.head_dim
                continue
            now = max(now, can_output)
            assert kept is not None
            last_tile = kept.query_tile == core.query_tiles - 1
            if kept.tile.flags & MASKED and last_tile:
                self.scheduler.frees.append(now)
            done = now + self.pace.ending
            self.spans.append((began.pop(id(kept)), done))
            if kept.tile.last and last_tile:
                self._normalise(done)
            if last_tile and kept.value is not None:
                self.values.releases.append(now + self.pace.outputs)
            kept, waiting = waiting, None
            if kept:
                kept.capture = now + Sequencer.CAPTURE
            now += self.pace.outputs
            multiplying += n.value_dim
        return multiplying

    def _released(self, scored: _Scored, now: Time) -> None:
        """Keys and queries are given back with the last scores of them."""
        if scored.query_tile == self.core.query_tiles - 1:
            if scored.tile.column is not None:
                self.keys.releases.append(now)
            if scored.tile.last:
                self.queries.releases.append(now)

    def _summarised(self, scored: _Scored, now: Time) -> Time:
        """Scores of summaries are read; after the last, blocks are selected."""
        rows = self.core.numerics.rows
        if scored.tile.summary == UPPER:
            return now
        read = now + Sequencer.CAPTURE + rows
        self.spans.append((now + 1, read))
        group = self.problem.groups[scored.group]
        assert scored.tile.column is not None
        before = scored.tile.column * rows
        if before + rows >= group.blocks:
            last = read - rows + group.blocks - before
            self.scheduler.selected.append(last + 2 + self.problem.selection_cycles(scored.group))
        return read + 1

    def _half_free(self, group: int) -> Time:
        """When the totals of the row group two before have been read."""
        return self.freed[group - 2] + 1 if len(self.freed) > group - 2 else inf

    def _normalise(self, complete: Time) -> None:
        """Results of a row group leave once those before have left."""
        start = max(complete, self.freed[-1] if self.freed else 0)
        self.freed.append(start + self.pace.reading)
        self.last_beat = self.freed[-1] + Normaliser.LATENCY
