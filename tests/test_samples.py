"""Files of samples that NumPy has no type for, through every way in."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import xarray as xr

import rawmmap
from rawmmap.errors import ShortFileError
from rawmmap.formats import sidecar
from rawmmap.layout.samples import NAMES, parse_dtype

SHAPE = (4, 5)


def write(path: Path, name: str, offset: int = 0) -> np.ndarray[Any, Any]:
    """Write a file of small integers, which every type holds, and return them."""
    samples = parse_dtype(name)[1]
    assert samples is not None
    values = (np.arange(20).reshape(SHAPE) + 1).astype(samples.dtype)
    path.write_bytes(b"\xff" * offset + samples.encode(values).tobytes())
    return values


@pytest.fixture(params=[order + name for order in "<>" for name in NAMES])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.bin"


class TestRawArray:
    @pytest.mark.parametrize("access", ["auto", "map", "read"])
    def test_keys(self, path: Path, name: str, access: Any) -> None:
        values = write(path, name, 7)
        a = rawmmap.RawArray(path, name, SHAPE, offset=7, access=access)
        assert a.dtype == values.dtype
        assert a.nbytes == values.nbytes
        keys: list[Any] = [
            ..., 1, (2, 3), (slice(None), slice(None, None, -2)), ([0, 2], [1, 1]), (..., None, 0),
            values.real > 7, [],
        ]  # fmt: skip
        for key in keys:
            found, expected = a[key], values[key]
            assert type(found) is type(expected)
            assert found.dtype == expected.dtype
            assert np.array_equal(found, expected)
        assert np.array_equal(np.asarray(a), values)
        assert np.array_equal(a.transpose((1, 0)).part(slice(1, 3)).load(), values.T[1:3])
        assert np.array_equal(pickle.loads(pickle.dumps(a))[...], values)

    def test_writing(self, path: Path, name: str) -> None:
        values = write(path, name, 3)
        before = path.read_bytes()
        a = rawmmap.RawArray(path, name, SHAPE, offset=3, mode="r+")
        a[1, ::2] = 100
        values[1, ::2] = 100
        a[[0, 3], [0, 4]] = [50, 60]
        values[[0, 3], [0, 4]] = [50, 60]
        assert np.array_equal(a[...], values)
        after = path.read_bytes()
        assert after[:3] == before[:3]
        assert len(after) == len(before)

    def test_refused_values_write_nothing(self, path: Path) -> None:
        write(path, "<i3")
        before = path.read_bytes()
        a = rawmmap.RawArray(path, "<i3", SHAPE, mode="r+")
        with pytest.raises(ValueError, match=r"a\.bin.*out of their range"):
            a[0] = [1, 2, 3, 4, 2**30]
        assert path.read_bytes() == before

    def test_lengths_follow_from_the_file(self, path: Path) -> None:
        write(path, ">u3")
        assert rawmmap.RawArray(path, ">u3", -1).shape == (20,)
        with pytest.raises(ShortFileError):
            rawmmap.RawArray(path, ">u3", 21)

    def test_strides(self, path: Path) -> None:
        path.write_bytes(bytes(range(16)))
        a = rawmmap.RawArray(path, "<u3", 4, strides=(4,))
        assert a[...].tolist() == [int.from_bytes(bytes(range(i, i + 3)), "little")
                                   for i in (0, 4, 8, 12)]  # fmt: skip

    def test_tokens_differ(self, path: Path) -> None:
        write(path, "<i3")
        tokens = {rawmmap.from_raw(path, name, 8).name for name in ("<i3", ">i3", "<u3", "V3")}
        assert len(tokens) == 4

    def test_maps_refuse_them(self, path: Path, name: str) -> None:
        write(path, name)
        for function in (rawmmap.mmap, rawmmap.Mapping):
            with pytest.raises(TypeError, match="RawArray"):
                function(path, name, 4)
        with pytest.raises(TypeError, match="RawArray"):
            rawmmap.map_dataset(path, dtype=name, shape=4, dims="x")


class TestDask:
    @pytest.mark.parametrize("byteorder", ["native", "file"])
    def test_from_raw(self, path: Path, name: str, byteorder: Any) -> None:
        values = write(path, name)
        x = rawmmap.from_raw(path, name, SHAPE, chunks=(2, 5), byteorder=byteorder)
        assert x.dtype == values.dtype
        assert np.array_equal(x[1:3, ::2].compute(), values[1:3, ::2])

    def test_several_files(self, tmp_path: Path) -> None:
        paths = [tmp_path / "a", tmp_path / "b"]
        values = [write(p, "<i3") for p in paths]
        x = rawmmap.from_raw(paths, "<i3", SHAPE)
        assert np.array_equal(x.compute(), np.stack(values))


class TestDatasets:
    def test_keywords(self, path: Path, name: str) -> None:
        values = write(path, name, 2)
        words: Any = dict(dtype=name, shape=SHAPE, offset=2, dims=("y", "x"))
        with xr.open_dataset(path, engine="rawmmap", **words) as ds:
            assert ds["data"].dtype == values.dtype
            assert "dtype" not in ds["data"].encoding or (
                ds["data"].encoding["dtype"] == values.dtype
            )
            assert np.array_equal(ds["data"], values)
            assert np.array_equal(ds["data"].isel(x=[0, 3], y=slice(1, 3)), values[1:3, [0, 3]])
        raw = rawmmap.open(path, **words)
        assert raw["data"].dtype == values.dtype
        assert np.array_equal(raw["data"].data[1], values[1])

    def test_fill_values_have_the_type_of_the_values(self, path: Path) -> None:
        write(path, "<i3")
        words: Any = dict(dtype="<i3", shape=SHAPE, dims=("y", "x"), attrs={"_FillValue": 3})
        with xr.open_dataset(path, engine="rawmmap", **words) as ds:
            assert np.isnan(ds["data"].values).sum() == 1

    def test_sidecar(self, path: Path, name: str) -> None:
        values = write(path, name)
        found = rawmmap.describe(path, dtype=name, shape=(-1, 5), dims=("y", "x"), name="u")
        text = found.read_text("utf-8")
        document = json.loads(text)
        assert document["variables"]["u"]["dtype"] == name
        schema = Path(sidecar.__file__).with_name("sidecar.schema.json")
        jsonschema.validate(document, json.loads(schema.read_text("utf-8")))
        with xr.open_dataset(path, engine="rawmmap") as ds:
            assert ds["u"].dtype == values.dtype
            assert np.array_equal(ds["u"], values)
        assert sidecar.dumps(sidecar.loads(text, str(found))) == text

    def test_values_in_a_sidecar_are_numpys(self) -> None:
        words = {"dtype": "<i3", "dims": ["x"], "values": [1]}
        text = json.dumps({"rawmmap": 1, "variables": {"u": words}})
        with pytest.raises(rawmmap.DescriptionError, match="<i3"):
            sidecar.loads(text, "a.bin.json")

    def test_records(self, path: Path) -> None:
        path.write_bytes(bytes(range(21)))
        words: Any = dict(
            record_dim="t",
            variables={"a": dict(dtype=">u3", shape=2, dims="x"), "b": dict(dtype="u1")},
        )
        with xr.open_dataset(path, engine="rawmmap", **words) as ds:
            raw = path.read_bytes()
            assert ds["a"].values.tolist() == [
                [int.from_bytes(raw[7 * t + 3 * x :][:3], "big") for x in range(2)]
                for t in range(3)
            ]
            assert ds["b"].values.tolist() == [6, 13, 20]

    def test_datasets_are_written_into_them(self, path: Path, name: str) -> None:
        values = write(path, name, 3)
        keywords: Any = dict(dtype=name, shape=(-1, 5), offset=3, dims=("y", "x"), name="u")
        rawmmap.describe(path, **keywords)
        with xr.open_dataset(path, engine="rawmmap") as ds:
            changed = ds.load() * 2
        changed.rawmmap.to_raw(path, mode="r+")
        changed[["u"]].isel(y=[0]).rawmmap.to_raw(path, region={"y": slice(2, 3)})
        changed.isel(y=slice(1, 3)).rawmmap.to_raw(path, append_dim="y")
        expected = np.concatenate([2 * values, 2 * values[1:3]])
        expected[2] = 2 * values[0]
        samples = parse_dtype(name)[1]
        assert samples is not None
        assert path.read_bytes() == b"\xff" * 3 + samples.encode(expected).tobytes()

    def test_exports_refuse_them(self, path: Path) -> None:
        write(path, "<i3")
        with pytest.raises(ValueError, match="decoded"):
            rawmmap.to_npy(path, dtype="<i3", shape=SHAPE)

    def test_the_representation_names_them(self, path: Path) -> None:
        write(path, "<i3")
        assert "u: <i3 (y: 4" in repr(
            rawmmap.open(path, dtype="<i3", shape=SHAPE, dims=("y", "x"), name="u")
        )


def test_the_examples_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parent.parent / "docs" / "samples.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, {})
