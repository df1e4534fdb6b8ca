"""Networks that are an architecture of an elastic space, with formats of every layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from accelgen.affine.yaml_text import Node, at_line
from accelgen.errors import InputError
from accelgen.names import shorten, unknown, within
from accelgen.networks.layer import Layer
from accelgen.networks.network import Network

__all__ = ["ELASTIC_KEYS", "elastic_network", "elastic_parameters", "elastic_text", "with_bits"]

ELASTIC_KEYS = ("elastic", "parameters", "architecture", "bits")
_OPERANDS = ("weights", "activations")

Bits = Mapping[str, Mapping[str, str]]
"""By layer formats of ``weights`` and ``activations``."""


def elastic_network(
    nodes: Mapping[str, Node], where: str, replaced: Mapping[str, int | str]
) -> Network:
    """The network of the keys :data:`ELASTIC_KEYS` of a file; ``replaced`` are parameters of the
    space in place of the file's.  Raises :class:`InputError` at ``where:line``.
    """
    # Spaces build networks: the modules of both cannot import each other.
    from accelgen.elastic.registry import elastic_space

    named = nodes["elastic"]
    given = {**_plain(nodes.get("parameters"), where, "parameters"), **replaced}
    with at_line(named, where, "elastic"):
        space = elastic_space(str(named.value), elastic_parameters(given))
    if "architecture" not in nodes:
        raise InputError(
            "no architecture", where=f"{where}:{named.line}",
            hint=f"architecture: {{{space.choices[0].name}: {space.choices[0].values[0]}, ...}}",
        )  # fmt: skip
    chosen = nodes["architecture"]
    with at_line(chosen, where, "architecture"):
        values = _plain(chosen, where, "architecture")
        architecture = {
            key: value if isinstance(value, int) else _no_integer(key, value)
            for key, value in values.items()
        }
        network = space.network(architecture)
    if (node := nodes.get("bits")) is None or node.value is None:
        return network
    with at_line(node, where, "bits"):
        bits: dict[str, Mapping[str, str]] = {}
        for layer, formats in _plain(node, where, "bits").items():
            if not isinstance(formats, dict):
                raise InputError("no formats", where=layer, hint=f"{layer}: {{weights: int8, ...}}")
            bits[layer] = {key: str(name) for key, name in formats.items()}
        return with_bits(network, bits)


def elastic_parameters(given: Mapping[str, object]) -> dict[str, int | float]:
    """Parameters of a space as numbers; YAML has fractions as text.  Raises :class:`InputError`."""
    found: dict[str, int | float] = {}
    for key, value in given.items():
        try:
            found[key] = value if isinstance(value, int) else float(str(value))
        except ValueError:
            raise InputError(f"{shorten(value)} is no number", where=key) from None
    return found


def with_bits(network: Network, bits: Bits) -> Network:
    """The network with formats by layer and operand; layers that are not named keep theirs.

    Raises :class:`InputError` for layers that are none, or vector work, and as
    :meth:`accelgen.networks.Layer.with_formats`.
    """
    numbers = {layer.name: n for n, layer in enumerate(network.layers)}
    layers = list(network.layers)
    for name, formats in bits.items():
        layer = network.layer(name)
        with within(name):
            if not isinstance(layer, Layer):
                raise InputError("is work on vectors, without formats", hint="leave it out")
            for operand in formats:
                if operand not in _OPERANDS:
                    raise unknown(operand, "operand", _OPERANDS)
        layers[numbers[name]] = layer.with_formats(**formats)
    return replace(network, layers=tuple(layers))


def elastic_text(
    space: str, parameters: Mapping[str, int | float], architecture: Mapping[str, int], bits: Bits
) -> str:
    """The file of an architecture, without a name: what :func:`elastic_network` reads."""
    lines = [f"elastic: {space}"]
    if parameters:
        lines.append(f"parameters: {_inline(parameters)}")
    lines.append("architecture:")
    lines += [f"  {choice}: {value}" for choice, value in architecture.items()]
    if bits:
        lines.append("bits:")
        lines += [f'  "{layer}": {_inline(formats)}' for layer, formats in bits.items()]
    return "\n".join(lines) + "\n"


def _inline(values: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"


def _plain(node: Node | None, where: str, key: str) -> dict[str, object]:
    if node is None or node.value is None:
        return {}
    found = node.plain()
    if not isinstance(found, dict):
        raise InputError("a mapping expected", where=f"{where}:{node.line}: {key}")
    return {**found}


def _no_integer(key: str, value: object) -> int:
    raise InputError(f"{shorten(value)} is no integer", where=key)
