"""Seconds to make the mask of one head, for every pattern that positions decide.

    python -m benchmarks.attention_patterns > benchmarks/results/attention_patterns.json

Causal prefill for patterns of language models, the full matrix for video (radial).  The best of
several runs; peak memory is that of NumPy and Python in one further run.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from dataclasses import asdict, dataclass

from accelgen.attention.masks.mask import PARTIAL, BlockMask
from accelgen.attention.registry import parse_pattern
from accelgen.attention.shape import AttentionShape
from benchmarks.record import Mark, emit, header, progress, table

LIMIT = 2.0
"""Seconds per head, at 32768 tokens and blocks of 128."""

PATTERNS = (
    "dense",
    "streaming",
    "streaming(64, 256)",
    "block_streaming",
    "duo(gates=[[0, 1]])",
    "lserve",
    "radial",
    "radial(decay=0.2, sink=true)",
    "s2",
    "s2(block=128)",
    "longlora",
)


@dataclass(frozen=True)
class Row:
    """A pattern: seconds (wall, CPU), peak megabytes, and what the mask has."""

    pattern: str
    seconds: float
    cpu_seconds: float
    peak_mb: float
    density: float
    blocks: int
    partial: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=32768)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    rows = [measure(text, options.tokens, options.runs) for text in PATTERNS]
    heads = ["pattern", "s", "CPU s", "peak MB", "density", "blocks", "partial"]
    progress(table(heads, [list(asdict(row).values()) for row in rows]))
    slowest = max(rows, key=lambda row: row.seconds)
    mark = Mark(
        f"slowest pattern, {slowest.pattern}", LIMIT, slowest.seconds, "s", slowest.cpu_seconds
    )
    progress(str(mark))
    emit(
        {
            **header("attention_patterns"),
            "parameters": {"tokens": options.tokens, "runs": options.runs},
            "patterns": [asdict(row) for row in rows],
            "marks": [mark.to_json()],
        }
    )
    return 0 if mark.met else 1


def measure(text: str, tokens: int, runs: int) -> Row:
    """Time the pattern for one head; of two, where heads of keys and values differ."""
    pattern = parse_pattern(text)
    # The first of two KV heads streams.
    heads = 2 if pattern.name == "duo" else 1
    shape = AttentionShape(tokens, tokens, heads, heads, causal=pattern.name != "radial")
    times = []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        mask = pattern.masks(shape)[0]
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    tracemalloc.start()
    pattern.masks(shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(mask, BlockMask)
    mask.check()
    seconds, cpu_seconds = min(times)
    return Row(
        text,
        round(seconds, 4),
        round(cpu_seconds, 4),
        round(peak / 1e6, 1),
        round(mask.density, 4),
        len(mask.col_idx),
        int((mask.flag == PARTIAL).sum()),
    )


if __name__ == "__main__":
    sys.exit(main())
