"""Building networks layer by layer: shapes are carried along, edges follow from what is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

from accelgen.affine.workload import MAX_ELEMENTS
from accelgen.attention.shape import AttentionShape
from accelgen.errors import InputError
from accelgen.names import within
from accelgen.networks import workloads
from accelgen.networks.attention import AttentionPart
from accelgen.networks.layer import Layer, VectorWork
from accelgen.networks.network import MAX_LAYERS, Network

__all__ = ["Builder", "Value"]


@dataclass(frozen=True)
class Value:
    """A tensor between layers, without its batch: ``shape`` is (channels, height, width) of an
    image or (tokens, width) of a sequence; ``made_by`` are the numbers of the layers that make it.
    """

    shape: tuple[int, ...]
    made_by: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """Elements of one item of the batch."""
        return prod(self.shape)

    def reshaped(self, *shape: int) -> Value:
        """The same data in another shape."""
        return Value(shape, self.made_by)


class Builder:
    """Collects layers; every method adds one (or the few it names) and returns what it makes.

    ``batch`` is the number of items that go through the network together.  Methods raise
    :class:`InputError` naming the layer when sizes do not fit.
    """

    def __init__(self, batch: int = 1) -> None:
        self.batch = batch
        self._layers: list[Layer | VectorWork] = []
        self._edges: list[tuple[int, int]] = []
        self._scope: list[str] = []
        self._taken: set[str] = set()

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Put ``name.`` in front of the names of the layers added inside."""
        self._scope.append(name)
        try:
            yield
        finally:
            self._scope.pop()

    def network(self, name: str, source: str) -> Network:
        """The network of the layers so far."""
        return Network(name, tuple(self._layers), tuple(self._edges), source)

    def add(self, layer: Layer | VectorWork, shape: tuple[int, ...], *inputs: Value) -> Value:
        """Add ``layer``, which reads ``inputs`` and makes a tensor of ``shape``."""
        if len(self._layers) >= MAX_LAYERS:
            raise InputError(f"more than {MAX_LAYERS} layers", hint="lower the depth")
        number = len(self._layers)
        self._layers.append(layer)
        self._edges.extend((made, number) for value in inputs for made in value.made_by)
        return Value(shape, (number,))

    def conv(
        self,
        name: str,
        x: Value,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
        norm: bool = False,
    ) -> Value:
        """A two-dimensional convolution; ``padding`` keeps the size at stride 1 when ``None``.

        ``norm``: batch normalisation folded into it, with two parameters per channel.
        """
        label = self._label(name)
        with within(label):
            size = _image(x)
            pad = kernel // 2 if padding is None else padding
            out = tuple((n + 2 * pad - kernel) // stride + 1 for n in size)
            if min(out) < 1:
                raise InputError(f"a kernel of {kernel} on {size[0]} x {size[1]} positions")
            workload, repeats = workloads.convolution(
                self.batch, x.shape[0], channels, out, (kernel,) * 2, (stride,) * 2, None, groups
            )
        further = channels * (bias + 2 * norm)
        return self.add(Layer(label, workload, repeats, "W", further), (channels, *out), x)

    def transposed_conv(self, name: str, x: Value, channels: int, kernel: int) -> Value:
        """A transposed convolution with a bias whose stride is its kernel: no overlaps."""
        label = self._label(name)
        with within(label):
            size = _image(x)
            workload, repeats = workloads.transposed_convolution(
                self.batch, x.shape[0], channels, size, (kernel,) * 2, (kernel,) * 2
            )
        layer = Layer(label, workload, repeats, "W", channels)
        return self.add(layer, (channels, *(n * kernel for n in size)), x)

    def linear(
        self, name: str, x: Value, columns: int, *, bias: bool = True, tied: bool = False
    ) -> Value:
        """A matrix product over the last dimension of ``x``, with all others and the batch as rows.

        ``tied``: the weights are another layer's.  Where ``x`` has more elements than a workload
        may, rows are divided into equal parts: a layer of the first, and one of the others,
        ``tied`` to it, which reads the weights again for each.
        """
        label = self._label(name)
        rows, inner = self.batch * x.elements // x.shape[-1], x.shape[-1]
        parts = max(1, -(-rows * inner // MAX_ELEMENTS))
        while rows % parts:
            parts += 1
        with within(label):
            workload, repeats = workloads.matrix_product(rows // parts, columns, inner)
        further = workload.bounds["n"] if bias else 0
        layer = Layer(label, workload, repeats, "W", further, tied)
        y = self.add(layer, (*x.shape[:-1], columns), x)
        if parts > 1:
            label = self._label(f"{name}_rest")
            rest = Layer(label, workload, repeats * (parts - 1), "W", 0, tied=True)
            other = self.add(rest, y.shape, x)
            y = Value(y.shape, (*y.made_by, *other.made_by))
        return y

    def attention(
        self,
        q: Value,
        k: Value,
        v: Value,
        heads: int,
        *,
        groups: int | None = None,
        keys: int = 0,
        position_biases: int | None = None,
        causal: bool = False,
    ) -> Value:
        """Two products and a softmax: ``q`` of (tokens, heads * width), ``k`` and ``v`` alike.

        ``groups`` of heads share keys and values.  ``keys`` is the number of keys where more are
        cached than ``k`` makes.  ``position_biases`` parameters are added to the scores.
        ``causal``: no query sees a key after its own, which the layers say (see AttentionPart); in
        their workloads all pairs are counted, and a causal mask saves nothing.
        """
        tokens, keys = q.shape[0], keys or k.shape[0]
        shared = groups or heads
        if q.shape[1] % heads or v.shape[1] % shared:
            raise InputError(f"{heads} heads do not divide a width of {q.shape[1]}")
        width, value_width = q.shape[1] // heads, v.shape[1] // shared
        label = self._label("scores")
        with within(label):
            scores, times = workloads.attention_scores(
                self.batch, heads, tokens, keys, width, groups
            )
            shape = AttentionShape(tokens, keys, heads, shared, width, value_width, causal)
        layer = Layer(label, scores, times, None, attention=AttentionPart(shape, self.batch, False))
        s = self.add(layer, (heads, tokens, keys), q, k)
        if position_biases is not None:
            s = self.vector("add", s, parameters=position_biases, name="position_bias")
        s = self.vector("softmax", s)
        label = self._label("mix")
        with within(label):
            mixed, times = workloads.attention_product(
                self.batch, heads, tokens, keys, value_width, groups
            )
        layer = Layer(label, mixed, times, None, attention=AttentionPart(shape, self.batch, True))
        return self.add(layer, (tokens, heads * value_width), s, v)

    def vector(
        self,
        operation: str,
        *inputs: Value,
        shape: tuple[int, ...] | None = None,
        elements: int | None = None,
        parameters: int = 0,
        name: str | None = None,
    ) -> Value:
        """Vector work on every element of the first input, or on ``elements`` per item.

        The result has the shape of the first input when ``shape`` is ``None``.
        """
        x = inputs[0]
        count = self.batch * (x.elements if elements is None else elements)
        work = VectorWork(self._label(name or operation), operation, count, 1, parameters)
        return self.add(work, x.shape if shape is None else shape, *inputs)

    def pool(
        self, x: Value, kernel: int, stride: int, *, padding: int = 0, round_up: bool = False
    ) -> Value:
        """Max pooling; ``round_up`` keeps a last window that is not whole."""
        extra = stride - 1 if round_up else 0
        size = tuple((n + 2 * padding - kernel + extra) // stride + 1 for n in _image(x))
        if min(size) < 1:
            raise InputError(f"a window of {kernel}: too few positions", where=self._label("pool"))
        shape = (x.shape[0], *size)
        return self.vector("max_pool", x, shape=shape, elements=prod(shape) * kernel**2)

    def mean(self, x: Value) -> Value:
        """The mean of every channel, as a sequence of one token."""
        return self.vector("mean", x, shape=(1, x.shape[0]))

    def layer_norm(self, x: Value, name: str, *, parameters: int | None = None) -> Value:
        """Layer normalisation over the last dimension, two parameters per element of it."""
        count = 2 * x.shape[-1] if parameters is None else parameters
        return self.vector("layer_norm", x, parameters=count, name=name)

    @staticmethod
    def concat(*values: Value) -> Value:
        """Images put together along their channels: no work."""
        made = tuple(dict.fromkeys(number for value in values for number in value.made_by))
        return Value((sum(v.shape[0] for v in values), *values[0].shape[1:]), made)

    def _label(self, name: str) -> str:
        """A name within the scopes that no layer has yet."""
        base = ".".join([*self._scope, name])
        label, count = base, 1
        while label in self._taken:
            count += 1
            label = f"{base}_{count}"
        self._taken.add(label)
        return label


def _image(x: Value) -> tuple[int, int]:
    if len(x.shape) != 3:
        raise InputError(f"an image expected, but a tensor of shape {x.shape} found")
    return x.shape[1], x.shape[2]
