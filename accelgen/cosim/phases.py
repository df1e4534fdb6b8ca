"""What the bench offers to a design: phases of problems, good packets and bad ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from accelgen.affine.composed import WIDTHS
from accelgen.cosim.packing import pack
from accelgen.cosim.stimuli import Fill, Stimuli
from accelgen.manifest import Manifest, StreamSpec

__all__ = ["WIDEST", "Packet", "Phase", "Problem", "make_phases", "noise", "wrong_lengths"]

Reference = Callable[[Mapping[str, NDArray[np.int64]], tuple[int, int]], NDArray[np.int64]]
"""The output for inputs and the widths of their elements (which only some designs choose)."""

WIDEST = (8, 8)


@dataclass(frozen=True, eq=False)
class Problem:
    """Input tensors by name, and the output that NumPy says they give.

    ``widths`` are those of the elements of both inputs where each problem chooses them.
    """

    inputs: Mapping[str, NDArray[np.int64]]
    output: NDArray[np.int64]
    widths: tuple[int, int] = WIDEST


@dataclass(frozen=True, eq=False)
class Packet:
    """Beats (beats x bytes), and what ``tuser`` says beside them."""

    beats: NDArray[np.uint8]
    user: int = 0

    def __len__(self) -> int:
        """The number of beats."""
        return len(self.beats)


@dataclass(frozen=True, eq=False)
class Phase:
    """One run of the design: packets offered all at once, and what must come of them.

    ``packets`` maps a stream's prefix to its packets in order.  ``pause_in`` and
    ``pause_out`` are the shares of cycles in which the ports pause.  Without ``reset`` the design
    continues from the idle state in which the phase before left it.
    """

    name: str
    problems: tuple[Problem, ...]
    packets: Mapping[str, tuple[Packet, ...]]
    reset: bool = True
    pause_in: float = 0.0
    pause_out: float = 0.0
    expect_error: bool = False
    expect_bad_number: bool = False

    @property
    def timed(self) -> bool:
        """Whether ``total_cycles`` is defined: one problem, no pauses."""
        return len(self.problems) == 1 and not self.paused and not self.expect_error

    @property
    def paused(self) -> bool:
        """Whether any port pauses."""
        return self.pause_in > 0 or self.pause_out > 0


def make_phases(
    manifest: Manifest,
    stimuli: Mapping[str, Stimuli],
    reference: Reference,
    seed: int,
    problems: int,
) -> Iterator[Phase]:
    """All phases in order; the same ``seed`` gives the same tensors.

    ``problems`` (at least 2) are queued back to back in the phases that queue.  ``stimuli`` has an
    entry per input stream, by operand.
    """
    rng = np.random.default_rng(seed)

    chosen = any(s.user_bits for s in manifest.inputs)

    def draw(
        fill: Callable[[StreamSpec], NDArray[np.int64]], widths: tuple[int, int] | None = None
    ) -> Problem:
        inputs = {s.operand: fill(s).reshape(s.shape) for s in manifest.inputs}
        if widths is None:
            a, b = rng.choice(WIDTHS, 2).tolist() if chosen else WIDEST
            widths = (a, b)
        return Problem(inputs, reference(inputs, widths), widths)

    def filled(fill: Fill, s: StreamSpec) -> NDArray[np.int64]:
        return stimuli[s.operand].packet(rng, s, fill)

    uniform, extreme = partial(filled, "any"), partial(filled, "extreme")

    def zero(s: StreamSpec) -> NDArray[np.int64]:
        zeros = stimuli[s.operand].zeros
        return rng.choice(zeros, s.elements) if len(zeros) else uniform(s)

    def spoilt(only: StreamSpec, codes: NDArray[np.int64]) -> Problem:
        """A problem with some of ``codes`` among the values of one stream."""

        def fill(s: StreamSpec) -> NDArray[np.int64]:
            values = uniform(s)
            if s == only:
                at = rng.permutation(s.elements)[: len(codes)]
                values[at] = codes[: len(at)]
            return values

        return draw(fill)

    def phase(name: str, *drawn: Problem, reset: bool = True, pause_in: float = 0.0,
              pause_out: float = 0.0, expect_bad_number: bool = False) -> Phase:  # fmt: skip
        packets = {s.prefix: _packets(s, k, drawn) for k, s in enumerate(manifest.inputs)}
        return Phase(name, drawn, packets, reset, pause_in, pause_out,
                     expect_bad_number=expect_bad_number)  # fmt: skip

    yield phase("random", draw(uniform))
    if chosen:
        for widths in [(a, b) for a in WIDTHS for b in WIDTHS]:
            name = f"{widths[0]} x {widths[1]} bits"
            yield phase(name, draw(uniform, widths), draw(extreme, widths), reset=False)
    yield phase("minima", draw(partial(filled, "least")), reset=False)
    yield phase("maxima", draw(partial(filled, "greatest")), reset=False)
    yield phase("extremes", draw(extreme), reset=False)
    if any(len(values.zeros) for values in stimuli.values()):
        yield phase("zeros of both signs", draw(zero), reset=False)
    yield phase("back to back", *(draw(uniform) for _ in range(problems)), reset=False)
    yield phase("pauses", draw(uniform), draw(uniform), pause_in=0.4, pause_out=0.4)
    stalled = [draw(uniform) for _ in range(problems)]
    yield phase("slow output", *stalled, pause_in=0.05, pause_out=0.75)
    for stream in manifest.inputs:
        for kind, lengths in wrong_lengths(stream.beats).items():
            drawn = (draw(uniform), draw(uniform))
            good = {s.prefix: _packets(s, k, drawn) for k, s in enumerate(manifest.inputs)}
            bad = [noise(rng, stream, stimuli[stream.operand], length) for length in lengths]
            mixed = (bad[0], good[stream.prefix][0], bad[1], good[stream.prefix][1])
            name = f"{kind} tlast on {stream.prefix}"
            yield Phase(name, drawn, good | {stream.prefix: mixed}, expect_error=True)
    for stream in manifest.inputs:
        wrong = rng.permutation(stimuli[stream.operand].bad)
        if len(wrong):
            # Any one code must raise the flag, which then stays; all of them must count as zero.
            name = f"bad number on {stream.prefix}"
            yield phase(name, spoilt(stream, wrong[:1]), draw(uniform), expect_bad_number=True)
            yield phase(f"bad numbers on {stream.prefix}", spoilt(stream, wrong),
                        expect_bad_number=True)  # fmt: skip
    yield phase("after the errors", draw(uniform))


def wrong_lengths(beats: int) -> dict[str, tuple[int, int]]:
    """Two lengths per kind; a packet of one beat cannot end early."""
    late = {"late": (beats + 1, 2 * beats)} if beats > 1 else {"late": (2, 3)}
    return ({"early": (1, beats - 1)} if beats > 1 else {}) | late


def _packets(
    stream: StreamSpec, position: int, problems: tuple[Problem, ...]
) -> tuple[Packet, ...]:
    return tuple(
        Packet(
            pack(p.inputs[stream.operand], stream.element_bits, stream.bus_bits, stream.lanes),
            WIDTHS.index(p.widths[position]) if stream.user_bits else 0,
        )
        for p in problems
    )


def noise(rng: np.random.Generator, stream: StreamSpec, values: Stimuli, beats: int) -> Packet:
    """A packet of any length."""
    drawn = values.draw(rng, beats * stream.per_beat)
    user = int(rng.integers(len(WIDTHS))) if stream.user_bits else 0
    return Packet(pack(drawn, stream.element_bits, stream.bus_bits, stream.lanes), user)
