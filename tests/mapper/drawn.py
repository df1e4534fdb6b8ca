"""Random problems, hardware and mappings for the laws of the mapper."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from hypothesis import strategies as st

from accelgen.affine import Workload
from accelgen.affine.roles import ROLES, Role
from accelgen.hardware import Dataflow, Hardware, Level, Memory
from accelgen.mapper.mapping import Mapping, Unrolling, spread_of
from accelgen.mapper.problem import Problem, problem_of
from accelgen.names import FrozenMap

__all__ = ["hardware", "mappings", "problems"]

EXPRESSIONS = {
    "Y[m,n] += A[m,k] * B[k,n]": "mnk",
    "Y[b,m,n] += A[b,m,k] * B[b,k,n]": "bmnk",
    "Y[b,m] += A[b,m,k] * B[b,k]": "bmk",
    "Y[k,p] += X[c,p + r] * W[k,c,r]": "kcpr",
    "Y[k,p] += X[c,2*p + r] * W[k,c,r]": "kcpr",
    "Y[k,p] += X[c,p + 2*r] * W[k,c,r]": "kcpr",
    "Y[k,p] += X[c,3*p + 2*r] * W[k,c,r]": "kcpr",
    "Y[p,q] += X[p + r,q + s] * W[r,s]": "pqrs",
    "Y[c,p] += X[c,p + r] * W[c,r]": "cpr",
    "Y[c,p,q] += X[c,p + r,2*q + s] * W[c,r,s]": "cpqrs",
    "Y[k,2*p + r] += X[c,p] * W[c,k,r]": "kcpr",
    "Y[m] += A[m,k]": "mk",
    "Y[m,n] += A[m,k] * B[k,n] * C[m]": "mnk",
}


@st.composite
def problems(draw: st.DrawFn, most: int, iterations: int) -> Problem:
    """A problem of at most so many iterations; blocks have scales."""
    expression = draw(st.sampled_from(sorted(EXPRESSIONS)))
    bounds: dict[str, int] = {}
    for loop in draw(st.permutations(EXPRESSIONS[expression])):
        left = iterations // prod(bounds.values())
        bounds[loop] = draw(st.integers(1, max(1, min(most, left))))
    bounds = {loop: bounds[loop] for loop in EXPRESSIONS[expression]}
    partial = draw(st.sampled_from((None, 24)))
    output = draw(st.sampled_from((None, 8)))
    problem = problem_of(Workload(expression, bounds), output_bits=output, partial_bits=partial)
    if draw(st.integers(0, 4)) > 0:
        return problem
    # Words of several elements, and the scale of each.
    *inputs, result = problem.operands
    scaled = []
    for operand in inputs:
        scaled.append(replace(operand, bits=64, partial_bits=64))
        scaled.append(replace(operand, name=f"{operand.name}_scale"))
    return replace(problem, operands=(*scaled, result))


energies = st.sampled_from((0.0, 0.1, 1.0))
rates = st.sampled_from((None, 0.5, 1.0, 4.0))


@st.composite
def levels(draw: st.DrawFn, name: str, least: int, most: int, *, registers: bool) -> Level:
    """A level of one to three memories."""
    held: tuple[tuple[Role, ...], ...] = draw(
        st.sampled_from((
            (ROLES,),
            (("inputs", "weights"), ("outputs",)),
            tuple((role,) for role in ROLES),
        ))
    )  # fmt: skip
    memories = tuple(
        Memory(
            f"{name}{number}",
            draw(st.none() | st.integers(least, most)),
            None if registers else draw(rates),
            draw(energies),
            draw(energies),
            roles,
            draw(st.sampled_from((1, 2))),
            registers and draw(st.booleans()),
            draw(energies),
            streams=not registers and "outputs" not in roles and draw(st.booleans()),
        )
        for number, roles in enumerate(held)
    )
    links: dict[Role, float] = {}
    if not registers and draw(st.booleans()):
        links = {
            role: draw(st.sampled_from((0.5, 2.0)))
            for role in draw(st.lists(st.sampled_from(ROLES), unique=True))
        }
    return Level(name, memories, FrozenMap(links))


@st.composite
def dataflows(draw: st.DrawFn, name: str, problem: Problem, array: dict[str, int]) -> Dataflow:
    """One that unrolls some of the loops on either axis."""
    letters = sorted(set(problem.roles))
    unrolls = {axis: draw(st.lists(st.sampled_from(letters), unique=True)) for axis in array}
    return Dataflow(
        name,
        FrozenMap({axis: tuple(chosen) for axis, chosen in unrolls.items()}),
        draw(st.booleans()),
        draw(st.sampled_from((None, *ROLES))),
        draw(st.none() | st.lists(st.sampled_from(letters), unique=True).map(tuple)),
    )


@st.composite
def hardware(
    draw: st.DrawFn,
    problem: Problem,
    *,
    sizes: tuple[int, int] = (8, 300),
    files: tuple[int, int] = (8, 60),
    most_units: int = 5,
    most_levels: int = 1,
) -> Hardware:
    """Hardware for a problem, with memories of so many bytes; each further level of buffers has
    about twice that.
    """
    array = {axis: draw(st.integers(1, most_units)) for axis in draw(st.sampled_from(("i", "ij")))}
    buffers = [draw(levels("buffer", *sizes, registers=False))]
    for number in range(2, draw(st.integers(1, most_levels)) + 1):
        least, most = (number * size for size in sizes)
        level = draw(levels(f"buffer{number}_", least, most, registers=False))
        memories = tuple(replace(memory, streams=False) for memory in level.memories)
        buffers.append(replace(level, memories=memories))
    outer = Memory("dram", None, draw(rates), 10.0, 12.0)
    file = draw(st.none() | levels("registers", *files, registers=True))
    flows = []
    for number in range(draw(st.integers(0, 2))):
        flows.append(draw(dataflows(f"flow{number}", problem, array)))
    return Hardware(
        "drawn",
        FrozenMap(array),
        (*buffers, Level("dram", (outer,))),
        FrozenMap({"any": 0.5}),
        draw(st.sampled_from((500.0, 1000.0))),
        tuple(flows),
        file,
        draw(energies),
        draw(st.integers(0, 2)),
        tuple(draw(st.lists(st.sampled_from(sorted(array)), unique=True))),
        draw(st.integers(0, 3)),
        draw(energies),
    )


@st.composite
def mappings(draw: st.DrawFn, problem: Problem, hardware: Hardware) -> Mapping:
    """Any mapping, whether of the space or not."""
    loops = range(len(problem.bounds))
    unrolling: Unrolling = ()
    for axis, extent in hardware.array.items():
        left = extent
        while left > 1 and draw(st.integers(0, 3)) > 0:
            units = draw(st.integers(2, left))
            unrolling += ((axis, draw(st.sampled_from(loops)), units),)
            left //= units
    spread = spread_of(unrolling, len(problem.bounds))
    inner = [draw(st.integers(1, bound)) for bound in problem.bounds]
    step = [min(n, s * i) for n, s, i in zip(problem.bounds, spread, inner, strict=True)]
    tiles, held = [tuple(step)], []
    least = [1] * len(problem.operands)
    uneven = draw(st.booleans())
    boxes = len(hardware.levels) - 1 + draw(st.integers(0, 1)) * uneven
    for _ in range(boxes):
        multiples = (
            [*range(size, bound, size), bound]
            for size, bound in zip(tiles[-1], problem.bounds, strict=True)
        )
        tiles.append(tuple(draw(st.sampled_from(sizes)) for sizes in multiples))
    for _ in hardware.levels[:-1] if uneven else ():
        least = [draw(st.integers(box, boxes)) for box in least]
        held.append(tuple(least))
    orders = tuple(tuple(draw(st.permutations(loops))) for _ in range(boxes + 1))
    mapping = Mapping((*tiles, problem.bounds), orders, unrolling, tuple(inner), "", tuple(held))
    mapping.check(problem)
    return mapping
