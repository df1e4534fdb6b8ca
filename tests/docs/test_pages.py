"""Everything README and the documentation show runs, and prints what they show."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from accelgen.affine import parse_description
from tests.docs.blocks import ROOT, Block, blocks, pages, run_page

SIMULATING = ("verify", "demo", "lint", "synth")
LANGUAGES = {"console", "python", "sh", "text", "yaml"}


def runnable() -> Sequence[object]:
    """Pages with code, those that simulate marked as such."""
    found = []
    for page in pages():
        code = [b.text for b in blocks(page) if b.language in ("console", "python")]
        if not code:
            continue
        simulates = any(word in text for word in SIMULATING for text in code)
        marks = [pytest.mark.rtl] if simulates else []
        found.append(pytest.param(page, marks=marks, id=page.relative_to(ROOT).as_posix()))
    return found


def all_blocks() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


@pytest.mark.parametrize("page", runnable())
def test_blocks_run_and_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path, quick=True) > 0


@pytest.mark.slow
@pytest.mark.parametrize("page", runnable())
def test_blocks_run_in_a_shell_and_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    assert run_page(page, tmp_path) > 0


def test_every_block_has_a_known_language() -> None:
    fences = sum(
        line.startswith("```") and not line.startswith("```{")
        for page in pages()
        for line in page.read_text(encoding="utf-8").splitlines()
    )
    directives = sum(
        line.startswith("```{")
        for page in pages()
        for line in page.read_text(encoding="utf-8").splitlines()
    )
    assert fences == 2 * len(all_blocks()) + directives
    assert {block.language for block in all_blocks()} <= LANGUAGES


@pytest.mark.parametrize(
    "block",
    [
        b
        for b in all_blocks()
        if b.language == "yaml" and "\nexpression:" in b.text and b.file != "wrong.yaml"
    ],
    ids=lambda block: block.where,
)
def test_whole_descriptions_are_legal(block: Block) -> None:
    description = parse_description(block.text)
    description.lower()
    assert parse_description(str(description)) == description


def test_links_of_the_readme_resolve() -> None:
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not link.startswith(("http://", "https://")):
                assert (ROOT / link).exists(), f"{page.name}: {link}"


def test_set_up_commands_are_those_of_the_makefile() -> None:
    words = [
        shlex.split(line, comments=True)
        for block in blocks(ROOT / "README.md")
        if block.language == "sh"
        for line in block.text.splitlines()
    ]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.partition(":")[0] for line in makefile.splitlines() if ":" in line}
    installed: set[str] = set()
    for command in filter(None, words):
        if command[0] == "make":
            assert command[1] in targets
        elif command[:3] == ["sudo", "apt-get", "install"]:
            installed.update(command[3:])
        else:
            assert command == ["pip", "install", "."]
    assert {"make", "demo"} <= {word for command in words for word in command}
    # What the Makefile asks for when it is missing is what README says to install.
    packages = re.findall(r"\$\(call need,command -v [^,]*,[^,]*,([\w.+-]+)\)", makefile)
    assert packages
    assert {*packages, "make", "python3-venv"} <= installed


def test_make_demo_runs_the_demo() -> None:
    done = subprocess.run(
        ["make", "-n", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.search(r"^\S*/accelgen demo$", done.stdout, re.MULTILINE)


def test_ci_runs_make_test() -> None:
    assert re.search(r"^make test\b", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html",
         "-d", str(tmp_path / "doctrees"), "docs", str(tmp_path / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs").rglob("*.md"):
        built = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (tmp_path / "html" / built).is_file()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_has_both_sides_of_a_merge(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [x for x in lines if re.match(r"(<{7}|={7}|>{7})( |$)", x)] == []
    rooms = [line.split("|")[1] for line in lines if line.startswith("| `accelgen.")]
    assert sorted(rooms) == sorted(set(rooms))
