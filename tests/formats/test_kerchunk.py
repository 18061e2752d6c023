"""Reference sets: fsspec, kerchunk and VirtualiZarr read the numbers that NumPy wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

import rawmmap
from rawmmap.description import Description, Variable
from rawmmap.exports import to_kerchunk
from rawmmap.formats.kerchunk import make_references
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.mosaic import Cell, Tile

zarr = pytest.importorskip("zarr", minversion="3", reason="it is what reads the reference sets")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have a Zarr V3 specification"),
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3"),
]

Array = npt.NDArray[Any]
Open = Callable[[dict[str, Any]], xr.Dataset]


def open_with_fsspec(refs: dict[str, Any], folder: Path) -> xr.Dataset:
    system = fsspec.filesystem("reference", fo=refs, asynchronous=True)
    store = zarr.storage.FsspecStore(system, read_only=True)
    ds: xr.Dataset = xr.open_zarr(store, zarr_format=2, consolidated=False, chunks=None)
    return ds


def open_with_kerchunk(refs: dict[str, Any], folder: Path) -> xr.Dataset:
    pytest.importorskip("kerchunk", reason="it has the engine")
    path = folder / "references.json"
    path.write_text(json.dumps(refs))
    return xr.open_dataset(str(path), engine="kerchunk")


def open_with_virtualizarr(refs: dict[str, Any], folder: Path) -> xr.Dataset:
    virtualizarr = pytest.importorskip("virtualizarr", reason="it reads reference sets too")
    from obspec_utils.registry import ObjectStoreRegistry
    from obstore.store import LocalStore

    path = folder / "references.json"
    path.write_text(json.dumps(refs))
    registry = ObjectStoreRegistry({"file://": LocalStore()})
    # It takes no values that are in the references themselves.
    inline = {key.split("/")[0] for key, v in refs["refs"].items() if str(v).startswith("base64:")}
    parser = virtualizarr.parsers.KerchunkJSONParser(skip_variables=inline)
    virtual = virtualizarr.open_virtual_dataset(
        path.as_uri(), registry=registry, parser=parser, loadable_variables=[]
    )
    assert all(
        isinstance(v.data, virtualizarr.manifests.ManifestArray)
        for v in virtual.variables.values()
        if v.shape
    )
    store = parser(path.as_uri(), registry)
    ds: xr.Dataset = xr.open_zarr(store, zarr_format=3, consolidated=False, chunks=None)
    return ds


@pytest.fixture(params=[open_with_fsspec, open_with_kerchunk, open_with_virtualizarr])
def open_refs(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return lambda refs: request.param(refs, tmp_path)


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("dtype", ["i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16", "?"])
def test_numbers(
    tmp_path: Path, open_refs: Open, values: Callable[..., Array], dtype: str, byteorder: str
) -> None:
    array = values(byteorder + dtype if dtype != "?" else dtype, (2, 3, 5))
    (tmp_path / "a").write_bytes(b"abc" + array.tobytes())
    refs = to_kerchunk(tmp_path / "a", dtype=array.dtype, shape=array.shape, offset=3)
    ds = open_refs(refs)
    assert ds.data.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(ds.data, array)


@pytest.mark.parametrize("array", [
    np.array([b"ab", b"c", b"\xff"]),
    np.array(["ab", "ü", "c"]),
    np.array(["2024-02-29T12", "1960-01-01T00", "NaT"], "<M8[ms]"),
    np.array([1, -5, "NaT"], "<m8[s]"),
    np.array([b"\0a\0", b"abc", b"\0\0\0"], "V3"),
], ids=["bytes", "text", "times", "durations", "raw"])  # fmt: skip
def test_other_types(tmp_path: Path, array: Array) -> None:
    array.tofile(tmp_path / "a")
    refs = to_kerchunk(tmp_path / "a", dtype=array.dtype, shape=array.shape)
    ds = open_with_fsspec(refs, tmp_path)
    np.testing.assert_array_equal(ds.data.values.astype(array.dtype), array)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_any_order_of_axes(
    tmp_path: Path, open_refs: Open, store: Callable[..., dict[str, Any]], order: tuple[int, ...]
) -> None:
    array = np.arange(60, dtype=">i4").reshape(3, 4, 5)
    words = store(tmp_path / "a", array, order, 7)
    ds = open_refs(to_kerchunk(tmp_path / "a", **words, dims=("a", "b", "c")))
    assert ds.data.dims == tuple("abc"[axis] for axis in order)
    np.testing.assert_array_equal(ds.data.transpose("a", "b", "c"), array)


def test_lines_backwards_with_gaps_between_them(tmp_path: Path, open_refs: Open) -> None:
    whole = np.arange(60, dtype="<i2").reshape(6, 10)
    whole.tofile(tmp_path / "a")
    refs = to_kerchunk(
        tmp_path / "a", dtype="<i2", shape=(3, 8), strides=(-40, 2), offset=80, dims=("y", "x")
    )
    np.testing.assert_array_equal(open_refs(refs).data, whole[4::-2, :8])


def test_elements_that_share_bytes(tmp_path: Path, open_refs: Open) -> None:
    samples = np.arange(10, dtype="<i2")
    samples.tofile(tmp_path / "a")
    refs = to_kerchunk(tmp_path / "a", dtype="<i2", shape=(7, 4), strides=(2, 2), overlap=True)
    windows = np.lib.stride_tricks.sliding_window_view(samples, 4)
    np.testing.assert_array_equal(open_refs(refs).data, windows)


def test_records_of_several_variables(tmp_path: Path, open_refs: Open) -> None:
    record = np.dtype([("step", ">i4"), ("u", ">f4", (3, 2)), ("v", ">f8", (4,))])
    records = np.zeros(5, record)
    records["step"] = np.arange(5) * 10
    records["u"] = np.arange(30).reshape(5, 3, 2)
    records["v"] = -np.arange(20).reshape(5, 4)
    (tmp_path / "a").write_bytes(b"head" + records.tobytes() + b"part of a record")
    refs = to_kerchunk(
        tmp_path / "a",
        offset=4,
        record_dim="time",
        variables={
            "step": {"dtype": ">i4", "shape": (), "dims": ()},
            "u": {"dtype": ">f4", "shape": (3, 2), "dims": ("y", "x")},
            "v": {"dtype": ">f8", "shape": 4, "dims": "z", "attrs": {"units": "m"}},
        },
    )
    assert refs["refs"]["u/3.0.0"] == [str(tmp_path / "a"), 4 + 3 * record.itemsize + 4, 24]
    ds = open_refs(refs)
    assert ds.v.attrs["units"] == "m"
    for name in ("step", "u", "v"):
        np.testing.assert_array_equal(ds[name], records[name])


def test_a_scalar(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0\0" + np.array(-7, ">i4").tobytes())
    refs = to_kerchunk(tmp_path / "a", dtype=">i4", shape=(), offset=2)
    assert open_with_fsspec(refs, tmp_path).data.item() == -7
    assert open_with_kerchunk(refs, tmp_path).data.item() == -7


def test_variables_without_elements(tmp_path: Path, open_refs: Open) -> None:
    (tmp_path / "a").write_bytes(b"")
    refs = to_kerchunk(tmp_path / "a", dtype="<f4", shape=(-1, 3))
    assert open_refs(refs).data.shape == (0, 3)


@pytest.mark.parametrize(("dtype", "fill"), [
    (">f4", np.nan), ("<f8", -999.0), (">i2", -1), ("<u1", 255), ("<f4", np.inf),
])  # fmt: skip
def test_what_is_marked_as_missing(
    tmp_path: Path, open_refs: Open, dtype: str, fill: float
) -> None:
    array = np.arange(6).astype(dtype)
    array[2] = fill
    array.tofile(tmp_path / "a")
    refs = to_kerchunk(
        tmp_path / "a", dtype=dtype, shape=(2, 3), dims=("y", "x"), attrs={"_FillValue": fill}
    )
    found = open_refs(json.loads(json.dumps(refs))).data.values
    expected = array.astype(float)
    expected[2] = np.nan
    np.testing.assert_array_equal(found.ravel(), expected)


def test_missing_values_are_rounded_as_the_elements_are(tmp_path: Path, open_refs: Open) -> None:
    np.array([1, -9.99e33], ">f4").tofile(tmp_path / "a")
    refs = to_kerchunk(tmp_path / "a", dtype=">f4", shape=2, attrs={"missing_value": -9.99e33})
    np.testing.assert_array_equal(open_refs(refs).data, [1, np.nan])


def test_attributes_coordinates_and_packed_numbers(tmp_path: Path, open_refs: Open) -> None:
    array = np.array([[1, 2, -9], [4, 5, 6]], ">i2")
    x = np.array([10, 20, 30], ">i4")
    (tmp_path / "a").write_bytes(array.tobytes() + x.tobytes())
    refs = to_kerchunk(
        tmp_path / "a",
        variables={
            "t": {
                "dtype": ">i2",
                "shape": (2, 3),
                "dims": ("time", "x"),
                "attrs": {
                    "scale_factor": np.float32(0.5),
                    "add_offset": 100.0,
                    "_FillValue": np.int16(-9),
                    "valid_range": np.array([0, 50], "i2"),
                    "flags": ["a", "b"],
                    "long_name": "Wärme",
                },
            },
            "x": {"dtype": ">i4", "shape": 3, "dims": "x"},
        },
        coords={
            "time": ("time", [0, 6], {"units": "hours since 2000-01-01"}),
            "name": ("x", ["a", "bc", "d"]),
            "height": 2.0,
        },
        attrs={"title": "A test", "numbers": (1, 2.5)},
    )
    ds = open_refs(refs)
    assert ds.attrs == {"title": "A test", "numbers": [1, 2.5]}
    assert ds.t.attrs == {"valid_range": [0, 50], "flags": ["a", "b"], "long_name": "Wärme"}
    np.testing.assert_array_equal(ds.t, [[100.5, 101, np.nan], [102, 102.5, 103]])
    np.testing.assert_array_equal(ds.x, x)
    assert "x" in ds.indexes
    if "time" in ds:  # all but VirtualiZarr take values that are in the references
        assert set(ds.coords) == {"x", "time", "name", "height"}
        assert ds.time.values.tolist() == [946684800 * 10**9, 946706400 * 10**9]
        assert ds.name.values.tolist() == ["a", "bc", "d"]
        assert ds.height.item() == 2.0


@pytest.fixture
def series(tmp_path: Path) -> tuple[str, Array]:
    array = np.arange(2 * 3 * 4, dtype=">f4").reshape(2, 3, 4)
    for run in range(2):
        for step in range(3):
            name = tmp_path / f"u-{run}-{step}.bin"
            name.write_bytes(b"header" + array[run, step].tobytes())
    return str(tmp_path / "u-{run}-{step}.bin"), array


def test_a_series(series: tuple[str, Array], open_refs: Open) -> None:
    pattern, array = series
    refs = to_kerchunk(pattern, dtype=">f4", shape=4, dims="x", offset=6, name="u")
    assert refs["refs"]["u/1.2.0"] == [pattern.format(run=1, step=2), 6, 16]
    ds = open_refs(refs)
    assert ds.u.dims == ("run", "step", "x")
    np.testing.assert_array_equal(ds.u, array)
    if "step" in ds.coords:
        assert ds.step.values.tolist() == [0, 1, 2]


def test_a_series_with_a_sidecar(series: tuple[str, Array], open_refs: Open) -> None:
    pattern, array = series
    sidecar = rawmmap.describe(pattern, dtype=">f4", shape=4, offset=6, name="u")
    np.testing.assert_array_equal(open_refs(to_kerchunk(sidecar)).u, array)


def test_missing_members_are_chunks_that_do_not_exist(
    series: tuple[str, Array], open_refs: Open
) -> None:
    pattern, array = series
    Path(pattern.format(run=1, step=1)).unlink()
    words: dict[str, Any] = {"dtype": ">f4", "shape": 4, "offset": 6, "name": "u"}
    with pytest.raises(ValueError, match="missing"):
        to_kerchunk(pattern, **words)
    refs = to_kerchunk(pattern, **words, missing="fill")
    assert "u/1.1.0" not in refs["refs"]
    expected = array.copy()
    expected[1, 1] = np.nan
    np.testing.assert_array_equal(open_refs(refs).u, expected)


def test_fill_values_that_differ_are_refused(series: tuple[str, Array]) -> None:
    pattern, _ = series
    Path(pattern.format(run=1, step=1)).unlink()
    words: dict[str, Any] = {"dtype": ">f4", "shape": 4, "offset": 6, "attrs": {"_FillValue": 7}}
    with pytest.raises(ValueError, match=r"'data' has _FillValue 7\.0.*pass fill_value=7\.0"):
        to_kerchunk(pattern, **words, missing="fill", fill_value=3)
    refs = to_kerchunk(pattern, **words, missing="fill")
    assert json.loads(refs["refs"]["data/.zarray"])["fill_value"] == 7


def test_members_of_unequal_length(tmp_path: Path, open_refs: Open) -> None:
    days = [np.arange(n * 2, dtype="<f8").reshape(n, 2) + n for n in (24, 16, 20)]
    for number, day in enumerate(days):
        day.tofile(tmp_path / f"{number}.dat")
    refs = to_kerchunk(
        str(tmp_path / "{time}.dat"), dtype="<f8", shape=2, dims="x", record_dim="time", name="u"
    )
    assert json.loads(refs["refs"]["u/.zarray"])["chunks"] == [4, 2]
    np.testing.assert_array_equal(open_refs(refs).u, np.concatenate(days))


def test_an_axis_in_blocks(tmp_path: Path, open_refs: Open) -> None:
    stored = np.arange(24, dtype="<i4").reshape(3, 2, 4)
    stored.tofile(tmp_path / "a")
    refs = to_kerchunk(
        tmp_path / "a", dtype="<i4", shape=(3, 2, 4), dims=("time", "channel", "time")
    )
    expected = stored.transpose(0, 2, 1).reshape(12, 2)
    np.testing.assert_array_equal(open_refs(refs).data.transpose("time", "channel"), expected)


def test_tiles_values_and_gaps(tmp_path: Path) -> None:
    array = np.arange(48, dtype=">i2").reshape(6, 8)
    tiles, urls = [], []
    for number, (top, left) in enumerate([(0, 0), (0, 4), (3, 0)]):
        part = array[top : top + 3, left : left + 4]
        urls.append(str(tmp_path / str(number)))
        part.tofile(urls[-1])
        tiles.append(Tile(top, left, Layout.dense(">i2", (3, 4)), number))
    tiles[1] = Tile(0, 4, Values(array[:3, 4:]))
    mosaic = Mosaic.tiles(tiles, fill_value=-5)
    description = Description(urls[0], {"u": Variable(("y", "x"), mosaic)})
    refs = make_references(description, urls, [])
    assert sorted(key for key in refs["refs"] if "/." not in key and key.startswith("u")) == [
        "u/0.0", "u/0.1", "u/1.0",
    ]  # fmt: skip
    expected = array.astype(float)
    expected[3:, 4:] = np.nan  # since xarray masks the fill value
    np.testing.assert_array_equal(open_with_fsspec(refs, tmp_path).u, expected)


def test_pieces_in_different_orders(tmp_path: Path) -> None:
    array = np.arange(24, dtype="<i4").reshape(2, 3, 4)
    (tmp_path / "c").write_bytes(array[0].tobytes("C"))
    (tmp_path / "f").write_bytes(array[1].tobytes("F"))
    cells = [
        Cell(Layout.dense("<i4", (1, 3, 4)), 0),
        Cell(Layout.dense("<i4", (1, 3, 4), order="F"), 1),
    ]
    description = Description("c", {"u": Variable(("t", "y", "x"), Mosaic.concatenate(cells))})
    refs = make_references(description, [str(tmp_path / "c"), str(tmp_path / "f")], [])
    np.testing.assert_array_equal(open_with_fsspec(refs, tmp_path).u, array)


def test_large_variables_are_cut(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2**40)
    refs = to_kerchunk(tmp_path / "a", dtype="<f4", shape=(-1, 512, 512), name="u")["refs"]
    assert json.loads(refs["u/.zarray"])["chunks"] == [16, 512, 512]
    assert refs["u/65535.0.0"] == [str(tmp_path / "a"), 2**40 - 2**24, 2**24]


def test_files_elsewhere(tmp_path: Path) -> None:
    array = np.arange(12, dtype=">i2").reshape(3, 4)
    with fsspec.open("memory://rawmmap-kerchunk/a.bin", "wb") as file:
        file.write(array.tobytes())
    refs = to_kerchunk(
        "memory://rawmmap-kerchunk/a.bin",
        dtype=">i2",
        shape=(3, 4),
        storage_options={"token": "secret"},
    )
    assert "secret" not in json.dumps(refs)
    np.testing.assert_array_equal(open_with_fsspec(refs, tmp_path).data, array)
    fsspec.filesystem("memory").rm("/rawmmap-kerchunk", recursive=True)


def test_a_path_that_looks_like_a_url(tmp_path: Path) -> None:
    folder = tmp_path / "s3:"
    folder.mkdir()
    np.arange(6, dtype="u1").tofile(folder / "a")
    refs = to_kerchunk(f"{tmp_path}/s3://a", dtype="u1", shape=6)
    np.testing.assert_array_equal(open_with_fsspec(refs, tmp_path).data, np.arange(6))


def test_samples_that_have_to_be_decoded_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(96))
    for dtype in (">ibm4", "<i3", "<ci2", "<bf2"):
        with pytest.raises(ValueError, match=r"a: variable 'data' holds samples of .*Zarr has no"):
            to_kerchunk(path, dtype=dtype, shape=4)
    with pytest.raises(ValueError, match=r"variable 'data' holds samples of a few bits"):
        to_kerchunk(path, dtype="u2", bits=12, shape=64)
    # The rest can still be referred to.
    refs = to_kerchunk(
        path,
        drop_variables="i",
        variables={"i": {"dtype": ">ibm4", "shape": 4}, "u": {"dtype": "<f4", "shape": 5}},
    )
    assert "u/0" in refs["refs"]


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="there is no longer type")
def test_types_that_zarr_lacks_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(160))
    with pytest.raises(ValueError, match=r"variable 'data' is of type .*Zarr does not have"):
        to_kerchunk(tmp_path / "a", dtype="g", shape=3)


def test_too_many_references_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(12 * 20_000_000)
    structure = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
    with pytest.raises(
        ValueError,
        match=r"a: 60000000 references, of which variable 'x' needs 20000000.*for 4 bytes only",
    ):
        to_kerchunk(tmp_path / "a", dtype=structure, shape=-1)


@pytest.mark.parametrize("name", ["a/b", ".u"])
def test_names_that_zarr_cannot_have_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(bytes(4))
    with pytest.raises(ValueError, match="a Zarr array cannot have this name"):
        to_kerchunk(tmp_path / "a", dtype="u1", shape=4, name=name)


def test_attributes_that_json_cannot_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(4))
    with pytest.raises(TypeError, match=r"'data': attribute 'raw' is b'x', of type bytes"):
        to_kerchunk(tmp_path / "a", dtype="u1", shape=4, attrs={"raw": b"x"})


@pytest.mark.parametrize(("dtype", "fill"), [("u1", 300), ("<f4", "x"), ("u1", [1, 2])])
def test_fill_values_of_another_type_are_refused(dtype: str, fill: Any) -> None:
    layout = Layout.dense(dtype, 4)
    description = Description("a", {"u": Variable(("x",), layout, {"_FillValue": fill})})
    with pytest.raises(ValueError, match=r"a: variable 'u': _FillValue .* is not"):
        make_references(description, ["/a"], [])


def test_chains_of_urls_are_refused(tmp_path: Path) -> None:
    with fsspec.open("memory://rawmmap-chain/a.bin", "wb") as file:
        file.write(bytes(4))
    with pytest.raises(ValueError, match=r"give memory://rawmmap-chain/a\.bin"):
        to_kerchunk("simplecache::memory://rawmmap-chain/a.bin", dtype="u1", shape=4)
    fsspec.filesystem("memory").rm("/rawmmap-chain", recursive=True)


def test_unknown_keywords_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(4))
    with pytest.raises(TypeError, match="dtype"):
        to_kerchunk(tmp_path / "a", dtpye="u1", shape=4)


def test_it_is_a_name_of_the_package() -> None:
    assert rawmmap.to_kerchunk is to_kerchunk
