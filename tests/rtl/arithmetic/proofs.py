"""Proofs that combinational hardware equals a table, for all inputs, by Yosys' SAT solver."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from accelgen.rtl.arithmetic.unit import ArithmeticUnit
from accelgen.rtl.library import UnitLibrary

__all__ = ["Claim", "prove"]

_RUN = "import sys; from pyosys import libyosys as y; y.run_pass(sys.argv[1], y.Design())"


@dataclass(frozen=True)
class Claim:
    """``value``, a Verilog expression over the ports of ``unit``, is what a table says.

    ``inputs`` are variables and their widths, each an input port of that name; with ``ports``,
    input ports are expressions of them instead.  ``expected`` takes the values of ``inputs``
    (unsigned) and returns the number, modulo 2**``bits``.  For each value of the first ``split``
    inputs there is a table, and a proof, of its own.
    """

    unit: ArithmeticUnit
    inputs: Sequence[tuple[str, int]]
    outputs: Mapping[str, int]
    value: str
    bits: int
    expected: Callable[..., int]
    split: int = 0
    ports: Mapping[str, str] | None = None


def prove(claim: Claim, folder: Path) -> tuple[int, list[str]]:
    """How many proofs were tried, and the counterexample of each that failed."""
    library = UnitLibrary(prefix="unit")
    library.add(claim.unit, "")
    fixed, free = claim.inputs[: claim.split], claim.inputs[claim.split :]
    texts, names = [library.verilog()], []
    for values in product(*(range(1 << width) for _, width in fixed)):
        names.append("_".join(["claim", *map(str, values)]))
        texts.append(_module(names[-1], claim, fixed, values, free))
    source = folder / "claims.v"
    source.write_text("\n".join(texts), encoding="utf-8")
    script = folder / "prove.ys"
    # Tables become multiplexers, not memories.
    lines = [f"read_verilog {source}", "hierarchy -check", "proc", "memory", "flatten", "opt -fast"]
    shows = "".join(f" -show {name}" for name, _ in free) + " -show expected,found"
    lines += [f"sat -prove bad 0{shows} {name}" for name in names]
    script.write_text("\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _RUN, f"script {script}"],
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-2000:]
    verdicts = re.findall(r"SAT proof finished - (?:no )?model found: (SUCCESS|FAIL)!", text)
    assert len(verdicts) == len(names), text[-2000:]
    examples = re.findall(r"^ +Signal Name.*?^ *$", text, re.MULTILINE | re.DOTALL)
    failed = [name for name, verdict in zip(names, verdicts, strict=True) if verdict == "FAIL"]
    return len(names), [f"{n}:\n{e}" for n, e in zip(failed, examples, strict=True)]


def _module(
    name: str,
    claim: Claim,
    fixed: Sequence[tuple[str, int]],
    values: Sequence[int],
    free: Sequence[tuple[str, int]],
) -> str:
    """Verilog: ``bad`` where unit and table differ; some inputs are constants."""
    rows = []
    for rest in product(*(range(1 << width) for _, width in free)):
        key = 0
        for (_, width), value in zip(free, rest, strict=True):
            key = key << width | value
        number = claim.expected(*values, *rest) % (1 << claim.bits)
        rows.append(f"    {key}: expected = {claim.bits}'h{number:x};")
    ports = ", ".join(f"input [{width - 1}:0] {port}" for port, width in free)
    constants = [
        f"  wire [{width - 1}:0] {port} = {width}'d{value};"
        for (port, width), value in zip(fixed, values, strict=True)
    ]
    wires = [f"  wire [{width - 1}:0] {port};" for port, width in claim.outputs.items()]
    given = claim.ports or {port: port for port, _ in claim.inputs}
    connections = [f".{port}({value})" for port, value in given.items()]
    connections += [f".{port}({port})" for port in claim.outputs]
    return "\n".join(
        [
            f"module {name}({ports}, output bad);",
            *constants,
            *wires,
            f"  unit u({', '.join(connections)});",
            f"  wire [{claim.bits - 1}:0] found = {claim.value};",
            f"  reg [{claim.bits - 1}:0] expected;",
            f"  always @* case ({{{', '.join(port for port, _ in free)}}})",
            *rows,
            "  endcase",
            "  assign bad = found != expected;",
            "endmodule",
        ]
    )
