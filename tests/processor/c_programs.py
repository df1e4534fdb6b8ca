"""Programs in C around the driver of a design: built, run, and what they print."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from accelgen.processor.c_driver import write_driver
from accelgen.processor.c_header import write_header
from accelgen.processor.design import ProcessorModel

__all__ = ["compiled", "needs_compiler", "printed"]

FLAGS = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]

compiler = shutil.which("gcc") or shutil.which("cc")
needs_compiler = pytest.mark.skipif(compiler is None, reason="there is no C compiler")

SHOW = """
#include <stdio.h>
#include "NAME.h"

static void show(const struct NAME_problem *problem)
{
    uint32_t settings[LOUD_REGISTERS];

    printf("%d", NAME_settings(problem, settings));
    for (unsigned n = 0; n < LOUD_REGISTERS; n++) {
        printf(" %lu", (unsigned long)settings[n]);
    }
    printf("\\n");
}
"""
"""The header show.h: prints the error and the registers of a problem as a line."""


def compiled(design: ProcessorModel, folder: Path, main: str, *flags: str) -> Path:
    """An executable of the driver of a design and ``main``, where NAME and LOUD are its name; it
    may include show.h.
    """
    (folder / f"{design.name}.h").write_text(write_header(design), encoding="utf-8")
    (folder / f"{design.name}.c").write_text(write_driver(design), encoding="utf-8")
    for name, text in (("main.c", main), ("show.h", SHOW)):
        text = text.replace("NAME", design.name).replace("LOUD", design.name.upper())
        (folder / name).write_text(text, encoding="utf-8")
    assert compiler is not None
    command = [compiler, *FLAGS, *flags, f"{design.name}.c", "main.c", "-o", "main"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return folder / "main"


def printed(program: Path, asked: str = "") -> list[list[int]]:
    """The numbers that a program prints when it reads ``asked``, line by line."""
    ran = subprocess.run(
        [program], input=asked, capture_output=True, text=True, check=True, timeout=60
    )
    return [[int(word) for word in line.split()] for line in ran.stdout.splitlines()]
