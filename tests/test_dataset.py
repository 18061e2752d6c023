"""Described files without xarray: a mapping from names to variables, and what belongs together."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import numpy as np
import pytest

import rawmmap
from rawmmap import dataset
from rawmmap.errors import ShortFileError
from rawmmap.formats import sidecar

VALUES = np.arange(60, dtype="<f4").reshape(2, 5, 6)
CUBE: dict[str, Any] = {"dtype": "<f4", "shape": (2, 5, 6), "dims": ("a", "c", "b")}


@pytest.fixture
def cube(tmp_path: Path) -> Path:
    path = tmp_path / "cube.bin"
    path.write_bytes(VALUES.tobytes())
    return path


def test_it_is_a_mapping(cube: Path) -> None:
    raw = rawmmap.open(cube, **CUBE, name="u", attrs={"units": "m"})
    assert list(raw) == ["u"]
    assert len(raw) == 1
    assert "u" in raw
    assert "v" not in raw
    with pytest.raises(KeyError, match="v"):
        raw["v"]
    with pytest.raises(TypeError):
        raw["u"] = raw["u"]  # type: ignore[index]
    assert raw["u"].dims == ("a", "c", "b")
    assert raw["u"].attrs == {"units": "m"}
    assert isinstance(raw["u"].data, rawmmap.RawArray)
    np.testing.assert_array_equal(np.asarray(raw["u"].data), VALUES)


def test_it_says_what_the_file_holds(cube: Path) -> None:
    raw = rawmmap.open(cube, **CUBE)
    assert raw.sizes == {"a": 2, "c": 5, "b": 6}
    assert raw.files == (str(cube),)
    assert raw.coords == frozenset()
    assert raw.attrs == {}
    assert repr(raw).splitlines() == [
        f"<RawDataset {cube}: 240 bytes>",
        "  data: <f4 (a: 2, c: 5, b: 6)",
    ]


def test_values_of_the_description_are_arrays(cube: Path) -> None:
    rawmmap.describe(cube, **CUBE, coords={"b": np.arange(6) * 0.5, "name": ("a", ["p", "q"])})
    raw = rawmmap.open(cube)
    assert raw.coords == {"b", "name"}
    assert type(raw["b"].data) is np.ndarray
    assert raw["b"].data.tolist() == [0, 0.5, 1, 1.5, 2, 2.5]
    raw["b"].data[0] = 7  # a copy
    assert raw["b"].data[0] == 0


def test_attributes_can_be_changed_without_effect(cube: Path) -> None:
    raw = rawmmap.open(cube, variables={"u": {**CUBE, "attrs": {"n": 1}}}, attrs={"title": "t"})
    raw["u"].attrs["n"] = 2
    raw.attrs["title"] = "changed"
    assert raw["u"].attrs == {"n": 1}
    assert raw.attrs == {"title": "t"}


@pytest.mark.parametrize(
    ("keywords", "gaps"),
    [
        ({"dtype": "<f4", "shape": -1}, []),
        ({"dtype": "<u2", "shape": 5, "offset": 4}, [(0, 4), (14, 240)]),
        ({"dtype": "u1", "shape": 0}, [(0, 240)]),
        ({"dtype": "<i2", "shape": 3, "strides": 80}, [(2, 80), (82, 160), (162, 240)]),
        (
            {"dtype": "<f8", "shape": (), "record_dim": "t", "record_nbytes": 100, "offset": 30},
            [(0, 30), (38, 130), (138, 230), (238, 240)],
        ),
        (
            {"dtype": [("a", "<i2"), ("b", "<i4")], "shape": 39, "offset": 6},
            [(0, 6)],
        ),
        (
            {
                "dtype": np.dtype(
                    {
                        "names": ["a", "b"],
                        "formats": ["<i2", "u1"],
                        "offsets": [0, 60],
                        "itemsize": 120,
                    }
                ),
                "shape": 2,
            },
            [(2, 60), (61, 120), (122, 180), (181, 240)],
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_coverage(cube: Path, keywords: dict[str, Any], gaps: list[tuple[int, int]]) -> None:
    assert rawmmap.open(cube, **keywords).coverage == gaps


def test_coverage_of_a_hundred_million_records(tmp_path: Path) -> None:
    path = tmp_path / "log.bin"
    count = 10**8
    with path.open("wb") as file:
        file.truncate(8 + 12 * count + 3)
    raw = rawmmap.open(
        path, record_dim="time", offset=8, record_nbytes=12, dtype="<f4", shape=(), dims=()
    )
    coverage = raw.coverage
    assert raw["data"].shape == (count,)
    assert len(coverage) == count + 1
    assert coverage[:2] == [(0, 8), (12, 20)]
    assert coverage[-1] == (8 + 12 * count - 8, 8 + 12 * count + 3)
    assert coverage.nbytes == 11 + 8 * count


def test_short_files_are_refused(cube: Path) -> None:
    with pytest.raises(ShortFileError, match=r"480.*240"):
        rawmmap.open(cube, dtype="<f8", shape=60, dims="x")


@pytest.mark.parametrize("path", [3, None, [b"a"]])
def test_only_paths_can_be_opened(path: Any) -> None:
    with pytest.raises(TypeError, match="path or URL"):
        rawmmap.open(path, dtype="u1")


def test_misspelled_keywords_are_named(cube: Path) -> None:
    with pytest.raises(TypeError, match=r"cube\.bin.*'shap'.*shape="):
        rawmmap.open(cube, dtype="<f4", shap=3)


def test_a_file_that_is_replaced_is_looked_up_again(
    cube: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sidecar of the old file never describes the new one."""
    rawmmap.describe(cube, **CUBE)
    find: Any = vars(dataset)["find"]
    replaced: list[bool] = []

    def find_late(*arguments: Any) -> Any:
        description = find(*arguments)
        if not replaced:
            replaced.append(True)
            new = cube.with_name("new.bin")
            new.write_bytes(b"\0" * 8)
            os.replace(new, cube)
            text = sidecar.dumps(rawmmap.open(cube, dtype="<i8", shape=1).template)
            cube.with_name("cube.bin.json").write_text(text)
        return description

    monkeypatch.setattr(dataset, "find", find_late)
    raw = rawmmap.open(cube)
    assert raw["data"].data.dtype == "<i8"


def test_a_file_that_is_always_replaced_is_an_error(
    cube: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rawmmap.describe(cube, **CUBE)
    find: Any = vars(dataset)["find"]

    def find_late(*arguments: Any) -> Any:
        description = find(*arguments)
        shutil.copy(cube, cube.with_name("new.bin"))
        os.replace(cube.with_name("new.bin"), cube)
        return description

    monkeypatch.setattr(dataset, "find", find_late)
    with pytest.raises(BlockingIOError, match="try again"):
        rawmmap.open(cube)


def test_storage_options_stay_out_of_texts() -> None:
    fs = fsspec.filesystem("memory", secret="hunter2")
    fs.pipe("/rawmmap-dataset/a.bin", VALUES.tobytes())
    options = {"secret": "hunter2"}
    try:
        raw = rawmmap.open("memory://rawmmap-dataset/a.bin", storage_options=options, **CUBE)
        assert "hunter2" not in repr(raw) + str(raw) + repr(raw["data"])
        again = pickle.loads(pickle.dumps(raw["data"].data))
        np.testing.assert_array_equal(np.asarray(again), VALUES)
    finally:
        fs.rm("/rawmmap-dataset", recursive=True)


RECORD = np.dtype([("n", "<i4"), ("x", "<f8", 3)])
WRITER = r"""
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

/* Appends records with buffered writes until stdin ends: mostly, the file ends within one. */
int main(int argc, char **argv) {
    FILE *file = fopen(argv[1], "ab");
    struct pollfd input = {0, POLLIN, 0};
    if (!file) return 1;
    setvbuf(file, NULL, _IOFBF, 1000);
    for (int32_t n = 0; n % 20 || poll(&input, 1, 0) == 0; n++) {
        double x[3] = {n, n + 0.25, n + 0.5};
        fwrite(&n, 4, 1, file);
        fwrite(x, 8, 3, file);
        if (n % 20 == 0) usleep(500);
    }
    return fclose(file);
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the acquisition program needs gcc")
@pytest.mark.skipif(sys.byteorder != "little", reason="the program writes its own byte order")
def test_a_file_that_is_being_written_opens_in_whole_records(tmp_path: Path) -> None:
    (tmp_path / "writer.c").write_text(WRITER)
    program = tmp_path / "writer"
    subprocess.run(["gcc", "-o", program, tmp_path / "writer.c"], check=True)
    path = tmp_path / "live.bin"
    path.write_bytes(b"HEADER: 16 bytes")
    rawmmap.describe(path, dtype=RECORD, record_dim="time", dims="axis", offset=16)
    lengths: list[int] = []
    partial = False
    with subprocess.Popen([program, path], stdin=subprocess.PIPE) as process:
        while process.poll() is None and (len(set(lengths)) < 20 or not partial):
            raw = rawmmap.open(path)
            lengths.append(check_records(raw))
            partial |= (raw.source.identity.size - 16) % RECORD.itemsize != 0
        process.communicate()
    assert process.returncode == 0
    assert partial
    assert lengths == sorted(lengths)
    assert 16 + check_records(rawmmap.open(path)) * RECORD.itemsize == path.stat().st_size


def check_records(raw: rawmmap.RawDataset) -> int:
    """Check that all records are whole, and return their number."""
    n, x = np.asarray(raw["n"].data), np.asarray(raw["x"].data)
    np.testing.assert_array_equal(n, np.arange(n.size))
    np.testing.assert_array_equal(x, np.arange(n.size)[:, None] + [0, 0.25, 0.5])
    return n.size


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_may_not_be_read_fails_when_it_is_opened(cube: Path) -> None:
    """Root may read everything, so a process of another user opens the file."""
    for folder in (cube.parent, *cube.parent.parents):
        if folder.stat().st_uid == os.geteuid() and str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    cube.chmod(0)
    code = f"""
        import os, rawmmap, rawmmap.dataset, xarray as xr, rawmmap.xarray.engine
        import rawmmap.sources.local
        if os.geteuid() == 0:
            os.setuid(65534)
        keywords = dict(dtype="<f4", shape=60, dims="x")
        for open in (rawmmap.open, lambda p, **k: xr.open_dataset(p, engine="rawmmap", **k)):
            try:
                open({str(cube)!r}, **keywords)
            except PermissionError as error:
                assert {cube.name!r} in str(error), error
            else:
                raise AssertionError("opened")
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd="/")


def test_coordinates_come_from_a_keyword(cube: Path) -> None:
    labelled = SimpleNamespace(dims=("a",), values=np.array([3, 4]), attrs={"n": 1})
    coords = {
        "a": labelled,
        "b": range(6),
        "letters": ("c", list("vwxyz"), {"long_name": "letter"}),
        "when": np.datetime64("2024-01-02"),
    }
    raw = rawmmap.open(cube, **CUBE, coords=coords)
    assert list(raw) == ["data", *coords]
    assert raw.coords == set(coords)
    assert raw.sizes == {"a": 2, "c": 5, "b": 6}
    assert raw.coverage == []
    assert (list(raw["a"].data), raw["a"].attrs) == ([3, 4], {"n": 1})
    assert (raw["b"].dims, list(raw["b"].data)) == (("b",), [0, 1, 2, 3, 4, 5])
    assert (raw["letters"].dims, raw["letters"].attrs) == (("c",), {"long_name": "letter"})
    assert list(raw["letters"].data) == list("vwxyz")
    assert raw["when"].shape == ()
    assert raw["when"].dtype == np.dtype("M8[D]")
    assert pickle.loads(pickle.dumps(raw))["a"].data[1] == 4


@pytest.mark.parametrize(
    ("coords", "kind", "text"),
    [
        ([1, 2], TypeError, "coords= must be a mapping"),
        ({3: [1, 2]}, TypeError, r"coords\[3\].*strings"),
        ({"a": (1, 2)}, TypeError, r"coords\['a'\].*\(dims, values, attrs\)"),
        ({"a": ("a", [1, 2], "m")}, TypeError, r"coords\['a'\].*mapping"),
        ({"a": [1, 2, 3]}, ValueError, "'a' has length 2 in 'data', but 3"),
        ({"z": [1, 2]}, ValueError, r"\['z'\] are not dimensions.*\['a', 'b', 'c'\]"),
        ({"data": ("a", [1, 2])}, ValueError, r"\['data'\] are both"),
        ({"a": [[1], [2, 3]]}, ValueError, r"coords\['a'\]"),
        ({"a": [[1, 2]]}, ValueError, r"coords\['a'\].*\(dims, values\)"),
    ],
)
def test_coordinates_that_do_not_fit(cube: Path, coords: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        rawmmap.open(cube, **CUBE, coords=coords)
    assert str(caught.value).startswith(f"{cube}: ")
    assert str(caught.value).count("coords[") < 2


def test_coordinates_of_a_series(tmp_path: Path) -> None:
    for step in range(3):
        VALUES.tofile(tmp_path / f"u-{step}.bin")
    raw = rawmmap.open(tmp_path / "u-{step}.bin", **CUBE, coords={"run": ("step", ["p", "q", "r"])})
    assert list(raw["run"].data) == ["p", "q", "r"]
    assert raw["data"].shape == (3, 2, 5, 6)


def test_variables_can_be_left_out(cube: Path) -> None:
    both = {name: {"dtype": "<f4", "shape": 30, "dims": "x"} for name in ("u", "ux")}
    raw = rawmmap.open(cube, variables=both, drop_variables="u", coords={"x": range(30)})
    assert list(raw) == ["ux", "x"]
    assert raw.coverage == [(0, 120)]
    assert list(rawmmap.open(cube, variables=both, drop_variables=["u", "x"])) == ["ux"]


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("endian", "the byte order is part of dtype="),
        ("byteorder", "the byte order is part of dtype="),
        ("header", r"did you mean offset=\?"),
        ("skip", r"did you mean offset=\?"),
        ("dimensions", r"did you mean dims=\?"),
        ("mode", "to change a file, use rawmmap.map_dataset"),
        ("stride", r"did you mean strides=\?"),
        ("zzz", "the known ones are access, attrs"),
    ],
)
def test_words_of_other_libraries_lead_to_ours(cube: Path, keyword: str, text: str) -> None:
    keywords: dict[str, Any] = {keyword: 3}
    with pytest.raises(TypeError, match=f"{cube}: unknown keyword '{keyword}'; {text}"):
        rawmmap.open(cube, dtype="<f4", **keywords)


def test_a_remainder_may_be_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(64) + VALUES.tobytes())
    keywords: dict[str, Any] = {"dtype": "<f4", "shape": (-1, 30), "dims": ("y", "x")}
    with pytest.raises(ValueError, match=r"64 bytes more.*pass offset=64"):
        rawmmap.open(path, **keywords)
    assert rawmmap.open(path, **keywords, offset=64).sizes == {"y": 2, "x": 30}
    with pytest.raises(ValueError, match=r"54 bytes more.*pass offset=64"):
        rawmmap.open(path, **keywords, offset=10)


@pytest.mark.parametrize("names", [3, b"x", [1], ("u", 2), {1}, np.array([1]), [None]])
def test_variables_to_leave_out_are_names(cube: Path, names: Any) -> None:
    with pytest.raises(TypeError, match="drop_variables must be a name or several") as caught:
        rawmmap.open(cube, **CUBE, drop_variables=names)
    assert str(cube) in str(caught.value)


@pytest.mark.parametrize("names", ["u", ["u"], ("u", "w"), {"u"}, iter(["u"]), np.array(["u"])])
def test_names_come_in_any_order(cube: Path, names: Any) -> None:
    variables = {name: {"dtype": "<f4", "shape": 30, "dims": "x"} for name in "uv"}
    assert list(rawmmap.open(cube, variables=variables, drop_variables=names)) == ["v"]


@pytest.mark.parametrize("keyword", ["shape", "strides"])
def test_a_set_is_not_a_shape(cube: Path, keyword: str) -> None:
    keywords: dict[str, Any] = {"dtype": "<f4", "shape": 3, keyword: {4}}
    with pytest.raises(TypeError, match=rf"{keyword}=\{{4\}} must be an integer or a tuple"):
        rawmmap.open(cube, **keywords)


def test_a_length_that_follows_needs_a_positive_stride(cube: Path) -> None:
    with pytest.raises(ValueError, match=r"shape \(-1,\): -1 needs .* strides \(-4,\) has -4"):
        rawmmap.open(cube, dtype="<f4", shape=-1, strides=-4)
