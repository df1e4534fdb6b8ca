"""Tensor expressions: ``Y[m,n] += A[m,k] * B[k,n]``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from accelgen.affine.expr import Affine, Parser
from accelgen.errors import InputError
from accelgen.names import shorten

__all__ = ["Access", "Assignment", "parse_assignment"]

MAX_INPUTS = 4
MAX_RANK = 8


@dataclass(frozen=True)
class Access:
    """Tensor ``tensor`` at the affine ``indices``."""

    tensor: str
    indices: tuple[Affine, ...]

    @property
    def loops(self) -> tuple[str, ...]:
        """The loops the indices use, in order of appearance."""
        return tuple(dict.fromkeys(name for index in self.indices for name in index.names))

    def __str__(self) -> str:
        """As written: ``X[c,2*p + r]``."""
        return f"{self.tensor}[{','.join(map(str, self.indices))}]"


@dataclass(frozen=True)
class Assignment:
    """``output += inputs[0] * inputs[1] * ...``, summed over every loop the output lacks.

    ``reduced`` is the explicit list of ``sum(k, ...)`` when one was written.
    """

    output: Access
    inputs: tuple[Access, ...]
    reduced: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.inputs) <= MAX_INPUTS:
            raise InputError(f"{len(self.inputs)} inputs: 1 to {MAX_INPUTS} are supported")
        seen: dict[str, str] = {}
        for access in (self.output, *self.inputs):
            if not 1 <= len(access.indices) <= MAX_RANK:
                raise InputError(f"{access} has {len(access.indices)} indices, not 1 to {MAX_RANK}")
            # Ports carry the lower-case name, so two names may not differ in case only.
            seen.setdefault(access.tensor.lower(), access.tensor)
        names = [access.tensor for access in (self.output, *self.inputs)]
        for position, name in enumerate(names):
            if name in names[:position]:
                raise InputError(
                    f"tensor {name} appears twice", hint="give each operand a name of its own"
                )
            if seen[name.lower()] != name:
                raise InputError(
                    f"tensors {seen[name.lower()]} and {name} differ in case only",
                    hint="ports carry the lower-case name: rename one",
                )
        self._check_reduced()

    @property
    def loops(self) -> tuple[str, ...]:
        """Every loop the expression uses, output first."""
        accesses = (self.output, *self.inputs)
        return tuple(dict.fromkeys(name for access in accesses for name in access.loops))

    def _check_reduced(self) -> None:
        if self.reduced is None:
            return
        kept = self.output.loops
        for loop in self.reduced:
            if loop in kept:
                raise InputError(
                    f"sum({loop}) is a reduction over a loop that the output {self.output} uses",
                    hint=f"drop {loop} from sum(...) or from the output",
                )
            if loop not in self.loops:
                raise InputError(f"sum({loop}) names a loop that no input uses")
        if len(set(self.reduced)) != len(self.reduced):
            raise InputError("sum(...) names a loop twice")
        for loop in self.loops:
            if loop not in kept and loop not in self.reduced:
                raise InputError(
                    f"loop {loop} is summed but not listed in sum(...)",
                    hint=f"add {loop} to sum(...), or leave sum(...) out",
                )

    def __str__(self) -> str:
        """As text that parses back to the same value."""
        total = f"sum({','.join(self.reduced)}) " if self.reduced is not None else ""
        return f"{self.output} += {total}{' * '.join(map(str, self.inputs))}"


def parse_assignment(text: str) -> Assignment:
    """Read a tensor expression; raise :class:`InputError` saying what is wrong with it."""
    parser = Parser(text)
    _check_functions(parser)
    output = _access(parser)
    if parser.token == "=":
        raise parser.error("'=' assigns once", "write '+=': loops the output lacks are summed")
    parser.expect("+=")
    reduced = None
    if parser.accept("sum"):
        reduced = parser.names("loop")
    inputs = [_access(parser)]
    while parser.accept("*"):
        inputs.append(_access(parser))
    if parser.token in ("+", "-"):
        raise parser.error("a sum of products", "one product of tensors per expression")
    parser.end()
    return Assignment(output, tuple(inputs), reduced)


def _check_functions(parser: Parser) -> None:
    """Between tensors, a name before a parenthesis other than ``sum`` is a function."""
    depth = 0
    for token, following in pairwise(parser.tokens):
        depth += (token == "[") - (token == "]")
        if not depth and following == "(" and token[:1].isalpha() and token != "sum":
            raise parser.error(
                f"{shorten(token, 20)} is a function, and functions are not supported",
                "write a product of tensors, and apply the function outside the accelerator",
            )


def _access(parser: Parser) -> Access:
    if parser.token[:1].isdigit():
        raise parser.error("a constant factor", "scale the tensor, or give it as an input")
    name = parser.name("tensor")
    parser.expect("[", f"write a scalar as {name}[0]")
    if parser.token == "]":
        raise parser.error(f"{name}[] has no index", f"write a scalar as {name}[0]")
    indices = [parser.affine()]
    while parser.accept(","):
        indices.append(parser.affine())
    if parser.token != "]":
        parser.end()
    parser.expect("]")
    return Access(name, tuple(indices))
