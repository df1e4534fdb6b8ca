"""Inverted residuals, the block of the mobile networks: expand, depthwise, project."""

from __future__ import annotations

from accelgen.networks.builder import Builder, Value

__all__ = ["inverted_residual", "rescale"]


def inverted_residual(
    b: Builder,
    x: Value,
    channels: int,
    *,
    expansion: int,
    kernel: int,
    stride: int,
    activation: str,
    squeezed: int = 0,
    gate: tuple[str, str] | None = None,
    fused: bool = False,
) -> Value:
    """One block: ``expansion`` times the channels inside, added to its input when shapes agree.

    ``squeezed`` channels of squeeze-and-excitation (0: none), with the activations of ``gate``
    (``None``: that of the block, and a sigmoid).  ``fused``: expansion and depthwise convolution
    are one full convolution.
    """
    wide = expansion * x.shape[0]
    if fused:
        out = channels if expansion == 1 else wide
        y = b.conv("fused", x, out, kernel, stride=stride, norm=True)
        y = b.vector(activation, y)
        if expansion > 1:
            y = b.conv("project", y, channels, 1, norm=True)
    else:
        y = x
        if expansion > 1:
            y = b.vector(activation, b.conv("expand", x, wide, 1, norm=True))
        y = b.conv("depthwise", y, wide, kernel, stride=stride, groups=wide, norm=True)
        y = b.vector(activation, y)
        if squeezed:
            y = rescale(b, y, squeezed, *(gate or (activation,)))
        y = b.conv("project", y, channels, 1, norm=True)
    return b.vector("add", y, x) if stride == 1 and y.shape == x.shape else y


def rescale(b: Builder, x: Value, squeezed: int, activation: str, last: str = "sigmoid") -> Value:
    """Squeeze-and-excitation: a factor per channel, from the means of all channels."""
    s = b.vector(activation, b.linear("squeeze", b.mean(x), squeezed))
    s = b.vector(last, b.linear("excite", s, x.shape[0]))
    return b.vector("scale", x, s)
