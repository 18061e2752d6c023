"""Keywords of GrADS descriptor files: what they become, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr

import rawmmap
import rawmmap.xarray
from rawmmap.formats.probe import Probe
from rawmmap.formats.registry import recognise
from tests.formats.grads_files import Grid, needs_grads, run_grads


def edit(ctl: Path, old: str, new: str) -> Path:
    text = ctl.read_text()
    assert old in text
    ctl.write_text(text.replace(old, new))
    return ctl


ATTRIBUTES = """
@ global String source a model = some words
@ global Int32 version 3
@ u String units m s-1
@ U Float32 valid_range -1,1.5
@ u Float32 scale_factor 10
@ u Float32 missing_value 7
@ u Byte flags 1,200
@ u Byte lowest -3
@ u UInt16 count 65535
@ lon String long_name degrees to the east
@ lat Float64 step 10
@ lev String units hPa
@ time String long_name date
@ time String units days since 1800-01-01
@ nowhere String units K
@ v String comment one = 1
@ v String comment two = 2
@ v Int16 number 1
@ v Int16 number 2
"""


def test_attributes(tmp_path: Path) -> None:
    ctl = edit(Grid(levels=(4, 0)).write(tmp_path), "VARS 2", ATTRIBUTES + "VARS 2")
    ds = xr.open_dataset(ctl, engine="rawmmap")
    assert ds.attrs["title"] == "a grid of values"
    assert ds.attrs["source"] == "a model = some words"
    assert ds.attrs["version"] == 3
    assert ds.attrs["version"].dtype == "i4"
    assert ds.u.attrs["long_name"] == "variable u"
    assert ds.u.attrs["units"] == "m s-1"
    assert ds.u.attrs["valid_range"].tolist() == [-1, 1.5]
    assert ds.u.attrs["valid_range"].dtype == "f4"
    assert ds.u.attrs["flags"].tolist() == [1, 200]
    assert ds.u.attrs["lowest"] == -3
    assert ds.u.attrs["count"] == 65535
    assert ds.v.attrs["comment"] == "one = 1\ntwo = 2"
    assert ds.v.attrs["number"] == 2
    assert ds.lon.attrs["long_name"] == "degrees to the east"
    assert ds.lon.attrs["units"] == "degrees_east"
    assert ds.lat.attrs["step"] == 10
    assert ds.lev.attrs["units"] == "hPa"
    assert ds.time.attrs["long_name"] == "date"
    assert ds.time.dtype.kind == "M"
    # What would change values does not: GrADS applies none of it to flat grids.
    assert "scale_factor" not in ds.u.encoding
    assert "missing_value" not in ds.u.encoding
    assert ds.u.encoding["_FillValue"] == np.float32(-9.99e33)


@pytest.mark.parametrize(
    "line",
    [
        "@",
        "@ u",
        "@ u String",
        "@ u String units",
        "@ u Float33 x 1",
        "@ u Int16 x 1e9",
        "@ u Float32 x abc",
        "@ u Int32 x 1.5",
        "@ u Float64 x ,",
    ],
)
def test_malformed_attributes_are_refused(tmp_path: Path, line: str) -> None:
    ctl = edit(Grid().write(tmp_path), "VARS 2", line + "\nVARS 2")
    with pytest.raises(ValueError, match="line 9: "):
        rawmmap.open(ctl)


def test_missing_values(tmp_path: Path) -> None:
    values = np.array([-9.99e8, 1, 2, np.nan, -9.99e8, 5], "<f4")
    (tmp_path / "g.dat").write_bytes(values.tobytes())
    ctl = tmp_path / "g.ctl"
    ctl.write_text(Grid(nx=3, ny=2, nt=1, levels=(0,)).text().replace("-9.99e33", "-9.99e8"))
    ds = xr.open_dataset(ctl, engine="rawmmap")
    np.testing.assert_array_equal(ds.u.values.ravel(), [np.nan, 1, 2, np.nan, np.nan, 5])
    assert rawmmap.open(ctl)["u"].attrs["_FillValue"] == np.float32(-9.99e8)
    assert rawmmap.open(ctl)["u"].attrs["_FillValue"].dtype == "f4"


@pytest.mark.parametrize(
    ("code", "undef", "fill"),
    [
        ("u1", "255", 255),
        ("u1", "256", None),
        ("u1", "-1", None),
        ("u1", "nan", None),
        ("i2", "-9999", -9999),
        ("i2", "0.5", None),
        ("i4", "1e9", 10**9),
        ("f4", "1e39", None),
        ("f4", "0.1", np.float32(0.1)),
    ],
)
def test_missing_values_of_types(tmp_path: Path, code: str, undef: str, fill: Any) -> None:
    ctl = edit(Grid(code=code).write(tmp_path), "-9.99e33", undef)
    attrs = rawmmap.open(ctl)["u"].attrs
    assert attrs.get("_FillValue") == fill
    assert fill is None or attrs["_FillValue"].dtype == code


@pytest.mark.parametrize("units", ["0", "33,100", "80 ,160, 0", "0,103,2.5", "-1", "t,y,x", "-999"])
def test_units_without_a_meaning(tmp_path: Path, units: str) -> None:
    grid = Grid()
    ctl = edit(grid.write(tmp_path), " 99 ", f" {units} ")
    raw = rawmmap.open(ctl)
    np.testing.assert_array_equal(raw["u"].data[...], grid.expected()["u"])
    assert raw["u"].attrs["long_name"] == "variable u"


def test_aliases_and_names_of_coordinates(tmp_path: Path) -> None:
    grid = Grid(levels=(0, 0, 4))
    ctl = edit(grid.write(tmp_path), "u 0 99 variable u", "longname=>U 0,1,2 99 u (m/s)")
    edit(edit(ctl, "v 0 99 variable v", "lat 0 99"), "w 4 99", "time 4 99")
    ds = xr.open_dataset(ctl, engine="rawmmap")
    expected = grid.expected()
    np.testing.assert_array_equal(ds.U, expected["u"])
    assert ds.U.attrs["original_name"] == "longname"
    assert ds.U.attrs["long_name"] == "u (m/s)"
    np.testing.assert_array_equal(ds.lat_, expected["v"])
    assert "long_name" not in ds.lat_.attrs
    np.testing.assert_array_equal(ds.time_, expected["w"])


def test_grids_of_their_own_projection(tmp_path: Path) -> None:
    grid = Grid(nx=5, ny=4)
    ctl = edit(grid.write(tmp_path), "XDEF 5 LINEAR", "XDEF 99 LINEAR")
    pdef = "lcc 40 -100 1 1 30 60 -100 100000 100000"
    edit(ctl, "VARS 2", f"PDEF 5 4 {pdef}\nOPTIONS yrev zrev\nVARS 2")
    ds = xr.open_dataset(ctl, engine="rawmmap")
    assert ds.u.dims == ("time", "lev_2", "y", "x")
    assert set(ds.coords) == {"time", "lev_2"}
    assert ds.attrs["pdef"] == f"5 4 {pdef}"
    # As in GrADS, such grids are not flipped.
    np.testing.assert_array_equal(ds.u, grid.expected()["u"])


@needs_grads
def test_the_program_does_not_flip_projected_grids(tmp_path: Path) -> None:
    grid = Grid(nx=5, ny=4, nt=1, levels=(2,))
    ctl = edit(grid.write(tmp_path), "XDEF 5", "XDEF 2")
    edit(ctl, "YDEF 4", "YDEF 1")
    # Weights that lead from the two points of the display to the first two of the file.
    i, j, angle = np.array([1, 2], "<f4"), np.array([1, 1], "<f4"), np.array([-999, -999], "<f4")
    (tmp_path / "g.pdef").write_bytes(i.tobytes() + j.tobytes() + angle.tobytes())
    pdef = "PDEF 5 4 bilin stream binary-little ^g.pdef"
    edit(ctl, "VARS 1", f"{pdef}\nOPTIONS yrev zrev\nVARS 1")
    log = run_grads(["open g.ctl", "set x 1 2", "set y 1", "set gxout print", "d u"], tmp_path)
    printed = [float(word) for word in log.split("Printing")[1].splitlines()[1].split()]
    ours = rawmmap.open(ctl)["u"].data[0, 0, 0, :2]
    np.testing.assert_allclose(printed[:2], ours, rtol=1e-5)


REFUSED = {
    "DTYPE netcdf": "DTYPE: data of type 'netcdf' are not flat grids; open the data file itself",
    "DTYPE grib": "DTYPE: .*'grib'.*engine='cfgrib'",
    "DTYPE station": "DTYPE: data of type 'station'",
    "DTYPE hdf5_grid": "DTYPE: .*h5netcdf",
    "DTYPE bufr": "DTYPE",
    "DTYPE": "DTYPE",
    "OPTIONS cray_32bit_ieee": "OPTIONS: the option 'cray_32bit_ieee' is not implemented",
    "OPTIONS yrev pascals": "OPTIONS: the option 'pascals' is not implemented",
    "FORMAT sideways": "FORMAT: the option 'sideways' is not implemented",
    "OPTIONS big_endian": "OPTIONS .* contradict",
    "TOFF 1": "TOFF: this keyword is not implemented",
    "INDEX ^g.idx": "INDEX: this keyword is not implemented",
    "STNMAP ^g.map": "STNMAP",
    "XVAR 1,2": "XVAR",
    "NONSENSE": "NONSENSE: this keyword is not implemented",
    "FILEHEADER": "FILEHEADER: a number of bytes must follow",
    "FILEHEADER -4": "FILEHEADER: the number of bytes = -4",
    "FILEHEADER 4.5": "FILEHEADER",
    "FILEHEADER 999999999999999999": "too few",
    "XYHEADER 6": "XYHEADER 6 is not a multiple of the 4 bytes",
    "THEADER 3": "THEADER 3 is not a multiple",
    "TRAILERBYTES 1": "TRAILERBYTES 1 is not a multiple",
    "THEADER 4\nHEADERBYTES 4": "HEADERBYTES: THEADER is given twice",
    "XDEF 4 LINEAR 0 1": "XDEF: XDEF is given twice",
    "CHSUB 1 2": "CHSUB: ",
    "CHSUB 2 1 a": "CHSUB: the last time = 1 is less than 2",
    "CHSUB 0 1 a": "CHSUB: ",
    "EDEF": "EDEF: ",
    "EDEF 2 NAMES a": "this keyword is not implemented",
    "EDEF 2 NAMES a a": "EDEF: two members",
    "EDEF 2 LEVELS a b": "EDEF: NAMES",
    "EDEF 1\na 1 00z05mar1998": "EDEF: ",
    "EDEF 1\na 1\nENDEDEF": "EDEF: 'a 1' is not a member",
    "EDEF 2\na 1 00z05mar1998\nENDEDEF": "EDEF announces 2 members, but 1 follow",
    "EDEF 1\na 1 00z05mar1998\nb 1 00z05mar1998\nENDEDEF": "more members than the 1",
    "EDEF 1\na 1 06z05mar1998\nENDEDEF": "not one of the times of TDEF",
    "EDEF 1\na 1 00z01mar1998\nENDEDEF": "not one of the times of TDEF",
    "PDEF 5 4": "PDEF: ",
    "PDEF 0 4 lcc 1": "PDEF: the size of the grid = 0",
    "DSET ^other.dat": "DSET is given twice",
    "OPTIONS template sequential zrev\nUNDEF x": "UNDEF is given twice",
}


@pytest.mark.parametrize("lines", REFUSED)
def test_refusals_name_the_keyword(tmp_path: Path, lines: str) -> None:
    ctl = edit(Grid().write(tmp_path), "VARS 2", lines + "\nVARS 2")
    with pytest.raises(ValueError, match=f"(?s){REFUSED[lines]}") as caught:
        rawmmap.open(ctl)
    assert str(tmp_path) in str(caught.value)


VARIABLES = {
    "u 0 -1,10,1 x": "-1,10,1",
    "u 0 -1,50 x": "-1,50",
    "u 0 -1,40 x": "-1,40",
    "u 0 -1,40,3 x": "-1,40,3",
    "u 0 -1,40,-2 x": "-1,40,-2",
    "u 0 -1,20,2,2 x": "-1,20,2,2",
    "u 0 abc x": "a part of the units of u = 'abc'",
    "u 0 1,,2 x": "a part of the units of u = ''|is not a variable",
    "u 0 -1,20.5 x": "a part of the units of u = '20.5'",
    "u 0": "is not a variable",
    "u": "is not a variable",
    "u -1 99 x": "the number of levels of u",
    "u 1.5 99 x": "the number of levels of u",
    "1u 0 99 x": "'1u' is not the name",
    "a=> 0 99 x": "'' is not the name",
    "u 0 -1,20 x": "the units -1,20 of only some variables",
    "u 0 -1,40,2 x": r"types \['u2', 'f4'\]; all must have the same",
    "v 0 99 x": "two variables are named 'v'",
    "ENDVARS": "VARS announces 2 variables, but 0 follow",
    "u 0 99 x\nw 0 99 x": "more variables than the 2",
    "u 99999999999999999 99 x": "past the largest position|too few",
}


@pytest.mark.parametrize("line", VARIABLES)
def test_refusals_of_variables(tmp_path: Path, line: str) -> None:
    ctl = edit(Grid(levels=(0, 0)).write(tmp_path), "u 0 99 variable u", line)
    with pytest.raises(ValueError, match=VARIABLES[line]):
        rawmmap.open(ctl)


@pytest.mark.parametrize("keyword", ["UNDEF", "XDEF", "YDEF", "ZDEF", "TDEF", "VARS"])
def test_lines_that_must_be_there(tmp_path: Path, keyword: str) -> None:
    ctl = edit(Grid().write(tmp_path), f"\n{keyword} ", f"\n* {keyword} ")
    with pytest.raises(ValueError, match=f"no {keyword}|this keyword is not implemented"):
        rawmmap.open(ctl)


@pytest.mark.parametrize("missing", ["VARS 2", "u 2", "v 0", "ENDVARS"])
def test_cut_files(tmp_path: Path, missing: str) -> None:
    ctl = Grid().write(tmp_path)
    ctl.write_text(ctl.read_text().partition(missing)[0])
    with pytest.raises(ValueError, match=r"there is no VARS|the file ends where ENDVARS"):
        rawmmap.open(ctl)


def test_times_inside_variables(tmp_path: Path) -> None:
    ctl = Grid(time_inside=True, headers={"THEADER": 8}).write(tmp_path)
    with pytest.raises(ValueError, match="THEADER is not implemented for variables with"):
        rawmmap.open(ctl)
    edit(ctl, "THEADER 8", "EDEF 2 NAMES a b")
    with pytest.raises(ValueError, match="EDEF is not implemented for variables with"):
        rawmmap.open(ctl)
    edit(edit(ctl, "EDEF 2 NAMES a b\n", ""), "-1,20", "-1,20,3")
    with pytest.raises(ValueError, match="contradict the 2 times of a file"):
        rawmmap.open(ctl)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../g.dat", "^../g.dat", "^/g.dat", "a/../../g.dat"]
)
@pytest.mark.parametrize("options", ["", "OPTIONS template\n"])
def test_files_in_other_folders_are_refused(tmp_path: Path, name: str, options: str) -> None:
    folder = tmp_path / "below"
    folder.mkdir()
    ctl = edit(Grid().write(folder), "^g.dat", name)
    (tmp_path / "g.dat").write_bytes((folder / "g.dat").read_bytes())
    edit(ctl, "VARS 2", options + "VARS 2")
    with pytest.raises(ValueError, match="must lie in its own folder"):
        rawmmap.open(ctl)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    ctl = Grid().write(tmp_path)
    data = tmp_path / "g.dat"
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"g\.dat: 288 bytes are needed.*2 times.*only 1 whole"):
        rawmmap.open(ctl)
    data.write_bytes(bytes(143))
    with pytest.raises(ValueError, match="only 0 whole"):
        rawmmap.open(ctl)
    data.unlink()
    with pytest.raises(FileNotFoundError, match=r"g\.ctl names a file that does not exist"):
        rawmmap.open(ctl)
    ctl.write_bytes(ctl.read_bytes() + b" " * 2**20)
    with pytest.raises(ValueError, match="too many for a GrADS descriptor file"):
        rawmmap.open(ctl, format="grads")


def test_forms_of_text(tmp_path: Path) -> None:
    grid = Grid()
    ctl = grid.write(tmp_path)
    text = ctl.read_text()
    texts = {
        "dos": text.replace("\n", "\r\n").encode(),
        "bom": b"\xef\xbb\xbf" + text.encode(),
        "lower": text.lower().encode(),
        "blanks": text.replace("\n", "  \n\t ").replace(" ", "   ").encode(),
        "comments": ("* dset x\n# y\n\n" + text.replace("\n", "\n* VARS 9\n!\n--\n")).encode(),
        "latin-1": text.replace("a grid", "\xfcber Gitter").encode("latin-1"),
        "utf-8": text.replace("a grid", "\u683c\u5b50").encode(),
        "long": b"* comment\n" * 1000 + text.encode(),
        "ignored": b"UNPACK a b\nCACHESIZE 9\nvectorpairs u,v\n" + text.encode(),
    }
    for name, content in texts.items():
        ctl.write_bytes(content)
        raw = rawmmap.open(ctl, format="grads" if name == "long" else None)
        np.testing.assert_array_equal(raw["u"].data[...], grid.expected()["u"], err_msg=name)
    assert raw.attrs["title"] == "a grid of values"
    ctl.write_bytes(texts["latin-1"])
    assert rawmmap.open(ctl).attrs["title"] == "\xfcber Gitter of values"
    ctl.write_bytes(text.encode() + b"\0")
    with pytest.raises(ValueError, match="text"):
        rawmmap.open(ctl, format="grads")


@pytest.mark.parametrize("name", ["g.ctl", "g.dat.ctl"])
def test_the_path_of_the_data(tmp_path: Path, name: str) -> None:
    grid = Grid()
    grid.write(tmp_path).rename(tmp_path / name)
    ds = xr.open_dataset(tmp_path / "g.dat", engine="rawmmap")
    np.testing.assert_array_equal(ds.u, grid.expected()["u"])
    other = tmp_path / "g.txt"
    other.write_text("not the data")
    assert recognise(Probe(str(other))) is None
    with pytest.raises(ValueError, match="NOT: this keyword is not implemented"):
        rawmmap.open(other, format="grads")
    other.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="is a GrADS descriptor file whose DSET names it"):
        rawmmap.open(other, format="grads")


def test_other_texts_are_left_alone(tmp_path: Path) -> None:
    for i, text in enumerate(
        ["dset\nxdef 3\n", "a dset ^b\nVARS 3\n", "DSET ^b\n", "VARS 2\nu 0 99 u\n"]
    ):
        path = tmp_path / f"{i}.ctl"
        path.write_text(text)
        assert recognise(Probe(str(path))) is None


def test_remote_files(tmp_path: Path) -> None:
    grid = Grid(nt=4, options=("template", "yrev"), order=">")
    folder = fsspec.filesystem("memory")
    for day in (5, 6):
        folder.pipe(f"/run/g{day:02d}.dat", grid.data(range((day - 5) * 2, (day - 5) * 2 + 2)))
    folder.pipe("/run/g.ctl", grid.text("^g%d2.dat").encode())
    folder.pipe("/run/one.ctl", Grid().text("^one.dat").encode())
    folder.pipe("/run/one.dat", Grid().data())
    try:
        ds = xr.open_dataset("memory://run/g.ctl", engine="rawmmap", chunks={})
        np.testing.assert_array_equal(ds.u, grid.expected()["u"])
        for name in ("one.ctl", "one.dat"):
            ds = xr.open_dataset(f"memory://run/{name}", engine="rawmmap")
            np.testing.assert_array_equal(ds.u, Grid().expected()["u"])
        folder.rm("/run/g06.dat")
        raw = rawmmap.open("memory://run/g.ctl")
        np.testing.assert_array_equal(raw["u"].data[:2], grid.expected()["u"][:2])
    finally:
        folder.rm("/run", recursive=True)


def test_every_way_to_open(tmp_path: Path) -> None:
    grid = Grid(levels=(2, 4))
    ctl = grid.write(tmp_path)
    expected = grid.expected()
    array = rawmmap.from_raw(ctl, variable="v")
    np.testing.assert_array_equal(array.compute(), expected["v"])
    np.testing.assert_array_equal(array[1, :, 2].compute(), expected["v"][1, :, 2])
    # The engine claims the file by its content.
    np.testing.assert_array_equal(xr.open_dataset(ctl).u, expected["u"])
    np.testing.assert_array_equal(rawmmap.map_dataset(ctl).u, expected["u"])
    assert rawmmap.open(ctl, format="grads").coverage == []
    result = subprocess.run(
        [sys.executable, "-m", "rawmmap", "info", ctl], capture_output=True, text=True, check=True
    )
    assert "v: <f4 (time: 2, lev: 4, lat: 3, lon: 4)" in result.stdout
    result = subprocess.run(
        [sys.executable, "-m", "rawmmap", "describe", ctl],
        capture_output=True,
        text=True,
        check=True,
    )
    sidecar = tmp_path / "g.dat.json"
    assert sidecar.exists()
    ctl.unlink()
    ds = xr.open_dataset(tmp_path / "g.dat", engine="rawmmap")
    np.testing.assert_array_equal(ds.v, expected["v"])
    assert ds.v.attrs["long_name"] == "variable v"
    assert ds.time.dtype.kind == "M"


def test_gaps_are_not_covered(tmp_path: Path) -> None:
    grid = Grid(levels=(0,), nt=1, headers={"FILEHEADER": 3, "XYHEADER": 8, "XYTRAILER": 4})
    assert rawmmap.open(grid.write(tmp_path)).coverage == [(0, 11), (59, 63)]


def test_many_files_by_a_sidecar_and_other_ways(tmp_path: Path) -> None:
    grid = Grid(nt=8, options=("template",))
    for day in (5, 6, 8):
        times = range((day - 5) * 2, (day - 5) * 2 + 2)
        (tmp_path / f"g{day:02d}.dat").write_bytes(grid.data(times))
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text("^g%d2.dat"))
    result = subprocess.run(
        [sys.executable, "-m", "rawmmap", "info", ctl], capture_output=True, text=True, check=True
    )
    assert "u: <f4 (time: 8, lev_2: 2, lat: 3, lon: 4)" in result.stdout
    ds = xr.open_dataset(ctl, engine="rawmmap")
    expected = ds.load()
    raw = rawmmap.from_raw(ctl, variable="u").compute()
    np.testing.assert_array_equal(raw[:4], grid.expected()["u"][:4])
    sidecar = rawmmap.describe(ctl)
    ctl.unlink()
    xr.testing.assert_identical(xr.open_dataset(sidecar, engine="rawmmap").load(), expected)


def test_refresh_takes_new_files(tmp_path: Path) -> None:
    grid = Grid(nt=4, options=("template",))
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text("^g%d2.dat"))
    (tmp_path / "g05.dat").write_bytes(grid.data([0, 1]))
    ds = xr.open_dataset(ctl, engine="rawmmap")
    assert np.isnan(ds.u[2:]).all()
    (tmp_path / "g06.dat").write_bytes(grid.data([2, 3]))
    np.testing.assert_array_equal(rawmmap.refresh(ds).u, grid.expected()["u"])


@pytest.mark.parametrize(
    "grid",
    [
        Grid(ne=2, levels=(2, 4), options=("yrev", "zrev", "sequential", "365_day_calendar")),
        Grid(code="i2", headers={"FILEHEADER": 3, "XYHEADER": 2}),
        Grid(time_inside=True, order=">"),
    ],
)
def test_our_own_files_keep_all_of_it(tmp_path: Path, grid: Grid) -> None:
    ctl = edit(grid.write(tmp_path), "VARS 2", ATTRIBUTES + "VARS 2")
    ds = xr.open_dataset(ctl, engine="rawmmap").load()
    copy = tmp_path / "copy.raw"
    rawmmap.to_raw(ds, copy)
    xr.testing.assert_identical(xr.open_dataset(copy, engine="rawmmap").load(), ds)
    rawmmap.describe(ctl)
    ctl.unlink()
    xr.testing.assert_identical(xr.open_dataset(tmp_path / "g.dat", engine="rawmmap").load(), ds)
