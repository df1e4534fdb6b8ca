"""Verilator's run-time library, compiled once per machine and reused by every model.

Compiling it takes several seconds, a small model takes a fraction of one.  The folder in the cache
holds the library as an archive and its headers precompiled.

A model is a shared library that is preloaded into the Python executable, where it runs in place of
Python's own ``main``.  The test bench then finds Python in its own process, and no shared libpython
is needed, which a plain Debian does not have.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from accelgen.cache import cached_folder, digest
from accelgen.cosim.toolchain import Toolchain
from accelgen.errors import AccelgenError

__all__ = ["Runtime", "Trace", "compile_all", "ensure_runtime", "run_tool"]

Trace = Literal["none", "vcd", "fst"]

_OPTIMISATION = "-O1"
"""Half the compile time of ``-O2``; a bench spends its time in Python, not in the model."""

_SOURCES = ("verilated", "verilated_dpi", "verilated_vpi", "verilated_threads")
_START = """\
#include <cstdlib>
int accelgen_main(int argc, char** argv);
__attribute__((constructor)) static void start(int argc, char** argv) {
    unsetenv("LD_PRELOAD");
    std::exit(accelgen_main(argc, argv));
}
"""
_HEADER = """\
#include "verilated.h"
#include "verilated_vpi.h"
#include "verilated_dpi.h"
#include "verilated_sym_props.h"
#include "verilated_syms.h"
#include <memory>
#include <string>
"""


@dataclass(frozen=True)
class Runtime:
    """A compiled run-time library: what to give the compiler and the linker."""

    folder: Path
    flags: tuple[str, ...]
    libraries: tuple[str, ...]

    @property
    def compile_flags(self) -> tuple[str, ...]:
        """Flags for every C++ file of a model; the precompiled header comes first."""
        return (*self.flags, "-include", str(self.folder / "runtime.h"))

    @property
    def link_flags(self) -> tuple[str, ...]:
        """What follows the objects of a model on the linker's command line."""
        # The start comes last: it runs when all static data before it is initialised.
        archive, start = self.folder / "libverilated.a", self.folder / "start.o"
        return ("-shared", str(archive), str(start), *self.libraries)


def ensure_runtime(tools: Toolchain, trace: Trace = "none") -> Runtime:
    """The run-time library for ``trace``, compiled first if this machine has none yet."""
    flags = _flags(tools, trace)
    sources = [
        *_SOURCES,
        *{"none": (), "vcd": ("verilated_vcd_c",), "fst": ("verilated_fst_c",)}[trace],
    ]
    key = digest(
        [tools.verilator_version, str(tools.cxx), tools.cxx_version, *flags, _HEADER, _START]
    )

    def build(folder: Path) -> None:
        include = tools.verilator_root / "include"
        start = folder / "start.cpp"
        start.write_text(_START, encoding="utf-8")
        header = folder / "runtime.h"
        header.write_text(_HEADER, encoding="utf-8")
        compile_header = [
            str(tools.cxx),
            *flags,
            "-x",
            "c++-header",
            str(header),
            "-o",
            f"{header}.gch",
        ]
        objects = [folder / f"{name}.o" for name in sources]
        compile_all(
            [compile_header, [str(tools.cxx), *flags, "-c", str(start), "-o", f"{folder}/start.o"]]
            + [
                [str(tools.cxx), *flags, "-c", str(include / f"{name}.cpp"), "-o", str(target)]
                for name, target in zip(sources, objects, strict=True)
            ],
            tools,
        )
        run_tool(["ar", "rcs", "libverilated.a", *(o.name for o in objects)], tools, cwd=folder)
        for target in objects:
            target.unlink()

    folder, _ = cached_folder("runtime", key, build)
    return Runtime(folder, flags, ("-llz4", "-lz") if trace == "fst" else ())


def compile_all(commands: Sequence[Sequence[str]], tools: Toolchain) -> None:
    """Run independent compiler commands on all processors; raise on the first failure."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for done in [pool.submit(run_tool, command, tools) for command in commands]:
            done.result()


def run_tool(command: Sequence[str], tools: Toolchain, cwd: Path | None = None) -> str:
    """Run one tool of the chain; its output, or :class:`AccelgenError` with its first errors."""
    done = subprocess.run(
        command, cwd=cwd, env=tools.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines()]
        errors = [line for line in lines if "error" in line.lower()] or lines[-3:]
        raise AccelgenError(
            f"failed with exit code {done.returncode}: {' | '.join(errors[:3])}",
            where=Path(command[0]).name,
        )
    return done.stdout + done.stderr


def _flags(tools: Toolchain, trace: Trace) -> tuple[str, ...]:
    """What ``verilated.mk`` would pass: these defines must agree between library and model."""
    include = tools.verilator_root / "include"
    return (
        _OPTIMISATION,
        "-fPIC",
        f"-I{include}",
        f"-I{include / 'vltstd'}",
        "-DVERILATOR=1",
        "-DVM_COVERAGE=0",
        "-DVM_SC=0",
        "-DVM_TIMING=0",
        f"-DVM_TRACE={int(trace != 'none')}",
        f"-DVM_TRACE_FST={int(trace == 'fst')}",
        f"-DVM_TRACE_VCD={int(trace == 'vcd')}",
        "-DVM_TRACE_SAIF=0",
    )
