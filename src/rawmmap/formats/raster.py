"""A variable as a raster: bands of lines of pixels, with what is known of its coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.description import Variable
from rawmmap.formats.described_file import DescribedFile, choose
from rawmmap.layout import Layout

__all__ = ["Raster", "as_raster"]

# What the CF conventions (1.11, sections 4.1, 4.2 and 5.6) and common usage call the two axes.
_NAMES = {
    "X": {"x", "lon", "longitude", "easting", "sample", "samples", "column", "columns", "col"},
    "Y": {"y", "lat", "latitude", "northing", "line", "lines", "row", "rows"},
}
_STANDARD_NAMES = {
    "X": {"longitude", "grid_longitude", "projection_x_coordinate"},
    "Y": {"latitude", "grid_latitude", "projection_y_coordinate"},
}


@dataclass(frozen=True, slots=True)
class Raster:
    """A variable as a raster.

    Attributes
    ----------
    subject : DescribedFile
        The file.
    name : str
        The variable.
    layout : Layout
        Where its elements lie, with the axes band, line and pixel.
    bands : str or None
        The dimension that counts the bands.
    labels : Variable or None
        The coordinate of that dimension.
    attrs : mapping
        The variable's attributes.
    transform : tuple of float or None
        The six numbers of GDAL's affine transform, from the corner of pixel and line to x and y.
    wkt : str or None
        The coordinate reference system, where the variable's grid mapping has it as text.
    """

    subject: DescribedFile
    name: str
    layout: Layout
    bands: str | None
    labels: Variable | None
    attrs: Mapping[str, Any]
    transform: tuple[float, float, float, float, float, float] | None
    wkt: str | None

    def number(self, key: str) -> float | None:
        """Return an attribute that is one number, as a float."""
        found = self.attrs.get(key)
        return None if found is None else _single(found, self._what(key))

    def fill(self) -> int | float | None:
        """Return the stored value that marks what is missing, or None.

        Raises
        ------
        ValueError
            If it is not a value of the variable's type, or a complex number.
        """
        key = "_FillValue" if "_FillValue" in self.attrs else "missing_value"
        given = self.attrs.get(key)
        if given is None:
            return None
        stored = _as_stored(given, self.layout.dtype, self._what(key))
        if stored.dtype.kind == "c":
            if stored.imag and not np.isnan(stored.imag):
                raise ValueError(
                    f"{self._what(key)} is {given!r}; a raster's value for missing data is real"
                )
            stored = stored.real
        elif stored.dtype.kind in "iu":
            stored = stored.view(self.dtype.newbyteorder("="))
        return int(stored) if stored.dtype.kind in "biu" else float(stored)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one element, after netCDF's ``_Unsigned``, which says how to take integers."""
        dtype = self.layout.dtype
        unsigned = str(self.attrs.get("_Unsigned", "")).lower()
        kind = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype.kind, unsigned))
        return dtype if kind is None else np.dtype(f"{dtype.byteorder}{kind}{dtype.itemsize}")

    @property
    def big(self) -> bool:
        """Whether the file's byte order is big-endian."""
        dtype = self.layout.dtype
        return dtype.itemsize > 1 and dtype.newbyteorder(">") == dtype

    def band_names(self) -> list[str]:
        """Return a name for every band, after the leading coordinate."""
        if self.bands is None:
            return [self.name]
        count = self.layout.shape[0]
        if self.labels is None:
            return [f"{self.name} {self.bands}={i}" for i in range(count)]
        values = self.subject.values(self.labels)
        if values.dtype.kind in "US":
            return [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values]
        units = self.labels.attrs.get("units")
        unit = f" {units}" if isinstance(units, str) else ""
        return [f"{self.name} {self.bands}={v}{unit}" for v in values]

    def _what(self, key: str) -> str:
        return f"{self.subject.path}: variable {self.name!r}: attribute {key!r}"


def _as_stored(given: Any, dtype: np.dtype[Any], what: str) -> Any:
    """Return one value as a scalar of `dtype`, or raise if it is none."""
    value = np.asarray(given)
    try:
        with np.errstate(all="ignore"):
            stored = value.reshape(()).astype(dtype)[()]
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what} is {given!r}, not one {dtype}: {error}") from error
    if stored.dtype.kind not in "fc" and stored != value.reshape(())[()]:
        raise ValueError(f"{what} is {given!r}, which is not a value of {dtype}")
    return stored


def _single(value: Any, what: str) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ValueError(f"{what} is {value!r}, not one number")
    return float(array.reshape(())[()])


def as_raster(subject: DescribedFile, variable: str | None) -> Raster:
    """Return a variable of two or three dimensions as a raster.

    Lines and pixels are the dimensions that are known as y and x, by the attribute ``axis``, the
    standard name or the name of their coordinates; otherwise the last two.
    """
    name, placed, layout = choose(
        subject,
        variable,
        lambda layout: layout.ndim in (2, 3) and layout.size > 0,
        "rasters of 2 or 3 dimensions with elements",
    )
    order = _axes(subject, placed.dims)
    dims = [placed.dims[axis] for axis in order]
    arranged = layout.transpose(order)
    bands = dims[0] if len(dims) == 3 else None
    return Raster(
        subject,
        name,
        arranged if bands is not None else arranged[None],
        bands,
        None if bands is None else subject.labels(bands),
        placed.attrs,
        _transform(subject, dims[-2], dims[-1]),
        _wkt(subject, placed.attrs),
    )


def _axes(subject: DescribedFile, dims: tuple[str, ...]) -> tuple[int, ...]:
    """Return the axes in the order band, line, pixel."""
    x = [i for i, dim in enumerate(dims) if _is(subject, dim, "X")]
    y = [i for i, dim in enumerate(dims) if _is(subject, dim, "Y")]
    if len(x) != 1 or len(y) != 1 or x == y:
        return tuple(range(len(dims)))
    return (*(i for i in range(len(dims)) if i not in (*x, *y)), *y, *x)


def _is(subject: DescribedFile, dim: str, axis: str) -> bool:
    labels = subject.labels(dim)
    attrs = {} if labels is None else labels.attrs
    if isinstance(attrs.get("axis"), str):
        return bool(attrs["axis"].upper() == axis)
    if isinstance(attrs.get("standard_name"), str):
        return attrs["standard_name"] in _STANDARD_NAMES[axis]
    return dim.lower() in _NAMES[axis]


def _transform(
    subject: DescribedFile, y: str, x: str
) -> tuple[float, float, float, float, float, float] | None:
    rows, columns = _spacing(subject, y), _spacing(subject, x)
    if rows is None or columns is None:
        return None
    (top, down), (left, right) = rows, columns
    return (left - right / 2, right, 0.0, top - down / 2, 0.0, down)


def _spacing(subject: DescribedFile, dim: str) -> tuple[float, float] | None:
    """Return the first value and the step of an evenly spaced coordinate."""
    labels = subject.labels(dim)
    if labels is None or labels.data.dtype.kind not in "iuf" or labels.arrangement.shape[0] < 2:
        return None
    stored = subject.values(labels)
    values = _decoded(stored, labels.attrs)
    step = float(values[-1] - values[0]) / (len(values) - 1)
    if not np.isfinite(values).all() or step == 0:
        return None
    ideal = values[0] + np.arange(len(values)) * step
    # Values that were rounded to their type are as even as that type can have them.
    ulp = np.finfo(stored.dtype if stored.dtype.kind == "f" else np.float64).eps
    allowed = 4 * float(ulp) * float(np.abs(values).max()) + 1e-9 * abs(step)
    if allowed > abs(step) / 8 or (np.abs(values - ideal) > allowed).any():
        return None
    return float(values[0]), step


def _decoded(values: npt.NDArray[Any], attrs: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    scale = _single(attrs.get("scale_factor", 1.0), "scale_factor")
    return values.astype(np.float64) * scale + _single(attrs.get("add_offset", 0.0), "add_offset")


def _wkt(subject: DescribedFile, attrs: Mapping[str, Any]) -> str | None:
    """Return the reference system that the CF attribute ``grid_mapping`` leads to."""
    words = attrs.get("grid_mapping")
    if not isinstance(words, str) or not words.split():
        return None
    mapping = subject.variables.get(words.split()[0].removesuffix(":"))
    found = {} if mapping is None else mapping.attrs
    text = found.get("crs_wkt", found.get("spatial_ref"))
    return text if isinstance(text, str) and text else None
