"""``ds.rawmmap`` and ``array.rawmmap``: datasets and data arrays into flat files."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from xarray import DataArray, Dataset, register_dataarray_accessor, register_dataset_accessor

if TYPE_CHECKING:
    from dask.delayed import Delayed

__all__ = ["RawmmapAccessor"]


@register_dataset_accessor("rawmmap")  # type: ignore[no-untyped-call]
@register_dataarray_accessor("rawmmap")  # type: ignore[no-untyped-call]
class RawmmapAccessor:
    """What this library adds to datasets and data arrays, under the name ``rawmmap``."""

    def __init__(self, held: Dataset | DataArray) -> None:
        self._held = held

    def to_raw(
        self,
        path: str | os.PathLike[str],
        *,
        mode: Literal["w", "a", "r+"] | None = None,
        append_dim: str | None = None,
        region: Mapping[str, slice | Literal["auto"]] | Literal["auto"] | None = None,
        encoding: Mapping[Any, Mapping[str, Any]] | None = None,
        unlimited_dims: Iterable[Hashable] | None = None,
        compute: bool = True,
    ) -> Delayed | None:
        """Write all variables flat into one file, with a sidecar that describes it.

        ``xr.open_dataset(path, engine="rawmmap")`` gives the dataset back: values, dims,
        coordinates, attributes and encoding. Every variable starts on a page boundary of the file,
        in C order.

        Parameters
        ----------
        path : path-like
            The data file. Its sidecar is ``<path>.json``.
        mode : {"w", "a", "r+"}, optional
            ``"w"``, the default: a new file, or the replacement of an old one. ``"a"``: add
            variables to a file, or replace some of its variables; a file that is not there is
            created. ``"r+"``: write into variables that are there, in place.
        append_dim : str, optional
            The dimension that is lengthened by this data; implies mode "a". Every variable of the
            file that has it must be in the data. Variables without it stay as they are in the file,
            and so do all attributes.
        region : dict of slices or "auto", or "auto", optional
            The part of the file that this data goes into, by dimension; implies mode "r+".
            ``"auto"`` finds it by the values of the coordinates. The file keeps its own attributes.
        encoding : mapping, optional
            Encodings by variable, instead of their own: `dtype` (byte order included),
            `_FillValue`, `scale_factor`, `add_offset`, `units`, `calendar` and what else the CF
            conventions know. What is in the file already keeps its encoding.
        unlimited_dims : str or iterable of str, optional
            The record axis; by default that of ``ds.encoding["unlimited_dims"]``. Its records
            follow each other at the end of the file, each with its part of all variables, and their
            number follows from the file's size.
        compute : bool
            Whether to write now. Otherwise nothing happens until the result is computed.

        Returns
        -------
        dask.delayed.Delayed or None
            With ``compute=False``, what writes the file once it is computed.

        Raises
        ------
        FileNotFoundError
            If there is no such folder or, with `append_dim`, `region` or mode "r+", no such file.
        TypeError
            If an attribute is of a type that JSON cannot hold, or a variable of one that a flat
            file cannot hold. Nothing is written then.
        ValueError
            If a word has none of its values, an encoding is unknown, or the data does not fit the
            file that it goes into. Nothing is written then.
        OSError
            If the disk is full or fails, or a file was changed between the planning of a delayed
            write into it and its computation.

        Notes
        -----
        With mode "w" the old file and its sidecar stay whole until both new ones are on disk;
        whatever happens, the path opens as either the old or the new dataset. A dataset may
        therefore be written onto the file that it is read from. The same holds where `append_dim`
        is not the record axis, unless its one variable ends with the file, and for mode "a" where
        the file has records: they write the file anew, if no byte but zeros would be lost by that.

        Whatever the mode, chunks go into a hidden file beside the target first, and the target
        changes in one short step once all of them are there: after a failure it is as it was, and
        the file that the data is lazily read from may be the target. That step goes record by
        record where a dimension is lengthened, so that whoever opens the file meanwhile sees
        complete ones. Only a process that is killed in just that step leaves a part of it.

        Mode "a" adds at the end of the file and replaces the sidecar last; the space of variables
        that it replaces is free only once the file is written with mode "w".

        Chunks are computed and written in parallel, under any of Dask's schedulers, whose workers
        must see the file under the same path. Several threads and processes may write one file:
        their writes come one after the other, and one that was planned for what another has
        changed since is an `OSError` that says so.

        As in xarray's other writers, None and NaN among Python strings become empty strings.

        Examples
        --------
        >>> import numpy as np, os, tempfile, xarray as xr
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = os.path.join(folder.name, "run.bin")
        >>> step = xr.Dataset({"u": (("t", "x"), np.ones((1, 3), "f4"))}, {"t": [0]})
        >>> step.rawmmap.to_raw(path, unlimited_dims="t")
        >>> step.assign_coords(t=[1]).rawmmap.to_raw(path, append_dim="t")
        >>> xr.open_dataset(path, engine="rawmmap").sizes
        Frozen({'t': 2, 'x': 3})
        >>> folder.cleanup()
        """
        from rawmmap.xarray.writing.front import to_raw

        return to_raw(
            self._held,
            path,
            mode=mode,
            append_dim=append_dim,
            region=region,
            encoding=encoding,
            unlimited_dims=unlimited_dims,
            compute=compute,
        )
