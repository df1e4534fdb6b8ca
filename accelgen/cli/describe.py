"""``accelgen list``."""

from __future__ import annotations

import argparse

from accelgen.cli.command import Command, add_json, print_json, table

__all__ = ["LIST"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="print this description instead, as YAML"
    )
    add_json(parser)


def _list(arguments: argparse.Namespace) -> int:
    from accelgen.affine import load_description
    from accelgen.content import content_path, list_content

    if arguments.name is not None:
        text = content_path("dataflows", arguments.name).read_text(encoding="utf-8")
        if arguments.json:
            print_json({"name": arguments.name.removesuffix(".yaml"), "yaml": text})
        else:
            print(text, end="")
        return 0
    shipped = [
        load_description(file.removesuffix(".yaml"))
        for file in list_content("dataflows")
        if file.endswith(".yaml")
    ]
    rows = [(d.name, d.workload.expression, d.comment.partition("\n")[0]) for d in shipped]
    if arguments.json:
        keys = ("name", "expression", "summary")
        print_json({"descriptions": [dict(zip(keys, row, strict=True)) for row in rows]})
    else:
        print(table(rows))
    return 0


LIST = Command("list", "list the shipped descriptions, or print one", _add_arguments, _list)
