"""How a language model is run: a whole prompt at once, or one token after it."""

from __future__ import annotations

from accelgen.networks.builder import Value
from accelgen.networks.families.choice import chosen

__all__ = ["logit_rows", "new_tokens"]


def new_tokens(mode: str, context: int) -> int:
    """Tokens that go through the layers: all of ``context`` in prefill, the last in decode.

    All attend to ``context`` tokens; in decode, the keys of all but the last are cached.
    """
    chosen(mode, ("prefill", "decode"), "mode")
    return context if mode == "prefill" else 1


def logit_rows(x: Value, logits: str) -> Value:
    """The tokens whose logits are computed: ``all`` or the ``last``."""
    chosen(logits, ("all", "last"), "logits")
    return x if logits == "all" else x.reshaped(1, x.shape[1])
