"""C as text: initializers of tables, and the names of a design in place of general ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["Value", "array", "literal", "named"]

Value = int | str | Sequence["Value"] | Mapping[str, "Value"]
"""What an initializer is of: a number, C as it is, an array, a struct by its fields."""


def named(text: str, name: str) -> str:
    """Text about an ``accelerator``, about a design of a name."""
    return text.replace("accelerator_", f"{name}_").replace("ACCELERATOR_", f"{name.upper()}_")


def array(kind: str, name: str, values: Sequence[Value]) -> str:
    """The definition of a constant array; ``name`` is with its extent."""
    items = ",\n".join(literal(value, 1) for value in values)
    return f"static const {kind} {name} = {{\n{items}\n}};"


def literal(value: Value, depth: int = 0) -> str:
    """A C99 initializer, on lines of its own where it is long."""
    pad = "    " * depth
    if isinstance(value, int | str):
        return f"{pad}{value}"
    if isinstance(value, Mapping):
        items = [f".{name} = {literal(v, depth + 1).strip()}" for name, v in value.items()]
    else:
        items = [literal(v, depth + 1).strip() for v in value] or ["0"]
    line = f"{pad}{{{', '.join(items)}}}"
    if len(line) <= 100 and "\n" not in line:
        return line
    inner = ",\n".join(f"{pad}    {item}" for item in items)
    return f"{pad}{{\n{inner}\n{pad}}}"
