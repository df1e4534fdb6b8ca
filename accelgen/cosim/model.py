"""Verilog to a program that cocotb drives, kept in the cache under the hash of its text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cocotb_tools.config

from accelgen.cache import cached_folder, digest, prune
from accelgen.cosim.runtime import Trace, compile_all, ensure_runtime, run_tool
from accelgen.cosim.toolchain import Toolchain
from accelgen.errors import InputError

__all__ = ["Model", "build_model"]

_KEEP_MODELS = 256
"""Models kept in the cache; about half a megabyte each for a small array."""

_UNIT = 600_000
"""Characters of C++ that are compiled at once; a model no larger is compiled unoptimised."""

_NO_EXPAND = "-fno-expand"
"""Verilator 5.48 may expand the operand of ``$signed({1'h0,x})`` to ``x`` alone in an inlined copy
of a module, and then extend its top bit as a sign; without that step it does not."""


@dataclass(frozen=True)
class Model:
    """A compiled model: the shared ``library``, and the ``seconds`` that getting it took."""

    library: Path
    top: str
    cached: bool
    seconds: float


def build_model(
    tools: Toolchain,
    sources: Sequence[Path],
    top: str,
    ports: Sequence[str],
    trace: Trace = "none",
    options: Sequence[str] = (),
) -> Model:
    """Compile ``sources`` with module ``top`` as root; only ``ports`` are visible to the bench.

    ``options`` are further ones of Verilator.  The same text is never compiled twice on one
    machine.

    Raises:
        InputError: a source cannot be read.
        AccelgenError: Verilator or the compiler rejects the design; the message says why.
    """
    start = time.monotonic()
    try:
        texts = [path.read_bytes() for path in sources]
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(error.filename)) from None
    runtime = ensure_runtime(tools, trace)
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    libraries = cocotb_tools.config.libs_dir
    key = digest(
        [
            runtime.folder.name,
            _NO_EXPAND,
            str(_UNIT),
            top,
            *ports,
            *options,
            str(libraries),
            main.read_bytes(),
            *texts,
        ]
    )

    def build(folder: Path) -> None:
        visible = folder / "visible.vlt"
        names = "".join(f'public_flat_rw -module "{top}" -var "{port}"\n' for port in ports)
        visible.write_text(f"`verilator_config\n{names}", encoding="utf-8")
        sheets = folder / "cpp"
        command = [
            str(tools.verilator), "--cc", "--vpi", "--no-timing", "-Wno-fatal", "-Wno-lint",
            "-Wno-style", "--timescale", "1ns/1ns", "--prefix", "Vtop", "--top-module", top,
            "--output-split", "20000", _NO_EXPAND,
            "-Mdir", str(sheets),
        ]  # fmt: skip
        if trace != "none":
            command.append(f"--trace-{trace}")
        command += options
        run_tool([*command, str(visible), *(str(path.resolve()) for path in sources)], tools)
        units = _translation_units(sheets, sorted(sheets.glob("*.cpp")))
        with units[-1].open("a", encoding="utf-8") as last:
            last.write(f'#define main accelgen_main\n#include "{main}"\n')
        objects = [unit.with_suffix(".o") for unit in units]
        compile_all(
            [
                [str(tools.cxx), *runtime.compile_flags, f"-I{sheets}", "-c", str(unit), "-o",
                 str(target)]
                for unit, target in zip(units, objects, strict=True)
            ],
            tools,
        )  # fmt: skip
        run_tool(
            [
                str(tools.cxx), "-o", str(folder / "model.so"), *map(str, objects),
                *runtime.link_flags, f"-L{libraries}", f"-Wl,-rpath,{libraries}",
                "-lcocotbvpi_verilator", "-pthread",
            ],
            tools,
        )  # fmt: skip
        for path in sheets.iterdir():
            path.unlink()
        sheets.rmdir()

    folder, cached = cached_folder("models", key, build)
    if not cached:
        prune("models", _KEEP_MODELS)
    return Model(folder / "model.so", top, cached, time.monotonic() - start)


def _translation_units(folder: Path, sources: Sequence[Path]) -> list[Path]:
    """Gather sources into files of about ``_UNIT`` characters: few enough that the headers cost
    little, many enough that all processors have work.
    """
    units: list[list[Path]] = [[]]
    size = 0
    for source in sources:
        if units[-1] and size + source.stat().st_size > _UNIT:
            units.append([])
            size = 0
        units[-1].append(source)
        size += source.stat().st_size
    files = [folder / f"unit{number}.cc" for number in range(len(units))]
    # Of a small model the bench takes nearly all the time, optimised or not.
    first = '#pragma GCC optimize ("O0")\n' if len(units) == 1 else ""
    for file, unit in zip(files, units, strict=True):
        lines = "".join(f'#include "{source}"\n' for source in unit)
        file.write_text(first + lines, encoding="utf-8")
    return files
