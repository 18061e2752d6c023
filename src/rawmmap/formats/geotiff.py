"""TIFF and GeoTIFF without compression: strips and tiles, found with tifffile.

Tags of the reference system are those of OGC's GeoTIFF standard 1.1, and of GDAL.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from rawmmap.description.model import Description, Variable
from rawmmap.errors import DescriptionError, ShortFileError
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.interleave import join_planes
from rawmmap.formats.map_grid import MapGrid, label_grid
from rawmmap.formats.probe import Probe
from rawmmap.layout import Layout, Mosaic
from rawmmap.layout.mosaic import Cell, Tile
from rawmmap.libraries import load_library

__all__ = ["GeotiffReader"]

_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NONE, _NO_PREDICTOR, _CONTIG = 1, 1, 1
_MOST_PAGES = 100_000
# Keys of the GeoTIFF standard, sections 7.2 to 7.4.
_MODEL, _RASTER, _GEOGRAPHIC, _PROJECTED = 1024, 1025, 2048, 3072
_IS_POINT, _USER_DEFINED = 2, 32767


class GeotiffReader:
    """Reads where the pixels of a TIFF lie."""

    name = "geotiff"
    own_engine = True

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file starts as TIFF files do."""
        return probe.head.startswith(_MARKS)

    def read(self, probe: Probe) -> Description:
        """Return the description of the pixels, a variable named ``data``, and of its labels.

        Pages of the same shape are one array; overviews and masks are left out.

        Raises
        ------
        DescriptionError
            If the file is damaged, or its pixels are compressed.
        ImportError
            If tifffile is not installed.
        ShortFileError
            If the file is too short.
        """
        tifffile = load_library("tifffile", "TIFF files are read")
        with probe.open() as stream:
            try:
                with tifffile.TiffFile(stream, name=probe.name) as tiff:
                    return _describe(probe, list(_full_pages(tiff)))
            except (DescriptionError, ShortFileError):
                raise
            # What tifffile raises for damaged files depends on where the damage is.
            except Exception as error:
                raise DescriptionError(f"{probe.name}: {error}") from error


def _full_pages(tiff: Any) -> Any:
    """Yield the pages that are neither overviews nor masks."""
    offsets: set[int] = set()
    for page in tiff.pages:
        if page.offset in offsets:
            raise ValueError(f"the page after another one is again that at byte {page.offset}")
        offsets.add(page.offset)
        if len(offsets) > _MOST_PAGES:
            raise ValueError(f"more than {_MOST_PAGES} pages")
        page = page.aspage() if hasattr(page, "aspage") else page
        if not page.subfiletype & 5:
            yield page


def _describe(probe: Probe, pages: list[Any]) -> Description:
    if not pages:
        raise ValueError("there are no pages")
    first = pages[0]
    same = [page for page in pages if (page.shape, page.dtype) == (first.shape, first.dtype)]
    if len(same) < len(pages):
        raise ValueError(
            f"{len(pages)} pages have different shapes or types; open the file with tifffile"
        )
    for page in pages:
        _check_plain(page)
    dims, data = _arrange(probe, pages[0])
    if len(pages) > 1:
        dims, data = ("page", *dims), _stack(probe, pages)
    _check_size(probe, data)
    labels = _labels(first)
    attrs = {"grid_mapping": "spatial_ref"} if labels else {}
    attrs |= _fill_value(first, data.dtype)
    notes = {"description": first.description} if first.description else {}
    variables = {"data": Variable(dims, data, attrs), **labels}
    return Description(probe.name, variables, frozenset(labels), notes)


def _check_plain(page: Any) -> None:
    if page.compression != _NONE:
        raise ValueError(
            f"the pixels are compressed ({page.compression!r}), so that they cannot be read in "
            "place; open the file with engine='rasterio'"
        )
    if page.predictor != _NO_PREDICTOR or page.fillorder != 1:
        raise ValueError("a predictor, or the reverse order of bits, is not implemented")
    if page.dtype is None or page.bitspersample != 8 * page.dtype.itemsize:
        raise ValueError(f"samples of {page.bitspersample} bits are not read")
    if page.is_subsampled or page.imagedepth != 1:
        raise ValueError("subsampled and volumetric pixels are not read")


def _stack(probe: Probe, pages: list[Any]) -> Layout | Mosaic:
    pieces = [_arrange(probe, page)[1] for page in pages]
    if not all(isinstance(piece, Layout) for piece in pieces):
        raise ValueError("pages whose strips or tiles are scattered are not read")
    return join_planes(pieces, [0] * len(pieces))


def _arrange(probe: Probe, page: Any) -> tuple[tuple[str, ...], Any]:
    """Return dims, and where the pixels of a page lie."""
    dtype = np.dtype(page.dtype).newbyteorder(page.parent.byteorder)
    rows, columns, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    planes = samples if page.planarconfig != _CONTIG else 1
    depth = 1 if planes > 1 else samples
    offsets = [int(n) for n in page.dataoffsets]
    counts = [int(n) for n in page.databytecounts]
    if page.is_tiled:
        data = _tiles(dtype, page, offsets, (rows, columns), planes, depth)
    else:
        data = _strips(dtype, page, offsets, counts, (rows, columns), planes, depth)
    # The axes are plane, row, column, sample; one of the outer two is 1 long.
    if samples == 1:
        return ("y", "x"), data[0, :, :, 0]
    return (("band", "y", "x"), data[..., 0]) if planes > 1 else (("y", "x", "band"), data[0])


def _strips(
    dtype: np.dtype[Any],
    page: Any,
    offsets: list[int],
    counts: list[int],
    shape: tuple[int, int],
    planes: int,
    depth: int,
) -> Any:
    rows, columns = shape
    height = min(int(page.rowsperstrip) or rows, rows)
    per_plane = -(-rows // height)
    if len(offsets) != per_plane * planes:
        raise ValueError(f"{len(offsets)} strips; {per_plane * planes} are needed")
    row = columns * depth * dtype.itemsize
    ends = [start + height * row for start in offsets]
    if all(end == start for end, start in zip(ends, offsets[1:], strict=False)) and (
        rows % height == 0 or planes == 1
    ):
        return Layout.dense(dtype, (planes, rows, columns, depth), offset=offsets[0])
    if planes > 1:
        return Mosaic.concatenate(
            [
                Cell(piece, 0)
                for plane in range(planes)
                for piece in [_plane(dtype, offsets[plane * per_plane :], shape, height, depth)]
            ]
        )
    return _plane(dtype, offsets, shape, height, depth)


def _plane(
    dtype: np.dtype[Any], offsets: list[int], shape: tuple[int, int], height: int, depth: int
) -> Any:
    """Return one plane of strips that lie anywhere."""
    rows, columns = shape
    starts = range(0, rows, height)
    cells = [
        Cell(Layout.dense(dtype, (1, min(height, rows - y), columns, depth), offset=offset), 0)
        for y, offset in zip(starts, offsets, strict=False)
    ]
    return Mosaic.concatenate(cells, 1)


def _tiles(
    dtype: np.dtype[Any],
    page: Any,
    offsets: list[int],
    shape: tuple[int, int],
    planes: int,
    depth: int,
) -> Mosaic:
    """Return tiles; what those at the edges hold outside of the image is left out."""
    rows, columns = shape
    height, width = int(page.tilelength), int(page.tilewidth)
    down, across = -(-rows // height), -(-columns // width)
    if len(offsets) != down * across * planes:
        raise ValueError(f"{len(offsets)} tiles; {down * across * planes} are needed")
    if planes > 1:
        each = down * across
        cells = [
            Cell(_tiles(dtype, page, offsets[i : i + each], shape, 1, depth), 0)
            for i in range(0, len(offsets), each)
        ]
        return Mosaic.concatenate(cells)
    tiles = []
    for number, offset in enumerate(offsets):
        y, x = height * (number // across), width * (number % across)
        whole = Layout.dense(dtype, (height, width, depth), offset=offset).transpose((2, 0, 1))
        part = whole[:, : rows - y, : columns - x]
        tiles.append(Tile(y, x, part))
    return Mosaic.tiles(tiles, (rows, columns)).transpose((1, 2, 0))[None]


def _check_size(probe: Probe, data: Layout | Mosaic) -> None:
    end = max((p.data.extent[1] for p in data.parts() if isinstance(p.data, Layout)), default=0)
    if end > probe.size:
        raise ShortFileError(probe.name, end, probe.size)


def _labels(page: Any) -> dict[str, Variable]:
    """Return the coordinates and the reference system, as far as tags tell."""
    keys = _geo_keys(page)
    code = keys.get(_PROJECTED, keys.get(_GEOGRAPHIC, 0))
    name = f"EPSG:{code}" if 0 < code < _USER_DEFINED else ""
    geographic = {1: False, 2: True}.get(keys.get(_MODEL, 0))
    scale, tie = _numbers(page, "ModelPixelScaleTag"), _numbers(page, "ModelTiepointTag")
    matrix = _numbers(page, "ModelTransformationTag")
    if len(matrix) == 16:
        numbers = [matrix[3], matrix[0], matrix[1], matrix[7], matrix[4], matrix[5]]
    elif len(scale) >= 2 and len(tie) == 6:
        width, height = scale[:2]
        left, top = tie[3] - tie[0] * width, tie[4] + tie[1] * height
        numbers = [left, width, 0.0, top, 0.0, -height]
    else:
        return label_grid(page.imagelength, page.imagewidth, wkt=name)
    if keys.get(_RASTER) == _IS_POINT:
        # Positions are those of centres; the numbers are of corners.
        numbers[0] -= (numbers[1] + numbers[2]) / 2
        numbers[3] -= (numbers[4] + numbers[5]) / 2
    grid = MapGrid.from_geotransform(numbers, geographic=geographic)
    text = " ".join(map(repr, numbers))
    return label_grid(page.imagelength, page.imagewidth, grid, name, text)


def _numbers(page: Any, tag: str) -> list[float]:
    if tag not in page.tags:
        return []
    value = page.tags[tag].value
    return [float(n) for n in (value if isinstance(value, tuple) else (value,))]


def _geo_keys(page: Any) -> dict[int, int]:
    """Return the keys whose value stands in the directory itself."""
    words = [int(n) for n in _numbers(page, "GeoKeyDirectoryTag")]
    rows = zip(words[4::4], words[5::4], words[6::4], words[7::4], strict=False)
    return {key: value for key, location, count, value in rows if location == 0 and count == 1}


def _fill_value(page: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    if "GDAL_NODATA" not in page.tags:
        return {}
    try:
        return fill_value_attrs(str(page.tags["GDAL_NODATA"].value).strip(" \0"), dtype)
    except (ValueError, struct.error):
        return {}
