"""Bits per layer as a table: what every layer may have, what it costs and what it spoils."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from accelgen.accuracy.source import LayerBits
from accelgen.errors import InputError
from accelgen.formats import BlockFormat, get_format
from accelgen.names import FrozenMap, shorten, unknown, within

__all__ = ["Allocation", "BitTable", "LayerOptions", "Option", "element_bits"]


@dataclass(frozen=True)
class Option:
    """Formats of a layer, their ``cost`` (energy or cycles, 0 or more) and ``sensitivity`` (0 or
    more: what is lost when this layer alone has them).  Both add up over layers.
    """

    bits: LayerBits
    cost: float
    sensitivity: float = 0.0

    def __post_init__(self) -> None:
        for what, value in (("cost", self.cost), ("sensitivity", self.sensitivity)):
            if not 0 <= value < math.inf:
                raise InputError(f"{what} {value}", hint="give a number from 0 up")


@dataclass(frozen=True)
class LayerOptions:
    """A layer by name and the formats it may have, all different."""

    name: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        with within(self.name):
            if not self.options:
                raise InputError("no formats are left", hint="offer at least one option")
            if len({option.bits for option in self.options}) < len(self.options):
                raise InputError("formats are there twice", hint="leave one of them out")

    def option(self, bits: LayerBits) -> Option:
        """The option with these formats; :class:`InputError` when it is not offered."""
        for option in self.options:
            if option.bits == bits:
                return option
        raise InputError(
            f"{_text(bits)} is not offered",
            where=self.name,
            hint=f"use one of {', '.join(_text(option.bits) for option in self.options[:12])}",
        )


@dataclass(frozen=True)
class BitTable:
    """Layers in the order of the network; ``measure`` says what a cost is, with its unit."""

    layers: tuple[LayerOptions, ...]
    measure: str = "cost"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("a table without layers", where="bits")
        names = [layer.name for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"two layers are named {shorten(name)}", where="bits")

    def allocation(self, bits: Mapping[str, LayerBits]) -> Allocation:
        """What a choice for every layer costs and spoils; :class:`InputError` for another one."""
        names = [layer.name for layer in self.layers]
        for name in bits:
            if name not in names:
                raise unknown(name, "layer", names)
        chosen = []
        for layer in self.layers:
            if layer.name not in bits:
                raise InputError("no bits", where=layer.name, hint="give every layer its formats")
            chosen.append(layer.option(bits[layer.name]))
        return Allocation(
            FrozenMap({name: option.bits for name, option in zip(names, chosen, strict=True)}),
            math.fsum(option.cost for option in chosen),
            math.fsum(option.sensitivity for option in chosen),
        )

    def with_sensitivities(self, found: Mapping[tuple[str, LayerBits], float]) -> BitTable:
        """The table with the sensitivity of every layer and option, all of which are needed."""
        layers = []
        for layer in self.layers:
            options = []
            for option in layer.options:
                key = (layer.name, option.bits)
                if key not in found:
                    hint = "measure all options of the table"
                    raise InputError(f"no sensitivity of {_text(option.bits)}", where=layer.name,
                                     hint=hint)  # fmt: skip
                options.append(replace(option, sensitivity=found[key]))
            layers.append(replace(layer, options=tuple(options)))
        return replace(self, layers=tuple(layers))

    def with_wide_ends(self, bits: int = 8) -> BitTable:
        """The table with weights of the first layer, and both operands of the last one, of
        ``bits``: HAQ's rule (Wang et al., arXiv 1811.08886).

        Raises :class:`InputError` when they are not offered.
        """
        first, last = self.layers[0], self.layers[-1]
        ends = {first.name: _kept(first.options, bits, activations=False)}
        ends[last.name] = _kept(ends.get(last.name, last.options), bits, activations=True)
        return replace(
            self,
            layers=tuple(
                replace(layer, options=tuple(ends.get(layer.name, layer.options)))
                for layer in self.layers
            ),
        )


@dataclass(frozen=True)
class Allocation:
    """Formats by layer, and the sums of costs and of sensitivities."""

    bits: FrozenMap[str, LayerBits]
    cost: float
    sensitivity: float


def element_bits(name: str) -> int:
    """Bits of an element of a format, without the scale of its block."""
    form = get_format(name)
    return form.element_bits if isinstance(form, BlockFormat) else form.width


def _kept(options: Iterable[Option], bits: int, *, activations: bool) -> tuple[Option, ...]:
    return tuple(
        option
        for option in options
        if element_bits(option.bits.weights) == bits
        and (not activations or element_bits(option.bits.activations) == bits)
    )


def _text(bits: LayerBits) -> str:
    return f"{bits.weights} weights with {bits.activations} activations"
