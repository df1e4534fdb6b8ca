"""A hand-written design in the form that the generator writes: Verilog and manifest."""

from __future__ import annotations

from pathlib import Path

from accelgen.cosim.packing import beat_count
from accelgen.manifest import Manifest, Predicted, StreamSpec

SOURCE = Path(__file__).parent / "dut" / "gemm.v"
BUS = 16
M, N, K = 3, 4, 5

EDITS = {
    "element": 1,  # one output element is wrong for one value of an input
    "cycle": 2,  # computes one cycle longer
    "error": 3,  # drops the bad packet but tells nobody
    "pause": 4,  # goes on to the next beat although the last was not accepted
    "padding": 5,  # unused bits are not zero
    "short": 6,  # computes with a packet that was too short
    "sticky": 7,  # reset does not clear the error
}


def write_design(folder: Path, *, fault: str | None = None) -> Path:
    """Write the design, with one of the faults of ``EDITS`` if named, and return ``folder``."""
    text = SOURCE.read_text(encoding="utf-8")
    if fault is not None:
        text = text.replace("parameter MUTANT = 0", f"parameter MUTANT = {EDITS[fault]}")
    (folder / "gemm.v").write_text(text, encoding="utf-8")
    make_manifest().write(folder)
    return folder


def make_manifest() -> Manifest:
    """The manifest of the design; its cycles follow from the text of ``gemm.v``."""
    a = _stream("A", "in", (M, K), "int4", 4)
    b = _stream("B", "in", (K, N), "int5", 5)
    y = _stream("Y", "out", (M, N), "int12", 12)
    compute = M * N * K
    # In: one beat a cycle; full; compute; full; then one beat a cycle again.
    total = max(a.beats, b.beats) + 1 + compute + 1 + y.beats
    return Manifest(
        name="gemm",
        top="gemm",
        verilog=("gemm.v",),
        expression="Y[m,n] += A[m,k] * B[k,n]",
        bounds={"m": M, "n": N, "k": K},
        streams=(a, b, y),
        predicted=Predicted(compute, total),
    )


def _stream(tensor: str, way: str, shape: tuple[int, int], fmt: str, bits: int) -> StreamSpec:
    return StreamSpec(
        tensor=tensor,
        direction="in" if way == "in" else "out",
        prefix=f"{'s' if way == 'in' else 'm'}_axis_{tensor.lower()}",
        shape=shape,
        format=fmt,
        element_bits=bits,
        bus_bits=BUS,
        beats=beat_count(shape[0] * shape[1], bits, BUS),
    )
