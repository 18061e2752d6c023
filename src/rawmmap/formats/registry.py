"""Which reader knows a file: ours, registered ones, and those that other packages bring.

A reader is any object with a `name`, ``recognises(probe)``, which looks at the content of the file
and not at its suffix, and ``read(probe)``, which returns a `Description`. Other packages add
theirs by `register`, or by an entry point in the group ``rawmmap.formats``.

Two attributes are optional: `options`, the names of the keywords that may stand beside
``format=`` and are passed on to `read`, and `own_engine`, true where xarray has another engine for
such files, which then are not claimed unless ``engine="rawmmap"`` is named.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from rawmmap.description import Description, Keywords
from rawmmap.errors import DescriptionError
from rawmmap.formats.file_group import FileGroup
from rawmmap.formats.probe import Probe
from rawmmap.formats.sidecar import SUFFIX
from rawmmap.sources import local_path

__all__ = [
    "Reader",
    "find",
    "format_names",
    "has_own_engine",
    "recognise",
    "recognise_header",
    "register",
]

# In the order in which they are asked; a reader is imported when it is first needed.
_BUILT_IN = {
    "sidecar": "rawmmap.formats.sidecar.reader:SidecarReader",
    # Known by the first bytes of the file itself.
    "npy": "rawmmap.formats.npy.reader:NpyReader",
    "npz": "rawmmap.formats.npy.npz:NpzReader",
    "nrrd": "rawmmap.formats.nrrd.reader:NrrdReader",
    "sigproc": "rawmmap.formats.sigproc:SigprocReader",
    "psrdada": "rawmmap.formats.psrdada:PsrdadaReader",
    "wav": "rawmmap.formats.wav:WavReader",
    "segy": "rawmmap.formats.segy:SegyReader",
    "pds3": "rawmmap.formats.pds.pds3:Pds3Reader",
    "pds4": "rawmmap.formats.pds.pds4:Pds4Reader",
    "vrt": "rawmmap.formats.vrt.reader:VrtReader",
    "hdf5": "rawmmap.formats.hdf5.reader:Hdf5Reader",
    "netcdf3": "rawmmap.formats.netcdf3:Netcdf3Reader",
    "mrc": "rawmmap.formats.mrc:MrcReader",
    "fits": "rawmmap.formats.fits:FitsReader",
    "geotiff": "rawmmap.formats.geotiff:GeotiffReader",
    "safetensors": "rawmmap.formats.safetensors:SafetensorsReader",
    # Known by a header beside the file.
    "nifti": "rawmmap.formats.nifti:NiftiReader",
    "envi": "rawmmap.formats.envi.reader:EnviReader",
    "ehdr": "rawmmap.formats.ehdr:EhdrReader",
    "grads": "rawmmap.formats.grads.reader:GradsReader",
    "mds": "rawmmap.formats.mds.reader:MdsReader",
    "isce": "rawmmap.formats.isce:IsceReader",
    "roi_pac": "rawmmap.formats.roi_pac:RoiPacReader",
    "metaimage": "rawmmap.formats.metaimage:MetaImageReader",
    "sigmf": "rawmmap.formats.sigmf:SigmfReader",
    "spikeglx": "rawmmap.formats.spikeglx:SpikeglxReader",
    "ripple": "rawmmap.formats.ripple:RippleReader",
    "rraster": "rawmmap.formats.rraster:RrasterReader",
    # By the markers alone, which no other format has by chance; but those above say more.
    "fortran": "rawmmap.formats.fortran.reader:FortranReader",
}
# Those that read files by the beginning of their names too: readers with a method `read_group`.
_OF_GROUPS = ("mds",)
# Those that were imported or registered, by name.
_READERS: dict[str, Reader] = {}


class Reader(Protocol):
    """Reads one format of headers; see `rawmmap.testing.ReaderTests` for what it has to keep."""

    name: str

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file, or the header beside it, is of this format, by content."""

    def read(self, probe: Probe) -> Description:
        """Return the description of the data that the file, or the header beside it, names.

        A reader with `options` takes them as keyword arguments besides.

        Raises
        ------
        DescriptionError
            If the header is malformed, or says something that this reader does not implement.
        """


def register(reader: Reader) -> None:
    """Add a reader of a format, or replace the one of the same name.

    Parameters
    ----------
    reader : Reader
        From now on it is asked about every file that no keywords describe, after ours.

    Raises
    ------
    TypeError
        If it has no `name`, `recognises` or `read`.
    """
    if not isinstance(getattr(reader, "name", None), str) or not reader.name:
        raise TypeError(f"{reader!r} has no name; a reader has one, such as 'envi'")
    for method in ("recognises", "read"):
        if not callable(getattr(reader, method, None)):
            raise TypeError(f"reader {reader.name!r} has no method {method}(probe)")
    _READERS[reader.name] = reader


@cache
def _load_entry_points() -> None:
    for point in entry_points(group="rawmmap.formats"):
        try:
            loaded = point.load()
            reader = loaded() if isinstance(loaded, type) else loaded
            if getattr(reader, "name", None) not in (*_BUILT_IN, *_READERS):
                register(reader)
        except Exception as error:  # noqa: BLE001 - other files open without this package
            warnings.warn(
                f"the reader {point.name!r}, {point.value}, cannot be loaded and is left out: "
                f"{type(error).__name__}: {error}",
                RuntimeWarning,
                stacklevel=2,
            )


def format_names() -> tuple[str, ...]:
    """Return the names of all readers, in the order in which they are asked."""
    _load_entry_points()
    others = [name for name in _READERS if name not in _BUILT_IN]
    return (*_BUILT_IN, *others)


def _reader(name: str) -> Reader:
    if name not in _READERS:
        module, kind = _BUILT_IN[name].split(":")
        _READERS[name] = getattr(import_module(module), kind)()
    return _READERS[name]


def _iterate_readers() -> Iterator[Reader]:
    # The sidecar comes first, so that what it describes needs none of the others.
    yield _reader("sidecar")
    for name in format_names():
        yield _reader(name)


def recognise(probe: Probe) -> Reader | None:
    """Return the reader that knows a file, or None."""
    return next((r for r in _iterate_readers() if r.recognises(probe)), None)


def recognise_header(probe: Probe) -> Reader | None:
    """Return the reader that knows a file by its header, whether or not it has a sidecar."""
    headers = (reader for reader in _iterate_readers() if reader.name != "sidecar")
    return next((reader for reader in headers if reader.recognises(probe)), None)


def has_own_engine(reader: Reader) -> bool:
    """Return whether xarray has another engine for the files of a reader."""
    return bool(getattr(reader, "own_engine", False))


def find(
    path: str,
    format: str | None = None,
    keywords: Keywords | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Description:
    """Return the description of a file: by keywords, else by its sidecar, else by its header.

    Parameters
    ----------
    path : str
        The data file, its sidecar or its header.
    format : str, optional
        The reader to use: ``"sidecar"``, ``"npy"``, ``"envi"``, or one that another package adds.
    keywords : Keywords, optional
        The keywords that describe the file, or that the reader takes.
    storage_options : mapping, optional
        Options for fsspec, for URLs.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DescriptionError
        If nothing describes the file, or what describes it is malformed.
    """
    keywords = Keywords() if keywords is None else keywords
    described = keywords.describe(path) if format is None else None
    if described is not None:
        return described
    reader = None if format is None else _named_reader(path, format)
    try:
        probe = Probe(path, storage_options)
    except (FileNotFoundError, IsADirectoryError):
        description = _find_group(path, reader, keywords, storage_options)
        if description is None:
            raise
        return description
    reader = reader or recognise(probe)
    if reader is None:
        raise DescriptionError(_explain_ways(probe))
    read: Callable[..., Description] = reader.read
    return read(probe, **_options_of(reader, keywords, path))


def _find_group(
    path: str,
    reader: Reader | None,
    keywords: Keywords,
    storage_options: Mapping[str, Any] | None,
) -> Description | None:
    """Return the description of files whose names begin with a path, or of a folder of them."""
    if reader is None and local_path(path) is None:
        return None  # to list what a server has may take long: only where the format is named
    readers: list[Any] = [_reader(name) for name in _OF_GROUPS] if reader is None else [reader]
    group = FileGroup.of(path, storage_options)
    for candidate in readers:
        if hasattr(candidate, "read_group") and candidate.recognises_group(group):
            options = _options_of(candidate, keywords, path)
            description: Description = candidate.read_group(group, **options)
            return description
    return None


def _named_reader(path: str, format: str) -> Reader:
    names = format_names()
    if format not in names:
        raise DescriptionError(f"{path}: format={format!r} is none of {sorted(names)}")
    return _reader(format)


def _options_of(reader: Reader, keywords: Keywords, path: str) -> dict[str, Any]:
    """Return the keywords that a reader takes, and refuse others beside it."""
    options = {key: value for key, value in keywords.passed.items() if key != "overlap"}
    taken = frozenset(cast("Any", getattr(reader, "options", ())))
    refused = [f"{key}=" for key in options if key not in taken]
    if refused:
        advice = f"it takes {sorted(taken)}" if taken else "give one or the other"
        raise DescriptionError(
            f"{path}: the format {reader.name!r} and keywords, {', '.join(refused)}, both describe "
            f"the file; {advice}"
        )
    return options


def _explain_ways(probe: Probe) -> str:
    sidecar = probe.name + SUFFIX
    exists = os.path.exists(sidecar) if probe.path is not None else probe.sibling(SUFFIX)
    state = "exists but is not a sidecar of rawmmap" if exists else "does not exist"
    return (
        f"{probe.name}: nothing says what lies in this file. Describe it in one of these ways: "
        "(1) keywords: dtype=, shape= and dims=, with offset=, order= or strides= if need be, or "
        f"variables={{name: dict(dtype=..., ...)}}; (2) a sidecar, {sidecar} (it {state}), "
        "which rawmmap.describe(path, dtype=..., ...) writes; (3) a header of one of the formats "
        f"{sorted(set(format_names()) - {'sidecar'})}"
    )
