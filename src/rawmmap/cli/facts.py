"""Facts about an open file as plain data, for ``--json`` and for text alike.

Names are stable: keys may be added, and none changes its meaning. Sizes, offsets and strides are in
bytes, and ranges are half-open.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rawmmap.formats.sidecar.values import encode_attrs
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.bits import BitLayout
from rawmmap.mapping import PAGE, resident_shares
from rawmmap.sources import local_path

if TYPE_CHECKING:
    import xarray as xr

    from rawmmap.dataset import RawDataset
    from rawmmap.description import Variable

__all__ = [
    "chunk_facts",
    "coverage_facts",
    "dataset_facts",
    "file_facts",
    "resident_share",
    "variable_facts",
]

# Pieces of a variable that are looked at, and files of a series.
_MOST_PIECES = 10_000
_MOST_FILES = 256
# Ranges of uncovered bytes that are listed one by one.
_MOST_RANGES = 10_000


def file_facts(raw: RawDataset) -> dict[str, Any]:
    """Return the number and the sizes of the files."""
    sizes = raw.opened.sizes
    return {
        "count": len(sizes),
        "first": raw.files[0],
        "nbytes": int(sizes.sum()),
        "smallest": int(sizes.min()),
        "largest": int(sizes.max()),
    }


def variable_facts(variable: Variable) -> dict[str, Any]:
    """Return type, axes and place of a variable."""
    data = variable.arrangement
    return {
        "dtype": str(variable.samples or data.dtype.str),
        "dims": list(variable.dims),
        "shape": list(data.shape),
        "nbytes": data.nbytes,
        "attrs": {str(name): _encode_attr(value) for name, value in variable.attrs.items()},
        **_place_facts(data),
    }


def _encode_attr(value: Any) -> Any:
    """Return an attribute as a sidecar has it; as text where that is not possible."""
    try:
        return encode_attrs({"value": value}, "")["value"]
    except TypeError:
        return str(value)


def _place_facts(data: Any) -> dict[str, Any]:
    """Return where elements lie: ``"stored"`` says in which of four ways."""
    if isinstance(data, Values):
        return {"stored": "description"}
    if isinstance(data, Layout):
        return {"stored": "layout", **_layout_facts(data), **_alignment_facts([data])}
    if isinstance(data, BitLayout):
        return {"stored": "bits", "bits": data.packing.bits, **_layout_facts(data.bytes_read)}
    return _mosaic_facts(data)


def _layout_facts(layout: Layout) -> dict[str, Any]:
    return {
        "offset": layout.offset,
        "strides": list(layout.strides),
        "extent": list(layout.extent),
    }


def _alignment_facts(layouts: Sequence[Layout]) -> dict[str, Any]:
    """Return whether elements are aligned to their type, and the start of each layout to a page."""
    unit = layouts[0].dtype.alignment if layouts else 1
    steps = [s for x in layouts for s, n in zip(x.strides, x.shape, strict=True) if n > 1]
    return {
        "alignment": {
            "element": unit,
            "elements": all(n % unit == 0 for n in (*steps, *(x.offset for x in layouts))),
            "page": PAGE,
            "start": all(x.offset % PAGE == 0 for x in layouts),
        }
    }


def _mosaic_facts(data: Mosaic) -> dict[str, Any]:
    """Return the number of pieces, of those not in a file, and the place of the first piece."""
    parts = list(itertools.islice(data.parts(), _MOST_PIECES + 1))
    if all(isinstance(part.data, Values) for part in parts):
        return {"stored": "description"}
    exact = len(parts) <= _MOST_PIECES
    layouts = [part.data for part in parts if isinstance(part.data, Layout)]
    first = next((part for part in parts if isinstance(part.data, Layout | BitLayout)), None)
    facts: dict[str, Any] = {
        "stored": "pieces",
        "pieces": len(parts) if exact else None,
        "missing_pieces": sum(part.data is None for part in parts) if exact else None,
    }
    if first is not None:
        place: Any = first.data
        inner = place.bytes_read if isinstance(place, BitLayout) else place
        shape = list(place.shape)
        facts["first_piece"] = {"file": first.file, "shape": shape, **_layout_facts(inner)}
    return {**facts, **(_alignment_facts(layouts) if layouts else {})}


def coverage_facts(raw: RawDataset) -> dict[str, Any]:
    """Return how much of the first file its variables cover, and the ranges that none does.

    Of very many ranges only the first are listed, and ``uncovered_ranges`` says how many there are.
    """
    uncovered = raw.coverage
    nbytes = int(raw.opened.sizes[0])
    facts: dict[str, Any] = {
        "nbytes": nbytes,
        "covered": nbytes - uncovered.nbytes,
        "uncovered": [[start, stop] for start, stop in uncovered[:_MOST_RANGES]],
    }
    return facts if len(uncovered) <= _MOST_RANGES else facts | {"uncovered_ranges": len(uncovered)}


def resident_share(raw: RawDataset) -> float | None:
    """Return the share of the files that is in memory, 0.0 to 1.0; None where it is not known."""
    paths = [local_path(url) for url in itertools.islice(raw.files, _MOST_FILES)]
    sizes = raw.opened.sizes[: len(paths)].tolist()
    total = resident = 0.0
    for path, nbytes in zip(paths, sizes, strict=True):
        if nbytes == 0:
            continue
        edges = [*range(0, nbytes, max(nbytes // 64, PAGE)), nbytes]
        shares = None if path is None else resident_shares(path, edges)
        if shares is None:
            return None
        widths = [stop - start for start, stop in itertools.pairwise(edges)]
        resident += sum(share * n for share, n in zip(shares, widths, strict=True))
        total += nbytes
    return resident / total if total else None


def dataset_facts(ds: xr.Dataset) -> dict[str, Any]:
    """Return how xarray sees the file: dimensions, and decoded types of all variables."""
    return {
        "dims": {str(dim): n for dim, n in ds.sizes.items()},
        "coords": [str(name) for name in ds.coords],
        "data_vars": [str(name) for name in ds.data_vars],
        "dtypes": {str(name): str(variable.dtype) for name, variable in ds.variables.items()},
    }


def chunk_facts(ds: xr.Dataset) -> dict[str, dict[str, Any]]:
    """Return the chunks of every variable that ``chunks={}`` would chunk."""
    chunks: dict[str, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        preferred = variable.encoding.get("preferred_chunks")
        if not preferred or name in ds.xindexes:
            continue
        lengths = [int(preferred.get(dim, variable.sizes[dim])) for dim in variable.dims]
        counts = (
            math.ceil(n / c) if c else 1 for n, c in zip(variable.shape, lengths, strict=True)
        )
        chunks[str(name)] = {
            "shape": lengths,
            "count": math.prod(counts),
            "nbytes": math.prod(lengths) * variable.dtype.itemsize,
        }
    return chunks
