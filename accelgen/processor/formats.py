"""Registers by which a problem chooses the format of its numbers, where a design has several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from accelgen.affine.composed import WIDTHS
from accelgen.affine.multi import MultiProduct
from accelgen.affine.spacetime import SpaceTime
from accelgen.errors import InputError
from accelgen.golden.multi_format import MULTI_FORMATS
from accelgen.names import unknown

__all__ = ["Choice", "choices_of", "chosen", "format_of", "format_register", "widths_of"]


@dataclass(frozen=True)
class Choice:
    """The register ``register`` holds the position, among ``names``, of what is chosen.

    ``default`` is the position where a problem does not say.
    """

    register: str
    names: tuple[str, ...]
    default: int


def format_register(tensor: str) -> str:
    """The register with the format of a tensor of the design; "" is for all."""
    return f"{tensor.lower()}_format".lstrip("_")


def choices_of(kernel: SpaceTime) -> tuple[Choice, ...]:
    """What every problem of a design chooses: of integers of several widths, that of each input;
    of several four-bit formats, one.
    """
    if isinstance(kernel.product, MultiProduct):
        return (Choice(format_register(""), MULTI_FORMATS, 0),)
    product = kernel.composed
    if product is None:
        return ()
    signs = (product.a_signed, product.b_signed)
    return tuple(
        Choice(
            format_register(tensor.name),
            tuple(f"{'' if signed else 'u'}int{width}" for width in WIDTHS),
            len(WIDTHS) - 1,
        )
        for tensor, signed in zip(kernel.inputs, signs, strict=True)
    )


def chosen(choices: tuple[Choice, ...], formats: Mapping[str, str]) -> dict[str, int]:
    """What the registers hold for ``formats``, names by register.

    Raises :class:`InputError` for a register or a name that there is not.
    """
    for register in formats:
        if not choices:
            raise InputError(
                f"the design has no register {register}",
                where="formats",
                hint="generate it with a type of several formats, as int8/4/2",
            )
        if register not in [choice.register for choice in choices]:
            raise unknown(register, "format register", [choice.register for choice in choices])
    found = {}
    for choice in choices:
        name = formats.get(choice.register, choice.names[choice.default])
        if name not in choice.names:
            raise unknown(name, f"format of {choice.register}", choice.names)
        found[choice.register] = choice.names.index(name)
    return found


def format_of(setting: Mapping[str, int], kernel: SpaceTime) -> str:
    """The format of a problem, of a design with several four-bit formats; "" of others."""
    multi = isinstance(kernel.product, MultiProduct)
    return MULTI_FORMATS[setting[format_register("")]] if multi else ""


def widths_of(setting: Mapping[str, int], kernel: SpaceTime) -> tuple[int, int]:
    """The widths of the elements of both inputs, of a design with integers of several widths."""
    a, b = (WIDTHS[setting[format_register(tensor.name)]] for tensor in kernel.inputs)
    return a, b
