"""Labels that a header holds come with their indexes; those in the file are left to xarray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

GRID = """DSET ^u.dat
UNDEF -9
XDEF 3 LINEAR 0 1
YDEF 2 LINEAR 10 1
ZDEF 1 LINEAR 1 1
TDEF 4 LINEAR 00Z01jan2000 1dy
VARS 1
u 0 99 u
ENDVARS
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    np.arange(24, dtype="f4").tofile(tmp_path / "u.dat")
    (tmp_path / "u.ctl").write_text(GRID)
    return tmp_path / "u.ctl"


@pytest.mark.parametrize("options", [{}, {"decode_times": False}, {"chunks": {"time": 2}}])
def test_indexes_are_those_that_xarray_makes(grid: Path, options: Any) -> None:
    ds = xr.open_dataset(grid, engine="rawmmap", **options)
    expected = ds.drop_indexes(list(ds.xindexes)).assign_coords(
        xr.Coordinates({name: ds[name].variable for name in ("time", "lat", "lon")})
    )
    assert set(ds.xindexes) == {"time", "lat", "lon"}
    for name, index in ds.xindexes.items():
        assert type(index) is xr.indexes.PandasIndex
        assert index.equals(expected.xindexes[name])
        assert ds[name].attrs == expected[name].attrs
        assert ds[name].encoding == expected[name].encoding
    xr.testing.assert_identical(ds, expected)


def test_times_can_be_selected_and_keep_their_encoding(grid: Path) -> None:
    ds = xr.open_dataset(grid, engine="rawmmap")
    assert ds.u.sel(time="2000-01-03", lat=11, lon=2).item() == 2 * 6 + 5
    assert isinstance(ds.indexes["time"], pd.DatetimeIndex)
    assert ds.time.encoding["units"] == "days since 2000-01-01 00:00:00"


def test_labels_in_the_file_are_not_read_without_an_index(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    np.arange(6, dtype="f8").tofile(path)
    variables: dict[str, Any] = {
        "x": {"dtype": "f8", "shape": 3, "dims": "x"},
        "u": {"dtype": "f8", "shape": 3, "dims": "x"},
    }
    ds = xr.open_dataset(path, engine="rawmmap", variables=variables)
    assert set(ds.xindexes) == {"x"}
    try:
        bare = xr.open_dataset(
            path, engine="rawmmap", variables=variables, create_default_indexes=False
        )
    except TypeError:
        pytest.skip("this xarray has no create_default_indexes")
    assert not bare.xindexes
    assert "x" in bare.coords


def test_closing_is_possible_with_coordinates_of_the_call(grid: Path) -> None:
    with xr.open_dataset(grid, engine="rawmmap", coords={"season": ("time", list("abcd"))}) as ds:
        assert ds.season.values.tolist() == list("abcd")
        assert callable(ds._close)
