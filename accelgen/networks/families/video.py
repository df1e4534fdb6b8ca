"""Transformers of video diffusion models: Wan 2.1 and HunyuanVideo, one denoising step."""

from __future__ import annotations

from accelgen.errors import InputError
from accelgen.networks.builder import Builder, Value
from accelgen.networks.families.choice import chosen
from accelgen.networks.network import Network

__all__ = ["hunyuan_video", "wan"]

# Blocks, width, heads, width inside.
_WAN = {"t2v_1_3b": (30, 1536, 12, 8960), "t2v_14b": (40, 5120, 40, 13824)}
_WAN_SOURCE = (
    "Wan Team: Wan: Open and Advanced Large-Scale Video Generative Models, arXiv 2503.20314"
)
_HUNYUAN_SOURCE = "Kong et al.: HunyuanVideo, arXiv 2412.03603"
# Of both: channels of a latent, latents of a token, frequencies of the time, width of the text.
_CHANNELS, _PATCH, _FREQUENCIES, _TEXT_WIDTH = 16, 4, 256, 4096
# Of HunyuanVideo: blocks of two streams and of one, of the text alone; width, heads; pooled text.
_DOUBLE, _SINGLE, _REFINER, _WIDTH, _HEADS, _POOLED = 20, 40, 2, 3072, 24, 768


def wan(
    model: str = "t2v_14b",
    frames: int = 81,
    height: int = 720,
    width: int = 1280,
    text: int = 512,
    batch: int = 1,
) -> Network:
    """One denoising step of Wan 2.1 from text (``model`` t2v_1_3b or t2v_14b) for a video, whose
    tokens attend to each other and to ``text`` tokens of the prompt.
    """
    chosen(model, _WAN, "model")
    depth, dim, heads, inner = _WAN[model]
    tokens = _tokens(frames, height, width)
    b = Builder(batch)
    x = b.linear("patches", Value((tokens, _CHANNELS * _PATCH)), dim)
    with b.scope("condition"):
        c = b.linear("text1", Value((text, _TEXT_WIDTH)), dim)
        c = b.linear("text2", b.vector("gelu", c), dim)
        t = _time(b, dim)
        m = b.linear("modulation", b.vector("silu", t), 6 * dim)
    for i in range(depth):
        with b.scope(f"block{i}"):
            m_i = b.vector("add", m, parameters=6 * dim, name="modulation")
            y = b.vector("modulate", b.layer_norm(x, "norm1", parameters=0), m_i)
            with b.scope("self"):
                x = b.vector("add", b.vector("gate", _attend(b, y, y, heads, rotary=True), m_i), x)
            y = b.layer_norm(x, "norm3")
            with b.scope("cross"):
                x = b.vector("add", _attend(b, y, c, heads, rotary=False), x)
            y = b.vector("modulate", b.layer_norm(x, "norm2", parameters=0), m_i)
            y = b.linear("fc2", b.vector("gelu", b.linear("fc1", y, inner)), dim)
            x = b.vector("add", b.vector("gate", y, m_i), x)
    with b.scope("head"):
        m = b.vector("add", t, shape=(1, 2 * dim), parameters=2 * dim, name="modulation")
        y = b.vector("modulate", b.layer_norm(x, "norm", parameters=0), m)
        b.linear("linear", y, _CHANNELS * _PATCH)
    return b.network(f"wan2_1_{model}", _WAN_SOURCE)


def hunyuan_video(
    frames: int = 129, height: int = 720, width: int = 1280, text: int = 256, batch: int = 1
) -> Network:
    """One denoising step of HunyuanVideo (with guidance as an input) for a video, whose tokens
    and ``text`` tokens of the prompt attend to all: in blocks of two streams, with weights of their
    own, then in blocks of one.
    """
    tokens, dim = _tokens(frames, height, width), _WIDTH
    b = Builder(batch)
    x = b.linear("patches", Value((tokens, _CHANNELS * _PATCH)), dim)
    c = _refined(b, Value((text, _TEXT_WIDTH)))
    with b.scope("condition"):
        m = b.vector("add", _time(b, dim), _embedded(b, "pooled", Value((1, _POOLED)), dim))
        m = b.vector("add", m, _embedded(b, "guidance", Value((1, _FREQUENCIES)), dim))
        m = b.vector("silu", m)
    for i in range(_DOUBLE):
        with b.scope(f"double{i}"):
            x, c = _double(b, x, c, m)
    x = _joined(x, c)
    for i in range(_SINGLE):
        with b.scope(f"single{i}"):
            x = _single(b, x, m)
    with b.scope("final"):
        m = b.linear("modulation", m, 2 * dim)
        y = b.vector("modulate", b.layer_norm(x, "norm", parameters=0), m)
        b.linear("linear", Value((tokens, dim), y.made_by), _CHANNELS * _PATCH)
    return b.network("hunyuan_video", _HUNYUAN_SOURCE)


def _tokens(frames: int, height: int, width: int) -> int:
    """The VAE keeps the first frame and every fourth, an eighth of height and width; 1 x 2 x 2
    latents make a token.
    """
    if (frames - 1) % 4 or height % 16 or width % 16:
        raise InputError(
            f"{frames} frames of {height} x {width} pixels are no whole tokens",
            hint="use 4 n + 1 frames, and multiples of 16 pixels",
        )
    return ((frames - 1) // 4 + 1) * (height // 16) * (width // 16)


def _embedded(b: Builder, name: str, x: Value, dim: int) -> Value:
    return b.linear(f"{name}2", b.vector("silu", b.linear(f"{name}1", x, dim)), dim)


def _time(b: Builder, dim: int) -> Value:
    return _embedded(b, "time", Value((1, _FREQUENCIES)), dim)


def _joined(*values: Value) -> Value:
    """Sequences one after the other: no work."""
    made = tuple(dict.fromkeys(number for value in values for number in value.made_by))
    return Value((sum(value.shape[0] for value in values), values[0].shape[1]), made)


def _attend(b: Builder, x: Value, context: Value, heads: int, *, rotary: bool) -> Value:
    """Queries and keys are normalised over their whole width."""
    dim = x.shape[1]
    q = b.vector("rms_norm", b.linear("query", x, dim), parameters=dim, name="norm_q")
    k = b.vector("rms_norm", b.linear("key", context, dim), parameters=dim, name="norm_k")
    v = b.linear("value", context, dim)
    if rotary:
        q, k = b.vector("rotate", q), b.vector("rotate", k)
    return b.linear("output", b.attention(q, k, v, heads), dim)


def _refined(b: Builder, text: Value) -> Value:
    """The text before it meets the video."""
    dim = _WIDTH
    with b.scope("text"):
        mean = b.vector("mean", text, shape=(1, text.shape[1]))
        m = b.vector("add", _time(b, dim), _embedded(b, "mean", mean, dim))
        m = b.vector("silu", m)
        x = b.linear("embed", text, dim)
        for i in range(_REFINER):
            with b.scope(f"block{i}"):
                gates = b.linear("modulation", m, 2 * dim)
                y = b.linear("qkv", b.layer_norm(x, "norm1"), 3 * dim).reshaped(*x.shape)
                y = b.linear("projection", b.attention(y, y, y, _HEADS), dim)
                x = b.vector("add", b.vector("gate", y, gates), x)
                y = b.vector("silu", b.linear("fc1", b.layer_norm(x, "norm2"), 4 * dim))
                x = b.vector("add", b.vector("gate", b.linear("fc2", y, dim), gates), x)
    return x


def _double(b: Builder, x: Value, c: Value, condition: Value) -> tuple[Value, Value]:
    streams, modulations, qkv = (x, c), [], []
    for name, value in zip(("video", "text"), streams, strict=True):
        with b.scope(name):
            modulations.append(b.linear("modulation", condition, 6 * _WIDTH))
            y = b.vector("modulate", b.layer_norm(value, "norm1", parameters=0), modulations[-1])
            y = b.linear("qkv", y, 3 * _WIDTH).reshaped(*value.shape)
            qkv.append(_normalised(b, y))
    y = _joined(*qkv)
    y = b.attention(y, y, y, _HEADS)
    found = []
    for name, value, m in zip(("video", "text"), streams, modulations, strict=True):
        with b.scope(name):
            part = Value(value.shape, y.made_by)
            part = b.vector("gate", b.linear("projection", part, _WIDTH), m)
            value = b.vector("add", part, value)
            part = b.vector("modulate", b.layer_norm(value, "norm2", parameters=0), m)
            part = b.vector("gelu", b.linear("fc1", part, 4 * _WIDTH))
            part = b.vector("gate", b.linear("fc2", part, _WIDTH), m)
            found.append(b.vector("add", part, value))
    return found[0], found[1]


def _single(b: Builder, x: Value, condition: Value) -> Value:
    """Attention and the layer inside at once, their results projected together."""
    tokens, dim = x.shape
    m = b.linear("modulation", condition, 3 * dim)
    y = b.vector("modulate", b.layer_norm(x, "norm", parameters=0), m)
    both = b.linear("linear1", y, 7 * dim)
    q = _normalised(b, both.reshaped(tokens, dim))
    mixed = b.attention(q, q, q, _HEADS)
    inside = b.vector("gelu", both, shape=(tokens, 4 * dim), elements=tokens * 4 * dim)
    made = (*mixed.made_by, *inside.made_by)
    y = b.linear("linear2", Value((tokens, 5 * dim), made), dim)
    return b.vector("add", b.vector("gate", y, m), x)


def _normalised(b: Builder, q: Value) -> Value:
    """Queries and keys of every head, then rotated."""
    width = 2 * _WIDTH // _HEADS
    elements = 2 * q.elements
    q = b.vector("rms_norm", q, elements=elements, parameters=width, name="qk_norm")
    return b.vector("rotate", q, elements=elements)
