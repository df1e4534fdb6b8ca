"""Numbers of a problem as signals: registers where they are loaded, tables by dataflow else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import C, Module, Mux, Shape, Signal, Value
from amaranth.lib.wiring import In, Member

from accelgen.processor.registers import Quantity

__all__ = ["NumberPorts", "by_dataflow"]


class NumberPorts:
    """The numbers that a component looks at: an input for each that is loaded.

    ``wanted`` says which; ``flows`` is the number of dataflows.
    """

    def __init__(
        self, quantities: Sequence[Quantity], wanted: Callable[[Quantity], bool], flows: int
    ) -> None:
        self._quantities = {q.name: q for q in quantities if wanted(q)}
        self._flows = flows

    @property
    def loaded(self) -> list[str]:
        """The names of the inputs."""
        names = [q.name for q in self._quantities.values() if q.loaded]
        return [*names, *(["dataflow"] if self._flows > 1 else [])]

    @property
    def members(self) -> dict[str, Member]:
        """The inputs."""
        ports = {q.name: In(_shape(q)) for q in self._quantities.values() if q.loaded}
        return ports | ({"dataflow": In(range(self._flows))} if self._flows > 1 else {})

    def __contains__(self, name: str) -> bool:
        return name in self._quantities

    def value(self, m: Module, component: object, name: str) -> Value:
        """A number in ``component``, which has the inputs; 0 where no dataflow has it."""
        quantity = self._quantities.get(name)
        if quantity is None:
            return C(0)
        if quantity.loaded:
            port: Value = getattr(component, name)
            return port
        values = [value or 0 for value in quantity.values]
        shape = _shape(quantity)
        codes = [quantity.coded(value) for value in values]
        table = by_dataflow(m, component, [C(code, shape.width) for code in codes], name)
        return table.as_signed() if shape.signed else table


def by_dataflow(m: Module, component: object, values: Sequence[Value], name: str) -> Value:
    """The value of the present dataflow."""
    if all(_same(value, values[0]) for value in values):
        return values[0]
    if len(values) == 2:
        return Mux(component.dataflow, values[1], values[0])  # type: ignore[attr-defined]
    chosen = Signal(max(map(len, values)), name=f"{name}_of_dataflow")
    with m.Switch(component.dataflow):  # type: ignore[attr-defined]
        for number, value in enumerate(values):
            with m.Case(number):
                m.d.comb += chosen.eq(value)
    return chosen


def _same(a: Value, b: Value) -> bool:
    if isinstance(a, type(C(0))) and isinstance(b, type(C(0))):
        return bool(a.value == b.value)
    return a is b


def _shape(quantity: Quantity) -> Shape:
    return Shape(quantity.bits, quantity.signed)
