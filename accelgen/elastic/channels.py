"""Numbers of channels as the mobile networks round them."""

from __future__ import annotations

__all__ = ["rounded"]


def rounded(channels: float, multiple: int = 8) -> int:
    """The multiple of ``multiple`` nearest to ``channels`` (a half up), at least one of them, and
    the next one where that would lose more than a tenth of ``channels``.

    The rule of MobileNetV2's code (Sandler et al., arXiv 1801.04381), which OFA's spaces use.
    """
    near = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return near + multiple if near < 0.9 * channels else near
