"""The tables of a C driver: what of the dataflows of a design no bounds change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from accelgen.errors import InputError
from accelgen.fabric.fabric import InputPlan, OutputPlan
from accelgen.processor.c_text import Value, array, literal
from accelgen.processor.design import ProcessorModel
from accelgen.processor.flow import Flow
from accelgen.processor.numbers import guarded, write_guarded
from accelgen.processor.registers import ACCUMULATE, FIRST_REGISTER, STAGE, levels_of

__all__ = ["signed_registers", "write_tables"]

_CONSTANT = 255
_MOST = 2**31 - 1


def write_tables(design: ProcessorModel, types: str) -> str:
    """Constants, ``types`` (C, which refer to these), and the tables of these types.

    Raises :class:`InputError` for a coefficient that C cannot hold.
    """
    flows = design.flows
    plans = [plan for flow in flows for plan in flow.fabric.plans]
    dims = max(len(plan.banked.layout.shape) for plan in plans)
    tables = [_FlowTables(flow, number, dims) for number, flow in enumerate(flows)]
    guards = max(1, *(len(x) for table in tables for x in (table.guards, table.writes)))
    links = [len(p.interconnect.links) for p in plans if isinstance(p, InputPlan)]
    limits = {
        "FIRST_REGISTER": FIRST_REGISTER,
        "CONSTANT": _CONSTANT,
        "LEVELS": levels_of(flows),
        "TENSORS": len(flows[0].fabric.plans),
        "MAX_LOOPS": max(len(flow.fabric.kernel.loops) for flow in flows),
        "MAX_TIME": levels_of(flows),
        "MAX_AXES": max(len(flow.fabric.kernel.space) for flow in flows),
        "MAX_RANK": max(1, *(plan.tensor.rank for plan in plans)),
        "MAX_DIMS": dims,
        "MAX_LINKS": max(1, *links),
        "MAX_SIZES": max(1, *(len(sizes) for table in tables for *_, sizes in table.terms)),
        "MAX_GUARDS": guards,
    }
    if design.accumulate_in:
        limits["ACCUMULATE_REGISTER"] = [r.name for r in design.registers].index(ACCUMULATE)
    parts = ["\n".join(f"#define {name} {value}u" for name, value in limits.items()), types]
    parts.append(_Registers(design, limits).text)
    parts += [table.text for table in tables]
    own = ",\n".join(literal(table.value, 1) for table in tables)
    parts.append(f"static const struct flow flows[ACCELERATOR_DATAFLOWS] = {{\n{own}\n}};\n")
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def signed_registers(design: ProcessorModel) -> set[str]:
    """The registers that hold two's complement."""
    fields = design.stage.fields if design.stage is not None else ()
    return {
        *(quantity.name for quantity in design.quantities if quantity.signed),
        *(STAGE + field.name for field in fields if field.signed),
    }


class _Registers:
    """Which register holds which number."""

    def __init__(self, design: ProcessorModel, limits: Mapping[str, int]) -> None:
        self._number = {register.name: n for n, register in enumerate(design.registers)}
        self._levels, self._dims = limits["LEVELS"], limits["MAX_DIMS"]
        signed = signed_registers(design)
        of = {quantity.name: quantity for quantity in design.quantities}
        registers: list[Value] = [
            {
                "most": f"{register.most}u",
                "bits": register.bits,
                "is_signed": int(register.name in signed),
                "wraps": int(register.name in of and of[register.name].wraps),
            }
            for register in design.registers
        ]
        tensors = [plan.tensor.name.lower() for plan in design.flows[0].fabric.plans]
        levels = range(self._levels)
        self.text = "\n\n".join(
            [
                array("struct reg", "registers[ACCELERATOR_REGISTERS]", registers),
                array("uint16_t", "last_registers[LEVELS]", self._all("last{}", levels)),
                array("uint16_t", "gap_registers[LEVELS]", self._all("gap{}", levels)),
                *(
                    array(
                        "struct guard_registers",
                        f"{name}_registers[MAX_GUARDS]",
                        [self._guard(f"{name}{k}") for k in range(limits["MAX_GUARDS"])],
                    )
                    for name in ("guard", "write")
                ),
                array(
                    "struct tensor_registers",
                    "tensor_registers[TENSORS]",
                    [self._tensor(x, limits["MAX_LINKS"]) for x in tensors],
                ),
            ]
        )

    def _of(self, name: str) -> int:
        return self._number.get(name, 0)

    def _all(self, pattern: str, numbers: Sequence[int]) -> list[Value]:
        return [self._of(pattern.format(n)) for n in numbers]

    def _guard(self, name: str) -> Value:
        return {
            "below": self._of(f"{name}_below"),
            "above": self._of(f"{name}_above"),
            "step": self._all(name + "_by{}", range(self._levels + 1)),
        }

    def _tensor(self, x: str, links: int) -> Value:
        levels, dims = range(self._levels + 1), range(self._dims)
        return {
            "at": self._of(f"{x}_at"),
            "row": self._of(f"{x}_row"),
            "words": self._of(f"{x}_words"),
            "step": self._all(x + "_step{}", levels),
            "gap": self._all(x + "_gap{}", levels),
            "at_residue": self._all(x + "_at_{}", dims),
            "turn": [self._all(f"{x}_turn{level}_{{}}", dims) for level in levels],
            "last": self._all(x + "_last_{}", dims),
            "stride": self._all(x + "_stride_{}", dims),
            "depth": self._all(x + "_depth{}", range(links)),
            "holds": self._all(x + "_holds{}", range(links)),
        }


class _FlowTables:
    """The tables of one dataflow."""

    def __init__(self, flow: Flow, number: int, dims: int) -> None:
        self._flow, self._dims = flow, dims
        fabric, kernel = flow.fabric, flow.fabric.kernel
        self.guards, self.writes = guarded(fabric), write_guarded(fabric)
        self.terms = list(self._terms())
        arrays = [
            array(
                "struct term",
                f"terms_{number}[]",
                [
                    {"coefficient": c, "loop": i, "column": column, "sizes": len(s), "size": s}
                    for c, i, column, s in self.terms
                ],
            )
        ]
        sides = list(self._sides())
        arrays.append(array("struct side", f"sides_{number}[]", sides))
        access: list[Value] = []
        for x, plan in enumerate(fabric.plans):
            links = self._links(plan)
            if links:
                arrays.append(array("struct link", f"links_{number}_{x}[]", links))
            where = f"links_{number}_{x}" if links else "NULL"
            access.append({**self._access(plan), "links": where, "link_count": len(links)})
        self.text = "\n\n".join(arrays)
        given = flow.description.dataflow.given_extents
        self.value: Value = {
            "loops": len(kernel.loops),
            "time": len(kernel.time),
            "axes": len(kernel.space),
            "guard_count": len(self.guards),
            "write_count": len(self.writes),
            "leaves": [int(leaves) for leaves in flow.run_time.leaves],
            "guards": self.guards,
            "writes": self.writes,
            "largest": [f"{n}u" for n in flow.description.workload.bounds.values()],
            "given": [given.get(loop, 0) for loop in kernel.time],
            "space": kernel.space_extents,
            "chain_cycles": self._chain_cycles(),
            "term_count": len(self.terms),
            "side_count": len(sides),
            "terms": f"terms_{number}",
            "sides": f"sides_{number}",
            "access": access,
        }

    def _terms(self) -> list[tuple[int, int, int, list[int]]]:
        """Coefficient, workload loop, column and symbols of the sizes of every term of the map.

        Sizes of axes and of loops of a given extent are in the coefficient.
        """
        description = self._flow.description
        dataflow, loops = description.dataflow, description.workload.loops
        time = list(dataflow.time_loops)
        columns: list[str | None] = [*time, *dataflow.axes]
        fixed = {**dataflow.given_extents, **dataflow.space}
        found = []
        for i, loop in enumerate(loops):
            for term in dataflow.expression(loop).terms:
                coefficient = term.coefficient * prod(fixed.get(s, 1) for s in term.sizes)
                if abs(coefficient) > _MOST:
                    raise InputError(
                        f"{term} is beyond {_MOST}",
                        where=f"{description.name}: map: {loop}",
                        hint="use smaller coefficients and extents",
                    )
                open_sizes = [s for s in term.sizes if s not in fixed]
                symbols = [
                    time.index(s) if s in time else len(time) + loops.index(s) for s in open_sizes
                ]
                column = _CONSTANT if term.name is None else columns.index(term.name)
                found.append((coefficient, i, column, symbols))
        return found

    def _sides(self) -> list[Value]:
        """Per workload loop, the displacements of units with guards on the same sides."""
        fabric, kernel = self._flow.fabric, self._flow.fabric.kernel
        matrix = np.array(kernel.space_matrix, dtype=np.int64).reshape(len(kernel.loops), -1)
        points = np.array(list(np.ndindex(*kernel.space_extents)), dtype=np.int64)
        places = points @ matrix.T
        groups: dict[tuple[int, int, int], set[int]] = {}
        for unit, guards in enumerate(fabric.guards):
            by_loop = {guard.dimension: guard for guard in guards}
            for i in range(len(kernel.loops)):
                guard = by_loop.get(i)
                falls = int(guard is not None and guard.low is not None)
                rises = int(guard is not None and guard.high is not None)
                groups.setdefault((i, falls, rises), set()).add(int(places[unit, i]))
        # Whether an index falls or rises is monotone in the displacement: both ends will do.
        return [
            {"least": min(at), "most": max(at), "loop": i, "falls": falls, "rises": rises}
            for (i, falls, rises), at in sorted(groups.items())
        ]

    def _chain_cycles(self) -> list[Value]:
        structure = self._flow.structure
        cycles = [0] * len(self._flow.fabric.kernel.time)
        for name, chain in structure.chains.items():
            level = structure.hold[name]
            if chain is not None and level:
                cycles[level - 1] = max(cycles[level - 1], chain.cycles)
        return list(cycles)

    def _links(self, plan: InputPlan | OutputPlan) -> list[Value]:
        if not isinstance(plan, InputPlan):
            return []
        skew = self._flow.fabric.kernel.skew
        return [
            {"hop": sum(c * d for c, d in zip(skew, k.ds, strict=True)), "dt": k.dt, "number": n}
            for n, k in enumerate(plan.interconnect.links)
            if k.predicated
        ]

    def _access(self, plan: InputPlan | OutputPlan) -> dict[str, Value]:
        kernel, tensor, chain = self._flow.fabric.kernel, plan.tensor, plan.chain
        form, hold = self._flow.run_time.forms[tensor.name], plan.hold
        lead, step = np.zeros(tensor.rank, dtype=np.int64), np.zeros(tensor.rank, dtype=np.int64)
        if chain is not None:
            flow = kernel.along_space(tensor)[:, chain.axis] * chain.direction
            lead = flow * (chain.length - 1 if isinstance(plan, InputPlan) else 0)
            step = -flow
        inside = {d: j for j, group in enumerate(form.dims) for d in group}
        merged = {d for group in form.dims for d in group[:-1]}
        ports = plan.pattern.slots
        # Of ports that do not rotate the banks are wired: with the residue of the origin.
        folded = [
            0 if turns else (plan.banked.slots[0][j] - self._port(plan, form.dims[j])) % modulus
            for j, (turns, modulus) in enumerate(zip(form.rotating, form.moduli, strict=True))
        ]
        return {
            "dims": len(form.dims),
            "hold": len(kernel.time) if hold is None else hold,
            "dim": [inside[d] for d in range(tensor.rank)],
            "rotating": [int(turns) for turns in form.rotating],
            "matrix": tensor.matrix,
            "offset": tensor.offset,
            "lead": lead.tolist(),
            "common": [ports[0][d] if d in merged else 0 for d in range(tensor.rank)],
            "chain_length": chain.length if chain is not None else 0,
            "chain_spacing": chain.spacing if chain is not None else 0,
            "chain_step": step.tolist(),
            "modulus": [*form.moduli, *[1] * (self._dims - len(form.dims))],
            "folded": folded,
            "words": form.words,
        }

    @staticmethod
    def _port(plan: InputPlan | OutputPlan, group: Sequence[int]) -> int:
        return plan.pattern.slots[0][group[-1]] if group else 0
