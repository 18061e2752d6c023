"""xarray's own tests of backends, with this library's writer and engine.

They come with xarray. Whatever is left out has its reason beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import xarray as xr
from xarray.tests import test_backends as theirs

import rawmmap.xarray
from rawmmap.dask.store import store
from rawmmap.xarray.engine import RawStore
from rawmmap.xarray.writing.create import plan_file
from rawmmap.xarray.writing.encoding import Encoded

pytestmark = [
    # They write a fill value that is out of range on purpose, and ask for this warning elsewhere.
    pytest.mark.filterwarnings("ignore:variable 'x' will be stored as signed integers"),
    # They choose chunks of their own, where xarray warns that the preferred ones are others.
    pytest.mark.filterwarnings("ignore:The specified chunks separate the stored chunks"),
]

NO_CACHE = "chunks are not cached, as Dask users expect"


class FileStore(Encoded):
    """A store that is a file: what is dumped into it is written, and what it gives is read."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def store(self, *args: Any, **words: Any) -> None:
        super().store(*args, **words)  # type: ignore[no-untyped-call]
        store(plan_file(self._path, self.variables, self.attrs, None), compute=True)

    def load(self) -> Any:
        return RawStore(rawmmap.open(self._path)).load()  # type: ignore[no-untyped-call]


class TestSuite(theirs.CFEncodedBase):
    """All that xarray asks of a backend that encodes by the CF conventions."""

    engine = cast(Any, "rawmmap")
    # Tests of unsigned bytes are left out for formats that are said not to have them.
    file_format = cast(Any, "NETCDF4")

    def save(self, dataset: xr.Dataset, path: str, **words: Any) -> Any:
        return dataset.rawmmap.to_raw(path, **words)

    @contextlib.contextmanager
    def create_store(self) -> Iterator[FileStore]:
        with theirs.create_tmp_file(suffix=".bin") as path:
            yield FileStore(path)

    def test_load_async(self) -> None:  # type: ignore[override]
        # Theirs needs a plugin of pytest to run a coroutine.
        asyncio.run(super().test_load_async())

    def test_roundtrip_example_1_netcdf(self) -> None:
        # Theirs is marked to need a module "netcdf", which does not exist.
        pytest.importorskip("scipy")
        super().test_roundtrip_example_1_netcdf()

    def test_roundtrip_coordinates_with_space(self) -> None:
        # Theirs expects a data variable, and a warning that says so.
        original = xr.Dataset(coords={"x": 0, "y z": 1})
        with self.roundtrip(original) as actual:
            xr.testing.assert_identical(original, actual)

    @pytest.mark.skip(reason="converts to an iris cube and back; no file is written or read")
    def test_coordinate_variables_after_iris_roundtrip(self) -> None:
        raise NotImplementedError


class TestSuiteInChunks(TestSuite):
    """The same, read in chunks."""

    @contextlib.contextmanager
    def roundtrip(
        self,
        data: xr.Dataset,
        save_kwargs: Any = None,
        open_kwargs: Any = None,
        allow_cleanup_failure: bool = False,
    ) -> Iterator[xr.Dataset]:
        words = {"chunks": -1, **(open_kwargs or {})}
        with super().roundtrip(data, save_kwargs, words, allow_cleanup_failure) as ds:
            yield ds

    @pytest.mark.skip(reason=NO_CACHE)
    def test_dataset_caching(self) -> None:
        raise NotImplementedError


class TestSuiteOfRecords(TestSuite):
    """The same, with a dimension of every dataset as the record axis of its file."""

    def save(self, dataset: xr.Dataset, path: str, **words: Any) -> Any:
        own = "unlimited_dims" in dataset.encoding and "source" not in dataset.encoding
        if not own and "unlimited_dims" not in words and "mode" not in words:
            words["unlimited_dims"] = list(dataset.dims)[-1:]
        return super().save(dataset, path, **words)


class TestSuiteOfAdditions(TestSuite):
    """The same, with every dataset added to a file that is there already."""

    def save(self, dataset: xr.Dataset, path: str, **words: Any) -> Any:
        if words.get("mode", "w") == "a" or {"unlimited_dims"} & {*words, *dataset.encoding}:
            return super().save(dataset, path, **words)
        super().save(xr.Dataset(), path)
        return super().save(dataset, path, **{**words, "mode": "a"})


class TestChunks(theirs.TestDask):
    """xarray's tests of Dask, with files of this library wherever there are files."""

    engine = cast(Any, "rawmmap")

    @pytest.fixture(autouse=True)
    def our_files(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)  # one test writes into the current folder
        for name in (
            "load_dataarray",
            "load_dataset",
            "open_dataarray",
            "open_dataset",
            "open_mfdataset",
        ):
            ours = functools.partial(getattr(xr, name), engine="rawmmap")
            monkeypatch.setattr(theirs, name, ours)
        for kind in (xr.Dataset, xr.DataArray):
            monkeypatch.setattr(kind, "to_netcdf", to_raw)
        monkeypatch.setattr(theirs, "save_mfdataset", save_mfdataset)
        monkeypatch.setattr(xr, "save_mfdataset", save_mfdataset)

    @contextlib.contextmanager
    def roundtrip(
        self,
        data: xr.Dataset,
        save_kwargs: Any = None,
        open_kwargs: Any = None,
        allow_cleanup_failure: bool = False,
    ) -> Iterator[xr.Dataset]:
        with theirs.create_tmp_file(suffix=".bin") as path:
            data.rawmmap.to_raw(path, **(save_kwargs or {}))
            with xr.open_dataset(path, engine="rawmmap", **(open_kwargs or {"chunks": {}})) as ds:
                yield ds

    def test_load_async(self) -> None:  # type: ignore[override]
        asyncio.run(super().test_load_async())

    def test_roundtrip_cftime_datetime_data(self) -> None:
        # That of Dask stays in memory, where nothing is decoded; this is the one for files.
        theirs.DatasetIOBase.test_roundtrip_cftime_datetime_data(self)

    @pytest.mark.skip(reason="checks the arguments of xarray's own save_mfdataset")
    def test_save_mfdataset_invalid(self) -> None:
        raise NotImplementedError

    @pytest.mark.skip(reason="checks the arguments of xarray's own save_mfdataset")
    def test_save_mfdataset_invalid_dataarray(self) -> None:
        raise NotImplementedError

    @pytest.mark.skip(reason="a raw file has no groups, which a tree of datasets needs")
    def test_load_datatree(self) -> None:
        raise NotImplementedError


def to_raw(obj: Any, path: Any, engine: str = "rawmmap", **words: Any) -> Any:
    assert engine == "rawmmap"
    return obj.rawmmap.to_raw(path, **words)


def save_mfdataset(
    datasets: Any, paths: Any, compute: bool = True, engine: str = "rawmmap", **words: Any
) -> Any:
    import dask

    written = [
        to_raw(ds, p, engine, compute=compute, **words)
        for ds, p in zip(datasets, paths, strict=True)
    ]
    return None if compute else dask.delayed(written)


def test_the_suite_is_the_one_of_the_installed_xarray() -> None:
    assert theirs.__file__.startswith(xr.__path__[0])
    assert rawmmap.xarray.RawmmapAccessor is getattr(xr.Dataset, "rawmmap")  # noqa: B009
