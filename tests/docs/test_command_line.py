"""The page on the command line has a section for every command, and no other."""

from __future__ import annotations

import argparse
import re

from accelgen.cli.parser import COMMANDS
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def test_headings_are_the_commands() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    words = [word for heading in headings for word in heading.split(" and ")]
    assert sorted(words) == sorted(command.name for command in COMMANDS)


def test_options_of_mac_are_in_its_section() -> None:
    parser = argparse.ArgumentParser()
    next(command for command in COMMANDS if command.name == "mac").add_arguments(parser)
    options = {max(action.option_strings, key=len) for action in parser._actions} - {"--help"}
    section = PAGE.split("\n## mac\n")[1].split("\n## ")[0]
    assert options == set(re.findall(r"--[a-z][a-z-]*", section)) | {"--output"}
