"""Affine expressions over names: ``2*p + r``, ``size(i)*m1 + i``, ``3 - q``.

Coefficients are integers times any number of ``size(name)`` factors, kept symbolic, so that one
description serves every extent.  ``parse_affine(str(x)) == x`` for every expression ``x``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.names import check_name, shorten

__all__ = ["Affine", "Parser", "SizeOf", "Term", "parse_affine"]

MAX_TEXT = 10_000
MAX_NESTING = 50
MAX_TERMS = 64
MAX_SIZE_FACTORS = 8
MAX_COEFFICIENT = 2**31 - 1

SizeOf = Callable[[str], int]


@dataclass(frozen=True)
class Term:
    """``coefficient * size(..) * .. * name``; a constant when ``name`` is ``None``."""

    coefficient: int
    sizes: tuple[str, ...] = ()
    name: str | None = None

    def __str__(self) -> str:
        """The term as it is written, with its sign."""
        factors = [f"size({size})" for size in self.sizes] + ([self.name] if self.name else [])
        if not factors or abs(self.coefficient) != 1:
            factors.insert(0, str(abs(self.coefficient)))
        return ("-" if self.coefficient < 0 else "") + "*".join(factors)

    def value(self, size_of: SizeOf) -> int:
        """The integer that multiplies ``name``, with ``size_of`` giving each extent."""
        value = self.coefficient
        for size in self.sizes:
            value *= size_of(size)
        return value


@dataclass(frozen=True)
class Affine:
    """A sum of terms: no two alike, none zero, in the order in which they were written."""

    terms: tuple[Term, ...] = ()

    def __post_init__(self) -> None:
        merged: dict[tuple[tuple[str, ...], str | None], int] = {}
        for term in self.terms:
            key = (tuple(sorted(term.sizes)), term.name)
            merged[key] = merged.get(key, 0) + term.coefficient
        terms = tuple(Term(c, sizes, name) for (sizes, name), c in merged.items() if c)
        if len(terms) > MAX_TERMS:
            raise InputError(f"more than {MAX_TERMS} terms in one expression")
        for term in terms:
            if abs(term.coefficient) > MAX_COEFFICIENT:
                raise InputError(f"the coefficient of {term} is beyond {MAX_COEFFICIENT}")
            if len(term.sizes) > MAX_SIZE_FACTORS:
                raise InputError(f"more than {MAX_SIZE_FACTORS} size() factors in {term}")
        object.__setattr__(self, "terms", terms)

    @property
    def names(self) -> tuple[str, ...]:
        """The names the expression is affine in, in order of appearance."""
        return tuple(dict.fromkeys(t.name for t in self.terms if t.name is not None))

    @property
    def sizes(self) -> tuple[str, ...]:
        """The names whose extents appear as factors."""
        return tuple(dict.fromkeys(size for t in self.terms for size in t.sizes))

    def coefficient(self, name: str | None, size_of: SizeOf) -> int:
        """The integer in front of ``name``; the constant when ``name`` is ``None``.

        Raises :class:`InputError` beyond 2**31 - 1.
        """
        value = sum(t.value(size_of) for t in self.terms if t.name == name)
        if abs(value) > MAX_COEFFICIENT:
            raise InputError(f"{shorten(str(self))} multiplies {name or 1} by more than 2**31 - 1")
        return value

    def __str__(self) -> str:
        """The expression as text that parses back to the same value."""
        text = ""
        for term in self.terms:
            part = str(term)
            if not text:
                text = part
            else:
                text += f" - {part[1:]}" if part.startswith("-") else f" + {part}"
        return text or "0"

    def __add__(self, other: Affine) -> Affine:
        """The sum of two expressions."""
        return Affine(self.terms + other.terms)

    def __neg__(self) -> Affine:
        """The expression with every sign turned."""
        return Affine(tuple(Term(-t.coefficient, t.sizes, t.name) for t in self.terms))

    def __mul__(self, other: Affine) -> Affine:
        """The product, when at most one factor depends on names; else :class:`InputError`."""
        if self.names and other.names:
            raise InputError(
                f"({self})*({other}) multiplies two loops: not affine",
                hint="multiply a loop only by constants and size(...)",
            )
        if len(self.terms) * len(other.terms) > MAX_TERMS**2:
            raise InputError(f"more than {MAX_TERMS} terms in one expression")
        return Affine(
            tuple(
                Term(a.coefficient * b.coefficient, a.sizes + b.sizes, a.name or b.name)
                for a in self.terms
                for b in other.terms
            )
        )


_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|(\+=|[^\s\w]))", re.ASCII)


class Parser:
    """A cursor over the tokens of one expression, with the grammar of affine expressions."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_TEXT:
            raise InputError(f"an expression of {len(text)} characters is beyond {MAX_TEXT}")
        self.text = text
        self.tokens: list[str] = []
        position = 0
        end = len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position, end)
            if match is None:
                raise self.error(f"cannot read {shorten(text[position:end].strip(), 20)}")
            self.tokens.append(match.group().strip())
            position = match.end()
        self.at = 0
        self.depth = 0

    def error(self, message: str, hint: str | None = None) -> InputError:
        """An error about this text."""
        return InputError(f"{message} in {shorten(self.text)}", hint=hint)

    @property
    def token(self) -> str:
        """The token at the cursor; empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def accept(self, token: str) -> bool:
        """Step over ``token`` when it is next."""
        if self.token != token:
            return False
        self.at += 1
        return True

    def expect(self, token: str, hint: str | None = None) -> None:
        """Step over ``token``, which must be next."""
        if not self.accept(token):
            found = repr(self.token) if self.token else "the end"
            raise self.error(f"{token!r} expected, {found} found", hint)

    def name(self, kind: str) -> str:
        """Step over a name."""
        if not self.token[:1].isalpha():
            found = repr(self.token) if self.token else "the end"
            raise self.error(f"the name of a {kind} expected, {found} found")
        self.at += 1
        return check_name(self.tokens[self.at - 1], kind)

    def names(self, kind: str) -> tuple[str, ...]:
        """Step over ``( name, name, ... )``."""
        self.expect("(")
        names = [self.name(kind)]
        while self.accept(","):
            names.append(self.name(kind))
        self.expect(")")
        return tuple(names)

    def end(self) -> None:
        """Nothing may follow."""
        if self.token in ("/", "%"):
            raise self.error(f"{self.token!r} is not affine", "divide into two loops instead")
        if self.token[:1].isalpha() and self.at and _is_number(self.tokens[self.at - 1]):
            pair = self.tokens[self.at - 1] + self.token
            raise self.error(
                f"{pair!r} is no term", f"write {self.tokens[self.at - 1]}*{self.token}"
            )
        if self.token:
            raise self.error(f"unexpected {self.token!r}")

    def affine(self) -> Affine:
        """Step over an affine expression: a sum of products."""
        total = self._product()
        while self.token in ("+", "-"):
            sign = self.token
            self.at += 1
            product = self._product()
            total = total + (product if sign == "+" else -product)
        return total

    def _product(self) -> Affine:
        product = self._factor()
        while self.accept("*"):
            product = product * self._factor()
        return product

    def _factor(self) -> Affine:
        negative = False
        while self.token in ("-", "+"):
            negative ^= self.token == "-"
            self.at += 1
        value = self._atom()
        return -value if negative else value

    def _atom(self) -> Affine:
        token = self.token
        if _is_number(token):
            if len(token) > len(str(MAX_COEFFICIENT)) or int(token) > MAX_COEFFICIENT:
                raise self.error(f"{shorten(token, 20)} is beyond {MAX_COEFFICIENT}")
            self.at += 1
            return Affine((Term(int(token)),))
        if self.accept("("):
            self.depth += 1
            if self.depth > MAX_NESTING:
                raise self.error(f"parentheses nested deeper than {MAX_NESTING}")
            value = self.affine()
            self.expect(")")
            self.depth -= 1
            return value
        if self.accept("size"):
            sizes = self.names("loop or axis")
            if len(sizes) != 1:
                raise self.error("size() takes one name", "write size(i)*size(j)")
            return Affine((Term(1, sizes),))
        name = self.name("loop")
        if self.token in ("(", "["):
            raise self.error(f"{name}{self.token}...: not affine", "only size(...) is a function")
        return Affine((Term(1, (), name),))


def _is_number(token: str) -> bool:
    return token.isascii() and token.isdigit()


def parse_affine(text: str) -> Affine:
    """Read one affine expression; raise :class:`InputError` naming what is not affine."""
    parser = Parser(text)
    value = parser.affine()
    parser.end()
    return value
