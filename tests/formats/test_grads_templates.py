"""GrADS data in many files: names by template, missing files, ensembles."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.formats.grads.templates import MOST_TIMES, Member, Substitution, list_runs
from rawmmap.formats.grads.times import MONTHS, TimeAxis, parse_date
from rawmmap.layout import Layout
from tests.formats.grads_files import Grid, dump, needs_grads, run_grads

SPECIFIERS = (
    "x1 x3 y2 y4 m1 m2 mc d1 d2 h1 h2 h3 n2 j3 f2 f3 fn2 fhn fdhn t1 t2 t3 t4 t5 t6 "
    "tm1 tm2 tm3 tm4 tm5 tm6 ix1 ix3 iy2 iy4 im1 im2 imc id1 id2 ih1 ih2 ih3 in2 e"
)


def names_by_us(template: str, time: TimeAxis) -> list[str]:
    runs = list_runs(template, time, Member("1", 0, time.length), ())
    return [run.name for run in runs for _ in range(run.first, run.stop)]


def names_by_program(folder: Path, template: str, tdef: str, options: str, times: Any) -> list[str]:
    """Return the names that the program tries to open at some times."""
    grid = Grid(nt=3)
    text = grid.text("^" + template).replace("TDEF 3 LINEAR 00z05mar1998 12hr", f"TDEF {tdef}")
    (folder / "n.ctl").write_text(text + f"OPTIONS template {options}\n")
    commands = ["open n.ctl", "set x 1 4", "set y 1 3", "set gxout print"]
    for t in times:
        commands += [f"!echo time{t}", f"set t {t}", "d u"]
    result = subprocess.run(
        ["strace", "-f", "-qq", "-s", "200", "-e", "trace=openat,execve", "grads", "-bl"],
        input="\n".join([*commands, "quit", ""]),
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    names: dict[int, str] = {}
    time = 0
    for line in result.stderr.splitlines():
        if match := re.search(r"echo time(\d+)", line):
            time = int(match[1])
        elif (match := re.search(r'"(?:[^"]*/)?(n_[^"/]*\.dat)"', line)) and time:
            names[time] = match[1]
    return [names[t] for t in times]


@needs_grads
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "step", "months", "minutes", "options"),
    [
        ("06:30z05mar1998", "9hr", 0, 540, ""),
        ("28dec1999", "1mo", 1, 0, ""),
        ("31dec1999", "1yr", 12, 0, ""),
        ("31dec1999", "7mn", 0, 7, ""),
        ("01jan0055", "10yr", 120, 0, ""),
        ("27feb2000", "1dy", 0, 1440, "365_day_calendar"),
        ("28feb2000", "5mo", 5, 0, "365_day_calendar"),
        ("00z01jan2000", "1hr", 0, 60, ""),
    ],
)
def test_names_as_the_program_makes_them(
    tmp_path: Path, start: str, step: str, months: int, minutes: int, options: str
) -> None:
    template = "n_" + "_".join(f"%{specifier}" for specifier in SPECIFIERS.split()) + ".dat"
    times = [1, 2, 3, 4, 7, 99]
    asked = names_by_program(tmp_path, template, f"99 LINEAR {start} {step}", options, times)
    axis = TimeAxis(99, parse_date(start), months, minutes, leap=not options)
    ours = names_by_us(template, axis)
    assert [ours[t - 1] for t in times] == asked


def test_names_as_numpy_writes_dates() -> None:
    axis = TimeAxis(5000, parse_date("12z28feb1999"), 0, 1440)
    dates = np.datetime64("1999-02-28T12", "h") + np.arange(5000) * 24
    expected = [str(date).replace("T", "-") for date in dates]
    assert names_by_us("%y4-%m2-%d2-%h2", axis) == expected
    assert names_by_us("x{%y4}", axis) == [f"x{{{str(date)[:4]}}}" for date in dates]


@pytest.mark.parametrize("template", ["a%q", "a%", "%Y4", "%t7", "%f", "%%"])
def test_unknown_specifiers_are_refused(template: str) -> None:
    axis = TimeAxis(3, parse_date("jan2000"), 1, 0)
    with pytest.raises(ValueError, match="template specifier"):
        names_by_us(template, axis)


@pytest.mark.parametrize(("template", "most"), [("%t2", 99), ("%tm3", 999), ("%t4", 9999)])
def test_numbers_of_too_few_digits_are_refused(template: str, most: int) -> None:
    start = parse_date("jan2000")
    assert len(names_by_us(template, TimeAxis(most, start, 0, 1))) == most
    with pytest.raises(ValueError, match=f"{template} has too few digits for {most + 1} times"):
        names_by_us(template, TimeAxis(most + 1, start, 0, 1))


def test_days_that_months_lack_are_refused() -> None:
    start = parse_date("31jan2000")
    with pytest.raises(ValueError, match="months that lack day 31"):
        names_by_us("%m2", TimeAxis(3, start, 1, 0))
    assert names_by_us("%m2", TimeAxis(2, start, 12, 0)) == ["01", "01"]
    with pytest.raises(ValueError, match="months that lack day 29"):
        names_by_us("%m2", TimeAxis(3, parse_date("29feb2000"), 12, 0))


def test_too_many_files_are_refused() -> None:
    start = parse_date("jan2000")
    with pytest.raises(ValueError, match="more than 1000000 files"):
        names_by_us("%n2", TimeAxis(2_000_000, start, 0, 1))
    with pytest.raises(ValueError, match="times are too many"):
        names_by_us("%n2", TimeAxis(MOST_TIMES + 1, start, 0, 1))


def test_too_many_files_of_all_members(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("rawmmap.formats.grads.reader.MOST_FILES", 50)
    grid = Grid(nt=10, ne=6, options=("template",))
    (tmp_path / "g.ctl").write_text(grid.text("^g%e_%t2"))
    with pytest.raises(ValueError, match="more than 50 files"):
        rawmmap.open(tmp_path / "g.ctl")


def test_strings_by_time() -> None:
    axis = TimeAxis(6, parse_date("00z01jan2000"), 0, 720)
    strings = [Substitution(3, 10**18, "b%d2"), Substitution(1, 2, "a")]
    runs = list_runs("x.%ch.dat", axis, Member("1", 0, 6), strings)
    assert runs == [(0, 2, "x.a.dat"), (2, 4, "x.b02.dat"), (4, 6, "x.b03.dat")]
    with pytest.raises(ValueError, match="time 3"):
        list_runs("%ch", axis, Member("1", 0, 6), strings[1:])
    with pytest.raises(ValueError, match="two CHSUB give a string for time 1"):
        list_runs("%ch", axis, Member("1", 0, 6), [Substitution(1, 3, "a"), *strings])


def split_days(folder: Path, grid: Grid, days: Any, ctl: str = "g.ctl") -> Path:
    """Write the two times of each day into a file of its own."""
    for day in days:
        times = range((day - 5) * 2, min((day - 5) * 2 + 2, grid.nt))
        (folder / f"g{day:02d}.dat").write_bytes(grid.data(times))
    path = folder / ctl
    path.write_text(grid.text("^g%d2.dat"))
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("code", ["f4", "i2"])
def test_files_of_a_template(tmp_path: Path, code: str, order: str) -> None:
    grid = Grid(
        nt=7,
        code=code,
        order=order,
        options=("template", "yrev", "sequential"),
        headers={"FILEHEADER": 5, "THEADER": 4, "XYHEADER": 2 * np.dtype(code).itemsize},
    )
    ctl = split_days(tmp_path, grid, range(5, 9))
    raw = rawmmap.open(ctl)
    assert len(raw.files) == 4
    for name, expected in grid.expected().items():
        np.testing.assert_array_equal(raw[name].data[...], expected)
        np.testing.assert_array_equal(raw[name].data[5:0:-2, ..., 1:], expected[5:0:-2, ..., 1:])
    chunked = xr.open_dataset(ctl, engine="rawmmap", chunks={}, mask_and_scale=False)
    np.testing.assert_array_equal(chunked.u, grid.expected()["u"])


@given(
    after=st.integers(0, 99 * 365 * 24),
    hours=st.integers(1, 200),
    nt=st.integers(1, 60),
    template=st.sampled_from(["%y4", "%y4%m2", "%m2%d2", "%d1", "%h2", "%f3", "%t3", "%y2%j3"]),
    missing=st.integers(0, 3),
    key=st.tuples(*(st.slices(60) for _ in range(2))),
)
def test_any_template(
    tmp_path: Path, after: int, hours: int, nt: int, template: str, missing: int, key: Any
) -> None:
    """Write the file of each time as its name says, by the dates of Python."""
    start = datetime(1950, 1, 1, tzinfo=UTC) + timedelta(hours=after)
    folder = tmp_path / f"{after}_{hours}_{nt}_{template.replace('%', '')}_{missing}"
    folder.mkdir(exist_ok=True)
    forms = {"%y4": "%Y", "%m2": "%m", "%d2": "%d", "%h2": "%H", "%y2": "%y", "%j3": "%j"}
    names = []
    for t in range(nt):
        date = start + t * timedelta(hours=hours)
        name = template.replace("%f3", f"{t * hours:03d}").replace("%t3", f"{t + 1:03d}")
        name = name.replace("%d1", str(date.day))
        for ours, python in forms.items():
            name = name.replace(ours, date.strftime(python))
        names.append(name)
    grid = Grid(nt=nt, nx=2, ny=1, levels=(0,), options=("template",))
    values = grid.values()["u"][0, :, 0]
    expected = np.full_like(values, np.nan)
    files: dict[str, list[Any]] = {}
    place = 0
    for t, name in enumerate(names):
        place = place + 1 if t and names[t - 1] == name else 0
        held = files.setdefault(name, [])
        if place == len(held):
            held.append(values[t])
        expected[t] = held[place]
    for number, (name, held) in enumerate(files.items()):
        if number % 4 < missing and len(files) > number + 1:
            expected[[n == name for n in names]] = np.nan
        else:
            (folder / f"g{name}.dat").write_bytes(np.array(held, "<f4").tobytes())
    ctl = folder / "g.ctl"
    first = f"{start:%H}z{start:%d}{MONTHS[start.month - 1]}{start.year}"
    text = grid.text(f"^g{template}.dat")
    ctl.write_text(text.replace("00z05mar1998 12hr", f"{first} {hours}hr"))
    ds = xr.open_dataset(ctl, engine="rawmmap")
    np.testing.assert_array_equal(ds.u[:, 0], expected[:, 0])
    np.testing.assert_array_equal(ds.u[key[0], 0, key[1]], expected[key[0], 0][:, key[1]])
    origin = np.datetime64(start.replace(tzinfo=None), "ns")
    np.testing.assert_array_equal(ds.time, origin + np.arange(nt) * np.timedelta64(hours, "h"))


def test_missing_files_are_missing_values(tmp_path: Path) -> None:
    grid = Grid(nt=8, options=("template",))
    ctl = split_days(tmp_path, grid, [6, 8])
    expected = grid.expected()["u"].copy()
    expected[[0, 1, 4, 5]] = np.nan
    ds = xr.open_dataset(ctl, engine="rawmmap", chunks={})
    np.testing.assert_array_equal(ds.u, expected)
    assert ds.sizes["time"] == 8
    raw = rawmmap.open(ctl)["u"].data[...]
    np.testing.assert_array_equal(raw[0], np.full_like(raw[0], np.float32(-9.99e33)))


@needs_grads
def test_missing_files_as_the_program_reads_them(tmp_path: Path) -> None:
    grid = Grid(nt=8, options=("template",))
    ctl = split_days(tmp_path, grid, [6, 8])
    ds = xr.open_dataset(ctl, engine="rawmmap")
    np.testing.assert_array_equal(ds.u, dump(ctl, "u", (1, 8, 2, 3, 4))[0])


def test_missing_files_of_integers(tmp_path: Path) -> None:
    grid = Grid(nt=4, options=("template",), code="i2")
    ctl = split_days(tmp_path, grid, [5])
    with pytest.raises(ValueError, match=r"UNDEF -9.99e\+33 is not a value of type int16"):
        rawmmap.open(ctl)
    ctl.write_text(ctl.read_text().replace("-9.99e33", "-32768"))
    raw = rawmmap.open(ctl)["u"].data[2:]
    assert (raw == -32768).all()


def test_no_file_exists(tmp_path: Path) -> None:
    ctl = split_days(tmp_path, Grid(options=("template",)), [])
    with pytest.raises(FileNotFoundError, match=r"DSET of .*g\.ctl.*g05\.dat"):
        rawmmap.open(ctl)


def test_files_that_are_too_short(tmp_path: Path) -> None:
    grid = Grid(nt=6, options=("template",))
    ctl = split_days(tmp_path, grid, range(5, 8))
    for name in ("g05.dat", "g07.dat"):
        path = tmp_path / name
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        with pytest.raises(ValueError, match=name):
            rawmmap.open(ctl)
        path.write_bytes(content)
    assert rawmmap.open(ctl)["u"].shape == (6, 2, 3, 4)


def test_the_one_file_that_exists_is_shorter_than_a_missing_one(tmp_path: Path) -> None:
    grid = Grid(nt=3, options=("template",))
    ctl = split_days(tmp_path, grid, [6])
    expected = grid.expected()["u"].copy()
    expected[:2] = np.nan
    np.testing.assert_array_equal(xr.open_dataset(ctl, engine="rawmmap").u, expected)


@needs_grads
def test_a_cycle_of_files(tmp_path: Path) -> None:
    """A name that comes back is a file that is read again from its start."""
    grid = Grid(nt=6, options=("template",))
    for hour in (0, 12):
        (tmp_path / f"g{hour:02d}.dat").write_bytes(grid.data([hour // 12]))
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text("^g%h2.dat"))
    expected = np.tile(grid.values()["u"][0, :2], (3, 1, 1, 1))
    np.testing.assert_array_equal(rawmmap.open(ctl)["u"].data[...], expected)
    np.testing.assert_array_equal(dump(ctl, "u", (1, 6, 2, 3, 4))[0], expected)


def test_names_in_folders_below(tmp_path: Path) -> None:
    grid = Grid(nt=4, options=("template",))
    for day in (5, 6):
        folder = tmp_path / f"d{day}"
        folder.mkdir()
        (folder / "g.dat").write_bytes(grid.data(range((day - 5) * 2, (day - 5) * 2 + 2)))
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text("d%d1/g.dat"))
    np.testing.assert_array_equal(rawmmap.open(ctl)["u"].data[...], grid.expected()["u"])


def test_a_template_without_specifiers(tmp_path: Path) -> None:
    grid = Grid(options=("template",), ne=2)
    ctl = grid.write(tmp_path)
    np.testing.assert_array_equal(rawmmap.open(ctl)["u"].data[...], grid.expected()["u"])


EDEF = (
    "EDEF 3",
    "a 4 00z05mar1998",
    "b 2 12z05mar1998",
    "* a comment",
    "c 2 00z06mar1998 1,2",
    "ENDEDEF",
)
SPANS = {"a": (0, 4), "b": (1, 3), "c": (2, 4)}


@pytest.mark.parametrize("template", ["^g_%e.dat", "^g_%e_%d2.dat", "^g_%ch.dat"])
def test_ensembles_of_unequal_members(tmp_path: Path, template: str) -> None:
    grid = Grid(nt=4, ne=3, options=("template", "zrev"), lines=(*EDEF, "CHSUB 1 4 %e_%d2"))
    values = grid.values()["u"]
    expected = np.full_like(values, np.nan)
    one = Grid(nt=4, options=("zrev",))
    for e, (name, (first, stop)) in enumerate(SPANS.items()):
        expected[e, first:stop] = values[e, first:stop]
        days = [range(first, stop)]
        if template != "^g_%e.dat":
            days = [range(max(first, d), min(stop, d + 2)) for d in (0, 2)]
        for times in filter(len, days):
            suffix = "" if len(days) == 1 else f"_{5 + times[0] // 2:02d}"
            with (tmp_path / f"g_{name}{suffix}.dat").open("wb") as file:
                for t in times:
                    for variable in one.names:
                        file.write(grid.levels_bytes(variable, e, t))
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text(template))
    ds = xr.open_dataset(ctl, engine="rawmmap")
    assert ds.u.dims == ("ens", "time", "lev_2", "lat", "lon")
    assert ds.ens.values.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(ds.u, expected)
    np.testing.assert_array_equal(ds.u[1:, ::-1, 0, 1], expected[1:, ::-1, 0, 1])
    if shutil.which("grads"):
        np.testing.assert_array_equal(ds.u, dump(ctl, "u", (3, 4, 2, 3, 4)))
    sidecar = rawmmap.describe(ctl)
    np.testing.assert_array_equal(xr.open_dataset(sidecar, engine="rawmmap").u, expected)


def test_ensembles_whose_files_are_missing(tmp_path: Path) -> None:
    grid = Grid(nt=2, ne=3, options=("template",))
    single = Grid(nt=2, ne=1)
    (tmp_path / "g_e1.dat").write_bytes(single.data())
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text("^g_%e.dat"))
    ds = xr.open_dataset(ctl, engine="rawmmap")
    np.testing.assert_array_equal(ds.u[1], single.expected()["u"][0])
    assert np.isnan(ds.u[0]).all()
    (tmp_path / "g_e2.dat").write_bytes(single.data()[:-1])
    with pytest.raises(ValueError, match="g_e2"):
        rawmmap.open(ctl)


@needs_grads
def test_what_the_program_refuses_of_ensembles(tmp_path: Path) -> None:
    grid = Grid(nt=4, ne=3, options=("template",))
    ctl = split_days(tmp_path, grid, [5, 6])
    with pytest.raises(ValueError, match="must then hold %e"):
        rawmmap.open(ctl)
    assert "templating in the E dimension must also be used" in run_grads(["open g.ctl"], tmp_path)
    beyond = "EDEF 1\na 5 00z05mar1998\nENDEDEF"
    ctl.write_text(Grid(nt=4, lines=(beyond,)).text())
    with pytest.raises(ValueError, match="go past the 4 of TDEF"):
        rawmmap.open(ctl)
    assert "extends beyond the time axis" in run_grads(["open g.ctl"], tmp_path)


def test_times_of_one_variable_after_each_other(tmp_path: Path) -> None:
    grid = Grid(nt=4, options=("template",), time_inside=True)
    ctl = split_days(tmp_path, grid, [5, 6])
    with pytest.raises(ValueError, match="need the number of times in a file, as in -1,20,2"):
        rawmmap.open(ctl)
    ctl.write_text(ctl.read_text().replace("-1,20", "-1,20,2"))
    for name, expected in grid.expected().items():
        np.testing.assert_array_equal(rawmmap.open(ctl)[name].data[...], expected)
    ctl.write_text(ctl.read_text().replace("-1,20,2", "-1,20,3"))
    with pytest.raises(ValueError, match="contradict the 2 times"):
        rawmmap.open(ctl)


def test_many_files_open_without_looking_at_each(tmp_path: Path, monkeypatch: Any) -> None:
    grid = Grid(nt=2000, nx=1, ny=1, levels=(0,), options=("template",))
    values = np.arange(2000, dtype="<f4")
    for t in range(0, 2000, 3):
        (tmp_path / f"g{t}.dat").write_bytes(values[t : t + 1].tobytes())
    ctl = tmp_path / "g.ctl"
    ctl.write_text(grid.text("^g%tm1.dat"))
    parts = 0
    shifted = Layout.shifted

    def count(self: Layout, distance: int) -> Layout:
        nonlocal parts
        parts += 1
        return shifted(self, distance)

    monkeypatch.setattr(Layout, "shifted", count)
    ds = xr.open_dataset(ctl, engine="rawmmap")
    assert parts < 10
    expected = np.where(np.arange(2000) % 3, np.nan, values)
    np.testing.assert_array_equal(ds.u[:, 0, 0], expected)
