"""The axes of GrADS grids: coordinates, dates, calendars; against the program, NumPy and cftime."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.formats.grads.axes import gaussian_latitudes
from tests.formats.grads_files import Grid, needs_grads, run_grads


def write(folder: Path, grid: Grid, **lines: str) -> Path:
    """Write a grid whose lines of some keywords are replaced."""
    ctl = grid.write(folder)
    text = ctl.read_text()
    for keyword, line in lines.items():
        text, n = re.subn(f"(?m)^{keyword} .*$", line, text)
        assert n == 1
    ctl.write_text(text)
    return ctl


def times_of_program(folder: Path, count: int) -> list[str]:
    """Return the dates of g.ctl as the program prints them."""
    commands = ["open g.ctl"]
    for t in range(1, count + 1):
        commands += [f"set t {t}", "q time"]
    return re.findall(r"(?m)^Time = +(\S+)", run_grads(commands, folder))


TIMES = [
    ("00z01jan2000", "1dy"),
    ("00:30z28feb1999", "45mn"),
    ("12Z5MAR49", "6hr"),
    ("jan50", "1mo"),
    ("31jan2000", "1mo"),
    ("29feb2000", "1yr"),
    ("15dec1899", "3mo"),
    ("1jan1", "100dy"),
    ("1jan2000", "1dy2hr"),
    ("1jan2000", "1yr1mo"),
    ("01:05Z27feb1900", "36hr"),
]


def as_grads(date: Any) -> str:
    """Return a date as the program prints it."""
    month = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"[3 * date.month - 3 : 3 * date.month]
    minute = f":{date.minute:02d}" if date.minute else ""
    return f"{date.hour:02d}{minute}Z{date.day:02d}{month}{date.year:04d}"


@needs_grads
@pytest.mark.parametrize("calendar", ["", "365_day_calendar"])
@pytest.mark.parametrize(("start", "step"), TIMES)
def test_dates_as_the_program_counts_them(
    tmp_path: Path, start: str, step: str, calendar: str
) -> None:
    if calendar and start.startswith("29feb"):
        pytest.skip("there is no such day")
    grid = Grid(nt=40, nx=1, ny=1, levels=(0,), options=(calendar,))
    ctl = write(tmp_path, grid, TDEF=f"TDEF 40 LINEAR {start} {step}")
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    ds = xr.open_dataset(ctl, engine="rawmmap", decode_times=coder)
    dates = ds.time.values
    assert [as_grads(date) for date in dates] == times_of_program(tmp_path, 40)
    assert dates[0].calendar == ("noleap" if calendar else "proleptic_gregorian")


def test_dates_are_datetimes(tmp_path: Path) -> None:
    ctl = write(tmp_path, Grid(nt=3), TDEF="tdef 3 linear 06:30z31dec1999 12hr")
    ds = xr.open_dataset(ctl, engine="rawmmap")
    expected = np.array(["1999-12-31T06:30", "1999-12-31T18:30", "2000-01-01T06:30"], "M8[ns]")
    np.testing.assert_array_equal(ds.time, expected)
    raw = rawmmap.open(ctl)["time"]
    assert raw.attrs["units"] == "hours since 1999-12-31 06:30:00"
    assert raw.attrs["axis"] == "T"
    np.testing.assert_array_equal(raw.data, [0, 12, 24])


@pytest.mark.parametrize(
    "tdef",
    [
        "TDEF 2 LEVELS 1jan2000 1dy",
        "TDEF 2 LINEAR 1jan2000",
        "TDEF 2 LINEAR 1jan2000 1",
        "TDEF 2 LINEAR 1jan2000 dy",
        "TDEF 2 LINEAR 1jan2000 1.5dy",
        "TDEF 2 LINEAR 1jan2000 -1dy",
        "TDEF 2 LINEAR 1jan2000 0dy",
        "TDEF 2 LINEAR 1jan2000 1mo2dy",
        "TDEF 2 LINEAR 30feb2000 1dy",
        "TDEF 2 LINEAR 29feb1900 1dy",
        "TDEF 2 LINEAR 0jan2000 1dy",
        "TDEF 2 LINEAR 24z1jan2000 1dy",
        "TDEF 2 LINEAR 00:60z1jan2000 1dy",
        "TDEF 2 LINEAR 1jam2000 1dy",
        "TDEF 2 LINEAR 1jan 1dy",
        "TDEF 2 LINEAR 1jan0000 1dy",
        "TDEF 2 LINEAR 2000-01-01 1dy",
        "TDEF 2 LINEAR 1jan9999 1yr",
        "TDEF 999999999 LINEAR 1jan2000 999999999yr",
        "TDEF 0 LINEAR 1jan2000 1dy",
        "TDEF x LINEAR 1jan2000 1dy",
        "TDEF",
    ],
)
def test_malformed_times_are_refused(tmp_path: Path, tdef: str) -> None:
    ctl = write(tmp_path, Grid(), TDEF=tdef)
    with pytest.raises(ValueError, match=r"g\.ctl: .*(TDEF|times)"):
        rawmmap.open(ctl)


def test_a_leap_day_in_years_of_365_days(tmp_path: Path) -> None:
    grid = Grid(options=("365_day_calendar",))
    ctl = write(tmp_path, grid, TDEF="TDEF 2 LINEAR 29feb2000 1dy")
    with pytest.raises(ValueError, match="which 365_day_calendar lacks"):
        rawmmap.open(ctl)


@needs_grads
@pytest.mark.parametrize(
    ("mapping", "count"),
    [("GAUST62", 94), ("GAUSR15", 40), ("GAUSR20", 52), ("gausr30", 80), ("GAUSR40", 102)],
)
def test_gaussian_latitudes_as_in_the_program(tmp_path: Path, mapping: str, count: int) -> None:
    for first, n in ((1, count), (5, 3), (count, 1)):
        grid = Grid(nx=1, ny=n, nt=1, levels=(0,))
        ctl = write(tmp_path, grid, YDEF=f"YDEF {n} {mapping} {first}")
        commands = ["open g.ctl", "set x 1", f"set y 1 {n}", "set gxout print"]
        log = run_grads([*commands, "set prnopts %.8g 1 0", "d lat"], tmp_path)
        printed = [float(line) for line in log.split("Printing")[1].splitlines()[1 : n + 1]]
        # The program keeps them with two digits, of T62 with four.
        ours = xr.open_dataset(ctl, engine="rawmmap").lat.values
        np.testing.assert_allclose(ours, printed, atol=1e-4 if mapping == "GAUST62" else 6e-3)
    ctl = write(tmp_path, grid, YDEF=f"YDEF 2 {mapping} {count}")
    with pytest.raises(ValueError, match=f"{mapping.upper()} has {count} latitudes"):
        rawmmap.open(ctl)


def test_gaussian_latitudes_are_roots() -> None:
    sines = np.sin(np.radians(gaussian_latitudes(94)))
    assert (np.diff(sines) > 0).all()
    legendre = np.polynomial.legendre.Legendre.basis(94)
    assert np.abs(legendre(sines)).max() < 1e-12


def test_lists_of_levels_go_on_over_lines(tmp_path: Path) -> None:
    ctl = write(
        tmp_path,
        Grid(nx=5, ny=3, levels=(4,)),
        XDEF="xdef 5 levels -20.5\n -10\n* a comment\n.5 1e1\n\n+20 30",
        YDEF="YDEF 3 LEVELS\n-3 0\n3",
        ZDEF="ZDEF 4 LINEAR 1000 50",
    )
    ds = xr.open_dataset(ctl, engine="rawmmap")
    assert ds.lon.values.tolist() == [-20.5, -10, 0.5, 10, 20]
    assert ds.lat.values.tolist() == [-3, 0, 3]
    assert ds.lev.values.tolist() == [1000, 1050, 1100, 1150]
    assert ds.lon.attrs == {"units": "degrees_east", "standard_name": "longitude", "axis": "X"}
    assert ds.lat.attrs["units"] == "degrees_north"
    assert ds.lev.attrs == {"axis": "Z"}


@pytest.mark.parametrize(
    "line",
    [
        "XDEF 4",
        "XDEF 4 LINEAR",
        "XDEF 4 LINEAR 0",
        "XDEF 4 LINEAR 0 0",
        "XDEF 4 LINEAR 0 -1",
        "XDEF 4 LINEAR nan 1",
        "XDEF 4 LINEAR 0 1e308",
        "XDEF 4 LINEAR 1_0 1",
        "XDEF 4 LEVELS 1 2 3",
        "XDEF 4 LEVELS 1,2,3,4",
        "XDEF 4 GAUST62 1",
        "XDEF 4.0 LINEAR 0 1",
        "XDEF -4 LINEAR 0 1",
        "XDEF 99999999999999999999 LINEAR 0 1",
        "XDEF 999999999999 LINEAR 0 1",
    ],
)
def test_malformed_axes_are_refused(tmp_path: Path, line: str) -> None:
    ctl = write(tmp_path, Grid(), XDEF=line)
    with pytest.raises(ValueError, match=r"XDEF|too few"):
        rawmmap.open(ctl)


def test_one_point_needs_no_increment(tmp_path: Path) -> None:
    ctl = write(tmp_path, Grid(nx=1), XDEF="XDEF 1 LINEAR 5 0")
    assert rawmmap.open(ctl)["lon"].data[...].tolist() == [5]


def test_levels_of_variables(tmp_path: Path) -> None:
    grid = Grid(levels=(4, 2, 1, 0, 2, 6))
    ds = xr.open_dataset(grid.write(tmp_path), engine="rawmmap")
    assert ds.u.dims == ("time", "lev", "lat", "lon")
    assert ds.v.dims == ds.q.dims == ("time", "lev_2", "lat", "lon")
    assert ds.w.dims == ("time", "lev_1", "lat", "lon")
    assert ds.p.dims == ("time", "lat", "lon")
    assert ds.r.dims == ("time", "lev_6", "lat", "lon")
    assert ds.lev_2.values.tolist() == [1000, 850]
    assert ds.lev_1.values.tolist() == [1000]
    assert "lev_6" not in ds.coords
    for name, expected in grid.expected().items():
        np.testing.assert_array_equal(ds[name], expected)
