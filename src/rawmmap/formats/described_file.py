"""What is exported: one local file, and where its variables lie in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rawmmap.description import Description, Variable
from rawmmap.layout import Arrangement, Layout

__all__ = ["DescribedFile", "choose", "path_beside", "relative", "target_path"]


@dataclass(frozen=True, slots=True)
class DescribedFile:
    """A described file that exists.

    Attributes
    ----------
    description : Description
        What lies in the file.
    read : callable
        Returns the elements of an arrangement, as they are stored, in native byte order.
    """

    description: Description
    read: Callable[[Arrangement], npt.NDArray[Any]]

    @property
    def variables(self) -> Mapping[str, Variable]:
        """The variables, by name."""
        return self.description.variables

    @property
    def path(self) -> str:
        """The data file."""
        return self.description.path

    def is_coordinate(self, name: str) -> bool:
        """Return whether a variable labels the others, by CF's words for it too."""
        every = [variable.attrs for variable in self.variables.values()]
        return (
            name in self.description.coords
            or any(name in variable.dims for variable in self.variables.values())
            or any(
                name in str(attrs.get(key, "")).split()
                for attrs in (*every, self.description.attrs)
                for key in ("coordinates", "grid_mapping")
            )
        )

    def labels(self, dim: str) -> Variable | None:
        """Return the one-dimensional variable that labels a dimension, if there is one."""
        found = self.variables.get(dim)
        return found if found is not None and found.dims == (dim,) else None

    def values(self, placed: Variable) -> npt.NDArray[Any]:
        """Return the values of a variable, as they are stored, in native byte order."""
        return self.read(placed.arrangement)


def choose(
    subject: DescribedFile, variable: str | None, fits: Callable[[Layout], bool], kind: str
) -> tuple[str, Variable, Layout]:
    """Return the variable to export: the one that is named, or the only one that fits.

    Parameters
    ----------
    subject : DescribedFile
        The file.
    variable : str or None
        The name; None where there is only one.
    fits : callable
        Whether a layout may be exported at all.
    kind : str
        What fits, for the message of an error.
    """
    inside = {n: p for n, p in subject.variables.items() if isinstance(p.data, Layout)}
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
            f"{subject.path}: variable={variable!r} is not in the file; there are {_shapes(inside)}"
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


def path_beside(subject: DescribedFile, suffix: str) -> str:
    """Return the path of a file that is named after the data file."""
    return subject.path + suffix


def target_path(
    subject: DescribedFile,
    target: str | os.PathLike[str] | None,
    suffix: str,
    ours: Callable[[Path], bool],
    kind: str,
) -> Path:
    """Return where an export is written.

    Parameters
    ----------
    subject : DescribedFile
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
    path = Path(path_beside(subject, suffix) if target is None else target)
    if not path.exists():
        return path
    if path.samefile(subject.path):
        raise FileExistsError(
            f"{path} is the data file itself; give another target, such as "
            f"{path_beside(subject, suffix)}"
        )
    if not ours(path):
        raise FileExistsError(
            f"{path} exists and is not {kind}, so it is not replaced; remove it, or give another "
            "target"
        )
    return path


def relative(subject: DescribedFile, target: Path) -> str:
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


def _name(subject: DescribedFile) -> str:
    return os.path.basename(subject.path)
