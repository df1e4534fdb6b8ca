"""The registers of a design: which numbers are loaded, where, how wide, up to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelgen.errors import InputError
from accelgen.fabric.fabric import Fabric
from accelgen.fabric.forms import BankForm
from accelgen.formats import IntFormat
from accelgen.processor.flow import Flow, retarget
from accelgen.processor.formats import choices_of, chosen
from accelgen.processor.numbers import Kind, Number, guarded, numbers_of, write_guarded
from accelgen.rtl.output_stage.form import StageForm
from accelgen.rtl.streams.geometry import address_bits

__all__ = ["ACCUMULATE", "FIRST_REGISTER", "STAGE", "Quantity", "Register", "levels_of",
           "quantities_of", "registers_of", "setting_of"]  # fmt: skip

FIRST_REGISTER = 0x40
"""The offset of the first register that describes a problem: which dataflow it is of."""

ACCUMULATE = "accumulate"
"""The last register of a design with an accumulate-in stream: whether the problem uses it."""

STAGE = "stage_"
"""What the names of the registers of an output stage begin with."""

_PORT_BITS = 32
"""Bits of the AXI4-Lite port, and the most that a register has."""


@dataclass(frozen=True)
class Quantity:
    """A number of a problem: a register, or where it is known a constant of the dataflow.

    ``values`` are those at the largest bounds, by dataflow (``None``: it has no such number).
    Registers hold ``bits`` bits, two's complement where ``signed``, at most ``most`` as they are.
    ``kind`` and ``tensor`` are those of :class:`accelgen.processor.numbers.Number`.
    """

    name: str
    kind: Kind
    tensor: str
    values: tuple[int | None, ...]
    loaded: bool
    bits: int
    signed: bool
    most: int

    @property
    def wraps(self) -> bool:
        """Whether it is an address, or added to one or to a counter: these count modulo theirs."""
        return self.kind in (Kind.ADDRESS, Kind.GUARD_STEP)

    def coded(self, value: int) -> int:
        """A value as the bits of a register."""
        return value & ((1 << self.bits) - 1)

    def decoded(self, bits: int) -> int:
        """The value that the bits of a register stand for."""
        negative = self.signed and bits >> (self.bits - 1)
        return bits - (1 << self.bits) if negative else bits


@dataclass(frozen=True)
class Register:
    """A register of the AXI4-Lite port that describes a problem; it takes ``least`` to ``most``.

    ``least`` is 0, but of what no tensor has none of: elements of a row, and words in a memory.
    """

    name: str
    offset: int
    bits: int
    most: int
    least: int = 0


def levels_of(flows: Sequence[Flow]) -> int:
    """The loops of the deepest dataflow."""
    return max(len(flow.fabric.kernel.time) for flow in flows)


def quantities_of(flows: Sequence[Flow]) -> tuple[Quantity, ...]:
    """Every number of the problems of some dataflows."""
    levels = levels_of(flows)
    found = [numbers_of(flow, flow.fabric, levels) for flow in flows]
    quantities = [
        Quantity(
            choice.register,
            Kind.FORMAT,
            "",
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
        first, largest = known[0], max(number.value for number in known)
        loaded = any(number.varies for number in known)
        bits, signed = _width(flows, first, largest, loaded=loaded)
        if loaded and bits > _PORT_BITS:
            raise InputError(
                f"takes {bits} bits, a register has {_PORT_BITS}",
                where=f"register {name}",
                hint="give smaller bounds, and split problems that are larger",
            )
        most = (1 << bits) - 1
        if first.kind in (Kind.LAST, Kind.DEPTH):
            most = largest
        elif first.kind is Kind.WORDS:
            most = _form(flows, first).words
        values = tuple(None if number is None else number.value for number in given)
        quantities.append(
            Quantity(name, first.kind, first.tensor, values, loaded, bits, signed, most)
        )
    return tuple(quantities)


def registers_of(
    quantities: Sequence[Quantity],
    dataflows: int,
    *,
    accumulate_in: bool = False,
    stage: StageForm | None = None,
) -> tuple[Register, ...]:
    """Where the loaded quantities are; the first register says which dataflow a problem is of, the
    last, where there is something to accumulate, whether it does, or the last ones, what an output
    stage does.
    """
    named = [("dataflow", max(1, (dataflows - 1).bit_length()), dataflows - 1, 0)]
    for q in quantities:
        if q.loaded:
            named.append((q.name, q.bits, q.most, int(q.kind in (Kind.ROW, Kind.WORDS))))
    named += [(ACCUMULATE, 1, 1, 0)] if accumulate_in else []
    named += [(STAGE + f.name, f.bits, f.most, 0) for f in (stage.fields if stage else ())]
    return tuple(
        Register(name, FIRST_REGISTER + 4 * k, bits, most, least)
        for k, (name, bits, most, least) in enumerate(named)
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
        if coded > quantity.most or (back != value and not quantity.wraps):
            raise InputError(
                f"{quantity.name} would be {value}, beyond what its register holds",
                where=flow.description.name,
                hint="generate the design for larger bounds",
            )
        setting[quantity.name] = coded
    return setting, fabric


def _form(flows: Sequence[Flow], number: Number) -> BankForm:
    """The memories of the tensor of a number: the same for all dataflows."""
    return flows[0].run_time.forms[number.tensor]


def _width(
    flows: Sequence[Flow], number: Number, largest: int, *, loaded: bool
) -> tuple[int, bool]:
    """The bits of numbers like this one, and whether they are two's complement.

    ``largest`` is what any of them is at the largest bounds, ``loaded`` whether bounds change them.
    """
    match number.kind:
        case Kind.LAST | Kind.DEPTH | Kind.HOLDS:
            most = largest
        case Kind.GAP:
            # Tiles shorter than at the largest bounds wait longer for a chain, but no longer than
            # it takes.
            chains = [c.cycles for f in flows for c in f.structure.chains.values() if c is not None]
            most = max([largest, *chains]) if loaded else largest
        case Kind.GUARD | Kind.GUARD_STEP:
            return _guard(flows, number).bits, True
        case Kind.RESIDUE:
            most = _form(flows, number).moduli[number.index] - 1
        case Kind.ROW:
            most = _form(flows, number).largest.shape[-1]
        case Kind.EDGE:
            most = _form(flows, number).largest.shape[number.index] - 1
        case Kind.WORDS:
            most = _form(flows, number).words
        case _:
            assert number.kind is Kind.ADDRESS, number.kind
            return address_bits(_form(flows, number).largest), False
    return max(1, most.bit_length()), False


def _guard(flows: Sequence[Flow], number: Number) -> IntFormat:
    """The counter of a guard, less its bound: from the least to the largest difference."""
    low, high = -1, 1
    for flow in flows:
        fabric = flow.fabric
        dimensions = write_guarded(fabric) if number.tensor else guarded(fabric)
        if number.index >= len(dimensions):
            continue
        d = dimensions[number.index]
        pattern = fabric.output.pattern if number.tensor else fabric.domain
        bound = fabric.output.tensor.shape[d] if number.tensor else fabric.kernel.bounds[d]
        first, last = pattern.range(d)
        reach = max(abs(first), abs(last)) + bound
        low, high = min(low, -reach), max(high, reach)
    return IntFormat.for_range(low, high)
