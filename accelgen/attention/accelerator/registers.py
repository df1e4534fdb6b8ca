"""What the registers of an attention accelerator hold."""

from __future__ import annotations

from accelgen.attention.accelerator.core import TENSORS, Core
from accelgen.processor.registers import FIRST_REGISTER, Register
from accelgen.rtl.attention.decoder import GRID_BITS
from accelgen.rtl.attention.fold import SCALE_BITS, SHIFT_BITS
from accelgen.rtl.attention.tile_info import POSITION_BITS

__all__ = ["registers"]

_MOST = (1 << POSITION_BITS) - 1


def registers(core: Core) -> tuple[Register, ...]:
    """In order of their offsets.

    ``keys``: keys there are; ``offset``: position of query token 0 among them; ``scale``,
    ``shift``: queries are multiplied by ``scale / 2**shift`` (see fold_queries); ``sink``,
    ``window``: tokens, of the rule by tokens; ``local``, ``stride``, ``block_shift``: of the rule
    by blocks of ``2**block_shift`` tokens (see Scheduler); ``top``, of cores with a selector: how
    many blocks a row selects, with those that ``local`` and ``sink`` always select.  ``q_grid``,
    ``k_grid``, ``v_grid``, of formats that are not integers: values are stored times two to that
    (two's complement).
    """
    # All of them, as counts, would not fit.
    max_keys = min(core.numerics.max_keys, _MOST)
    grids = [f"{tensor}_grid" for tensor in TENSORS if not core.decoding(tensor).whole]
    rows = (
        ("keys", POSITION_BITS, max_keys, 1),
        ("offset", POSITION_BITS, _MOST, 0),
        ("scale", SCALE_BITS, (1 << SCALE_BITS) - 1, 1),
        ("shift", SHIFT_BITS, (1 << SHIFT_BITS) - 1, 1),
        ("sink", POSITION_BITS, max_keys, 0),
        ("window", POSITION_BITS, max_keys, 0),
        ("local", POSITION_BITS, max_keys, 0),
        ("stride", POSITION_BITS, max_keys, 0),
        ("block_shift", 5, 20, 0),
        *([("top", POSITION_BITS, core.selector.max_k, 1)] if core.selector else []),
        *((name, GRID_BITS, (1 << GRID_BITS) - 1, 0) for name in grids),
    )
    return tuple(
        Register(name, FIRST_REGISTER + 4 * k, bits, most, least)
        for k, (name, bits, most, least) in enumerate(rows)
    )
