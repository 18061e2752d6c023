"""Reading GrADS files: against NumPy on bytes that are written value by value, and the program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from tests.formats.grads_files import Grid, dump, needs_cdo, needs_grads

CODES = ["f4", "u1", "u2", "i2", "i4"]
HEADERS = ["FILEHEADER", "XYHEADER", "XYTRAILER", "THEADER", "TRAILERBYTES"]


def check(ctl: Path, grid: Grid) -> None:
    """Compare every variable with what was written."""
    raw = rawmmap.open(ctl)
    for name, expected in grid.expected().items():
        data = raw[name].data
        np.testing.assert_array_equal(data[...], expected)
        assert data.dtype == np.dtype(grid.order + grid.code)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("options", [(), ("sequential", "yrev")])
def test_types_and_byte_orders(tmp_path: Path, code: str, order: str, options: Any) -> None:
    grid = Grid(code=code, order=order, options=options, headers={"FILEHEADER": 7, "XYHEADER": 8})
    check(grid.write(tmp_path), grid)


@st.composite
def grids(draw: Any) -> Grid:
    code = draw(st.sampled_from(CODES))
    time_inside = code == "f4" and draw(st.booleans())
    headers = {}
    for keyword in draw(st.sets(st.sampled_from(HEADERS))):
        if not (time_inside and keyword in ("THEADER", "TRAILERBYTES")):
            unit = 1 if keyword == "FILEHEADER" else np.dtype(code).itemsize
            headers[keyword] = draw(st.integers(0, 5)) * unit
    ne = draw(st.integers(0, 3))
    levels = draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    if time_inside and ne > 1:
        levels = levels[:1] * len(levels)
    return Grid(
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
        ne=ne,
        levels=tuple(levels),
        code=code,
        order=draw(st.sampled_from("<>")),
        headers=headers,
        options=tuple(draw(st.sets(st.sampled_from(["yrev", "zrev", "sequential"])))),
        time_inside=time_inside,
    )


@given(grid=grids())
def test_any_combination(tmp_path: Path, grid: Grid) -> None:
    check(grid.write(tmp_path), grid)


PROGRAM = [
    Grid(),
    Grid(levels=(1, 4, 0, 3)),
    Grid(levels=(2, 3), options=("yrev",)),
    Grid(levels=(2, 3), options=("zrev",)),
    Grid(levels=(2, 3), options=("yrev", "zrev", "sequential"), order=">"),
    *(Grid(headers={keyword: 8}) for keyword in HEADERS),
    *(Grid(headers={keyword: 8}, options=("sequential",)) for keyword in HEADERS),
    Grid(
        headers={"FILEHEADER": 3, "XYHEADER": 4, "XYTRAILER": 8, "THEADER": 12, "TRAILERBYTES": 16}
    ),
    *(Grid(code=code, order=order) for code in CODES for order in "<>"),
    *(Grid(code=code, headers={"XYHEADER": 4, "THEADER": 8}) for code in CODES),
    # The program misplaces the second time of sequential files of shorter integers.
    *(Grid(code=code, options=("sequential",), nt=1) for code in CODES),
    Grid(code="i4", options=("sequential",)),
    Grid(time_inside=True, levels=(2, 0, 3)),
    Grid(time_inside=True, options=("sequential", "zrev"), headers={"XYHEADER": 8}),
    Grid(ne=3, levels=(2, 0)),
    Grid(ne=3, levels=(2, 2), time_inside=True),
    Grid(ne=2, headers={"THEADER": 8, "TRAILERBYTES": 4, "FILEHEADER": 4}),
]


@needs_grads
@pytest.mark.parametrize("grid", PROGRAM, ids=range(len(PROGRAM)))
def test_the_program_reads_the_same(tmp_path: Path, grid: Grid) -> None:
    ctl = grid.write(tmp_path)
    raw = rawmmap.open(ctl)
    for name, values in grid.values().items():
        read = dump(ctl, name, values.shape)
        ours = np.asarray(raw[name].data[...]).astype("f4").reshape(values.shape)
        np.testing.assert_array_equal(ours, read)


@needs_grads
def test_units_that_grads_2_no_longer_knows(tmp_path: Path) -> None:
    grid = Grid(levels=(2, 2))
    ctl = grid.write(tmp_path)
    ctl.write_text(ctl.read_text().replace(" 99 ", " -1,30 "))
    check(ctl, grid)
    for name, values in grid.values().items():
        np.testing.assert_array_equal(dump(ctl, name, values.shape), values)


@needs_cdo
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("headers", "options", "step"),
    [
        ({}, (), "6hr"),
        ({"FILEHEADER": 12, "XYHEADER": 8}, ("yrev",), "1dy"),
        ({}, ("sequential",), "90mn"),
        ({"XYHEADER": 4}, ("sequential", "zrev"), "1mo"),
        ({}, (), "1yr"),
    ],
)
def test_cdo_imports_the_same(
    tmp_path: Path, headers: Any, options: Any, step: str, order: str
) -> None:
    pytest.importorskip("scipy")
    grid = Grid(headers=headers, options=options, order=order, nt=4, levels=(4, 0))
    ctl = grid.write(tmp_path)
    ctl.write_text(ctl.read_text().replace("12hr", step))
    out = tmp_path / "out.nc"
    subprocess.run(
        ["cdo", "-s", "-f", "nc", "import_binary", ctl, out], check=True, capture_output=True
    )
    with xr.open_dataset(out, engine="scipy") as imported:
        ours = xr.open_dataset(ctl, engine="rawmmap")
        # cdo flips the coordinates, where we flip the data.
        aligned = imported.sel(lat=ours.lat, lev=ours.lev)
        np.testing.assert_array_equal(ours.u, aligned.u)
        np.testing.assert_array_equal(ours.v, aligned.v)
        for name in ("time", "lat", "lon", "lev"):
            np.testing.assert_array_equal(ours[name], aligned[name])


SAMPLES = Path("/usr/share/doc/grads/examples")


@needs_grads
@pytest.mark.skipif(not SAMPLES.exists(), reason="the examples of grads are not installed")
def test_examples_of_grads(tmp_path: Path) -> None:
    for name in ("model.ctl", "model.dat"):
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    ds = xr.open_dataset(tmp_path / "model.ctl", engine="rawmmap")
    assert ds.Q.dims == ("time", "lev_5", "lat", "lon")
    assert ds.lev_5.values.tolist() == [1000, 850, 700, 500, 300]
    assert ds.title == "5 Days of Sample Model Output"
    for name in ("U", "Q", "PS"):
        values = ds[name].values
        shape = (1, 5, -1, *values.shape[-2:])
        values = values.reshape(shape)
        read = dump(tmp_path / "model.ctl", name, values.shape)
        np.testing.assert_array_equal(values, read)
    for ctl in SAMPLES.glob("*.ctl"):
        if ctl.stem != "model":
            with pytest.raises(ValueError, match="DTYPE: data of type 'netcdf'"):
                rawmmap.open(ctl)
