"""The code blocks of a Markdown page, and what it takes to run them."""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from accelgen.cache import cache_root
from accelgen.cli import main

__all__ = ["LONG", "ROOT", "Block", "blocks", "commands", "pages", "run_page"]

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"`([\w./-]+\.ya?ml)`:\s*\Z")
_MACHINE_CODE = ("models", "numba", "runtime")
"""What the user's cache keeps compiled; nothing that is printed depends on it."""

LONG = ("accelgen demo",)
"""Commands whose simulation takes long."""

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block: ``language``, ``text``, where it starts, and the text ``before`` it."""

    language: str
    text: str
    where: str
    before: str

    @property
    def file(self) -> str | None:
        """The file the text in front of the block names: ``... as `gemm.yaml`:``."""
        match = _FILE_NAME.search(self.before)
        return match[1] if match else None


def pages() -> list[Path]:
    """README and every page of the documentation."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order; directives (``{...}``) are not code."""
    text = page.read_text(encoding="utf-8")
    end = 0
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        where = f"{page.relative_to(ROOT)}:{line}"
        yield Block(match[1], match[2], where, text[end : match.start()])
        end = match.end()


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block (after ``$``), each with the output shown for it."""
    command, shown = "", ""
    for line in block.text.splitlines(keepends=True):
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:].strip(), ""
        else:
            assert command, f"{block.where}: output without a command"
            shown += line
    yield command, shown


def run_page(page: Path, folder: Path, *, quick: bool = False) -> int:
    """Run the blocks of a page in order in ``folder``; return how many there were.

    Named YAML is written to its file; console commands run in a shell, Python in one namespace;
    what they print must be what the page shows (``...`` stands for anything).  When ``quick``,
    commands of accelgen alone run in this process, and those of ``LONG`` not at all.
    """
    with _empty_cache(folder / ".cache"):
        return _run(blocks(page), folder, quick)


def _run(found: Iterator[Block], folder: Path, quick: bool) -> int:
    names: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    count = 0
    for block in found:
        if block.language == "yaml" and block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for command, shown in commands(block):
                if quick and command in LONG:
                    continue
                alone = command.startswith("accelgen ") and not set("|;&<>$*") & set(
                    re.sub("'[^']*'", "", command)
                )
                run = _in_process if quick and alone else _shell
                _check(block, command, shown, run(block, command, shown, folder))
        elif block.language == "python":
            printed = _python(block, names, folder)
        elif block.language == "text" and printed and not block.before.strip():
            _check(block, "the Python block", block.text, printed)
            printed = ""
            continue
        else:
            continue
        count += 1
    return count


@contextlib.contextmanager
def _empty_cache(folder: Path) -> Iterator[None]:
    """A cache with nothing in it but what is compiled: commands say what was known before."""
    before = os.environ.get("XDG_CACHE_HOME")
    (folder / "accelgen").mkdir(parents=True)
    for name in _MACHINE_CODE:
        kept = cache_root() / name
        kept.mkdir(exist_ok=True)
        (folder / "accelgen" / name).symlink_to(kept)
    os.environ["XDG_CACHE_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before


def _shell(block: Block, command: str, shown: str, folder: Path) -> str:
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "COLUMNS": "200",
    }
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    _check_code(block, command, shown, done.returncode, done.stdout)
    return done.stdout


def _in_process(block: Block, command: str, shown: str, folder: Path) -> str:
    output = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        code = main(shlex.split(command)[1:])
    _check_code(block, command, shown, code, output.getvalue())
    return output.getvalue()


def _check_code(block: Block, command: str, shown: str, code: int, printed: str) -> None:
    fails = any(line.startswith("accelgen: ") for line in shown.splitlines())
    assert fails == bool(code), f"{block.where}: {command} ended with {code}:\n{printed}"


def _python(block: Block, names: dict[str, object], folder: Path) -> str:
    code = compile(block.text, block.where, "exec")
    output = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(output):
        exec(code, names)
    return output.getvalue()


def _check(block: Block, what: str, shown: str, printed: str) -> None:
    if shown:
        same = doctest.OutputChecker().check_output(shown, printed, _FLAGS)
        assert same, f"{block.where}: {what}\nshown:\n{shown}\nprinted:\n{printed}"
