"""Dense attention against every pattern, on attention arrays: Llama-3-8B at 32k, and Wan 2.1 14B.

    python -m benchmarks.attention_networks > benchmarks/results/attention_networks.json

Latency, energy, EDP and DRAM traffic of one attention layer (one in which quest selects), and what
binds it.  Patterns that look at tensors see drawn ones, so their densities are no model's.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass

from accelgen.attention.network.compare import compare_attention
from accelgen.attention.network.planned import read_plan
from accelgen.errors import AccelgenError
from accelgen.hardware import load_hardware
from accelgen.networks import Network, load_network
from benchmarks.record import Mark, emit, header, progress, table

LIMIT = 60.0
"""Seconds for all layers of a network under a pattern of positions alone."""

LAYER = 5

PREFILL = (
    "streaming(4, 2000)",
    "streaming(64, 256)",
    "block_streaming(1, 16)",
    "lserve",
    "s2(local=16, stride=8)",
    "longlora",
    "moba(512, 3)",
    "xattention(stride=16)",
    "sparda",
)
DECODE = (
    "streaming(4, 2000)",
    "streaming(64, 256)",
    "s2(local=16, stride=8)",
    "lserve",
    "quest(budget=2048)",
    "moba(512, 3)",
    "sparda",
)
VIDEO = (
    "radial(3600, 0.95, sink=true)",
    "radial(3600, 0.2, sink=true)",
    "svg(3600)",
    "svg2",
    "xattention(stride=16)",
    "adaspa",
)


@dataclass(frozen=True)
class Row:
    """One attention layer with a pattern; ``seconds`` are those of simulating all layers."""

    case: str
    pattern: str
    density: float
    latency_ms: float
    energy_uj: float
    edp_js: float
    dram_mb: float
    binds: str
    of_dense_latency: float
    of_dense_edp: float
    dynamic: bool
    note: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hardware", default="gemmini")
    parser.add_argument("--context", type=int, default=32768)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    context = {"context": options.context}
    cases = [
        ("llama3_8b prefill", load_network("llama3_8b_prefill", context), PREFILL),
        ("llama3_8b decode", load_network("llama3_8b_decode", context), DECODE),
        ("wan2_1_14b 720p, 81 frames", load_network("wan2_1_14b"), VIDEO),
    ]
    rows = []
    for case, network, patterns in cases:
        for pattern in ("dense", *patterns):
            rows.append(measure(case, network, pattern, options.hardware, options.seed))
            progress(f"{case}: {pattern}: {rows[-1].seconds:.1f} s")
    heads = [
        "case",
        "pattern",
        "density",
        "ms",
        "uJ",
        "EDP [J s]",
        "MB",
        "binds",
        "/latency",
        "/EDP",
    ]
    shown = [[*asdict(row).values()][:10] for row in rows]
    progress(table(heads, shown))
    slowest = max((row for row in rows if not row.dynamic), key=lambda row: row.seconds)
    mark = Mark(f"static: {slowest.case}, {slowest.pattern}", LIMIT, slowest.seconds, "s")
    progress(str(mark))
    emit(
        {
            **header("attention_networks"),
            "parameters": vars(options) | {"layer": LAYER},
            "rows": [asdict(row) for row in rows],
            "marks": [mark.to_json()],
        }
    )
    return 0 if mark.met else 1


def measure(case: str, network: Network, pattern: str, hardware_name: str, seed: int) -> Row:
    """All attention layers; the figures of one."""
    hardware = load_hardware(hardware_name)
    plan = read_plan(pattern)
    began = time.perf_counter()
    try:
        found = compare_attention(network, hardware, plan, seed=seed)
    except AccelgenError as error:
        raise SystemExit(f"{case}: {pattern}: {error}") from None
    seconds = time.perf_counter() - began
    layer = next(layer for layer in found.layers if layer.number == LAYER)
    cost = layer.sparse
    latency = cost.cycles / hardware.clock_mhz / 1e3
    return Row(
        case,
        pattern,
        round(cost.density, 5),
        round(latency, 6),
        round(cost.total_pj / 1e6, 3),
        float(f"{cost.total_pj * 1e-12 * latency * 1e-3:.5g}"),
        round(cost.dram_bytes / 1e6, 3),
        cost.limit,
        round(cost.cycles / layer.dense.cycles, 5),
        float(f"{cost.edp / layer.dense.edp:.4g}"),
        plan.dynamic,
        layer.note,
        round(seconds, 2),
    )


if __name__ == "__main__":
    sys.exit(main())
