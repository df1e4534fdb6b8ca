"""The sizes of one attention layer."""

from __future__ import annotations

from dataclasses import dataclass

from accelgen.errors import InputError

__all__ = ["MAX_TOKENS", "AttentionShape"]

MAX_TOKENS = 1 << 20
MAX_HEADS = 1 << 12
MAX_DIM = 1 << 12


@dataclass(frozen=True)
class AttentionShape:
    """``queries`` tokens that look at ``keys`` tokens, with ``heads`` query heads.

    ``kv_heads`` divides ``heads``: query head ``h`` reads key and value head ``h // group``.
    ``causal``: the last query is at the position of the last key, and sees no key after its own;
    so a decode step is one query and many keys.  Otherwise every query may see every key (cross
    attention, encoders).

    Raises :class:`InputError` for sizes below 1 or beyond 2**20 tokens, 4096 heads or dimensions,
    ``heads`` that ``kv_heads`` does not divide, and causal shapes with more queries than keys.
    """

    queries: int
    keys: int
    heads: int = 1
    kv_heads: int = 1
    head_dim: int = 64
    value_dim: int = 64
    causal: bool = True

    def __post_init__(self) -> None:
        limits = {
            "queries": MAX_TOKENS,
            "keys": MAX_TOKENS,
            "heads": MAX_HEADS,
            "kv_heads": MAX_HEADS,
            "head_dim": MAX_DIM,
            "value_dim": MAX_DIM,
        }
        for name, most in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise InputError(f"{value!r} is no integer in 1..{most}", where=name)
        if self.heads % self.kv_heads:
            raise InputError(
                f"{self.kv_heads} heads of keys and values do not divide {self.heads} heads",
                where="kv_heads",
                hint="every group of query heads shares one of them",
            )
        if self.causal and self.queries > self.keys:
            raise InputError(
                f"{self.queries} queries end at the last of {self.keys} keys",
                where="queries",
                hint="use at most as many queries as keys, or causal: false",
            )

    @property
    def group(self) -> int:
        """Query heads that share one head of keys and values."""
        return self.heads // self.kv_heads

    @property
    def offset(self) -> int:
        """Position of query 0 among the keys; 0 when the shape is not causal."""
        return self.keys - self.queries if self.causal else 0

    @property
    def pairs(self) -> int:
        """Pairs of a query and a key of one head that dense attention computes."""
        if not self.causal:
            return self.queries * self.keys
        return self.queries * self.offset + self.queries * (self.queries + 1) // 2
