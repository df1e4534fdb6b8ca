"""``accelgen networks``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from accelgen.cli import main
from accelgen.networks import list_networks, load_network


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["networks", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_the_table_has_every_network(capsys: pytest.CaptureFixture[str]) -> None:
    heading, *rows = printed(capsys).splitlines()
    assert heading.split() == ["network", "layers", "GMACs", "M", "parameters", "source"]
    assert [row.split()[0] for row in rows] == list(list_networks())
    row = next(row for row in rows if row.startswith("resnet50 "))
    assert row.split()[1:4] == ["54", "4.089", "25.557"]
    assert "arXiv 1512.03385" in row


def test_the_table_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "--json"))
    assert data["schema"] == 1
    found = {entry["name"]: entry for entry in data["networks"]}
    assert set(found) == set(list_networks())
    assert found["vit_b_16"]["macs"] == 17_563_828_224
    assert found["vit_b_16"]["parameters"] == 86_567_656


def test_layers_of_one_network(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "vgg16").splitlines()
    assert "16 layers, 12 distinct, 15470264320 MACs, 138357544 parameters" in lines[1]
    row = next(line for line in lines if line.split()[0] == "conv5_1")
    assert row.split()[1] == "3"
    assert "Y[n,k,p,q] += X[n,c,p + r,q + s] * W[k,c,r,s], n=1 k=512 c=512 p=14" in row
    assert lines[-1].endswith("max_pool 6121472, relu 13555712, softmax 1000")


def test_layers_as_json_are_all_there(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(printed(capsys, "bert_base", "--set", "tokens=384,batch=2", "--json"))
    network = load_network("bert_base", {"tokens": 384, "batch": 2})
    assert [entry["name"] for entry in data["work"]] == [layer.name for layer in network.layers]
    assert sum(entry.get("macs", 0) for entry in data["work"]) == data["macs"] == network.macs
    assert sum(entry["parameters"] for entry in data["work"]) == data["parameters"]
    assert data["edges"] == [list(edge) for edge in network.edges]


def test_a_file_of_vector_work_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text("layers: [{name: a, operation: relu, elements: 5, repeats: 2}]\n")
    assert printed(capsys, str(file)).splitlines() == [
        "n",
        "  0 layers, 0 distinct, 0 MACs, 0 parameters",
        "  vector work, elements: relu 10",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["resnet5"], "unknown network 'resnet5'; did you mean 'resnet50'?"),
        (["none.yaml"], "none.yaml: there is no such file"),
        (["none.onnx"], "none.onnx: No such file or directory"),
        (["--set", "batch=2"], "--set needs a network"),
        (["vgg16", "--set", "batch"], "--set: 'batch' is not NAME=VALUE; write --set tokens=384"),
        (["vgg16", "--set", "bach=2"], "unknown parameter of vgg 'bach'; did you mean 'batch'?"),
        (["vgg16", "--set", "batch=-2"], "batch: '-2' is no integer; use 1"),
    ],
)
def test_errors_are_one_line(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert main(["networks", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert says in err
