"""The registers of a design: which numbers are loaded, where, how wide, up to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.fabric.fabric import Fabric
from accelgen.formats import IntFormat
from accelgen.processor.flow import Flow, retarget
from accelgen.processor.formats import choices_of, chosen
from accelgen.processor.numbers import guarded, numbers_of, write_guarded
from accelgen.rtl.streams.geometry import address_bits

__all__ = ["ACCUMULATE", "FIRST_REGISTER", "Quantity", "Register", "levels_of", "quantities_of",
           "registers_of", "setting_of", "wraps"]  # fmt: skip

FIRST_REGISTER = 0x40
"""The offset of the first register that describes a problem: which dataflow it is of."""

ACCUMULATE = "accumulate"
"""The last register of a design with an accumulate-in stream: whether the problem uses it."""


@dataclass(frozen=True)
class Quantity:
    """A number of a problem: a register, or where it is known a constant of the dataflow.

    ``values`` are those at the largest bounds, by dataflow (``None``: it has no such number).
    Registers hold ``bits`` bits, two's complement where ``signed``, at most ``most`` as they are.
    """

    name: str
    values: tuple[int | None, ...]
    loaded: bool
    bits: int
    signed: bool
    most: int

    def coded(self, value: int) -> int:
        """A value as the bits of a register."""
        return value & ((1 << self.bits) - 1)

    def decoded(self, bits: int) -> int:
        """The value that the bits of a register stand for."""
        negative = self.signed and bits >> (self.bits - 1)
        return bits - (1 << self.bits) if negative else bits


@dataclass(frozen=True)
class Register:
    """A register of the AXI4-Lite port that describes a problem."""

    name: str
    offset: int
    bits: int
    most: int


def levels_of(flows: Sequence[Flow]) -> int:
    """The loops of the deepest dataflow."""
    return max(len(flow.fabric.kernel.time) for flow in flows)


def quantities_of(flows: Sequence[Flow]) -> tuple[Quantity, ...]:
    """Every number of the problems of some dataflows."""
    levels = levels_of(flows)
    found = [numbers_of(flow, flow.fabric, levels) for flow in flows]
    shapes = _Shapes(flows)
    quantities = [
        Quantity(
            choice.register,
            (choice.default,) * len(flows),
            True,
            (len(choice.names) - 1).bit_length(),
            False,
            len(choice.names) - 1,
        )
        for choice in choices_of(flows[0].fabric.kernel)
    ]
    for name in dict.fromkeys(name for numbers in found for name in numbers):
        given = [numbers.get(name) for numbers in found]
        known = [number for number in given if number is not None]
        bits, signed = shapes.of(name, max(number.value for number in known))
        loaded = any(number.varies for number in known)
        most = (1 << bits) - 1
        if name.startswith("last") or "_depth" in name:
            most = max(number.value for number in known)
        elif name.endswith("_words"):
            most = shapes.words(name)
        values = tuple(None if number is None else number.value for number in given)
        quantities.append(Quantity(name, values, loaded, bits, signed, most))
    return tuple(quantities)


def registers_of(
    quantities: Sequence[Quantity], dataflows: int, *, accumulate_in: bool = False
) -> tuple[Register, ...]:
    """Where the loaded quantities are; the first register says which dataflow a problem is of, the
    last, where there is something to accumulate, whether it does.
    """
    named = [("dataflow", max(1, (dataflows - 1).bit_length()), dataflows - 1)]
    named += [(q.name, q.bits, q.most) for q in quantities if q.loaded]
    named += [(ACCUMULATE, 1, 1)] if accumulate_in else []
    return tuple(
        Register(name, FIRST_REGISTER + 4 * k, bits, most)
        for k, (name, bits, most) in enumerate(named)
    )


def setting_of(
    flows: Sequence[Flow],
    quantities: Sequence[Quantity],
    dataflow: int,
    bounds: Mapping[str, int],
    formats: Mapping[str, str],
) -> tuple[dict[str, int], Fabric]:
    """What the registers hold for a problem, by name, and the fabric it runs on.

    ``formats`` names the format in each register of one; those not named have their default.
    Raises :class:`InputError` when the design cannot run it.
    """
    flow = flows[dataflow]
    fabric = retarget(flow, bounds)
    numbers = numbers_of(flow, fabric, levels_of(flows))
    setting = {"dataflow": dataflow, **chosen(choices_of(fabric.kernel), formats)}
    for quantity in quantities:
        if quantity.name in setting:
            continue
        number = numbers.get(quantity.name)
        value = 0 if number is None else number.value
        if not quantity.loaded:
            assert number is None or value == quantity.values[dataflow], quantity.name
            continue
        coded = quantity.coded(value)
        back = quantity.decoded(coded)
        if coded > quantity.most or (back != value and not wraps(quantity.name)):
            raise InputError(
                f"{quantity.name} would be {value}, beyond what its register holds",
                where=flow.description.name,
                hint="generate the design for larger bounds",
            )
        setting[quantity.name] = coded
    return setting, fabric


def wraps(name: str) -> bool:
    """Whether a quantity is an address, or added to one: these count modulo the memory."""
    return name.endswith("_at") or "_step" in name or "_stride" in name


class _Shapes:
    """How wide the quantities are."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._flows = flows
        self._tensors = {}
        for flow in flows:
            for plan in flow.fabric.plans:
                form = flow.run_time.forms[plan.tensor.name]
                self._tensors[plan.tensor.name.lower()] = form
        strides = [n for flow in flows for n in flow.fabric.schedule.strides]
        chains = [c.cycles for f in flows for c in f.structure.chains.values() if c is not None]
        self._most_gap = max([1, *strides]) + max(chains, default=0)

    def words(self, name: str) -> int:
        """The words of the memories that a ``<x>_words`` is of."""
        return self._tensors[name.removesuffix("_words")].words

    def of(self, name: str, largest: int) -> tuple[int, bool]:
        """Bits, and whether they are two's complement."""
        # Scales have the name of their tensor, and more.
        of = [x for x in self._tensors if name.startswith(f"{x}_")]
        tensor = max(of, key=len, default=None)
        prefix = tensor or name.partition("_")[0]
        kind = name[len(prefix) + 1 :]
        if prefix.startswith("gap") or kind.startswith("gap"):
            return self._most_gap.bit_length(), False
        if prefix.startswith(("guard", "write")) and kind:
            return self._guard(prefix).bits, True
        if prefix.startswith("last") or kind.startswith(("depth", "holds")):
            return max(1, largest.bit_length()), False
        form = self._tensors[prefix]
        layout = form.largest
        dimension = kind.rpartition("_")[2]
        if kind.startswith("turn") or (kind.startswith("at_")):
            return max(1, (form.moduli[int(dimension)] - 1).bit_length()), False
        if kind == "row":
            return layout.shape[-1].bit_length(), False
        if kind.startswith("last_"):
            return (layout.shape[int(dimension)] - 1).bit_length(), False
        if kind == "words":
            return form.words.bit_length(), False
        return address_bits(layout), False

    def _guard(self, prefix: str) -> IntFormat:
        """The counter of a guard, less its bound: from the least to the largest difference."""
        writes, k = prefix.startswith("write"), int(prefix[5:])
        low, high = -1, 1
        for flow in self._flows:
            fabric = flow.fabric
            dimensions = write_guarded(fabric) if writes else guarded(fabric)
            if k >= len(dimensions):
                continue
            d = dimensions[k]
            pattern = fabric.output.pattern if writes else fabric.domain
            bound = fabric.output.tensor.shape[d] if writes else fabric.kernel.bounds[d]
            first, last = pattern.range(d)
            reach = max(abs(first), abs(last)) + bound
            low, high = min(low, -reach), max(high, reach)
        return IntFormat.for_range(low, high)
