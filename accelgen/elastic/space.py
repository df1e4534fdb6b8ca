"""Elastic spaces: networks as decisions, each with a few options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from accelgen.errors import InputError
from accelgen.names import FrozenMap, check_name, shorten, unknown, within
from accelgen.networks.network import Network

__all__ = ["Choice", "ElasticSpace", "check_architecture"]


@dataclass(frozen=True)
class Choice:
    """A decision ``name`` and its options ``values``: one or more distinct integers, in order.

    Raises :class:`InputError` for anything else.
    """

    name: str
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        check_name(self.name, "choice")
        object.__setattr__(self, "values", tuple(self.values))
        with within(self.name):
            if not self.values:
                raise InputError("no options", hint="give at least one")
            for value in self.values:
                if isinstance(value, bool) or not isinstance(value, int):
                    raise InputError(f"{shorten(value)} is no integer")
            if len(set(self.values)) < len(self.values):
                raise InputError("an option is there twice", hint="leave one of them out")


class ElasticSpace(Protocol):
    """Architectures as values of ``choices``, and the network that each of them stands for."""

    @property
    def name(self) -> str:
        """The name of the space."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The decisions, in order."""

    def legal(self, architecture: Mapping[str, int]) -> FrozenMap[str, int]:
        """The architecture in the order of the choices, with the first option for every choice that
        has no effect: architectures that give the same network are equal.

        Raises :class:`InputError` for a missing or unknown choice and a value that is no option.
        """

    def network(self, architecture: Mapping[str, int]) -> Network:
        """Its layers; a layer has the same name in all architectures that have it.

        Elements are int8 unless the space says otherwise.  Raises as :meth:`legal`.
        """


def check_architecture(
    choices: tuple[Choice, ...], architecture: Mapping[str, int]
) -> dict[str, int]:
    """``architecture`` in the order of ``choices``.

    Raises :class:`InputError` for a missing or unknown choice and for a value that is no option.
    """
    names = [choice.name for choice in choices]
    for name in architecture:
        if name not in names:
            raise unknown(name, "choice", names)
    result = {}
    for choice in choices:
        if choice.name not in architecture:
            raise InputError(
                "the architecture does not decide it",
                where=choice.name,
                hint=f"give one of {', '.join(map(str, choice.values))}",
            )
        value = architecture[choice.name]
        if isinstance(value, bool) or value not in choice.values:
            raise InputError(
                f"{shorten(value)} is no option",
                where=choice.name,
                hint=f"give one of {', '.join(map(str, choice.values))}",
            )
        result[choice.name] = int(value)
    return result
