"""What one array takes for a tile and at the end of a row group, for all that count cycles."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.attention.accelerator.core import Core
from accelgen.rtl.attention.decoder import Decoder
from accelgen.rtl.attention.fold import Fold
from accelgen.rtl.attention.normaliser import Normaliser
from accelgen.rtl.attention.sequencer import Sequencer
from accelgen.rtl.attention.softmax import Softmax

__all__ = ["Pace", "pace_of", "stream_latency"]


@dataclass(frozen=True)
class Pace:
    """Cycles, as the parts of the array say (see Sequencer, Softmax, Normaliser).

    ``scores``, ``outputs``: the two passes of a tile of keys with a tile of queries; that of
    outputs has a step more, for the sum of probabilities.  ``softmax``: from the end of scores to
    when their outputs can begin.  ``ending``: from the beginning of outputs to when the last of
    them is in the totals.  ``reading``: from that of the last outputs of a row group, or from the
    last read of the row group before, to the last read of its totals.

    ``key_beats``, ``value_beats``: of a tile of keys, of values; ``query_beats``: of a row group.
    """

    scores: int
    outputs: int
    softmax: int
    ending: int
    reading: int
    key_beats: int
    value_beats: int
    query_beats: int

    @property
    def passes(self) -> int:
        """Both passes."""
        return self.scores + self.outputs

    @property
    def interval(self) -> int:
        """From the outputs of a tile with a tile of queries to those of the next, in a long list:
        both passes, or the softmax where that is longer.
        """
        return max(self.passes, self.softmax)


def pace_of(core: Core) -> Pace:
    """The pace of an array."""
    n = core.numerics
    return Pace(
        scores=n.head_dim,
        outputs=n.value_dim + 1,
        softmax=Sequencer.CAPTURE + Softmax.ready_cycles(n.rows),
        ending=Sequencer.done_cycles(n),
        reading=1 + Normaliser.read_cycles(core),
        key_beats=n.rows * n.head_dim // core.keys_per_beat,
        value_beats=n.rows * n.value_dim // core.values_per_beat,
        query_beats=core.query_tiles * n.rows * n.head_dim // core.queries_per_beat,
    )


def stream_latency(core: Core, tensor: str) -> int:
    """Cycles from the last beat of a packet of ``q``, ``k`` or ``v`` to when it can be used."""
    return 1 + Decoder.latency(core.decoding(tensor)) + (Fold.LATENCY if tensor == "q" else 0)
