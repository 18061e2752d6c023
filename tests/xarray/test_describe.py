"""Descriptions are written beside the data, over nothing that belongs to somebody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.formats.probe import Probe
from rawmmap.xarray.engine import RawmmapEntrypoint

FOREIGN = {
    "metadata of an instrument": json.dumps({"instrument": "A", "gain": 3}),
    "references of kerchunk": json.dumps({"version": 1, "refs": {".zgroup": "{}"}}),
    "a list": "[1, 2]",
    "no JSON": "gain = 3",
    "empty": "",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_the_json_of_others_is_kept(tmp_path: Path, text: str) -> None:
    path, other = tmp_path / "a.bin", tmp_path / "a.bin.json"
    path.write_bytes(bytes(24))
    other.write_text(text)
    with pytest.raises(FileExistsError, match=r"a\.bin\.json"):
        rawmmap.describe(path, dtype="<f4", shape=-1, dims="x")
    assert other.read_text() == text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "a.bin.json"]


def test_a_sidecar_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(24))
    rawmmap.describe(path, dtype="<f4", shape=-1, dims="x")
    rawmmap.describe(path, dtype="<f8", shape=-1, dims="x")
    assert rawmmap.open(path)["data"].data.dtype == "<f8"


def test_labels_of_a_live_dataset_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    time = np.array(["2024-01-01", "2024-01-02"], "M8[ns]")
    rawmmap.to_raw(xr.Dataset({"u": ("time", [1.0, 2.0])}, {"time": time}), path)
    ds = rawmmap.map_dataset(path, "r+")
    np.testing.assert_array_equal(ds["time"], time)
    ds["u"].loc["2024-01-02"] = 7
    with xr.open_dataset(path, engine="rawmmap") as back:
        assert back["u"].values.tolist() == [1, 7]


FOREIGN_HEADS = {
    "netCDF-3": b"CDF\x01",
    "netCDF-3, 64 bits": b"CDF\x02",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "FITS": b"SIMPLE  =                    T",
    "TIFF": b"II*\0",
    "BigTIFF": b"MM\0+",
    "NIfTI": b"\x5c\x01\0\0" + bytes(340) + b"n+1\0",
}


@pytest.mark.parametrize("head", FOREIGN_HEADS.values(), ids=FOREIGN_HEADS)
def test_files_of_other_engines_are_left_alone(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(head + bytes(5000))
    assert not RawmmapEntrypoint().guess_can_open(path)


def test_guessing_looks_at_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.dat"
    path.write_bytes(bytes(5000))
    looked: list[str] = []
    original = Probe.open

    def count(probe: Probe) -> Any:
        looked.append(probe.name)
        return original(probe)

    monkeypatch.setattr(Probe, "open", count)
    assert not RawmmapEntrypoint().guess_can_open(path)
    assert looked == [str(path)]


OPENERS: dict[str, Any] = {
    "open_dataset": lambda path, **words: xr.open_dataset(path, engine="rawmmap", **words),
    "open": rawmmap.open,
    "describe": rawmmap.describe,
    "map_dataset": rawmmap.map_dataset,
    "RawArray": rawmmap.RawArray,
    "from_raw": rawmmap.from_raw,
    "mmap": rawmmap.mmap,
}
ARRAYS = ("RawArray", "from_raw", "mmap")
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"shape": "60,10"}, "shape"),
    ({"shape": (60.0, 10)}, "shape"),
    ({"shape": {"t": 60}}, "shape"),
    ({"offset": "64"}, "offset"),
    ({"offset": 64.0}, "offset"),
    ({"dtype": "int16be"}, "dtype.*write '>i2'"),
    ({"dtype": ["<i2"]}, "dtype"),
    ({"order": "c"}, "order"),
    ({"strides": "20,2"}, "strides"),
    ({"strides": (20.0, 2)}, "strides"),
    ({"dims": "time,ch"}, "dims"),
    ({"ofset": 3}, "did you mean offset="),
    ({"coords": [1]}, "coords"),
    ({"coords": {"t": [1, 2]}}, "coords=.* length 2 .* 60"),
    ({"drop_variables": 3}, "drop_variables"),
    ({"access": "fast"}, "access"),
    ({"storage_options": "x"}, "storage_options"),
    ({"missing": "skip"}, "missing"),
    ({"decode_time": False}, "did you mean decode_times="),
]


ACCEPTED: dict[str, set[str]] = {
    "open_dataset": set().union(*(words for words, _ in WRONG)),
    "open": {"access", "storage_options", "missing"},
    "describe": {"coords", "storage_options", "missing"},
    "map_dataset": {"coords", "drop_variables"},
    "RawArray": {"strides", "access", "storage_options"},
    "from_raw": {"strides", "access", "storage_options"},
    "mmap": set(),
}
ALWAYS = {"shape", "offset", "dtype", "order"}
CALLS = [
    pytest.param(opener, words, what, id=f"{opener} {words}")
    for opener, accepted in ACCEPTED.items()
    for words, what in WRONG
    if set(words)
    <= ALWAYS | accepted | (set() if opener in ARRAYS else {"strides", "dims", "ofset"})
]


@pytest.mark.parametrize(("opener", "words", "what"), CALLS)
def test_errors_name_file_and_keyword(
    tmp_path: Path, opener: str, words: dict[str, Any], what: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(1200))
    described: dict[str, Any] = {"dtype": "<i2", "shape": (60, 10)}
    if opener not in ARRAYS:
        described["dims"] = ("t", "c")
    with pytest.raises((TypeError, ValueError), match=rf"a\.bin: .*{what}") as error:
        OPENERS[opener](path, **{**described, **words})
    assert "'data'" not in str(error.value)


def test_variables_and_fields_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    dtype = np.dtype([("t", "<f8"), ("status", "<i4"), ("ch", "<i2", (3,))])
    path.write_bytes(bytes(dtype.itemsize * 5))
    rawmmap.describe(
        path, dtype=dtype, dims=("time", "channel"), drop_variables=["status"], access="read"
    )
    raw = rawmmap.open(path)
    assert list(raw) == ["t", "ch"]
    assert raw.coverage == [(8 + 18 * i, 12 + 18 * i) for i in range(5)]
    both = {name: {"dtype": "u1", "shape": 45, "dims": "x"} for name in "uv"}
    rawmmap.describe(path, variables=both, drop_variables="u", storage_options={})
    assert list(rawmmap.open(path)) == ["v"]


@pytest.mark.parametrize("attrs", [{"a": object()}, {1: "a"}, {"a": {1, 2}}])
def test_attributes_that_json_cannot_hold_name_the_file(tmp_path: Path, attrs: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    with pytest.raises(TypeError, match=r"a\.bin: variable 'u': attribute"):
        rawmmap.describe(path, dtype="u1", dims="x", name="u", attrs=attrs)
    assert not (tmp_path / "a.bin.json").exists()


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((3, 4), (1, 1)), ((2, 6), (0, 1)), ((3, 4), (-1, 1)), ((6, 1024), (1, 0))],
)
def test_elements_that_share_bytes(
    tmp_path: Path, shape: tuple[int, int], strides: tuple[int, int]
) -> None:
    path = tmp_path / "a.bin"
    raw = np.arange(10, 16, dtype="u1")
    path.write_bytes(raw.tobytes())
    offset = 2 if strides[0] < 0 else 0
    expected = np.lib.stride_tricks.as_strided(raw[offset:], shape, strides)
    keywords: dict[str, Any] = {
        "dtype": "u1",
        "shape": shape,
        "strides": strides,
        "offset": offset,
        "dims": ("window", "x"),
    }
    with pytest.raises(ValueError, match=r"a\.bin.*overlap"):
        rawmmap.describe(path, **keywords)
    rawmmap.describe(path, **keywords, overlap=True)
    ds = xr.open_dataset(path, engine="rawmmap")
    np.testing.assert_array_equal(ds["data"].values, expected)
    np.testing.assert_array_equal(ds["data"][1:, ::-2].values, expected[1:, ::-2])


def test_a_sidecar_cannot_ask_for_any_amount_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(6))
    keywords: dict[str, Any] = {"dtype": "u1", "overlap": True}
    with pytest.raises(ValueError, match="overlap more than 1024 times"):
        rawmmap.describe(path, **keywords, shape=(6, 2**40), strides=(1, 0), dims=("y", "x"))
    # An index is read when its file is opened.
    with pytest.raises(ValueError, match="elements overlap"):
        rawmmap.describe(path, **keywords, shape=12, strides=0, dims="x", name="x")
    assert not (tmp_path / "a.bin.json").exists()


def test_an_encoding_that_is_not_a_mapping(tmp_path: Path) -> None:
    encoding: Any = [1]
    with pytest.raises(TypeError, match=r"a\.bin: encoding= must be a mapping.*not \[1\]"):
        rawmmap.to_raw(xr.Dataset({"u": ("x", [1])}), tmp_path / "a.bin", encoding=encoding)
    assert not list(tmp_path.iterdir())
