"""MITgcm's output as one of the formats: a file, all iterations of a prefix, or a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rawmmap.description import Description, Variable
from rawmmap.errors import DescriptionError
from rawmmap.formats.file_group import FileGroup
from rawmmap.formats.fill_value import fill_value_attrs
from rawmmap.formats.mds.meta import is_meta
from rawmmap.formats.mds.names import GRID, POSITIONS, FileName, group_by_prefix, parse_name
from rawmmap.formats.mds.outputs import Output, read_output
from rawmmap.formats.probe import Probe
from rawmmap.layout import Values
from rawmmap.sources import split_chain

__all__ = ["MdsReader"]

_AXES = ("k", "j", "i")
_GRID_HEADERS = [f"{name}.meta" for name in GRID]


class MdsReader:
    """Reads ``.meta`` headers; the probe may be of a header or of a data file."""

    name = "mds"
    options = frozenset({"dtype"})

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is such a header, or has one in the place of ``.data``."""
        if is_meta(probe.head):
            return True
        if not probe.name.endswith(".data"):
            return False
        header = probe.sibling(".meta", replace=True)
        return header is not None and is_meta(header.head)

    def read(self, probe: Probe, dtype: Any = None) -> Description:
        """Return the description of one iteration of one output, with all of its tiles.

        Parameters
        ----------
        probe : Probe
            A header or a data file.
        dtype : dtype-like, optional
            Type of an element, where it is not big-endian.

        Raises
        ------
        DescriptionError
            If a header is malformed, or says something that is not implemented.
        """
        name = os.path.basename(split_chain(probe.name)[0])
        parsed = parse_name(name)
        if parsed is None or not self.recognises(probe):
            raise DescriptionError(
                f"{probe.name}: a header of MITgcm is named .meta and its data .data; there is no "
                "such pair of files here"
            )
        group = FileGroup.beside(probe)
        names = _headers_of(group, name, parsed)
        output = read_output(
            group, parsed.prefix, {parsed.step: names}, _as_dtype(probe.name, dtype)
        )
        return _Dataset(group, [output], False, dtype).describe()

    def recognises_group(self, group: FileGroup) -> bool:
        """Return whether there are headers among some files."""
        return bool(_outputs_of(group))

    def read_group(self, group: FileGroup, dtype: Any = None) -> Description:
        """Return the description of all iterations of one output, or of all outputs of a folder.

        Parameters
        ----------
        group : FileGroup
            The files.
        dtype : dtype-like, optional
            Type of an element, where it is not big-endian.

        Raises
        ------
        DescriptionError
            If there are none, a header is malformed, or headers contradict each other.
        """
        found = _outputs_of(group)
        if not found:
            raise DescriptionError(f"{group.name}: there are no headers of MITgcm of such names")
        plain = _as_dtype(group.name, dtype)
        outputs = [read_output(group, prefix, names, plain) for prefix, names in found.items()]
        return _Dataset(group, outputs, True, dtype).describe()


def _outputs_of(group: FileGroup) -> dict[str, dict[int | None, list[str]]]:
    """Return the headers of the outputs that a path names: one, or all but the grid of a folder."""
    found = group_by_prefix(group.names)
    if group.prefix:
        return {group.prefix: found[group.prefix]} if group.prefix in found else {}
    return {prefix: names for prefix, names in found.items() if prefix not in GRID}


def _headers_of(group: FileGroup, name: str, parsed: FileName) -> list[str]:
    """Return the headers of the iteration to which a file belongs."""
    if parsed.tile is None:
        return [f"{name.rsplit('.', 1)[0]}.meta"]
    beginning = name.rsplit(".", 3)[0]
    others = [n for n in group.names if n.startswith(f"{beginning}.") and n.endswith(".meta")]
    return [n for n in others if (p := parse_name(n)) and p.tile and p.output == parsed.output]


def _as_dtype(path: str, dtype: Any) -> np.dtype[Any] | None:
    try:
        return None if dtype is None else np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError) as error:
        raise TypeError(f"{path}: dtype={dtype!r}: {error}") from error


@dataclass
class _Dataset:
    """Outputs that become one dataset.

    Attributes
    ----------
    group : FileGroup
        Where they lie.
    outputs : list of Output
        The outputs.
    series : bool
        Whether iterations are a dimension, even if there is one.
    dtype : object
        The keyword of that name.
    """

    group: FileGroup
    outputs: list[Output]
    series: bool
    dtype: Any
    variables: dict[str, Variable] = field(default_factory=dict)
    coords: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    def describe(self) -> Description:
        """Return the description."""
        steps = sorted({s for output in self.outputs for s in output.steps if s is not None})
        along = steps if self.series else []
        for output in self.outputs:
            self._add_output(output, along if output.steps != (None,) else [])
        self._add_times(steps)
        self._add_grid()
        attrs: dict[str, Any] = {}
        for output in self.outputs:
            attrs |= output.meta.attrs
        return Description(
            self.files[0],
            self.variables,
            frozenset(self.coords),
            attrs,
            files=tuple(self.files) if len(self.files) > 1 else (),
        )

    def _add_output(self, output: Output, steps: Sequence[int]) -> None:
        first = len(self.files)
        self.files += output.files
        missing = output.meta.missing_value
        attrs = {} if missing is None else fill_value_attrs(missing, output.dtype)
        for name, records in output.fields.items():
            data = output.arrange(records, first, steps)
            dims = self._dims_of(name, output, isinstance(records, slice))
            dims = self._fit(dims, data.shape[len(steps) > 0 :], output.prefix)
            if steps:
                dims = ("time", *dims)
            unique = name if name not in self.variables else f"{name}_{output.prefix}"
            self.variables[unique] = Variable(dims, data, attrs)

    def _dims_of(self, name: str, output: Output, has_records: bool) -> tuple[str, ...]:
        """Return names for the axes of a variable of an output."""
        count = len(output.meta.whole_shape)
        vertical = tuple(f"dim_{i}" for i in range(count - 3)) + _AXES[max(3 - count, 0) : 1]
        dims = vertical + POSITIONS.get(name, ("j", "i"))
        return (("record",) if has_records else ()) + dims[-count:]

    def _fit(self, dims: tuple[str, ...], shape: tuple[int, ...], prefix: str) -> tuple[str, ...]:
        """Return dims of their own for axes that are longer or shorter than others of the name."""
        names = []
        for dim, n in zip(dims, shape, strict=True):
            unique = dim if self.sizes.setdefault(dim, n) == n else f"{dim}_{prefix}"
            self.sizes.setdefault(unique, n)
            names.append(unique)
        return tuple(names)

    def _add_times(self, steps: Sequence[int]) -> None:
        """Add the iterations, and the times of those whose headers have them."""
        intervals: dict[int | None, tuple[float, ...]] = {}
        for output in self.outputs:
            for step, headers in zip(output.steps, output.headers, strict=True):
                intervals.setdefault(step, headers[0].interval)
        if not steps:
            return
        dims = ("time",) if self.series else ()
        self._add_coord("iter", dims, np.array(steps), {"long_name": "number of the time step"})
        known = [intervals[step] for step in steps]
        if not all(known):
            return
        attrs = {"units": "s", "axis": "T", "long_name": "time since the start of the model"}
        if all(len(interval) == 2 for interval in known):
            attrs["bounds"] = "time_bounds"
            bounds = np.array(known)
            self.variables["time_bounds"] = Variable(
                (*dims, "bound"), Values(bounds if dims else bounds[0]), {}
            )
            self.coords.add("time_bounds")
        self._add_coord("time", dims, np.array([interval[-1] for interval in known]), attrs)

    def _add_coord(
        self, name: str, dims: tuple[str, ...], values: Any, attrs: Mapping[str, Any]
    ) -> None:
        self.variables[name] = Variable(dims, Values(values if dims else values[0]), attrs)
        self.coords.add(name)

    def _add_grid(self) -> None:
        """Add those arrays of the grid that lie in the folder and fit the outputs."""
        # The names of a remote folder may be many, or not to be had: ask for a few of them.
        everything = self.group.others()
        names = everything.names if self.group.is_local else everything.existing(_GRID_HEADERS)
        found = group_by_prefix(names)
        for name, dims in GRID.items():
            headers = found.get(name, {}).get(None)
            if headers is None or name in self.variables:
                continue
            dtype = _as_dtype(self.group.name, self.dtype)
            output = read_output(self.group, name, {None: headers}, dtype)
            data = output.arrange(0, len(self.files), ())
            if len(dims) == 1:
                data = data[(slice(None),) + (0,) * (data.ndim - 1)]
            if self._fits(dims, data.shape):
                self.variables[name] = Variable(dims, data)
                self.coords.add(name)
                self.files += output.files

    def _fits(self, dims: tuple[str, ...], shape: tuple[int, ...]) -> bool:
        """Return whether an array of the grid has the lengths of the outputs."""
        if len(dims) != len(shape):
            return False
        lengths = []
        for dim, n in zip(dims, shape, strict=True):
            # The edges of cells are as many as the cells; interfaces are one more than levels.
            beside = self.sizes.get(dim[0], n) + (dim == "k_p1" and dim[0] in self.sizes)
            lengths.append(self.sizes.get(dim, beside) == n)
        if all(lengths):
            self.sizes.update(zip(dims, shape, strict=True))
        return all(lengths)
