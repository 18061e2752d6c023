"""Datasets into flat files, against NumPy on the bytes and against the datasets themselves."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
import xarray.testing.strategies as xrst
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from xarray.testing import assert_identical

import rawmmap
import rawmmap.xarray.writing.encoding
from rawmmap.xarray.writing.front import to_raw
from tests.clusters import client

PAGE = 4096


def sample() -> xr.Dataset:
    rng = np.random.default_rng(0)
    return xr.Dataset(
        {
            "u": (("t", "y", "x"), rng.random((4, 3, 5)).astype("f4"), {"units": "m s-1"}),
            "n": (("y", "t"), rng.integers(0, 9, (3, 4))),
            "name": ("y", ["a", "bé", "ccc"]),
            "scalar": ((), 7),
        },
        {"t": np.arange(4), "lon": ("x", np.arange(5.0))},
        {"title": "sample", "numbers": [1, 2], "half": np.float32(0.5)},
    )


def opened(path: Path, **words: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap", **words)


def described(path: Path) -> Any:
    return json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))


def test_every_variable_lies_at_a_page_boundary_in_c_order(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", sample()
    to_raw(ds, path)
    raw = path.read_bytes()
    words = described(path)["variables"]
    assert list(words) == ["u", "n", "name", "scalar", "t", "lon"]
    starts = [variable["offset"] for variable in words.values()]
    assert starts == sorted(set(starts))
    assert starts[0] == PAGE
    assert raw[:PAGE] == bytes(PAGE)
    assert not any(start % PAGE for start in starts)
    for name, variable in words.items():
        dtype = np.dtype(variable["dtype"])
        count = int(np.prod(variable["shape"]))
        found = np.frombuffer(raw, dtype, count, variable["offset"]).reshape(variable["shape"])
        np.testing.assert_array_equal(found, ds[name].values)
    assert len(raw) == starts[-1] + 5 * 8


def test_records_follow_each_other_with_a_part_of_every_variable(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", sample()
    to_raw(ds, path, unlimited_dims="t")
    records = described(path)["records"]
    record = np.dtype([("u", "<f4", (3, 5)), ("pad", "V4"), ("n", "<i8", 3), ("t", "<i8")])
    assert records == {"dim": "t", "offset": 4 * PAGE, "nbytes": record.itemsize}
    found = np.fromfile(path, record, offset=records["offset"])
    np.testing.assert_array_equal(found["u"], ds["u"])
    np.testing.assert_array_equal(found["n"], ds["n"].T)
    np.testing.assert_array_equal(found["t"], ds["t"])
    assert_identical(opened(path).load(), ds)
    assert opened(path).encoding["unlimited_dims"] == {"t"}


def test_a_file_that_is_being_written_opens_in_whole_records(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", sample()
    to_raw(ds, path, unlimited_dims="t")
    nbytes = described(path)["records"]["nbytes"]
    for cut, count in [(1, 3), (nbytes, 3), (nbytes + 1, 2), (4 * nbytes, 0)]:
        to_raw(ds, path, unlimited_dims="t")
        os.truncate(path, path.stat().st_size - cut)
        assert_identical(opened(path).load(), ds.isel(t=slice(count)))


def test_records_of_no_bytes_are_counted_too(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": (("t", "x"), np.zeros((3, 0)))})
    to_raw(ds, path, unlimited_dims="t")
    assert_identical(opened(path).load(), ds)


def test_only_one_dimension_can_grow(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"only one dimension.*\['t', 'x'\]"):
        to_raw(sample(), tmp_path / "a.bin", unlimited_dims=["t", "x"])


@pytest.mark.parametrize("scheduler", ["threads", "processes", "sync"])
@pytest.mark.parametrize("unlimited", [None, "t", "x"])
def test_chunks_under_every_scheduler(tmp_path: Path, scheduler: str, unlimited: Any) -> None:
    path, ds = tmp_path / "a.bin", sample()
    with dask.config.set(scheduler=scheduler, num_workers=2):
        task = to_raw(ds.chunk(t=3, x=2), path, unlimited_dims=unlimited, compute=False)
        assert task is not None
        assert os.listdir(tmp_path) == []
        task.compute()
        assert_identical(opened(path).load(), ds)
        to_raw(ds.chunk(y=1), path, unlimited_dims=unlimited)
    assert_identical(opened(path, chunks={}).load(), ds)
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.json"]


def test_under_distributed(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", sample()
    later = ds.assign_coords(t=ds["t"] + 4)
    with (
        dask.config.set({"distributed.worker.daemon": True}),
        client(n_workers=1, threads_per_worker=2),
    ):
        to_raw(ds.chunk(t=1), path, unlimited_dims="t")
        to_raw(later.chunk(t=2), path, append_dim="t")
        found = opened(path, chunks={}).compute()
    assert_identical(found, xr.concat([ds, later], "t", data_vars="minimal"))


# Comparing arrays or NaN within lists or dicts is beyond xarray.
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
attributes = st.dictionaries(
    st.text().filter(lambda name: name != "coordinates"),
    plain
    | st.just(float("nan"))
    | st.lists(plain)
    | st.dictionaries(st.text(), plain)
    | hnp.arrays(st.sampled_from([">i2", "<u8", "<f4", "<f8", "<c8", "?"]), hnp.array_shapes()),
    max_size=3,
)


@given(st.data())
def test_any_numbers_and_attributes_come_back(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dtypes = st.sampled_from(["i1", "<u2", ">i4", "<f4", ">f8", "<c16", "?"]).map(np.dtype)
    kinds = {
        name: data.draw(
            xrst.variables(
                array_strategy_fn=lambda *, shape, dtype: hnp.arrays(dtype, shape),
                dims=st.dictionaries(
                    st.sampled_from("abcd"), st.just(2) | st.just(0), max_size=3
                ).map(lambda found: {dim: {"a": 1, "b": 2, "c": 0, "d": 3}[dim] for dim in found}),
                dtype=dtypes,
                attrs=st.just({}),
            )
        )
        for name in "uvw"
    }
    ds = xr.Dataset(kinds, attrs=data.draw(attributes))
    path = tmp_path_factory.mktemp("any") / "a.bin"
    to_raw(ds, path)
    words = {"mask_and_scale": False, "decode_times": False, "decode_coords": False}
    found = opened(path, **words).load()
    for variable in found.variables.values():
        variable.attrs.pop("_FillValue", None)
    assert_identical(found, ds)


def test_byte_order_is_chosen_by_the_encoding_and_kept(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", xr.Dataset({"u": ("x", np.arange(4.0))})
    to_raw(ds, path, encoding={"u": {"dtype": ">f4", "_FillValue": -1}})
    np.testing.assert_array_equal(np.fromfile(path, ">f4", offset=PAGE), ds["u"])
    back = opened(path)
    assert back["u"].dtype == np.dtype("f4")
    to_raw(back, tmp_path / "b.bin")
    assert (tmp_path / "b.bin").read_bytes() == path.read_bytes()
    assert described(path) == described(tmp_path / "b.bin")
    assert described(path)["variables"]["u"]["attrs"] == {"_FillValue": -1.0}


def test_texts_are_never_cut_by_the_width_they_had(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    kinds = {"o": np.array(["a", "b"], object), "u": np.array(["a", "b"]), "s": np.array([b"ab"])}
    to_raw(xr.Dataset({k: (f"d_{k}", v) for k, v in kinds.items()}), path)
    ds = opened(path).load()
    longer = {
        k: ds[k].copy(data=np.array([v[0] * 5] * v.size, v.dtype.kind)) for k, v in kinds.items()
    }
    for name, variable in longer.items():
        variable.encoding = ds[name].encoding
    changed = xr.Dataset(longer)
    to_raw(changed, path)
    assert_identical(opened(path).load(), changed)


def test_the_file_that_is_read_can_be_written(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", sample()
    choices: list[dict[str, Any]] = [{}, {"chunks": {}}]
    for words in choices:
        to_raw(ds, path, unlimited_dims="t")
        lazy = opened(path, **words)
        to_raw((lazy.assign(u=lazy["u"] * 2)).isel(t=slice(None, None, -1)), path)
        expected = ds.assign(u=ds["u"] * 2).isel(t=slice(None, None, -1))
        xr.testing.assert_equal(opened(path).load(), expected)


def test_what_is_lazy_and_large_is_written_in_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ds = tmp_path / "a.bin", sample()
    to_raw(ds, path)
    monkeypatch.setattr(rawmmap.xarray.writing.encoding, "_LARGE", 100)
    prepared = rawmmap.xarray.writing.encoding.encode(opened(path))
    assert isinstance(prepared.variables["u"].data, da.Array)
    to_raw(opened(path), path)
    assert_identical(opened(path).load(), ds)


@pytest.mark.parametrize(
    ("attrs", "what"),
    [
        ({"a": object()}, "attribute 'a'"),
        ({"a": [1, {2}]}, "attribute 'a'"),
        ({1: "a"}, "not 1"),
        ({"a": np.array([None])}, "object"),
        ({"a": {"dtype": "f4", "values": 1}}, "mapping"),
    ],
)
@pytest.mark.parametrize("mode", ["w", "a"])
def test_attributes_that_json_cannot_hold(tmp_path: Path, attrs: Any, what: str, mode: Any) -> None:
    path, ds = tmp_path / "a.bin", sample()
    to_raw(ds, path)
    before = [path.read_bytes(), Path(f"{path}.json").read_bytes()]
    for wrong in (ds.assign_attrs(attrs), ds.assign(u=ds["u"].assign_attrs(attrs))):
        with pytest.raises(TypeError, match=what):
            to_raw(wrong, path, mode=mode)
    assert before == [path.read_bytes(), Path(f"{path}.json").read_bytes()]
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.json"]


ATTRIBUTES = {
    "none": None,
    "true": True,
    "whole": 2**70,
    "nan": float("nan"),
    "single": np.float32(0.1),
    "list": [1, "a", [2.5, None]],
    "array": np.array([[1, 2], [3, 4]], ">i2"),
    "infinite": np.array([np.inf, -np.inf, 1]),
    "complex": np.complex64(1 - 2j),
    "bytes": b"a\xff\0",
    "texts": np.array(["a", "bc"]),
    "date": np.datetime64("2001-02-03T04"),
    "map": {"a": {"b": [np.int8(1)]}},
    "quotes": 'ü "\n\u2028',
}


def test_attributes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    ds = xr.Dataset({"u": ("x", [1], ATTRIBUTES)}, attrs=ATTRIBUTES)
    to_raw(ds, path)
    found = opened(path)
    assert_identical(found.load(), ds)
    assert type(found.attrs["single"]) is np.float32
    assert type(found.attrs["bytes"]) is bytes
    assert found.attrs["array"].dtype.itemsize == 2


@pytest.mark.parametrize(
    ("ds", "error", "what"),
    [
        (xr.Dataset({"u": ("x", np.zeros(2, [("a", "i4")]))}), TypeError, "field"),
        (xr.Dataset({"u": (("x", 3), np.zeros((2, 2)))}), TypeError, "dimension names.*3"),
        (xr.Dataset({"u": ("x", np.array([1, "a"], object))}), ValueError, "mixed"),
    ],
)
def test_what_no_file_can_hold(tmp_path: Path, ds: Any, error: Any, what: str) -> None:
    with pytest.raises(error, match=what):
        to_raw(ds, tmp_path / "a.bin")
    assert os.listdir(tmp_path) == []


def test_data_arrays(tmp_path: Path) -> None:
    path, array = tmp_path / "a.bin", sample()["u"]
    for name in ("u", None, "t"):
        array.rename(name).rawmmap.to_raw(path)
        found = xr.open_dataarray(path, engine="rawmmap")
        xr.testing.assert_equal(found.load(), array.rename(name))
    assert rawmmap.to_raw(array, path, unlimited_dims="t") is None
    assert_identical(xr.open_dataarray(path, engine="rawmmap").load(), array)


def test_a_failing_chunk_leaves_the_old_dataset_whole(tmp_path: Path) -> None:
    path, ds = tmp_path / "a.bin", sample()

    def failing(block: Any, block_info: Any = None) -> Any:
        if block_info and block_info[0]["chunk-location"][0] == 2:
            raise RuntimeError("no data")
        return block

    lazy = ds.chunk(t=1)
    lazy["u"].data = da.map_blocks(failing, lazy["u"].data, dtype="f4")
    for first in (None, "t"):
        to_raw(ds, path, unlimited_dims=first)
        choices: list[Any] = [{}, {"mode": "a"}, {"append_dim": "t"}, {"unlimited_dims": "t"}]
        for words in choices:
            later = lazy.assign_coords(t=ds["t"] + 4) if "append_dim" in words else lazy
            with pytest.raises(RuntimeError, match="no data"):
                to_raw(later, path, **words)
            assert_identical(opened(path).load(), ds)
            assert sorted(os.listdir(tmp_path)) == ["a.bin", "a.bin.json"]


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "a.bin", tmp_path / "link.bin"
    link.symlink_to(real)
    ds = sample()
    to_raw(ds.isel(t=[0]), real)
    os.chmod(real, 0o640)
    os.chmod(f"{real}.json", 0o604)
    to_raw(ds, link)
    assert link.is_symlink()
    assert sorted(os.listdir(tmp_path / "real")) == ["a.bin", "a.bin.json"]
    for path in (real, link):
        assert_identical(opened(path).load(), ds)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert stat.S_IMODE(os.stat(f"{real}.json").st_mode) == 0o604


def test_a_sidecar_is_no_data_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    to_raw(sample(), path)
    with pytest.raises(ValueError, match=r"a\.bin\.json is a sidecar"):
        to_raw(sample(), f"{path}.json")
    with pytest.raises(FileNotFoundError, match="no-folder"):
        to_raw(sample(), tmp_path / "no-folder" / "a.bin")
    with pytest.raises(IsADirectoryError):
        to_raw(sample(), tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "import xarray as xr, rawmmap; assert hasattr(xr.Dataset, 'rawmmap')",
        "import rawmmap.xarray, xarray as xr; assert hasattr(xr.DataArray, 'rawmmap')",
        """
import rawmmap, xarray as xr
assert not hasattr(xr.Dataset, 'rawmmap')
rawmmap.to_raw(xr.Dataset({'u': ('x', [1, 2])}), 'a.bin', unlimited_dims='x')
rawmmap.to_raw(xr.Dataset({'u': ('x', [3])}), 'a.bin', append_dim='x')
assert xr.open_dataset('a.bin', engine='rawmmap')['u'].values.tolist() == [1, 2, 3]
""",
        """
import xarray as xr, numpy as np
np.arange(3, dtype='u1').tofile('b.bin')
xr.open_dataset('b.bin', engine='rawmmap', dtype='u1').rawmmap.to_raw('c.bin')
""",
        "import sys, rawmmap.xarray; assert not {'dask', 'distributed'} & set(sys.modules)",
    ],
)
def test_the_accessor_is_there(tmp_path: Path, code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)


WORDS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"append_dim": "t", "mode": "w"}, ValueError, "needs mode 'a'"),
    ({"region": {"t": 3}}, TypeError, "slice or 'auto'"),
    ({"encoding": {"u": {"zlib": True}}}, ValueError, "unexpected encoding.*'u'"),
    ({"encoding": {"nothing": {}}}, ValueError, r"encoding= is for \['nothing'\]"),
    ({"unlimited_dims": "k"}, ValueError, "Unlimited"),
    ({"append_dim": "t", "unlimited_dims": "t"}, ValueError, "record axis"),
    ({"region": {"t": slice(0, 4)}, "unlimited_dims": "t"}, ValueError, "record axis"),
]


@pytest.mark.parametrize(("words", "error", "what"), WORDS)
def test_errors_name_the_file_once(tmp_path: Path, words: Any, error: Any, what: str) -> None:
    path = tmp_path / "a.bin"
    to_raw(sample(), path)
    with pytest.raises(error, match=what) as caught:
        to_raw(sample(), path, **words)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).count(str(path)) == 1


@pytest.mark.parametrize("words", [{}, {"append_dim": "t"}, {"region": "auto"}, {"mode": "a"}])
@pytest.mark.parametrize("wrong", [np.longdouble(1), "\ud800", ["\udfff"], np.array(["\ud800"])])
def test_attributes_of_more_than_json(tmp_path: Path, wrong: Any, words: Any) -> None:
    path, ds = tmp_path / "a.bin", xr.Dataset({"u": ("t", [1.5])}, {"t": [1]})
    to_raw(ds, path)
    before = path.read_bytes()
    for bad in (ds.assign_attrs(a=wrong), ds.assign(u=ds["u"].assign_attrs(a=wrong))):
        with pytest.raises(TypeError, match=r"a\.bin: .*attribute 'a'"):
            to_raw(bad, path, **words)
    assert path.read_bytes() == before


def test_only_local_files_are_written(tmp_path: Path) -> None:
    for value in (sample(), sample()["u"], np.arange(3)):
        with pytest.raises(ValueError, match="only local files can be written"):
            rawmmap.to_raw(value, "memory://a.bin")


def test_a_limit_of_file_sizes_is_explained(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.bin"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"bytes 0 to \d+.*a\.bin"):
            to_raw(sample(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


def test_an_empty_live_dataset_is_flushed(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    to_raw(xr.Dataset({"u": ("x", np.zeros(0))}), path)
    rawmmap.flush(rawmmap.map_dataset(path, "r+"))


@pytest.mark.parametrize(
    ("words", "error", "what"),
    [
        ({"variables": {"a": 3}}, TypeError, "variable 'a' must be a dict"),
        ({"variables": [1]}, TypeError, "variables= must be a mapping"),
        ({"dtype": "f4", "name": ""}, ValueError, "name=''"),
        ({"dtype": "f4", "order": ""}, ValueError, "'C' or 'F'"),
        ({"dtype": "f4", "attrs": 5}, TypeError, "mapping"),
        ({"variables": {"a": {"dtype": "f4", "attrs": 5}}}, TypeError, "mapping"),
        ({"dtype": "f4", "dims": 5}, TypeError, "names of dimensions"),
        ({"dtype": "i2", "attrs": {"_FillValue": 70000}}, ValueError, "_FillValue"),
    ],
)
def test_keywords_of_the_wrong_kind(tmp_path: Path, words: Any, error: Any, what: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    with pytest.raises(error, match=what):
        opened(path, **words)


def test_a_fill_value_given_by_keywords_has_the_type_of_its_variable(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(8))
    found = opened(path, dtype="f4", attrs={"_FillValue": 0.1})
    assert found["data"].encoding["_FillValue"].dtype == np.dtype("f4")


@pytest.mark.parametrize("new", [{"v": ("x", [7.0, 8, 9])}, {"v": ("x", [7.0, 8, 9]), "w": 3}])
def test_the_only_variable_of_the_record_axis_can_leave_it(tmp_path: Path, new: Any) -> None:
    path = tmp_path / "a.bin"
    old = xr.Dataset({"v": (("t", "x"), np.ones((2, 3))), "k": ("z", [1, 2])})
    old.rawmmap.to_raw(path, unlimited_dims="t")
    xr.Dataset(new).rawmmap.to_raw(path, mode="a")
    with xr.open_dataset(path, engine="rawmmap") as ds:
        xr.testing.assert_equal(ds, old.drop_vars("v").assign(new))
        assert not ds.encoding.get("unlimited_dims")
    assert "records" not in json.loads(Path(f"{path}.json").read_text())


@pytest.mark.parametrize("mode", ["w", "a"])
@pytest.mark.parametrize("chunks", [None, {"x": 1}])
@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        (np.array([1.0, 70_000]), {"dtype": "i2", "_FillValue": -1}),
        (np.array([1.0, np.nan, 1e6]), {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}),
        (np.array([1, 70_000]), {"dtype": "i2"}),
        (np.array([-1, 3], "i2"), {"dtype": "u1"}),
        (np.array([0, 2**32], "M8[s]"), {"dtype": "i4", "units": "seconds since 1970-01-01"}),
        (np.array([0, 2**20], "m8[s]"), {"dtype": "i2", "units": "seconds"}),
    ],
)
def test_new_values_that_their_encoding_cannot_hold_are_refused(
    tmp_path: Path, values: Any, encoding: Any, passed: bool, chunks: Any, mode: Any
) -> None:
    path = tmp_path / "a.bin"
    xr.Dataset({"k": ("z", [1])}).rawmmap.to_raw(path)
    before = path.read_bytes()
    ds = xr.Dataset({"u": ("x", values)})
    ds = ds if chunks is None else ds.chunk(chunks)
    if not passed:
        ds["u"].encoding = encoding
    with pytest.raises(ValueError, match=r"'u': 1 .* do not fit"):
        ds.rawmmap.to_raw(path, mode=mode, encoding={"u": encoding} if passed else None)
    assert path.read_bytes() == before
