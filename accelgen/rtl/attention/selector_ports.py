"""The streams of the top-k selectors."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from accelgen.attention.accelerator.datapath.topk import SelectorShape

__all__ = ["index_stream", "score_stream", "selector_ports"]


def score_stream(shape: SelectorShape) -> wiring.Signature:
    """Sets of scores, seen from where they come from; a beat is taken when ``valid & ready``.

    Lane ``l`` of beat ``b`` of a set has the score of index ``b * width_in + l``; ``last`` marks
    the last beat of a set.  ``never`` and ``forced`` have a bit per lane: a score that is not
    selected (nor are lanes that have no score), and one that comes before all others; never is
    stronger.  ``k``: how many to select, 0..max_k, the same in all beats of a set.
    """
    return wiring.Signature(
        {
            "score": Out(signed(shape.score_bits)).array(shape.width_in),
            "forced": Out(shape.width_in),
            "never": Out(shape.width_in),
            "k": Out(range(shape.max_k + 1)),
            "last": Out(1),
            "valid": Out(1),
            "ready": In(1),
        }
    )


def index_stream(shape: SelectorShape) -> wiring.Signature:
    """The selected indices of each set, ascending, seen from the selector.

    ``last`` marks the last one of a set.  A set of which nothing is selected gives one beat with
    ``empty`` and ``last``, whose ``index`` means nothing.  What is offered stays until it is taken.
    """
    return wiring.Signature(
        {
            "index": Out(range(shape.max_scores)),
            "empty": Out(1),
            "last": Out(1),
            "valid": Out(1),
            "ready": In(1),
        }
    )


def selector_ports(shape: SelectorShape) -> wiring.Signature:
    """The ports of every selector: ``scores`` in, ``selected`` out."""
    return wiring.Signature(
        {"scores": In(score_stream(shape)), "selected": Out(index_stream(shape))}
    )
