"""Accuracy by a function of the user's own."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import getmodule, getsource
from pathlib import Path
from typing import ClassVar

import numpy as np

from accelgen.accuracy.source import Accuracy, AccuracyKind, AccuracySource, LayerBits
from accelgen.errors import InputError
from accelgen.names import nearest, shorten

__all__ = ["UserAccuracy", "load_function", "source_text"]

Function = Callable[[Mapping[str, int], Mapping[str, LayerBits]], float]
"""Takes an architecture and formats by layer, returns a share of right answers, 0 .. 1."""


@dataclass(frozen=True)
class UserAccuracy:
    """An :class:`~accelgen.accuracy.source.AccuracySource` that asks ``function``; ``name`` says in
    results which one.  Where it is ``imported`` by that name, other processes import it as well.
    """

    function: Function
    name: str
    imported: bool = False

    kind: ClassVar[AccuracyKind] = "user"

    def __reduce__(self) -> tuple[Callable[..., UserAccuracy], tuple[object, ...]]:
        """By its name: the folder that it was found in is no part of another process's path."""
        if self.imported:
            return load_function, (self.name,)
        return UserAccuracy, (self.function, self.name)

    @property
    def source(self) -> str:
        """The name of the function."""
        return self.name

    def accuracy(self, architecture: Mapping[str, int], bits: Mapping[str, LayerBits]) -> Accuracy:
        """What the function says.

        Raises :class:`InputError` when it raises an exception, or says anything but a number from
        0 to 1.
        """
        try:
            value = self.function(dict(architecture), dict(bits))
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{type(error).__name__}: {error}", where=self.name, hint="mend the function"
            ) from error
        try:
            # A text is no share that was worked out, not even one of digits.
            number = math.nan if isinstance(value, str | bytes | bool | np.bool_) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if math.isnan(number):
            raise InputError(
                f"{shorten(value)} is no number", where=self.name, hint="return 0.93, say"
            )
        return Accuracy(number, self.kind, self.name)


def load_function(name: str) -> UserAccuracy:
    """The source of ``module:function``, imported: this runs the module.

    Modules in the folder of the process are found as well.  Raises :class:`InputError` when there
    is none.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise InputError(f"{shorten(name)} names no function", hint="write module:function")
    here = str(Path.cwd())
    added = here not in sys.path and "" not in sys.path
    if added:
        sys.path.append(here)
    try:
        found = import_module(module)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(reason, where=name, hint="name a module that can be imported") from error
    finally:
        if added:
            sys.path.remove(here)
    if not callable(getattr(found, function, None)):
        known = [key for key, value in vars(found).items() if callable(value)]
        raise InputError(f"no function {shorten(function)}", where=name,
                         hint=nearest(function, known))  # fmt: skip
    return UserAccuracy(getattr(found, function), name, imported=True)


def source_text(source: AccuracySource) -> str:
    """The text of the module that a source's function is from, for results to be told apart by;
    empty where there is none.
    """
    if not isinstance(source, UserAccuracy):
        return ""
    try:
        return getsource(getmodule(source.function) or source.function)
    except (OSError, TypeError):
        return ""
