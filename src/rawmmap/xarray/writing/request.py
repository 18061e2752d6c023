"""What a user asks to be written, checked once and then only read."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from xarray import DataArray, Dataset

from rawmmap.description.patterns import Pattern
from rawmmap.formats import sidecar
from rawmmap.formats.sidecar.values import encode_attrs
from rawmmap.xarray.writing.encoding import check_names, find_record_dims

__all__ = ["Mode", "WriteRequest"]

Mode = Literal["w", "a", "r+"]

# xarray's own names for an array without one, and for the name that an array shares with another.
_ARRAY_VARIABLE = "__xarray_dataarray_variable__"
_ARRAY_NAME = "__xarray_dataarray_name__"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """A dataset, and how it is to be written.

    Attributes
    ----------
    dataset : Dataset
        The data.
    target : str
        Absolute path of the data file; of a series, the path whose sidecar describes it.
    mode : {"w", "a", "r+"}
        What `mode`, `append_dim` and `region` together ask for.
    append_dim, region, encoding, unlimited_dims
        As for ``ds.rawmmap.to_raw``.
    pattern : Pattern or None
        The names of the files, if the data goes into a series of them.
    """

    dataset: Dataset
    target: str
    mode: Mode
    append_dim: str | None
    region: Mapping[str, Any] | Literal["auto"] | None
    encoding: Mapping[Any, Mapping[str, Any]] | None
    unlimited_dims: Iterable[Hashable] | None
    pattern: Pattern | None = None

    @classmethod
    def check(
        cls,
        ds: Dataset | DataArray,
        target: str,
        mode: Mode | None,
        append_dim: str | None,
        region: Mapping[str, Any] | Literal["auto"] | None,
        encoding: Mapping[Any, Mapping[str, Any]] | None,
        unlimited_dims: Iterable[Hashable] | None,
        pattern: Pattern | None = None,
    ) -> Self:
        """Return a request whose parts agree with each other.

        Raises
        ------
        TypeError, ValueError
            If they contradict each other, a name cannot be written, or the target is a sidecar.
        """
        if encoding is not None and not isinstance(encoding, Mapping):
            raise TypeError(
                f"encoding= must be a mapping {{name: {{'dtype': ...}}}}, not {encoding!r}"
            )
        chosen = _choose_mode(mode, append_dim, region)
        dataset = as_dataset(ds)
        check_names(dataset)
        if sidecar.is_sidecar(target):
            raise ValueError(f"{target} is a sidecar; name the data file that it describes")
        if pattern is not None and chosen == "a" and append_dim is None:
            raise ValueError(
                f"mode={mode!r} adds variables to one file, and not to a series: write the series "
                "again, with mode='w', or lengthen it by append_dim="
            )
        return cls(dataset, target, chosen, append_dim, region, encoding, unlimited_dims, pattern)

    @property
    def record_dims(self) -> set[Hashable]:
        """The dimensions that may grow, as the keyword or else the dataset's encoding says."""
        return find_record_dims(self.dataset, self.unlimited_dims)

    @property
    def requested_record_dims(self) -> set[Hashable]:
        """The dimensions that may grow, as the keyword says; none without it."""
        return set() if self.unlimited_dims is None else self.record_dims

    def check_keeps_encoding(self) -> None:
        """Refuse an encoding, and attributes, for a file that keeps its own."""
        if self.encoding:
            raise ValueError(
                f"encoding={self.encoding!r}, but an existing variable keeps its own encoding"
            )
        encode_attrs(self.dataset.attrs, "the dataset")
        for name, variable in self.dataset.variables.items():
            encode_attrs(variable.attrs, f"variable {name!r}")


def _choose_mode(mode: str | None, append_dim: Any, region: Any) -> Mode:
    if mode not in (None, "w", "a", "r+"):
        raise ValueError(f"mode must be 'w', 'a' or 'r+', not {mode!r}")
    if append_dim is not None and region is not None:
        raise ValueError("append_dim and region cannot be given together")
    if append_dim is not None and mode not in (None, "a"):
        raise ValueError(f"append_dim={append_dim!r} needs mode 'a', not {mode!r}")
    if region is not None and mode not in (None, "a", "r+"):
        raise ValueError(f"region={region!r} needs mode 'r+', not {mode!r}")
    if region is not None:
        return "r+"
    return "a" if append_dim is not None or mode == "a" else "r+" if mode == "r+" else "w"


def as_dataset(x: Dataset | DataArray) -> Dataset:
    """Return a data array as xarray's own writers put it into a file; a dataset as it is."""
    if isinstance(x, Dataset):
        return x
    if x.name is None:
        return x.to_dataset(name=_ARRAY_VARIABLE)
    if x.name in x.coords or x.name in x.dims:
        dataset = x.to_dataset(name=_ARRAY_VARIABLE)
        dataset.attrs[_ARRAY_NAME] = x.name
        return dataset
    return x.to_dataset()
