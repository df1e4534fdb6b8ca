"""The nearest known name to a wrong one; maps that do not change."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest

from accelgen.affine import Workload
from accelgen.errors import InputError
from accelgen.formats import format_names, get_format
from accelgen.names import FrozenMap, nearest


@pytest.mark.parametrize("name", format_names())
def test_a_format_in_other_letter_case_is_meant(name: str) -> None:
    with pytest.raises(InputError) as caught:
        get_format(name.upper())
    assert caught.value.hint == f"did you mean {name!r}?"


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("K", ["k", "n"], "did you mean 'k'?"),
        # The case that is written is nearer, unless the rest is the same.
        ("Ab", ["ab", "Abc"], "did you mean 'ab'?"),
        ("ABCE", ["abcd", "ABCF"], "did you mean 'ABCF'?"),
        ("MXINT", ["mxint8", "if4"], "did you mean 'mxint8'?"),
        ("zzz", ["a", "b"], "known: a, b"),
        ("zzz", [], "none is known"),
    ],
)
def test_hints(name: str, known: list[str], hint: str) -> None:
    assert nearest(name, known) == hint


def test_types_in_other_letter_case() -> None:
    bounds = {"m": 2, "n": 2, "k": 32}
    with pytest.raises(InputError, match="types: A: unknown format 'NVFP4'; did you mean 'nvfp4'"):
        Workload("Y[m,n] += A[m,k] * B[k,n]", bounds, {"A": "NVFP4", "B": "NVFP4"})


def test_maps_are_found_by_key_in_another_process() -> None:
    """Where strings have other hashes: workers are sent what was hashed before."""
    sent = FrozenMap({"b": 1, "a": FrozenMap({"c": 2})})
    hash(sent)
    code = (
        "import pickle, sys; from accelgen.names import FrozenMap\n"
        "found = pickle.load(sys.stdin.buffer)\n"
        "made = FrozenMap({'b': 1, 'a': FrozenMap({'c': 2})})\n"
        "assert found == made and list(found) == ['b', 'a'] and {made: 3}[found] == 3\n"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run(
            [sys.executable, "-c", code], input=pickle.dumps(sent), env=environment, check=True
        )
