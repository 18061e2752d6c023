"""Formats that have libraries of their own: these are the oracles, and their samples are opened."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rawmmap
from rawmmap.xarray.engine import RawmmapEntrypoint

pytestmark = [
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),
    # rioxarray multiplies transforms as the package affine no longer likes it.
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]


def open_raw(path: Any, **keywords: Any) -> xr.Dataset:
    return xr.open_dataset(path, engine="rawmmap", **keywords)


def values_of(dtype: Any, *shape: int) -> Any:
    return (np.arange(np.prod(shape)).reshape(shape) % 101).astype(dtype)


def _external_prefix(h5py: Any, folder: Path) -> Any:
    """Return how h5py is told where the files of a dataset lie."""
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(str(folder).encode())
    return access


class TestHdf5:
    @pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "<f4", ">f8", "<c8", "<f2", "S3", "?"])
    def test_contiguous_datasets(self, tmp_path: Path, dtype: str) -> None:
        h5py = pytest.importorskip("h5py")
        values = values_of(dtype, 3, 4)
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file["u"] = values
            file["u"].attrs.update(units="K", numbers=[1, 2])
            file.attrs["title"] = "a test"
            file["inner/v"] = values[::-1]
        ds = open_raw(path)
        np.testing.assert_array_equal(ds.u, values.astype("i1") if dtype == "?" else values)
        assert ds.u.dims == ("phony_dim_0", "phony_dim_1")
        assert ds.u.attrs["units"] == "K"
        assert ds.attrs == {"title": "a test"}
        inner = open_raw(path, group="inner")
        np.testing.assert_array_equal(inner.v[1:], ds.u[::-1][1:].values)

    @pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
    def test_files_of_xarray(self, tmp_path: Path, engine: Any) -> None:
        pytest.importorskip(engine.replace("netcdf4", "netCDF4"))
        ds = xr.Dataset(
            {
                "u": (("time", "x"), values_of("f4", 3, 4), {"units": "K"}),
                "n": ("time", np.array([1, -9, 3], "i2"), {"_FillValue": np.int16(-9)}),
                "s": ((), 5),
            },
            coords={
                "time": np.array(["2024-01-01", "2024-01-02", "2024-01-04"], "M8[ns]"),
                "x": [0.5, 1.5, 2.5, 3.5],
                "place": ("x", list("abcd")),
            },
            attrs={"title": "a test"},
        )
        path = tmp_path / "a.nc"
        ds.to_netcdf(path, engine=engine, unlimited_dims=[])
        if engine == "netcdf4":
            with pytest.raises(ValueError, match="variable length"):
                open_raw(path)
            ds = ds.drop_vars("place")
            ds.to_netcdf(path, engine=engine)
        else:
            ds = ds.drop_vars("place")
            ds.to_netcdf(path, engine=engine)
        xr.testing.assert_identical(open_raw(path), xr.load_dataset(path, engine=engine))

    def test_groups_scales_and_blocks_of_the_user(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        path = tmp_path / "a.h5"
        with h5py.File(path, "w", userblock_size=512) as file:
            group = file.create_group("g")
            group["x"] = np.arange(4.0)
            group["x"].make_scale("x")
            # A record axis is chunked; its labels are few, and are held.
            group.create_dataset("t", data=[1.0, 2.0], maxshape=(None,))
            group["t"].make_scale("t")
            group["u"] = values_of("f4", 2, 4)
            group["u"].dims[0].attach_scale(group["t"])
            group["u"].dims[1].attach_scale(group["x"])
            group.create_dataset("never", (2, 4), "f4", fillvalue=7)
            file["records"] = np.array([(1, 2.5), (3, 4.5)], [("a", "<i2"), ("b", ">f8")])
        ds = open_raw(path, group="/g")
        assert ds.u.dims == ("t", "x")
        np.testing.assert_array_equal(ds.u, values_of("f4", 2, 4))
        assert ds.t.values.tolist() == [1, 2]
        np.testing.assert_array_equal(ds.never, np.full((2, 4), 7))
        records = open_raw(path)
        assert records.a.values.tolist() == [1, 3]
        assert records.b.values.tolist() == [2.5, 4.5]

    def test_external_storage(self, tmp_path: Path) -> None:
        values = values_of(">f4", 3, 4)
        (tmp_path / "u.raw").write_bytes(b"head" + values.tobytes())
        pytest.importorskip("h5py")
        keywords: dict[str, Any] = {"dtype": ">f4", "shape": (3, 4), "dims": ("y", "x")}
        path = rawmmap.to_hdf5(tmp_path / "u.raw", offset=4, **keywords)
        np.testing.assert_array_equal(open_raw(path).data, values)

    @pytest.mark.parametrize(
        "pieces",
        [
            [("a", 4, 48)],
            [("a", 4, 2**64 - 1)],
            [("a", 0, 16), ("b", 8, 32)],
            [("a", 20, 16), ("a", 4, 16), ("b", 0, 16)],
            [("a", 4 + 20 * i, 16) for i in range(3)],
            [("a", 100 - 20 * i, 16) for i in range(3)],
            [("a", 4 + 9 * i, 4) for i in range(12)],
            [("b", 4 + 40 * (i // 4) + 4 * (i % 4), 4) for i in range(12)],
        ],
    )
    def test_external_files_as_h5py(self, tmp_path: Path, pieces: Any) -> None:
        h5py = pytest.importorskip("h5py")
        rng = np.random.default_rng(1)
        for name in "ab":
            (tmp_path / name).write_bytes(rng.integers(0, 100, 200, "u1").tobytes())
        with h5py.File(tmp_path / "u.h5", "w") as file:
            file.create_dataset("u", (3, 4), "<i4", external=pieces)
        with h5py.File(tmp_path / "u.h5") as file:
            stored = h5py.h5d.open(file.id, b"u", _external_prefix(h5py, tmp_path))
            expected = h5py.Dataset(stored)[()]
        ds = open_raw(tmp_path / "u.h5")
        np.testing.assert_array_equal(ds.u, expected)

    def test_external_files_that_do_not_hold_whole_rows(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        for pieces, match in (
            ([("a", 0, 20), ("b", 0, 28)], "rows of 16 bytes"),
            ([("../a", 0, 48)], "its own folder"),
        ):
            with h5py.File(tmp_path / "u.h5", "w") as file:
                file.create_dataset("u", (3, 4), "<i4", external=pieces)
            with pytest.raises(ValueError, match=match):
                open_raw(tmp_path / "u.h5")

    def test_exported_bands_are_read_back(self, tmp_path: Path) -> None:
        pytest.importorskip("h5py")
        values = values_of(">i2", 3, 2, 4)
        (tmp_path / "u.raw").write_bytes(values.tobytes())
        strides = (8, 16, 2)
        path = rawmmap.to_hdf5(
            tmp_path / "u.raw", dtype=">i2", shape=(2, 3, 4), dims=("b", "y", "x"), strides=strides
        )
        np.testing.assert_array_equal(open_raw(path).data, values.transpose(1, 0, 2))

    @pytest.mark.parametrize(
        ("options", "match"),
        [({"chunks": (2, 2)}, "chunked"), ({"compression": "gzip"}, "compressed with gzip")],
    )
    def test_pieces_are_refused(self, tmp_path: Path, options: Any, match: str) -> None:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("u", data=values_of("f4", 30, 400), **options)
        with pytest.raises(ValueError, match=f"/u is {match}.*h5netcdf"):
            open_raw(tmp_path / "a.h5")

    def test_other_refusals(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file.create_group("g")
            file.create_dataset("h/texts", data=["a", "bc"] * 40_000)
        with pytest.raises(ValueError, match="group="):
            open_raw(path)
        with pytest.raises(ValueError, match="variable length"):
            open_raw(path, group="h")
        with pytest.raises(ValueError, match="missing"):
            open_raw(path, group="missing")
        with pytest.raises(ValueError, match="a dataset"):
            open_raw(path, group="h/texts")
        content = path.read_bytes()
        for n in (100, 500, len(content) - 1):
            path.write_bytes(content[:n])
            with pytest.raises((ValueError, OSError)):
                open_raw(path)

    def test_remote(self, tmp_path: Path) -> None:
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["u"] = values_of("f4", 3, 4)
        fsspec.filesystem("memory").pipe("/h5/a.h5", (tmp_path / "a.h5").read_bytes())
        np.testing.assert_array_equal(open_raw("memory://h5/a.h5").u, values_of("f4", 3, 4))


class TestNetcdf3:
    @pytest.mark.parametrize(
        "kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
    )
    @pytest.mark.parametrize("records", [(), ("u",), ("u", "n", "c")])
    def test_files_of_netcdf4(self, tmp_path: Path, kind: str, records: Any) -> None:
        """Records of one variable are not padded, those of several are."""
        netcdf = pytest.importorskip("netCDF4")
        path = tmp_path / "a.nc"
        with netcdf.Dataset(path, "w", format=kind) as file:
            file.createDimension("t", None if records else 3)
            file.createDimension("x", 5)
            file.title = "a test"
            file.numbers = np.arange(3.0)
            for name, code in {"u": "f4", "n": "i1", "c": "S1", "w": "i2", "d": "f8"}.items():
                if records and name not in records and name in ("u", "n", "c"):
                    continue
                dims = ("t", "x") if name in ("u", "n", "c") else ("x",)
                variable = file.createVariable(name, code, dims)
                variable.units = "K"
                shape = (3, 5)[-len(dims) :]
                variable[:] = values_of("i1", *shape).astype("S1" if code == "S1" else code)
        ds = open_raw(path, concat_characters=False)
        expected = xr.load_dataset(path, engine="netcdf4", concat_characters=False)
        xr.testing.assert_equal(ds, expected)
        assert ds.attrs["title"] == "a test"
        assert ds.u.attrs == {"units": "K"}

    def test_the_sample_of_scipy(self) -> None:
        scipy_io = pytest.importorskip("scipy.io")
        folder = Path(scipy_io.__file__).parent / "tests" / "data"
        samples = sorted(folder.glob("*.nc"))
        assert samples
        for path in samples:
            with scipy_io.netcdf_file(path, mmap=False) as file:
                ds = open_raw(path, decode_cf=False)
                assert set(ds.variables) == set(file.variables)
                for name, variable in file.variables.items():
                    np.testing.assert_array_equal(ds[name], variable.data)

    def test_records_that_are_still_being_written(self, tmp_path: Path) -> None:
        netcdf = pytest.importorskip("netCDF4")
        path = tmp_path / "a.nc"
        with netcdf.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
            file.createDimension("t", None)
            file.createVariable("u", "f8", ("t",))[:] = np.arange(4.0)
            file.createVariable("n", "i4", ("t",))[:] = np.arange(4)
        content = path.read_bytes()
        path.write_bytes(content[:4] + b"\xff" * 4 + content[8:] + b"part")
        np.testing.assert_array_equal(open_raw(path).u, np.arange(4.0))
        path.write_bytes(content[:-1])
        with pytest.raises(ValueError, match="bytes"):
            open_raw(path)


class TestNifti:
    @pytest.mark.parametrize(
        "kind", ["Nifti1Image", "Nifti2Image", "Nifti1Pair", "Spm99AnalyzeImage"]
    )
    @pytest.mark.parametrize("dtype", ["<i2", ">f4", "u1"])
    def test_files_of_nibabel(self, tmp_path: Path, kind: str, dtype: str) -> None:
        nibabel = pytest.importorskip("nibabel")
        if kind.startswith("Spm"):
            pytest.importorskip("scipy")  # nibabel keeps the affine of these in a file of MATLAB
        values = values_of(dtype, 2, 3, 4)
        affine = np.diag([2.0, 3.0, 4.0, 1.0])
        affine[:3, 3] = [10, 20, 30]
        make = getattr(nibabel, kind)
        header = make.header_class(endianness="<" if dtype == "u1" else dtype[0])
        header.set_data_dtype(np.dtype(dtype))
        image = make(values, affine, header)
        path = tmp_path / ("a.nii" if kind.endswith("Image") and "Nifti" in kind else "a.img")
        nibabel.save(image, path)
        ds = open_raw(path)
        again = nibabel.load(path)
        expected = np.asarray(again.dataobj).transpose()
        assert ds.data.dims == ("z", "y", "x")
        np.testing.assert_array_equal(ds.data, expected)
        np.testing.assert_array_equal(ds.data[1:, ::-1, 0], expected[1:, ::-1, 0])
        if kind == "Spm99AnalyzeImage":
            assert ds.attrs["pixdim"] == [2, 3, 4]
            assert not ds.coords
            return
        for axis, dim in enumerate("xyz"):
            index = np.zeros((expected.shape[2 - axis], 4))
            index[:, 3], index[:, axis] = 1, np.arange(len(index))
            np.testing.assert_allclose(ds[dim], (again.affine @ index.T)[axis])

    def test_scaling_time_and_turned_images(self, tmp_path: Path) -> None:
        nibabel = pytest.importorskip("nibabel")
        values = values_of("i2", 2, 3, 4, 5)
        affine = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
        image = nibabel.Nifti1Image(values, affine)
        image.header.set_slope_inter(0.5, -1)
        image.header.set_xyzt_units("mm", "sec")
        image.header["pixdim"][4] = 2.5
        image.header["descrip"] = b"a test"
        nibabel.save(image, tmp_path / "a.nii")
        expected = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj).transpose()
        ds = open_raw(tmp_path / "a.nii")
        np.testing.assert_allclose(ds.data, expected)
        assert ds.t.values.tolist() == [0, 2.5, 5, 7.5, 10]
        assert ds.t.attrs == {"units": "s"}
        assert "x" not in ds.coords
        assert np.reshape(ds.attrs["affine"], (4, 4)).tolist() == affine.tolist()
        assert ds.attrs["description"] == "a test"

    def test_samples_of_nibabel(self) -> None:
        nibabel = pytest.importorskip("nibabel")
        folder = Path(nibabel.__file__).parent / "tests" / "data"
        opened = 0
        for path in sorted([*folder.glob("*.nii"), *folder.glob("*.img")]):
            try:
                image = nibabel.load(path)
                expected = np.asarray(image.dataobj).transpose()
            except Exception:  # noqa: BLE001 - some samples are there to be refused
                continue
            if type(image).__name__.startswith(("Nifti", "Spm", "Analyze")):
                np.testing.assert_allclose(open_raw(path).data, expected)
                opened += 1
        assert opened

    @pytest.mark.parametrize("size", [0, 100, 348, 400])
    def test_cut_files(self, tmp_path: Path, size: int) -> None:
        nibabel = pytest.importorskip("nibabel")
        path = tmp_path / "a.nii"
        nibabel.save(nibabel.Nifti1Image(values_of("i2", 9, 9, 9), np.eye(4)), path)
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(ValueError, match="nii"):
            open_raw(path, format="nifti")


# mrcfile sets the dtype of its arrays.
@pytest.mark.filterwarnings("ignore:Setting the dtype on a NumPy array:DeprecationWarning")
class TestMrc:
    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "c8", "u2", "f2"])
    def test_files_of_mrcfile(self, tmp_path: Path, dtype: str, order: str) -> None:
        mrcfile = pytest.importorskip("mrcfile")
        values = values_of(dtype, 2, 3, 4)
        path = tmp_path / "a.mrc"
        with mrcfile.new(path) as file:
            file.set_data(values.astype(order + dtype))
            file.voxel_size = (0.5, 1, 2)
            file.set_extended_header(np.zeros(3, "S16"))
            file.add_label("a test")
        ds = open_raw(path)
        assert ds.data.dims == ("z", "y", "x")
        np.testing.assert_array_equal(ds.data, mrcfile.read(path))
        np.testing.assert_allclose(ds.x, [0, 0.5, 1, 1.5])
        assert ds.x.attrs == {"units": "angstrom"}
        assert "a test" in ds.attrs["labels"][-1]

    @pytest.mark.parametrize("columns", [4, 5])
    @pytest.mark.parametrize("order", "<>")
    def test_modes_that_mrcfile_does_not_know(
        self, tmp_path: Path, order: str, columns: int
    ) -> None:
        mrcfile = pytest.importorskip("mrcfile")
        pairs = np.arange(12 * columns).reshape(2, 3, columns, 2) - 30
        nibbles = (np.arange(6 * columns) * 7 % 16).astype("u1").reshape(2, 3, columns)
        even = np.concatenate([nibbles, np.zeros((2, 3, columns % 2), "u1")], -1)
        packed = even[..., ::2] | even[..., 1::2] << 4
        with mrcfile.new(tmp_path / "a.mrc") as file:
            file.set_data(values_of("i1", 2, 3, columns).astype(order + "i2"))
        header = (tmp_path / "a.mrc").read_bytes()[:1024]
        for mode, content, expected in (
            (3, pairs.astype(order + "i2"), pairs[..., 0] + 1j * pairs[..., 1]),
            (101, packed, nibbles),
        ):
            changed = header[:12] + np.array(mode, order + "i4").tobytes() + header[16:]
            (tmp_path / "b.mrc").write_bytes(changed + content.tobytes())
            ds = open_raw(tmp_path / "b.mrc")
            np.testing.assert_array_equal(ds.data, expected)
            np.testing.assert_array_equal(ds.data[1, ::2, 1:], expected[1, ::2, 1:])

    def test_stacks_of_volumes_and_turned_axes(self, tmp_path: Path) -> None:
        mrcfile = pytest.importorskip("mrcfile")
        values = values_of("f4", 2, 3, 4, 5)
        with mrcfile.new(tmp_path / "a.mrc") as file:
            file.set_data(values)
        ds = open_raw(tmp_path / "a.mrc")
        assert ds.data.dims == ("volume", "z", "y", "x")
        np.testing.assert_array_equal(ds.data, values)
        with mrcfile.new(tmp_path / "b.mrc") as file:
            file.set_data(values[0])
            file.header.mapc, file.header.mapr, file.header.maps = 3, 1, 2
        assert open_raw(tmp_path / "b.mrc").data.dims == ("y", "x", "z")

    def test_refusals(self, tmp_path: Path) -> None:
        mrcfile = pytest.importorskip("mrcfile")
        path = tmp_path / "a.mrc"
        with mrcfile.new(path) as file:
            file.set_data(values_of("f4", 2, 3, 4))
        content = path.read_bytes()
        for position, packed, match in (
            (12, b"\x63\0\0\0", "mode|Unrecogni"),
            (0, b"\xff\xff\xff\xff", "nx -1"),
            (8, b"\xff\0\0\0", "bytes"),
        ):
            path.write_bytes(content[:position] + packed + content[position + 4 :])
            with pytest.raises(ValueError, match=match):
                open_raw(path)


class TestFits:
    @pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", "u2"])
    def test_files_of_astropy(self, tmp_path: Path, dtype: str) -> None:
        fits = pytest.importorskip("astropy.io.fits")
        values = values_of(dtype, 2, 3, 4)
        header = fits.Header(
            {"CTYPE1": "RA---TAN", "CRVAL1": 12.5, "BUNIT": "Jy", "OBSERVER": "me"}
        )
        header.add_history("made for a test")
        path = tmp_path / "a.fits"
        fits.PrimaryHDU(values, header).writeto(path)
        ds = open_raw(path)
        assert ds.data.dims == ("z", "y", "x")
        np.testing.assert_array_equal(ds.data, fits.getdata(path))
        assert ds.data.attrs["CTYPE1"] == "RA---TAN"
        assert ds.data.attrs["CRVAL1"] == 12.5
        assert ds.data.attrs["units"] == "Jy"
        assert ds.data.attrs["HISTORY"] == "made for a test"

    def test_scaled_and_blank_values(self, tmp_path: Path) -> None:
        fits = pytest.importorskip("astropy.io.fits")
        unit = fits.PrimaryHDU(np.array([1, 2, -5, 4], "i2"))
        unit.header.update(BSCALE=0.5, BZERO=10, BLANK=-5)
        path = tmp_path / "a.fits"
        unit.writeto(path)
        np.testing.assert_array_equal(open_raw(path).data, fits.getdata(path))
        assert np.isnan(open_raw(path).data[2])

    def test_extensions(self, tmp_path: Path) -> None:
        fits = pytest.importorskip("astropy.io.fits")
        first, second = values_of("f4", 3, 4), values_of("i2", 5)
        table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1, 2])])
        units = [
            fits.PrimaryHDU(),
            fits.ImageHDU(first, name="SCI"),
            table,
            fits.ImageHDU(second, name="ERR"),
            fits.ImageHDU(second + 1, name="ERR", ver=2),
        ]
        fits.HDUList(units).writeto(tmp_path / "a.fits")
        ds = open_raw(tmp_path / "a.fits")
        np.testing.assert_array_equal(ds.SCI, first)
        np.testing.assert_array_equal(ds.ERR, second)
        np.testing.assert_array_equal(ds.ERR_2, second + 1)

    def test_samples_of_astropy(self) -> None:
        fits = pytest.importorskip("astropy.io.fits")
        folder = Path(fits.__file__).parent / "tests" / "data"
        opened = 0
        for path in sorted(folder.glob("*.fits")):
            with contextlib.suppress(ValueError):
                ds = open_raw(path, mask_and_scale=False)
                with fits.open(path, do_not_scale_image_data=True) as units:
                    images = [u.data for u in units if u.is_image and u.data is not None]
                for name, expected in zip(ds.data_vars, images, strict=False):
                    np.testing.assert_array_equal(ds[name], expected)
                    opened += 1
        assert opened > 5

    def test_refusals(self, tmp_path: Path) -> None:
        fits = pytest.importorskip("astropy.io.fits")
        compressed = fits.CompImageHDU(values_of("f4", 9, 9))
        fits.HDUList([fits.PrimaryHDU(), compressed]).writeto(tmp_path / "a.fits")
        with pytest.raises(ValueError, match=r"astropy\.io\.fits"):
            open_raw(tmp_path / "a.fits")
        fits.PrimaryHDU(values_of("f4", 90, 90)).writeto(tmp_path / "b.fits")
        content = (tmp_path / "b.fits").read_bytes()
        for n in (9, 100, 2879, 5000):
            (tmp_path / "b.fits").write_bytes(content[:n])
            with pytest.raises((ValueError, OSError)):
                open_raw(tmp_path / "b.fits")


class TestGeotiff:
    @pytest.mark.parametrize("interleave", ["pixel", "band"])
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64", "complex64"])
    @pytest.mark.parametrize(
        "options", [{}, {"blockysize": 3}, {"ENDIANNESS": "BIG"}, {"BIGTIFF": "YES"}]
    )
    def test_strips_of_rasterio(
        self, tmp_path: Path, options: Any, dtype: str, interleave: str
    ) -> None:
        rasterio = pytest.importorskip("rasterio")
        pytest.importorskip("rioxarray")
        pytest.importorskip("tifffile")
        values = values_of(dtype, 3, 7, 5)
        transform = rasterio.Affine(0.5, 0, 10, 0, -1, 43)
        profile = {"driver": "GTiff", "count": 3, "height": 7, "width": 5, "dtype": dtype}
        profile |= {"transform": transform, "crs": "EPSG:32631", "interleave": interleave}
        if dtype == "int16":
            profile["nodata"] = -9
        path = tmp_path / "a.tif"
        with rasterio.open(path, "w", **profile, **options) as file:
            file.write(values)
        ds = open_raw(path, mask_and_scale=False)
        np.testing.assert_array_equal(ds.data.transpose("band", "y", "x"), values)
        column = ds.data.isel(x=1).transpose("band", "y")
        np.testing.assert_array_equal(column, values[..., 1])
        assert ds.rio.transform() == transform
        assert ds.rio.crs.to_epsg() == 32631
        assert ds.data.attrs.get("_FillValue") == (-9 if dtype == "int16" else None)

    @pytest.mark.parametrize("interleave", ["pixel", "band"])
    @pytest.mark.parametrize("bands", [1, 3])
    def test_tiles(self, tmp_path: Path, bands: int, interleave: str) -> None:
        rasterio = pytest.importorskip("rasterio")
        pytest.importorskip("tifffile")
        values = values_of("uint16", bands, 40, 50)
        profile = {"driver": "GTiff", "count": bands, "height": 40, "width": 50, "dtype": "uint16"}
        profile |= {"tiled": True, "blockxsize": 16, "blockysize": 32, "interleave": interleave}
        with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
            file.write(values)
        ds = open_raw(tmp_path / "a.tif")
        if bands > 1:
            ds = ds.transpose("band", "y", "x")
        np.testing.assert_array_equal(ds.data, values.squeeze())
        np.testing.assert_array_equal(
            ds.data[..., 30:35, 10:40:7], values.squeeze()[..., 30:35, 10:40:7]
        )

    def test_pages_of_tifffile(self, tmp_path: Path) -> None:
        tifffile = pytest.importorskip("tifffile")
        values = values_of("u2", 4, 6, 5)
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
        ds = open_raw(tmp_path / "a.tif")
        assert ds.data.dims == ("page", "y", "x")
        np.testing.assert_array_equal(ds.data, values)

    def test_pages_that_lead_back_are_refused(self, tmp_path: Path) -> None:
        tifffile = pytest.importorskip("tifffile")
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, values_of("u2", 2, 6, 5), photometric="minisblack", byteorder="<")
        with tifffile.TiffFile(path) as tiff:
            first, second = (page.offset for page in tiff.pages)
        content = path.read_bytes()
        # The last page leads to none, by four zeros behind its entries of 12 bytes.
        end = second + 2 + 12 * int.from_bytes(content[second : second + 2], "little")
        path.write_bytes(content[:end] + first.to_bytes(4, "little") + content[end + 4 :])
        with pytest.raises(ValueError, match=f"again that at byte {first}"):
            open_raw(path)

    def test_points_and_turned_grids(self, tmp_path: Path) -> None:
        rasterio = pytest.importorskip("rasterio")
        pytest.importorskip("tifffile")
        profile = {"driver": "GTiff", "count": 1, "height": 2, "width": 3, "dtype": "uint8"}
        for transform in (rasterio.Affine(1, 0, 5, 0, -1, 9), rasterio.Affine(1, 2, 5, 3, -1, 9)):
            path = tmp_path / "a.tif"
            with rasterio.open(path, "w", transform=transform, **profile) as file:
                file.update_tags(AREA_OR_POINT="Point")
            ds = open_raw(path)
            with rasterio.open(path) as file:
                text = " ".join(map(repr, (float(n) for n in file.transform.to_gdal())))
            assert ds.spatial_ref.attrs["GeoTransform"] == text
            assert ("x" in ds.coords) == (transform.b == 0)

    @pytest.mark.parametrize("options", [{"compress": "deflate"}, {"NBITS": 4}])
    def test_refusals(self, tmp_path: Path, options: Any) -> None:
        rasterio = pytest.importorskip("rasterio")
        pytest.importorskip("tifffile")
        profile = {"driver": "GTiff", "count": 1, "height": 20, "width": 30, "dtype": "uint8"}
        path = tmp_path / "a.tif"
        with rasterio.open(path, "w", **profile, **options) as file:
            file.write(values_of("uint8", 1, 20, 30) % 8)
        with pytest.raises(ValueError, match=r"rasterio|4 bits"):
            open_raw(path)


class TestSafetensors:
    def test_files_of_safetensors(self, tmp_path: Path) -> None:
        library = pytest.importorskip("safetensors.numpy")
        codes = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"]
        tensors = {f"t.{code}": values_of(code, 3, 4) for code in codes} | {"one": np.float32(5)}
        tensors["one"] = np.array(5, "f4")
        path = tmp_path / "a.safetensors"
        library.save_file(tensors, path, metadata={"made": "for a test"})
        ds = open_raw(path)
        for name, values in tensors.items():
            np.testing.assert_array_equal(ds[name], values)
        assert ds.attrs == {"made": "for a test"}

    def test_bfloat16(self, tmp_path: Path) -> None:
        ml_dtypes = pytest.importorskip("ml_dtypes")
        values = np.linspace(-3, 3, 8).astype(ml_dtypes.bfloat16)
        header = {"a": {"dtype": "BF16", "shape": [8], "data_offsets": [0, 16]}}
        self.write(tmp_path / "a", header, values.tobytes())
        np.testing.assert_array_equal(open_raw(tmp_path / "a").a, values.astype("f4"))

    @staticmethod
    def write(path: Path, header: Any, content: bytes) -> None:
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content)

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"dtype": "F8_E4M3"}, "F8_E4M3"),
            ({"shape": [9]}, "36 bytes"),
            ({"shape": [-1]}, "counts"),
            ({"shape": "x"}, "counts"),
            ({"shape": [2**40, 2**40]}, "bytes|2"),
            ({"data_offsets": [0, 99]}, "bytes"),
            ({"data_offsets": [16, 48], "shape": [8]}, "bytes"),
            ({"data_offsets": [0]}, "counts"),
        ],
    )
    def test_refusals(self, tmp_path: Path, change: Any, match: str) -> None:
        entry = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]} | change
        self.write(tmp_path / "a", {"a": entry}, bytes(32))
        with pytest.raises(ValueError, match=match):
            open_raw(tmp_path / "a")

    def test_overlapping_tensors(self, tmp_path: Path) -> None:
        entry = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]}
        self.write(tmp_path / "a", {"a": entry, "b": entry}, bytes(32))
        with pytest.raises(ValueError, match="overlap"):
            open_raw(tmp_path / "a")


def test_other_engines_keep_their_files(tmp_path: Path) -> None:
    """Files that xarray opens by itself are left to those engines unless ours is named."""
    engine = RawmmapEntrypoint()
    starts = {
        "a.nc": b"CDF\x01",
        "a.h5": b"\x89HDF\r\n\x1a\n",
        "a.fits": b"SIMPLE  =                    T",
        "a.tif": b"II*\0",
        "a.nii": (348).to_bytes(4, "little") + bytes(36) + b"\x03\0" + bytes(302) + b"n+1\0",
    }
    for name, start in starts.items():
        (tmp_path / name).write_bytes(start + bytes(3000))
        assert not engine.guess_can_open(tmp_path / name)


def _netcdf3() -> bytes:
    scipy_io = pytest.importorskip("scipy.io")
    return (Path(scipy_io.__file__).parent / "tests" / "data" / "example_1.nc").read_bytes()


def _sample(kind: str, folder: Path) -> bytes:
    """Return a small file of a format."""
    path = folder / "sample"
    if kind == "netcdf3":
        return _netcdf3()
    if kind == "hdf5":
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["u"] = np.arange(6.0)
    elif kind == "nifti":
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(values_of("i2", 2, 2, 2), np.eye(4)), folder / "a.nii")
        path = folder / "a.nii"
    elif kind == "mrc":
        with pytest.importorskip("mrcfile").new(path) as file:
            file.set_data(values_of("f4", 2, 2, 2))
    elif kind == "fits":
        pytest.importorskip("astropy.io.fits").PrimaryHDU(np.arange(6)).writeto(path)
    elif kind == "geotiff":
        pytest.importorskip("tifffile").imwrite(path, np.arange(6).reshape(2, 3).astype("u1"))
    else:
        TestSafetensors.write(
            path, {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(8)
        )
    return path.read_bytes()


KINDS = ["netcdf3", "hdf5", "nifti", "mrc", "fits", "geotiff", "safetensors"]


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damaged_files(tmp_path: Path, kind: str, data: Any) -> None:
    cached = tmp_path / "cached"
    if not cached.exists():
        cached.write_bytes(_sample(kind, tmp_path))
    content = cached.read_bytes()
    start = data.draw(st.integers(0, min(len(content), 1000)))
    n, new = data.draw(st.integers(0, 20)), data.draw(st.binary(max_size=9))
    path = tmp_path / "a.bin"
    path.write_bytes(content[:start] + new + content[start + n :])
    with contextlib.suppress(ValueError, OSError):
        raw = rawmmap.open(path, format=kind)
        assert all(raw[name].data.nbytes <= 8 * 2**20 for name in raw.arrays)
