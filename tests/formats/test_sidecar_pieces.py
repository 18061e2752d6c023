"""Variables in pieces, of one file or of several, as a sidecar describes them."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import fsspec
import jsonschema
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.errors import DescriptionError, ShortFileError

SCHEMA = json.loads((files("rawmmap.formats.sidecar") / "sidecar.schema.json").read_text("utf-8"))


def write_sidecar(path: Path, variable: dict[str, Any], **top: Any) -> Path:
    sidecar = Path(f"{path}.json")
    sidecar.write_text(json.dumps({"rawmmap": 1, **top, "variables": {"u": variable}}))
    return sidecar


def check(sidecar: Path, expected: Any) -> xr.Dataset:
    """Open a sidecar, compare with NumPy, write its description again and compare that too."""
    jsonschema.validate(json.loads(sidecar.read_text()), SCHEMA)
    for _ in range(2):
        ds = xr.open_dataset(sidecar, engine="rawmmap")
        np.testing.assert_array_equal(ds["u"], expected)
        np.testing.assert_array_equal(ds["u"][..., ::-2], expected[..., ::-2])
        rawmmap.describe(sidecar)
        jsonschema.validate(json.loads(sidecar.read_text()), SCHEMA)
    return ds


def test_boxes_of_two_files(tmp_path: Path) -> None:
    a, b = np.arange(8, dtype="<f4"), np.array([70, 80], "<f4")
    (tmp_path / "a.bin").write_bytes(bytes(16) + a.tobytes())
    b.tofile(tmp_path / "b.bin")
    variable = {
        "dtype": "<f4",
        "dims": ["y", "x"],
        "shape": [2, 6],
        "fill_value": -1.0,
        "pieces": [
            {"start": [0, 0], "shape": [2, 4], "offset": 16},
            {"start": [1, 4], "shape": [1, 2], "file": 1, "offset": 0},
        ],
    }
    sidecar = write_sidecar(tmp_path / "a.bin", variable, files=["a.bin", "b.bin"])
    ds = check(sidecar, np.array([[0, 1, 2, 3, -1, -1], [4, 5, 6, 7, 70, 80]], "f4"))
    xr.testing.assert_identical(xr.open_dataset(tmp_path / "a.bin", engine="rawmmap"), ds)
    raw = rawmmap.open(sidecar)
    assert [os.path.basename(file) for file in raw.files] == ["a.bin", "b.bin"]
    part = xr.Dataset({"u": (("y", "x"), np.full((1, 4), 9, "f4"))})
    part.rawmmap.to_raw(tmp_path / "a.bin", region={"y": slice(1, 2), "x": slice(2, 6)})
    assert np.fromfile(tmp_path / "b.bin", "<f4").tolist() == [9, 9]
    assert np.fromfile(tmp_path / "a.bin", "<f4", offset=16).tolist() == [0, 1, 2, 3, 4, 5, 9, 9]
    os.truncate(tmp_path / "b.bin", 7)
    with pytest.raises(ShortFileError, match=r"b\.bin"):
        rawmmap.open(sidecar)


def test_values_among_pieces_and_orders(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    np.arange(9, dtype=">i2").tofile(path)
    variable = {
        "dtype": ">i2",
        "dims": ["y", "x"],
        "shape": [3, 4],
        "pieces": [
            {"start": [0, 0], "shape": [3, 3], "order": "F"},
            {"start": [0, 3], "values": [[7], [-8], [9]]},
        ],
    }
    sidecar = write_sidecar(path, variable)
    check(sidecar, np.array([[0, 3, 6, 7], [1, 4, 7, -8], [2, 5, 8, 9]]))


def test_samples_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\x01\0\0\xff\xff\xff\x02\0\0")
    variable = {
        "dtype": "<i3",
        "dims": ["x"],
        "shape": [3],
        "pieces": [
            {"start": [2], "shape": [1], "offset": 0},
            {"start": [0], "shape": [2], "offset": 3},
        ],
    }
    check(write_sidecar(path, variable), np.array([-1, 2, 1]))


def test_the_list_of_files_of_a_header(tmp_path: Path) -> None:
    values = np.arange(24, dtype="<i2").reshape(2, 3, 4)
    for name, member in zip("ab", values, strict=True):
        member.tofile(tmp_path / f"{name}.raw")
    header = "type: short\ndimension: 3\nsizes: 4 3 2\nendian: little\nencoding: raw\n"
    path = tmp_path / "x.nhdr"
    path.write_text(f"NRRD0004\n{header}data file: LIST\na.raw\nb.raw\n")
    before = xr.open_dataset(path, engine="rawmmap")
    (variable,) = before.data_vars
    assert rawmmap.describe(path) == tmp_path / "a.raw.json"
    path.unlink()
    for data in ("a.raw", "a.raw.json"):
        ds = xr.open_dataset(tmp_path / data, engine="rawmmap")
        np.testing.assert_array_equal(ds[variable], values)
        assert ds[variable].dims == before[variable].dims


def test_remote_pieces() -> None:
    fs = fsspec.filesystem("memory")
    variable = {
        "dtype": "u1",
        "dims": ["x"],
        "shape": [4],
        "pieces": [
            {"start": [0], "shape": [2], "file": 1},
            {"start": [2], "shape": [2], "file": 0},
        ],
    }
    document = {"rawmmap": 1, "files": ["a", "b"], "variables": {"u": variable}}
    fs.pipe("/pieces/a", b"\1\2")
    fs.pipe("/pieces/b", b"\3\4")
    fs.pipe("/pieces/a.json", json.dumps(document).encode())
    for url in ("memory://pieces/a", "memory://pieces/a.json"):
        ds = xr.open_dataset(url, engine="rawmmap")
        assert ds["u"].values.tolist() == [3, 4, 1, 2]
    fs.rm("/pieces", recursive=True)


@given(data=st.data())
def test_any_grid_of_pieces(tmp_path: Path, data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)))
    values = np.arange(np.prod(shape), dtype="<u2").reshape(shape)
    cuts = [sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=2))}) for n in shape]
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    pieces: list[dict[str, Any]] = []
    expected, contents = np.zeros_like(values), [b"", b""]
    for index in np.ndindex(*(len(cut) - 1 for cut in cuts)):
        box = tuple(slice(cut[i], cut[i + 1]) for cut, i in zip(cuts, index, strict=True))
        if data.draw(st.booleans()) and pieces:
            continue
        file = data.draw(st.integers(0, 1))
        order: Any = data.draw(st.sampled_from("CF"))
        pieces.append(
            {
                "start": [part.start for part in box],
                "shape": list(values[box].shape),
                "file": file,
                "offset": len(contents[file]),
                "order": order,
            }
        )
        contents[file] += values[box].tobytes(order)
        expected[box] = values[box]
    for name, content in zip("ab", contents, strict=True):
        (folder / name).write_bytes(content)
    dims = [f"d{i}" for i in range(len(shape))]
    variable = {"dtype": "<u2", "dims": dims, "shape": list(shape), "pieces": pieces}
    check(write_sidecar(folder / "a", variable, files=["a", "b"]), expected)


PIECE: dict[str, Any] = {"start": [0], "shape": [4]}
HOSTILE: dict[str, dict[str, Any]] = {
    "overlapping": {"pieces": [PIECE, {"start": [3], "shape": [2]}]},
    "out of the array": {"pieces": [{"start": [3], "shape": [6]}]},
    "before the array": {"pieces": [{"start": [-1], "shape": [2]}]},
    "of no file": {"pieces": [{**PIECE, "file": 1}]},
    "of other axes": {"pieces": [{"start": [0, 0], "shape": [2, 2]}]},
    "with a length that grows": {"pieces": [{"start": [0], "shape": [-1]}]},
    "whose elements overlap": {"pieces": [{**PIECE, "strides": [0]}]},
    "before the file": {"pieces": [{**PIECE, "strides": [-1]}]},
    "of a huge array": {"pieces": [PIECE], "shape": [10**12]},
    "with a layout beside": {"pieces": [PIECE], "offset": 3},
    "with an unknown name": {"pieces": [{**PIECE, "path": "/etc/passwd"}]},
    "with values and a layout": {"pieces": [{**PIECE, "values": [1, 2]}]},
    "with values that do not fit": {"pieces": [{"start": [0], "values": [1000]}]},
    "with values of much memory": {
        "dtype": "S60000000",
        "pieces": [{"start": [i], "values": ["a"]} for i in range(8)],
    },
    "not a list": {"pieces": {"start": [0]}},
    "not objects": {"pieces": [3]},
    "no pieces but a fill value": {"fill_value": 3},
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pieces_are_errors_that_name_the_sidecar(tmp_path: Path, entries: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    variable = {"dtype": "u1", "dims": ["x"], "shape": [8], **entries}
    sidecar = write_sidecar(path, variable)
    for opened in (path, sidecar):
        with pytest.raises(DescriptionError, match=r"a\.bin\.json"):
            rawmmap.open(opened)


def test_many_pieces_that_make_a_large_grid_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    pieces = [{"start": [i, i], "shape": [1, 1]} for i in range(500)]
    variable = {"dtype": "u1", "dims": ["y", "x"], "shape": [500, 500], "pieces": pieces}
    with pytest.raises(DescriptionError, match="500 pieces make a grid of more than"):
        rawmmap.open(write_sidecar(path, variable))


@pytest.mark.parametrize(
    "names", [["../a"], ["/etc/passwd"], ["a", "a"], [], ["."], "a", [3], ["a/b"]], ids=str
)
def test_files_outside_of_the_folder_are_refused(tmp_path: Path, names: Any) -> None:
    (tmp_path / "a").write_bytes(bytes(8))
    variable = {"dtype": "u1", "dims": ["x"], "shape": [8], "pieces": [{**PIECE, "start": [0]}]}
    sidecar = write_sidecar(tmp_path / "a", variable, files=names)
    with pytest.raises(DescriptionError, match=r"a\.json"):
        rawmmap.open(sidecar)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.write_bytes(b"secret!!")
    (inside / "a").write_bytes(bytes(8))
    (inside / "b").symlink_to(outside)
    variable = {
        "dtype": "u1",
        "dims": ["x"],
        "shape": [8],
        "pieces": [{"start": [0], "shape": [8], "file": 1}],
    }
    sidecar = write_sidecar(inside / "z", variable, files=["a", "b"])
    with pytest.raises(DescriptionError, match="a link out of the sidecar's folder"):
        rawmmap.open(sidecar)
