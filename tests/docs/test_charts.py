"""The charts of the benchmarks show the tables."""

from __future__ import annotations

import re

import pytest

from benchmarks.charts import (
    CHARTS,
    FIRST,
    REMOTE,
    Scale,
    draw_all,
    format_ratio,
    read_rows,
    read_tables,
)
from tests.docs.blocks import ROOT

DOCS = ROOT / "docs"
ROWS = read_rows((DOCS / "remote.md").read_text("utf-8"), REMOTE)
TABLES = read_tables((DOCS / "benchmark-tables.md").read_text("utf-8"))


def test_charts_are_drawn_from_the_tables_as_they_are() -> None:
    for name, chart in draw_all(TABLES, ROWS).items():
        assert (DOCS / "charts" / name).read_text("utf-8") == chart, name


def test_every_table_has_a_chart_and_every_chart_is_shown() -> None:
    drawn = {*CHARTS.values(), *(title + FIRST for title in CHARTS.values())}
    assert set(TABLES) <= drawn
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    assert set(re.findall(r":file: charts/(.*)\.svg", page)) == {*CHARTS, "remote"}


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_names_every_contestant_and_its_ratio(name: str) -> None:
    chart = (DOCS / "charts" / f"{name}.svg").read_text("utf-8")
    words = [text.replace("&#x27;", "'") for text in re.findall(r">([^<>]+)</text>", chart)]
    table = TABLES[CHARTS[name]]
    for contestant, ratio in table.ratios.items():
        shown = words[words.index(contestant, words.index(table.reference) + 1) + 1]
        assert shown.split(", ")[0] == format_ratio(ratio)


def test_a_table_of_cases_is_read_with_all_its_ratios() -> None:
    head = "\n| | a | `b`, c | Zarr | n |\n|---|---|---|---|---|\n"
    page = head + "| one `x={}` | **0.5** | 2 | 1 | 3, 4 |\n\n"
    assert read_rows(page, "| | a") == {"one x={}": {"a": 0.5, "b, c": 2.0, "Zarr": 1.0}}
    assert len(ROWS) == 9
    assert {len(ratios) for ratios in ROWS.values()} == {4}


def test_a_scale_reaches_from_power_to_power() -> None:
    scale = Scale([0.02, 1.0, 3.0])
    assert scale.ticks == [0.01, 0.1, 1.0, 10.0]
    assert scale(0.01) < scale(0.02) < scale(1) < scale(10)
    assert scale(1) - scale(0.1) == pytest.approx(scale(10) - scale(1))
