"""Random workloads and legal dataflows, small enough to enumerate and to simulate."""

from __future__ import annotations

from math import prod

from hypothesis import strategies as st

from accelgen.affine import Dataflow, Description, Workload
from accelgen.affine.assignment import MAX_RANK

LOOPS = ("m", "n", "k", "p", "r", "c")
TYPES = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (2, 3, 4, 7, 8, 11, 16))


def _index(draw: st.DrawFn, loops: list[str], bounds: dict[str, int]) -> str:
    """One affine index over some of ``loops``, never negative."""
    chosen = draw(st.lists(st.sampled_from(loops), unique=True, max_size=2))
    coefficients = [draw(st.sampled_from((1, 1, 1, 2, 3, -1, -2))) for _ in chosen]
    low = sum(min(0, c * (bounds[loop] - 1)) for c, loop in zip(coefficients, chosen, strict=True))
    offset = -low + draw(st.sampled_from((0, 0, 0, 1)))
    terms = [f"{c}*{loop}" for c, loop in zip(coefficients, chosen, strict=True)]
    return " + ".join([*terms, str(offset)])


@st.composite
def workloads(
    draw: st.DrawFn, max_loops: int = 5, max_bound: int = 5, plain_output: bool = False
) -> Workload:
    """A workload over up to ``max_loops`` loops, with up to three inputs of any affine accesses.

    With ``plain_output`` every output element is a different combination of output loops and
    none is left out, as in an einsum; else the output access is affine too.
    """
    loops = list(LOOPS[: draw(st.integers(1, max_loops))])
    bounds = {loop: draw(st.integers(1, max_bound)) for loop in loops}
    outer = draw(st.lists(st.sampled_from(loops), unique=True, max_size=3))
    if plain_output:
        indices = outer or ["0"]
    else:
        indices = [_index(draw, loops, bounds) for _ in range(draw(st.integers(1, 3)))]
    inputs = []
    for name in ("A", "B", "C")[: draw(st.integers(1, 3))]:
        rank = draw(st.integers(1, 3))
        inputs.append([name, *(_index(draw, loops, bounds) for _ in range(rank))])
    text = " ".join(" ".join(access) for access in inputs) + " " + " ".join(indices)
    # Every loop must be used: the ones that are not become indices of the last input, the last of
    # these with all that are left.
    unused = [loop for loop in loops if loop not in text.replace("*", " ").split()]
    room = MAX_RANK - len(inputs[-1][1:])
    inputs[-1] += unused[: room - 1]
    if unused[room - 1 :]:
        inputs[-1].append(" + ".join(unused[room - 1 :]))
    product = " * ".join(f"{name}[{','.join(rest)}]" for name, *rest in inputs)
    types = {name: draw(st.sampled_from(TYPES)) for name, *_ in inputs}
    return Workload(f"Y[{','.join(indices)}] += {product}", bounds, types)


BLOCKED = (
    "Y[m] += A[m,k] * B[k]",
    "Y[m,n] += A[m,k] * B[k,n]",
    "Y[n,m] += A[k,m] * B[n,k]",
    "Y[p,m,n] += A[p,m,k] * B[p,k,n]",
    "Y[n,p] += A[k,p + r] * B[n,k,r]",
    "Y[n,p] += A[2*p + r,k] * B[n,r,k]",
    "Y[n,p,m] += A[k,p + r,m + c] * B[n,k,r,c]",
)
PAIRS = (
    *((name, name) for name in ("nvfp4", "nvfp4_4over6", "nvint4", "if4", "if3")),
    *((name, name) for name in ("if6_e2m3", "if6_e3m2", "mxfp6_e2m3", "mxfp8_e5m2")),
    *((name, name) for name in ("mxfp4", "mxfp6_e3m2", "mxfp8_e4m3", "mxint8")),
    ("nvfp4", "nvint4"),
    ("if4", "nvfp4"),
    ("mxfp8_e4m3", "mxfp4"),
    ("int8/4/2", "int8/4/2"),
    ("uint8/4/2", "int8/4/2"),
)


@st.composite
def block_workloads(draw: st.DrawFn) -> Workload:
    """A matrix product or a convolution over block formats, the last block often short, or over
    integers of a width that each problem chooses.
    """
    expression = draw(st.sampled_from(BLOCKED))
    a, b = draw(st.sampled_from(PAIRS))
    used = [loop for loop in LOOPS if loop in expression]
    bounds = {loop: draw(st.integers(1, 4)) for loop in used}
    types = {"A": a, "B": b}
    if "int8" in a:
        return Workload(expression, bounds, types)
    bounds["k"] = draw(st.integers(1, 100))
    return Workload(
        expression, bounds, {**types, "Y": draw(st.sampled_from(("fp32", "bf16", "fp16")))}
    )


@st.composite
def block_descriptions(draw: st.DrawFn) -> Description:
    """A description over block formats whose dataflow is legal, on a few units."""
    workload = draw(block_workloads())
    return Description("random", workload, draw(dataflows(workload, max_units=6)))


@st.composite
def dataflows(draw: st.DrawFn, workload: Workload, max_units: int = 12) -> Dataflow:
    """A legal dataflow of ``workload``: tilings, reversals, skewed and |det| != 1 maps."""
    loops = list(draw(st.permutations(workload.loops)))
    bounds = workload.domain
    maps: dict[str, str] = {}
    time: list[str | tuple[str, int]] = []
    axes = ["i", "j", "l"][: draw(st.integers(1, 3))]
    space: dict[str, int] = {}
    if len(loops) >= 2 and draw(st.integers(0, 3)) == 0:
        # Only every second point of (a, b) is an iteration of (x, y): e fills in the others.
        x, y = loops.pop(), loops.pop()
        shift = bounds[y] // 2
        reach = (bounds[x] + bounds[y]) // 2 + 1
        maps[x] = f"ta + tb - {shift} + te"
        maps[y] = f"ta - tb + {shift}"
        time += [("ta", reach), ("tb", reach + shift), ("te", 2)]
    for axis in axes:
        room = max(1, max_units // prod(space.values()))
        space[axis] = min(room, draw(st.sampled_from((1, 2, 2, 3, 3, 4))))
        if not loops:
            space[axis] = 1
            continue
        loop = loops.pop()
        tile = f"{loop}t"
        maps[loop] = f"size({axis})*{tile} + {axis}"
        time.append(tile)
        if draw(st.integers(0, 3)) == 0:
            maps[loop] = f"size({loop}) - 1 - {maps[loop].replace('+', '-')}"
        elif draw(st.integers(0, 3)) == 0:
            # Units in reverse order within the tile.
            maps[loop] = f"size({axis})*{tile} + size({axis}) - 1 - {axis}"
    for loop in loops:
        kind = draw(st.integers(0, 3))
        if kind == 0:
            inner = draw(st.integers(1, 3))
            maps[loop] = f"size({loop}0)*{loop}1 + {loop}0"
            time += [f"{loop}1", (f"{loop}0", inner)]
        elif kind == 1:
            # The loop runs later on units further along the first axis.
            maps[loop] = f"{loop}d - {axes[0]}"
            time.append((f"{loop}d", bounds[loop] + space[axes[0]] - 1))
        else:
            time.append(loop)
    if not time:
        time.append(("idle", 1))
    skew = {axis: draw(st.sampled_from((0, 1, 1, 2, 3, -1, -2))) for axis in axes}
    return Dataflow(space, draw(st.permutations(time)), maps, skew)


@st.composite
def descriptions(
    draw: st.DrawFn, max_loops: int = 5, max_bound: int = 5, plain_output: bool = False
) -> Description:
    """A description whose dataflow is legal."""
    workload = draw(workloads(max_loops, max_bound, plain_output))
    comment = draw(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=40))
    return Description("random", workload, draw(dataflows(workload)), comment)
