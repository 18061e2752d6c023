"""The page on the design lists the layers as they are."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT
from tests.test_layers import LAYERS


def test_the_layers_are_those_that_a_test_enforces() -> None:
    page = (ROOT / "docs" / "design.md").read_text("utf-8").split("## The layers")[1]
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    listed = [set(re.findall(r"`(\w+)(?:\.py|/)`", row)) for row in rows]
    assert set.union(*listed) == set.union(*LAYERS) - {"__main__"}
    places = {name: place for place, layer in enumerate(LAYERS) for name in layer}
    order = [places[name] for row in listed for name in sorted(row, key=places.__getitem__)]
    assert order == sorted(order)
