"""The picture of the page on simulation shows the layers that the network has."""

from __future__ import annotations

import re
import runpy

from accelgen.networks import load_network
from tests.docs.blocks import ROOT


def test_the_picture_has_a_bar_per_distinct_layer() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "pictures" / "make_results.py"))
    texts = re.findall(r"<!-- (.*?) -->", script["PICTURE"].read_text(encoding="utf-8"))
    network = load_network(script["NETWORK"])
    firsts: dict[object, str] = {}
    for layer in network.matrix_layers:
        firsts.setdefault((layer.workload, layer.weights), layer.name)
    names = [text.split(" ")[0] for text in texts]
    assert [name for name in names if name in firsts.values()] == list(firsts.values())
    assert f"{network.name} on {script['HARDWARE']}" in texts
    assert "lower bound" in texts
