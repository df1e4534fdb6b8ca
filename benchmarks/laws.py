"""Laws 1 to 3 on many random legal dataflows, and which features those dataflows covered.

    python -m benchmarks.laws [--count 200] [--seed 0] [--jobs 1] [--blocks] > RESULT.json

Draws ``count`` different descriptions by Hypothesis: 1 to 3 space axes, 1 to 6 loops, any affine
accesses, and on top of the strategy shared with the tests skews of both signs and any bus width.
With ``--blocks`` they are matrix products and convolutions over block formats.
Those with a single unit or a single iteration are left out.
Each is generated and verified, and

    law 1   every result of RTL equals NumPy's (random, minima, maxima, extremes, back to back)
    law 2   compute_cycles and total_cycles measured equal the closed-form prediction
    law 3   random pauses on every port change no result

``recovery`` says that packets of wrong length were dropped as the contract has it.  A dataflow
that accelgen refuses to generate counts as ``refused``, not as passed.  Features are counted on
what was built; an axis or loop of extent 1 does not count as one.  The exit code is 1 unless
all passed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from accelgen.affine import Description
from accelgen.affine.spacetime import IntMatrix, SpaceTime
from accelgen.cosim.verify import VerifyReport, verify
from accelgen.errors import AccelgenError
from accelgen.fabric.fabric import Fabric
from accelgen.pipeline import generate
from benchmarks.record import emit, header, progress, table
from tests.affine.strategies import block_descriptions, descriptions

BATCH = 5
"""Descriptions drawn from one seed of Hypothesis: few, because later ones resemble earlier ones."""

PAUSED = ("pauses", "slow output")
"""Phases of the bench in which ports pause."""

LAWS = ("law 1", "law 2", "law 3", "recovery")


@dataclass(frozen=True)
class Case:
    """One design to be checked."""

    description: Description
    bus_bits: int


@dataclass(frozen=True)
class Verdict:
    """What came of a case: ``failure`` is empty when all laws hold."""

    case: Case
    laws: tuple[str, ...]
    features: tuple[str, ...]
    failure: str
    refused: bool
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether the design was generated and every law holds."""
        return not self.failure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="dataflows to draw")
    parser.add_argument("--seed", type=int, default=0, help="of Hypothesis and of the tensors")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--blocks", action="store_true", help="draw block formats")
    options = parser.parse_args()
    result = header("block_laws" if options.blocks else "laws")
    start = time.perf_counter()
    drawn = draw_cases(options.count, options.seed, blocks=options.blocks)
    verdicts = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for number, verdict in enumerate(pool.map(check, drawn), 1):
            verdicts.append(verdict)
            if not verdict.passed:
                progress(f"{number}: {verdict.failure}\n{verdict.case.description}")
            elif number % 10 == 0:
                passed = sum(v.passed for v in verdicts)
                progress(f"{passed} of {number} passed, {time.perf_counter() - start:.0f} s")
    passed = sum(verdict.passed for verdict in verdicts)
    held = Counter(law for verdict in verdicts for law in verdict.laws)
    features = Counter(feature for verdict in verdicts for feature in verdict.features)
    progress(table(["feature", "dataflows"], sorted(features.items())))
    progress(", ".join(f"{law}: {held[law]} of {len(verdicts)}" for law in LAWS))
    progress(f"{passed} of {len(verdicts)} passed")
    emit(
        {
            **result,
            "parameters": {"count": options.count, "seed": options.seed, "jobs": options.jobs},
            "drawn": len(verdicts),
            "passed": passed,
            "refused": sum(verdict.refused for verdict in verdicts),
            "held": {law: held[law] for law in LAWS},
            "wall_seconds": round(time.perf_counter() - start, 1),
            "features": dict(sorted(features.items())),
            "failures": [
                {
                    "failure": verdict.failure,
                    "bus_bits": verdict.case.bus_bits,
                    "description": str(verdict.case.description),
                }
                for verdict in verdicts
                if not verdict.passed
            ],
        }
    )
    return 0 if passed == options.count else 1


@st.composite
def cases(draw: st.DrawFn, *, blocks: bool) -> Case:
    """A legal description, sometimes with skews of both signs, and a bus that takes an element."""
    description = draw(block_descriptions() if blocks else descriptions(max_loops=6))
    if draw(st.integers(0, 2)) == 0:
        skews = {axis: draw(st.integers(-3, 3)) for axis in description.dataflow.axes}
        description = description.with_overrides(skew=skews)
    kernel = description.lower()
    widest = -(-max(kernel.result_bits, *(t.format.bits for t in kernel.inputs)) // 8)
    return Case(description, 8 * draw(st.integers(widest, max(16, widest + 4))))


def draw_cases(count: int, start: int, *, blocks: bool) -> list[Case]:
    """``count`` different cases; the same ``start`` gives the same ones."""
    found: dict[tuple[object, ...], Case] = {}
    for number in range(start, start + 10 * count):
        for case in _draw_batch(number, blocks=blocks):
            kernel = case.description.lower()
            if kernel.units == 1 or prod(kernel.bounds) == 1:
                continue
            work, flow = case.description.workload, case.description.dataflow
            # Comments, which are drawn too, make no difference.
            found.setdefault((str(work), str(flow), case.bus_bits), case)
            if len(found) == count:
                return list(found.values())
    raise SystemExit(f"only {len(found)} different dataflows were drawn")


def check(case: Case) -> Verdict:
    """Generate and verify one case."""
    start = time.perf_counter()
    refused = False
    laws: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(prefix="accelgen-") as folder:
        output = Path(folder) / "out"
        try:
            made = generate(case.description, output, bus_bits=case.bus_bits)
            features = tuple(sorted(set(find_features(made.kernel, made.fabric))))
            report = verify(output, problems=2)
            laws = tuple(held_laws(report))
            failure = "; ".join(report.faults)
            if not failure and len(laws) < len(LAWS):
                failure = f"only {', '.join(laws)} hold"
        except AccelgenError as error:
            refused = not output.exists()
            failure = str(error)
        except Exception as error:  # a bug of accelgen is a result of this benchmark
            failure = f"{type(error).__name__}: {error}"
    return Verdict(case, laws, features, failure, refused, time.perf_counter() - start)


def held_laws(report: VerifyReport) -> Iterator[str]:
    """The laws that a report bears out."""
    results = {phase.name: phase for phase in report.phases}
    paused = [results.pop(name) for name in PAUSED]
    bad = [results.pop(name) for name in list(results) if "tlast" in name]
    if all(phase.passed for phase in results.values()):
        yield "law 1"
    unpaused = [
        (phase.busy_cycles, phase.total_cycles, phase.problems)
        for phase in (*results.values(), *bad)
    ]
    if all(
        busy == report.predicted_compute * problems
        and total in ((report.predicted_total,) if problems == 1 else (None,))
        for busy, total, problems in unpaused
    ):
        yield "law 2"
    if all(phase.passed for phase in paused):
        yield "law 3"
    if bad and all(phase.passed for phase in bad):
        yield "recovery"


def find_features(kernel: SpaceTime, fabric: Fabric) -> Iterator[str]:
    """What is covered by one design."""
    yield from _mapping_features(kernel, fabric.kernel)
    yield from _access_features(kernel)
    yield from _input_features(fabric)
    yield from _output_features(fabric)
    if kernel.blocks is not None:
        yield f"formats: {kernel.blocks.pair}"
        yield f"result: {kernel.blocks.result}"
    if kernel.composed is not None:
        yield "formats: int8/4/2"
    if fabric.schedule.last + 1 > prod(fabric.kernel.time_extents):
        yield "schedule: stretched by a chain"


def _mapping_features(kernel: SpaceTime, trimmed: SpaceTime) -> Iterator[str]:
    axes = [a for a, n in enumerate(kernel.space_extents) if n > 1]
    yield f"space axes: {len(axes)}"
    yield f"loops: {sum(bound > 1 for bound in kernel.bounds)}"
    yield f"time loops: {len(trimmed.time)}"
    skew = [kernel.skew[a] for a in axes]
    if axes:
        mixed = 0 < sum(map(bool, skew)) < len(skew)
        yield "skew: lockstep" if not any(skew) else "skew: mixed" if mixed else "skew: systolic"
    if any(c > 1 for c in skew):
        yield "skew: more than 1"
    if min(skew, default=0) < 0:
        yield "skew: negative"
    space = tuple(tuple(row[a] for a in axes) for row in kernel.space_matrix)
    rows = tuple((*t, *s) for t, s in zip(trimmed.time_matrix, space, strict=True))
    if any(c < 0 for row in rows for c in row):
        yield "map: negative coefficient"
    minors = set(_coupled_minors(rows))
    if minors:
        yield "map: loops that share indices"
    if any(abs(minor) > 1 for minor in minors):
        yield "map: |det| != 1"
    if kernel.units * prod(kernel.time_extents) > prod(kernel.bounds):
        yield "map: does not divide"


def _coupled_minors(rows: IntMatrix) -> Iterator[int]:
    """Determinants of the 2 x 2 blocks in which two loops depend on the same two indices."""
    for (a, b), (j, k) in product(
        combinations(rows, 2), combinations(range(len(rows[0]) if rows else 0), 2)
    ):
        if a[j] and a[k] and b[j] and b[k]:
            yield a[j] * b[k] - a[k] * b[j]


def _access_features(kernel: SpaceTime) -> Iterator[str]:
    long = np.array(kernel.bounds) > 1
    for tensor in kernel.tensors:
        kind = "output" if tensor.is_output else "input"
        for row in tensor.matrix:
            used = [abs(c) for c, counts in zip(row, long, strict=True) if c and counts]
            if len(used) == 1 and used[0] > 1:
                yield f"{kind} access: strided"
            if len(used) > 1:
                yield f"{kind} access: sum of loops"
                if max(used) > 1:
                    yield f"{kind} access: sum with stride or dilation"
        if any(c < 0 for row in tensor.matrix for c in row):
            yield f"{kind} access: negative coefficient"
    yield f"inputs: {len(kernel.inputs)}"


def _input_features(fabric: Fabric) -> Iterator[str]:
    for plan in fabric.inputs:
        links = plan.interconnect.links
        yield "input: stationary" if plan.hold is not None else "input: streaming"
        if plan.chain is not None:
            yield "input: load chain"
        if any(head != unit for unit, head in enumerate(plan.interconnect.head)):
            yield "link: wire"
        for link in links:
            yield "link: systolic hop" if link.depth == 1 else "link: FIFO"
            if link.predicated:
                yield "link: predicated"
        if any(plan.banked.rotating):
            yield "input memory: rotation"
        if not plan.banked.layout.aligned:
            yield "stream: rows end inside beats"


def _output_features(fabric: Fabric) -> Iterator[str]:
    output = fabric.output
    yield "output: summed in the unit" if output.hold is not None else "output: streaming"
    if output.chain is not None:
        yield "output: drain chain"
    if any(output.reduction.partials):
        yield "reduction: systolic chain"
    if any(len(group.ends) > 1 for group in output.reduction.groups):
        yield "reduction: tree"
    if output.accumulate:
        yield "output memory: accumulates"
    if any(output.banked.rotating):
        yield "output memory: rotation"


def _draw_batch(number: int, *, blocks: bool) -> list[Case]:
    """What Hypothesis draws from one seed; it begins with a minimal example, which is left out."""
    drawn: list[Case] = []

    @seed(number)
    @settings(
        max_examples=BATCH + 1,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(blocks=blocks))
    def collect(case: Case) -> None:
        drawn.append(case)

    collect()
    return drawn[1:]


if __name__ == "__main__":
    sys.exit(main())
