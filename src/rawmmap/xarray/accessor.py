"""``ds.rawmmap`` and ``array.rawmmap``: write datasets and data arrays to flat files."""

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
    """Methods of this library for datasets and data arrays."""

    def __init__(self, data: Dataset | DataArray) -> None:
        self._data = data

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
        """Write all variables to one flat file, or a series, with a sidecar that describes it.

        ``xr.open_dataset(path, engine="rawmmap")`` returns the same dataset: values, dims,
        coordinates, attributes and encoding. Every variable is written in C order and starts on a
        page boundary of the file.

        Parameters
        ----------
        path : path-like
            The data file. Its sidecar is ``<path>.json``. A pattern such as
            ``"ux-{step:04d}.bin"``, if no file of this very name exists, stands for a series: one
            file for each value of the leading dimension that the field names, or for each
            combination of several. The field ``{variable}`` gives one file for each variable.
        mode : {"w", "a", "r+"}, optional
            ``"w"``, the default: create or replace the file. ``"a"``: add variables to a file, or
            replace some of its variables; a missing file is created. ``"r+"``: write into existing
            variables, in place.
        append_dim : str, optional
            The dimension along which this data is appended; implies mode "a". Every variable of the
            file that has this dimension must be in the data. Other variables and all attributes of
            the file do not change. Labels continue those of the file if these increase or decrease
            strictly, and otherwise do not repeat any.
        region : dict of slices or "auto", or "auto", optional
            The part of the file to overwrite, as one slice per dimension; implies mode "r+".
            ``"auto"`` finds it from the values of the coordinates. Attributes of the file do not
            change.
        encoding : mapping, optional
            Encodings by variable name, which override those of the variables: `dtype` (byte order
            included), `_FillValue`, `scale_factor`, `add_offset`, `units`, `calendar` and others of
            the CF conventions. Existing variables of the file keep their encoding.
        unlimited_dims : str or iterable of str, optional
            The record dimension, by default ``ds.encoding["unlimited_dims"]``. Records follow each
            other at the end of the file, each with one step of all variables that have this
            dimension; their number follows from the size of the file.
        compute : bool
            Whether to write now. If False, nothing is written until the result is computed.

        Returns
        -------
        dask.delayed.Delayed or None
            With ``compute=False``, an object that writes the file when it is computed.

        Raises
        ------
        FileNotFoundError
            If the folder or, with `append_dim`, `region` or mode "r+", the file does not exist.
        TypeError
            If an attribute is of a type that JSON cannot hold, or a variable of a type that a
            flat file cannot hold. Nothing is written in that case.
        ValueError
            If an argument has an invalid value, an encoding is unknown, or the data does not fit
            the existing file. Nothing is written in that case.
        OSError
            If the disk is full or fails, or the file was changed after a delayed write to it was
            planned.

        Notes
        -----
        With mode "w" the old file and its sidecar stay intact until both new ones are on disk:
        whatever happens, the path opens as either the old or the new dataset. A dataset may
        therefore be written to the file that it is read from. The same holds if `append_dim` is not
        the record dimension (unless its only variable is the last one of the file), and for mode
        "a" if the file has records: both rewrite the file, and refuse to if bytes other than zeros
        that no variable covers would be lost.

        In every mode, chunks are first written to a hidden temporary file in the same folder, and
        the target changes in one short step when all of them are complete. A failure before that
        step leaves the target as it was, and the data may be read lazily from the target itself.
        Appending along the record dimension proceeds record by record, so that other readers see
        only complete records. A process that is killed during that step may leave a part of it.

        Mode "a" adds variables at the end of the file and replaces the sidecar last. The space of
        replaced variables is not reclaimed until the file is written with mode "w".

        Chunks are computed and written in parallel by any of Dask's schedulers, whose workers must
        see the file under the same path. Several threads and processes may write to one file: their
        writes happen one after the other, and a write that was planned for a state of the file that
        another one has changed raises an `OSError`.

        Names of the files of a series come from the values of its coordinates, or from positions
        where there are none. Coordinates of the leading dimensions, and all variables without one
        of these dimensions, go into the one sidecar, ``ux-{step}.bin.json``, which lists the files:
        others of the pattern are left alone and are not part of the dataset. All files are renamed,
        one after the other, when all of them are on disk, and the sidecar is replaced last. A
        failure before that leaves everything as it was; a failure or a kill in that step leaves
        each file whole, but some of them new, and no sidecar if the old one would not describe the
        new files. Readers of that moment may see old and new files side by side. With `append_dim`,
        a field of the pattern, further files are written, and then
        the sidecar; with `region` and mode "r+" the files are changed in place, one after the
        other. Mode "a" does not add variables to a series.

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
            self._data,
            path,
            mode=mode,
            append_dim=append_dim,
            region=region,
            encoding=encoding,
            unlimited_dims=unlimited_dims,
            compute=compute,
        )
