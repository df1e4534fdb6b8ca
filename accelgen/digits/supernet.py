"""The trained supernet: parameters of the largest network, and what sub-networks take of them.

Per layer with c input and k output channels there are, as trained:

    <layer>.weight     [k, c, r, s] for the largest kernel
    <layer>.transform  [9, 9], where 5 x 5 kernels shrink: the inner 3 x 3 taps times it are the
                       3 x 3 kernel, of which the middle is the 1 x 1 kernel
    <layer>.gain, <layer>.bias     [v, k]: for each of its v kernels and numbers of input channels
    <layer>.most       upper end of the range of the outputs, for 2 .. 8 bits of the reader

A sub-network takes the first channels.  The weights of an output channel over those it reads are
divided by their norm and multiplied by its gain, so that outputs have about the same range in
sub-networks of all widths and kernels without any statistics of data (weight normalisation,
Salimans and Kingma 2016, arXiv 1602.07868); gains and biases are not shared among them, as in
slimmable networks (arXiv 1812.08928); kernels shrink as in Once-for-All (arXiv 1908.09791).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accelgen.accuracy.source import LayerBits
from accelgen.cache import digest
from accelgen.content import content_path
from accelgen.elastic.digits import SIDE, VARIANTS, DigitsLayer, DigitsSpace
from accelgen.errors import InputError
from accelgen.formats.integer import IntFormat
from accelgen.names import within
from accelgen.quantised.graph import QuantisedNetwork
from accelgen.quantised.quantise import FloatLayer, activation_format, quantise, weight_format

__all__ = ["BITS", "TINY", "Supernet", "load_supernet", "read_supernet", "write_supernet"]

Float64s = NDArray[np.float64]

BITS = range(2, 9)
"""Bits that weights and activations can have: those it is trained with."""

TINY = 1e-12
"""Added to squared norms: channels of zeros stay zeros."""

SHIPPED = "supernets/digits.npz"
_FACTS = "facts"


@dataclass(frozen=True, eq=False)
class Supernet:
    """``parameters`` by name (float32; see the module), and ``facts`` about the training."""

    parameters: Mapping[str, NDArray[np.float32]]
    facts: Mapping[str, object]
    space: DigitsSpace = field(default_factory=DigitsSpace)
    _made: dict[tuple[str, int, int, int], Float64s] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for layer in self.space.layers(self.space.largest):
            shapes = {
                "weight": (layer.channels, layer.channels_in, layer.kernel, layer.kernel),
                "gain": (len(VARIANTS[layer.name]), layer.channels),
                "bias": (len(VARIANTS[layer.name]), layer.channels),
            }
            if layer.kernel == 5:
                shapes["transform"] = (9, 9)
            if layer.name != "classify":
                shapes["most"] = (len(BITS),)
            for name, shape in shapes.items():
                found = self.parameters.get(f"{layer.name}.{name}")
                if found is None or found.shape != shape or not np.isfinite(found).all():
                    raise InputError(
                        f"not {shape} finite numbers",
                        where=f"supernet: {layer.name}.{name}",
                        hint="train it again: python -m accelgen.digits.train",
                    )

    @cached_property
    def digest(self) -> str:
        """Changes with every parameter."""
        parts: list[str | bytes] = []
        for name in sorted(self.parameters):
            values = np.asarray(self.parameters[name], "<f4")
            parts += [name, repr(values.shape), values.tobytes()]
        return digest(parts)

    def weights(self, layer: DigitsLayer) -> Float64s:
        """The real weights [k, c, r, s] of a layer of a sub-network."""
        key = (layer.name, layer.kernel, layer.channels_in, layer.channels)
        if key not in self._made:
            self._made[key] = self._weights(layer)
        return self._made[key]

    def _weights(self, layer: DigitsLayer) -> Float64s:
        whole = self.parameters[f"{layer.name}.weight"].astype(np.float64)
        w = whole[: layer.channels, : layer.channels_in]
        size, kernel = w.shape[-1], layer.kernel
        if size == 5 and kernel < 5:
            transform = self.parameters[f"{layer.name}.transform"].astype(np.float64)
            inner = w[:, :, 1:4, 1:4]
            w, size = (inner.reshape(*inner.shape[:2], 9) @ transform).reshape(inner.shape), 3
        margin = (size - kernel) // 2
        w = w[:, :, margin : margin + kernel, margin : margin + kernel]
        norm = np.sqrt(np.square(w).sum(axis=(1, 2, 3)) + TINY)
        gain = self.parameters[f"{layer.name}.gain"][layer.variant, : layer.channels]
        scaled = np.asarray(w * (gain / norm)[:, None, None, None])
        scaled.flags.writeable = False
        return scaled

    def bias(self, layer: DigitsLayer) -> Float64s:
        """The real biases [k] of a layer of a sub-network."""
        whole = self.parameters[f"{layer.name}.bias"]
        return np.asarray(whole[layer.variant, : layer.channels], np.float64)

    def most(self, name: str, bits: int) -> float:
        """The upper end of the range of the outputs of layer ``name``, read with ``bits`` bits."""
        return float(self.parameters[f"{name}.most"][BITS.index(bits)])

    def quantised(
        self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]
    ) -> QuantisedNetwork:
        """The sub-network in integers, with one entry of ``bits`` per layer.

        Raises :class:`InputError` for an illegal architecture, for layers that it does not have or
        that have no bits, and for formats other than int2 .. int8, those of ``BLOCK_WEIGHTS`` and
        uint2 .. uint8.
        """
        layers = self.space.layers(architecture)
        for name, both in bits.items():
            with within(name):
                _check(both)
        readers = {layer.source: layer.name for layer in layers}
        floats = []
        for layer in layers:
            reader = readers.get(layer.name)
            most = None
            if reader is not None:
                if reader not in bits:
                    raise InputError("no formats", where=reader, hint="give bits for every layer")
                most = self.most(layer.name, activation_format(bits[reader].activations).bits)
            floats.append(
                FloatLayer(
                    layer.name,
                    self.weights(layer),
                    self.bias(layer),
                    most,
                    (layer.kernel // 2, layer.kernel // 2),
                    layer.source,
                    layer.residual,
                    layer.pool,
                    (layer.window, layer.window),
                )
            )
        return quantise(self.space.name, floats, bits, (1, SIDE, SIDE), 1.0)


def _check(both: LayerBits) -> None:
    weights = weight_format(both.weights)
    found = [activation_format(both.activations).bits]
    if isinstance(weights, IntFormat):
        found.append(weights.bits)
    if not all(bits in BITS for bits in found):
        raise InputError(
            f"the supernet is not trained for {both.weights} weights and {both.activations}",
            hint=f"use int{BITS[0]} .. int{BITS[-1]} and uint{BITS[0]} .. uint{BITS[-1]}",
        )


@cache
def load_supernet() -> Supernet:
    """The shipped one, ``mapping/supernets/digits.npz``."""
    return read_supernet(content_path("mapping", SHIPPED))


def read_supernet(path: Path) -> Supernet:
    """A supernet that :func:`write_supernet` wrote; :class:`InputError` for other files."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored[_FACTS]))
            parameters = {name: stored[name] for name in stored.files if name != _FACTS}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"no supernet: {error}", where=str(path), hint="train one: accelgen.digits.train"
        ) from None
    return Supernet(parameters, facts)


def write_supernet(path: Path, supernet: Supernet) -> None:
    """Write a NumPy archive: the same parameters and facts give the same bytes."""
    arrays: dict[str, NDArray[np.generic]] = {
        name: value.astype(np.float32) for name, value in supernet.parameters.items()
    }
    arrays[_FACTS] = np.array(json.dumps(dict(supernet.facts), sort_keys=True))
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
