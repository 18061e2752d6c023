"""The page on the engine has every keyword, with the defaults of the real signatures."""

from __future__ import annotations

import inspect
import re

import pytest

import rawmmap
from rawmmap.description.keywords import Keywords
from rawmmap.xarray.engine import RawmmapEntrypoint
from tests.docs.blocks import ROOT

PAGE = (ROOT / "docs" / "engine.md").read_text("utf-8")
ROWS = {
    match[1]: [cell.strip() for cell in match[2].split(" | ")]
    for match in re.finditer(r"^\| `([a-z_]+)` \| (.*) \|$", PAGE, re.MULTILINE)
}
KEYWORDS = RawmmapEntrypoint.open_dataset_parameters or ()


def test_every_keyword_has_a_row_or_is_xarrays() -> None:
    rest = {name for name in KEYWORDS if name not in ROWS} - {"filename_or_obj"}
    assert set(ROWS) <= set(KEYWORDS)
    assert not rest & set(Keywords.names())
    for name in rest:
        assert f"`{name}`" in PAGE.split("## Keywords of xarray")[1]


@pytest.mark.parametrize("name", sorted(ROWS))
def test_a_row_has_type_default_and_meaning(name: str) -> None:
    assert len(ROWS[name]) == 3
    assert all(ROWS[name])


def defaults_of(function: object) -> dict[str, object]:
    """Return the defaults of a function's parameters that are not None."""
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    plain = {key: x.default for key, x in parameters.items() if x.default is not x.empty}
    return {key: x for key, x in plain.items() if x is not None}


def test_defaults_are_those_of_the_signatures() -> None:
    for function in (RawmmapEntrypoint.open_dataset, rawmmap.RawArray):
        for name, default in defaults_of(function).items():
            if name in ROWS:
                shown = f'"{default}"' if isinstance(default, str) else repr(default)
                assert ROWS[name][1] == f"`{shown}`", name
