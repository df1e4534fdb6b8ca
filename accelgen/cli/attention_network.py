"""What ``accelgen simulate --attention`` says of layers and of a description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accelgen.errors import InputError
from accelgen.names import shorten

if TYPE_CHECKING:
    from accelgen.attention.network.compare import AttentionLayer
    from accelgen.attention.network.planned import Plan
    from accelgen.hardware import Hardware
    from accelgen.networks import Network

__all__ = ["check_halves", "unused_remark"]


def check_halves(whole: Network, chosen: Network) -> None:
    """Raise :class:`InputError` unless attention layers were chosen, and with both their parts.

    A network without attention is no error here.
    """
    from accelgen.attention.network.compare import attention_pairs

    names = {layer.name for layer in chosen.layers}
    pairs = [tuple(layer.name for layer in pair) for pair in attention_pairs(whole)]
    for pair in pairs:
        halves = [name for name in pair if name in names]
        if len(halves) == 1:
            raise InputError(
                f"{halves[0]} is half of an attention layer",
                where="--layer",
                hint=f"name both parts: {','.join(pair)}",
            )
    if pairs and not any(name in names for pair in pairs for name in pair):
        raise InputError(
            "no attention layer",
            where="--layer",
            hint=f"name both parts of one, as {','.join(pairs[0])}",
        )


def unused_remark(
    source: str, plan: Plan, layers: Sequence[AttentionLayer], hardware: Hardware
) -> str | None:
    """What a description gives otherwise than the network and the hardware, which is not used.

    ``None`` of a pattern, and where all is alike.
    """
    from accelgen.attention.description import AttentionDescription

    one = plan.source
    if not isinstance(one, AttentionDescription):
        return None
    # A pattern applies to self attention alone.
    shapes = [layer.part.shape for layer in layers if layer.number is not None]
    sizes = {
        "tokens" if one.shape.queries == one.shape.keys else "queries and keys": (
            "queries", "keys",
        ),
        "kv_heads": ("kv_heads",),
        "head_dim": ("head_dim", "value_dim"),
        "causal": ("causal",),
    }  # fmt: skip
    of_network = [
        name
        for name, fields in sizes.items()
        if any(getattr(one.shape, x) != getattr(shape, x) for x in fields for shape in shapes)
    ]
    of_hardware = ["array"] if "array" in one.places else []
    if "formats" in one.places and tuple(one.formats.values()) != hardware.attention.formats:
        of_hardware.append("formats")
    if not of_network and not of_hardware:
        return None
    unused = ", ".join([*of_network, *of_hardware])
    return (
        f"of {shorten(source)} the patterns are used, not {unused}: sizes are those of the network,"
        f" and array and formats those of attention: in the hardware"
    )
