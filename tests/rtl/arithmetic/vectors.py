"""Millions of vectors through a component: Verilator's model, called from NumPy.

The model is a shared library in accelgen's cache.  Vectors go in and come out as 32-bit words;
there is no test bench in between.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from numpy.typing import NDArray

from accelgen.cache import cached_folder, digest
from accelgen.cosim.runtime import ensure_runtime, run_tool
from accelgen.cosim.toolchain import find_toolchain
from accelgen.rtl.library import UnitLibrary

Words = NDArray[np.uint32]
Vectors = NDArray[Any]


def simulate(
    component: wiring.Component,
    inputs: Mapping[str, Vectors],
    *,
    latency: int | None = None,
    settle: int = 0,
) -> dict[str, Vectors]:
    """What ``component`` answers to one vector per cycle.

    Arrays of the same length; up to 64 bits wide as integers, wider ones as Python's in an array
    of objects.  With ``latency`` (by default the component's own, or 0) answer ``n`` is the one
    to vector ``n``; with ``settle`` that many zero vectors follow.  Reset comes first.
    """
    if latency is None:
        latency = int(getattr(component, "latency", 0))
    members = {
        "__".join(str(part) for part in path): (member.flow == In, len(value), value.shape().signed)
        for path, member, value in component.signature.flatten(component)
    }
    ins = {name: width for name, (is_input, width, _) in members.items() if is_input}
    outs = {name: width for name, (is_input, width, _) in members.items() if not is_input}
    assert set(ins) == set(inputs), f"inputs are {sorted(ins)}"
    count = len(next(iter(inputs.values())))
    rows = np.zeros((count + latency + settle, sum(map(_words, ins.values()))), dtype=np.uint32)
    column = 0
    for name, width in ins.items():
        part = _split(inputs[name], width)
        assert part.shape[0] == count, f"{name} has another length"
        rows[:count, column : column + part.shape[1]] = part
        column += part.shape[1]
    answers = np.zeros((len(rows), sum(map(_words, outs.values()))), dtype=np.uint32)
    run = _library(component, ins, outs).run
    run(
        rows.ctypes.data_as(ctypes.c_void_p),
        answers.ctypes.data_as(ctypes.c_void_p),
        ctypes.c_long(len(rows)),
    )
    result: dict[str, Vectors] = {}
    column = 0
    for name, width in outs.items():
        part = answers[latency:, column : column + _words(width)]
        result[name] = _join(part, width, members[name][2])
        column += _words(width)
    return result


def _words(width: int) -> int:
    return -(-width // 32)


def _split(values: Vectors, width: int) -> Words:
    if width > 64:
        size = 4 * _words(width)
        mask = (1 << width) - 1
        data = b"".join((int(v) & mask).to_bytes(size, "little") for v in values)
        return np.frombuffer(data, dtype="<u4").reshape(len(values), -1)
    mask64 = np.uint64((1 << width) - 1)
    if values.dtype == object:
        bits = np.array([int(v) & int(mask64) for v in values], dtype=np.uint64)
    else:
        bits = values.astype(np.int64).view(np.uint64) if values.dtype.kind == "i" else values
        bits = bits.astype(np.uint64) & mask64
    words = bits.astype("<u8").view("<u4").reshape(-1, 2)
    return words[:, : _words(width)]


def _join(words: Words, width: int, signed: bool) -> Vectors:
    if width > 64:
        data = [int.from_bytes(row.tobytes(), "little") for row in np.ascontiguousarray(words)]
        half = 1 << (width - 1)
        return np.array([v - 2 * half if signed and v >= half else v for v in data], dtype=object)
    bits = np.zeros(len(words), dtype=np.uint64)
    for k in range(words.shape[1]):
        bits |= words[:, k].astype(np.uint64) << np.uint64(32 * k)
    if not signed:
        return bits
    unused = np.uint64(64 - width)
    return (bits << unused).view(np.int64) >> np.int64(unused)


def _library(
    component: wiring.Component, ins: Mapping[str, int], outs: Mapping[str, int]
) -> ctypes.CDLL:
    library = UnitLibrary(prefix="dut")
    library.add(component, "")
    text = library.verilog()
    clocked, resettable = (f"input {port};" in text for port in ("clk", "rst"))
    tools = find_toolchain()
    runtime = ensure_runtime(tools)
    bench = _bench(ins, outs, clocked, resettable)
    # Verilator 5.48 may expand the operand of $signed({1'h0, x}) to x alone, and then extend its
    # one bit as a sign; without this step it does not.
    command = [str(tools.verilator), "--cc", "--no-timing", "-fno-expand", "-Wno-fatal",
               "-Wno-lint", "-Wno-style", "--prefix", "Vtop", "--top-module", "dut"]  # fmt: skip

    def build(folder: Path) -> None:
        source = folder / "dut.v"
        source.write_text(text, encoding="utf-8")
        run_tool([*command, "-Mdir", str(folder), str(source)], tools)
        (folder / "bench.cpp").write_text(bench, encoding="utf-8")
        unit = folder / "all.cc"
        sources = sorted(folder.glob("*.cpp"))
        unit.write_text("".join(f'#include "{s}"\n' for s in sources), encoding="utf-8")
        target = folder / "all.o"
        compiler = [str(tools.cxx), *runtime.compile_flags, f"-I{folder}"]
        run_tool([*compiler, "-c", str(unit), "-o", str(target)], tools)
        archive = runtime.folder / "libverilated.a"
        run_tool(
            [str(tools.cxx), "-shared", "-o", str(folder / "model.so"), str(target),
             str(archive), "-pthread", *runtime.libraries],
            tools,
        )  # fmt: skip
        for path in folder.iterdir():
            if path.name != "model.so":
                path.unlink()

    key = digest(["vectors", runtime.folder.name, *command, text, bench])
    folder, _ = cached_folder("vectors", key, build)
    return ctypes.CDLL(str(folder / "model.so"))


def _bench(ins: Mapping[str, int], outs: Mapping[str, int], clocked: bool, resettable: bool) -> str:
    """C++ that feeds the model: outputs are read before the clock's edge."""
    drive, sample = [], []
    at = 0
    for name, width in ins.items():
        drive += _copy(name, width, f"in[{at}", at, to_model=True)
        at += _words(width)
    at_out = 0
    for name, width in outs.items():
        sample += _copy(name, width, f"out[{at_out}", at_out, to_model=False)
        at_out += _words(width)
    edge = "top.clk = 1; top.eval(); top.clk = 0; top.eval();" if clocked else ""
    reset = f"top.rst = 1; {edge} {edge} top.rst = 0;" if resettable else ""
    return f"""#include "Vtop.h"
#include "verilated.h"
extern "C" void run(const uint32_t* in, uint32_t* out, long count) {{
    VerilatedContext context;
    Vtop top{{&context, "top"}};
    {"top.clk = 0;" if clocked else ""}
    top.eval();
    {reset}
    for (long row = 0; row < count; ++row, in += {at}, out += {at_out}) {{
        {" ".join(drive)}
        top.eval();
        {" ".join(sample)}
        {edge}
    }}
    top.final();
}}
"""


def _copy(name: str, width: int, place: str, at: int, *, to_model: bool) -> list[str]:
    where = place.split("[", maxsplit=1)[0]
    if width > 64:
        pairs = [(f"top.{name}[{k}]", f"{where}[{at + k}]") for k in range(_words(width))]
        return [f"{m} = {w};" if to_model else f"{w} = {m};" for m, w in pairs]
    if width > 32:
        low, high = f"{where}[{at}]", f"{where}[{at + 1}]"
        if to_model:
            return [f"top.{name} = (uint64_t){low} | (uint64_t){high} << 32;"]
        return [f"{low} = (uint32_t)top.{name};", f"{high} = (uint32_t)(top.{name} >> 32);"]
    word = f"{where}[{at}]"
    return [f"top.{name} = {word};" if to_model else f"{word} = top.{name};"]
