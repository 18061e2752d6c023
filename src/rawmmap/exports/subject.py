"""What is exported: one local file, and where its variables lie in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.array import NativeArray
from rawmmap.dataset import open_described, values_of
from rawmmap.description import Description, Keywords, Variable
from rawmmap.description.keywords import suggest
from rawmmap.description.model import check_lengths
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout, Values
from rawmmap.sources import Source, local_path

__all__ = ["Subject", "beside", "choose", "open_subject", "relative", "target_path"]


@dataclass(frozen=True, slots=True)
class Subject:
    """A described file that exists.

    Attributes
    ----------
    description : Description
        What lies in the file.
    source : Source
        Where its bytes are.
    placed : mapping of str to Variable
        The variables, by name.
    """

    description: Description
    source: Source
    placed: Mapping[str, Variable]

    @property
    def path(self) -> str:
        """The data file."""
        return self.description.path

    def is_coordinate(self, name: str) -> bool:
        """Return whether a variable labels the others, by CF's words for it too."""
        every = [variable.attrs for variable in self.placed.values()]
        return (
            name in self.description.coords
            or any(name in variable.dims for variable in self.placed.values())
            or any(
                name in str(attrs.get(key, "")).split()
                for attrs in (*every, self.description.attrs)
                for key in ("coordinates", "grid_mapping")
            )
        )

    def labels(self, dim: str) -> Variable | None:
        """Return the one-dimensional variable that labels a dimension, if there is one."""
        found = self.placed.get(dim)
        return found if found is not None and found.dims == (dim,) else None

    def values(self, placed: Variable) -> npt.NDArray[Any]:
        """Return the values of a variable, as they are stored, in native byte order."""
        if isinstance(placed.data, Layout):
            return np.asarray(NativeArray.from_source(self.source, placed.data)[...])
        return values_of(placed)


def open_subject(
    path: str | os.PathLike[str],
    *,
    coords: Mapping[str, Any] | None = None,
    **words: Any,
) -> Subject:
    """Return a file with its description, checked against the file's size.

    Parameters
    ----------
    path : path-like
        The data file, its sidecar or its header, on this system.
    coords : mapping, optional
        Coordinates by name: values, ``(dims, values)``, ``(dims, values, attrs)``, or whatever has
        `dims`, `values` and `attrs`.
    **words
        The keywords that describe the file, and `format`.

    Raises
    ------
    DescriptionError, ValueError
        If the file is not on this system, is not described, or is too short.
    """
    name = local_path(path)
    if name is None:
        raise ValueError(
            f"{os.fsdecode(path)} is not on this system: other programs are led to a file only by "
            "its path; copy it here first"
        )
    raw = open_described(name, Keywords.take_from(words), words.pop("format", None))
    if words:
        raise TypeError(f"{name}: {suggest(next(iter(words)), Keywords.names())}")
    description = _with_coords(raw.description, coords or {})
    check_lengths(raw.path, description.variables)
    return Subject(description, raw.source, description.variables)


def _with_coords(description: Description, coords: Mapping[str, Any]) -> Description:
    twice = sorted(set(coords) & set(description.variables))
    if twice:
        raise DescriptionError(f"{description.path}: {twice} are both variables and coords=")
    inline = {name: _inline(name, given) for name, given in coords.items()}
    return replace(
        description,
        variables={**description.variables, **inline},
        coords=description.coords | set(inline),
    )


def _inline(name: str, given: Any) -> Variable:
    dims: Any = None
    attrs: Mapping[str, Any] = {}
    values = given
    if isinstance(given, tuple):
        dims, values, *rest = given
        attrs = rest[0] if rest else attrs
    elif hasattr(given, "dims"):
        dims, values, attrs = given.dims, given.values, given.attrs
    array = np.asarray(values)
    if array.dtype.hasobject or array.dtype.kind == "T":
        array = array.astype("U")
    if dims is None:
        dims = (name,) * array.ndim
    names = (dims,) if isinstance(dims, str) else tuple(map(str, dims))
    if len(names) != array.ndim or len(set(names)) < len(names):
        raise DescriptionError(
            f"coordinate {name!r} has {array.ndim} axes of shape {array.shape}, but dims {names}; "
            "give it as (dims, values)"
        )
    return Variable(names, Values(array), dict(attrs))


def choose(
    subject: Subject, variable: str | None, fits: Callable[[Layout], bool], kind: str
) -> tuple[str, Variable, Layout]:
    """Return the variable to export: the one that is named, or the only one that fits.

    Parameters
    ----------
    subject : Subject
        The file.
    variable : str or None
        The name; None where there is only one.
    fits : callable
        Whether a layout may be exported at all.
    kind : str
        What fits, for the message of an error.
    """
    inside = {n: p for n, p in subject.placed.items() if isinstance(p.data, Layout)}
    if variable is None:
        data = {n for n in inside if not subject.is_coordinate(n)}
        found = [n for n, p in inside.items() if n in data and fits(_layout(p))]
        if len(found) != 1:
            raise ValueError(
                f"{subject.path}: {len(found)} variables, {found}, are {kind}; name one as "
                f"variable=, of {_shapes(inside)}"
            )
        variable = found[0]
    if variable not in inside:
        raise ValueError(
            f"{subject.path}: {variable!r} is no variable in the file; there are {_shapes(inside)}"
        )
    layout = _layout(inside[variable])
    if not fits(layout):
        raise ValueError(
            f"{subject.path}: variable {variable!r} of shape {layout.shape} is not {kind}"
        )
    return variable, inside[variable], layout


def _layout(placed: Variable) -> Layout:
    assert isinstance(placed.data, Layout)
    return placed.data


def _shapes(placed: Mapping[str, Variable]) -> dict[str, tuple[int, ...]]:
    return {name: variable.arrangement.shape for name, variable in placed.items()}


def beside(subject: Subject, suffix: str) -> str:
    """Return the path of a file that is named after the data file."""
    return subject.path + suffix


def target_path(
    subject: Subject,
    target: str | os.PathLike[str] | None,
    suffix: str,
    ours: Callable[[Path], bool],
    kind: str,
) -> Path:
    """Return where an export is written.

    Parameters
    ----------
    subject : Subject
        The file.
    target : path-like or None
        What the caller asked for; None is beside the data file.
    suffix : str
        What the name beside the data file ends with.
    ours : callable
        Whether an existing file may be replaced.
    kind : str
        What such a file is, for the message of an error.

    Raises
    ------
    FileExistsError
        If something else than such a file is there.
    """
    path = Path(beside(subject, suffix) if target is None else target)
    if not path.exists():
        return path
    if path.samefile(subject.path):
        raise FileExistsError(
            f"{path} is the data file itself; give another target, such as "
            f"{beside(subject, suffix)}"
        )
    if not ours(path):
        raise FileExistsError(
            f"{path} exists and is no {kind}, so it is not replaced; remove it, or give another "
            "target"
        )
    return path


def relative(subject: Subject, target: Path) -> str:
    """Return the data file's path as seen from the folder of `target`, with ``/``.

    Both can then be moved together.
    """
    folder = os.path.realpath(target.parent)
    data = os.path.join(os.path.realpath(os.path.dirname(subject.path)), _name(subject))
    try:
        return Path(os.path.relpath(data, folder)).as_posix()
    except ValueError as error:
        raise ValueError(
            f"{target} and {subject.path} lie on different drives: {error}; write beside the data"
        ) from error


def _name(subject: Subject) -> str:
    return os.path.basename(subject.path)
