"""A series of files of equal contents, as new leading axes of what one of them holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.description.members import Members
from rawmmap.description.model import Description, Records, Variable, check_lengths
from rawmmap.description.patterns import VARIABLE, Axis, Grid, Pattern
from rawmmap.errors import DescriptionError
from rawmmap.layout import Mosaic, Values

__all__ = ["Series"]


class Joint(NamedTuple):
    """The field along which the records of files follow each other.

    Attributes
    ----------
    axis : Axis
        The field.
    lengths : numpy.ndarray
        Length of the joined dimension in the files of each of its values.
    """

    axis: Axis
    lengths: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """Files by the values in their names, and what stands for those that are missing.

    Attributes
    ----------
    pattern : Pattern
        Their names.
    grid : Grid
        The values of each field; the field `variable` comes first.
    fill_value : object
        What stands for the elements of missing files; None for the variable's own.
    listed : frozenset of str
        The fields whose values the description lists; it then has their coordinates too.
    """

    pattern: Pattern
    grid: Grid
    fill_value: Any = None
    listed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, members: Members, axes: Sequence[Axis]) -> Series:
        """Return the series of files whose fields have these values.

        Raises
        ------
        DescriptionError
            If files are missing and ``members.missing`` is "raise".
        """
        pattern, missing = members.pattern, members.missing
        if missing not in ("raise", "fill"):
            raise DescriptionError(
                f"{pattern.text}: missing must be 'raise' or 'fill', not {missing!r}"
            )
        in_order = sorted(axes, key=lambda axis: axis.name != VARIABLE)
        grid = Grid.of(in_order, members.values)
        if missing == "raise":
            grid.check_complete(pattern)
        return cls(pattern, grid, members.fill_value, frozenset(members.values))

    @property
    def by_name(self) -> bool:
        """Whether each variable is described by its own name, and not all of them by one."""
        return VARIABLE in self.listed

    def resolve_first(self, member: Description, sizes: Sequence[int]) -> Description:
        """Return the description of the first file.

        Parameters
        ----------
        member : Description
            What one file holds, with its templates.
        sizes : sequence of int
            The sizes of the files, in the order of the grid.
        """
        if not self.by_name:
            return member.resolve(min(sizes))
        name, _ = self._names_and_files()[1][0]
        alone = {key: v for key, v in member.variables.items() if key == name or not v.in_file}
        return replace(member, variables=alone).resolve(sizes[0])

    def resolve(self, member: Description, sizes: Sequence[int]) -> Description:
        """Return the description of all files.

        Parameters
        ----------
        member : Description
            What one file holds, with its templates.
        sizes : sequence of int
            The sizes of the files, in the order of the grid.

        Raises
        ------
        DescriptionError
            If the files do not make one array.
        """
        records = member.records
        if records is not None and records.dim not in self.pattern.names:
            records = None
        axes, files = self._names_and_files(None if records is None else records.dim)
        parts = list(self._resolve_parts(member, sizes, files))
        one = replace(member, variables={name: variable for name, variable, _ in parts})
        self._check_names(axes, one)
        joint = None if records is None else self._measure(one, records, sizes)
        label = {} if joint is None else self._label(joint, one)
        variables = self._coordinates(axes, one) | label
        for name, variable, numbers in parts:
            variables[name] = self._stack(name, variable, axes, numbers, joint)
        check_lengths(self.pattern.text, variables)
        return replace(one, variables=variables, coords=one.coords | set(label))

    def _names_and_files(
        self, joined: str | None = None
    ) -> tuple[tuple[Axis, ...], list[tuple[str, Sequence[int]]]]:
        """Return the axes, and the files of each variable; of all by the name "".

        A joined field is not an axis; its files are next to each other.
        """
        axes, numbers = self.grid.axes, self.grid.numbers()
        if joined is not None:
            number = self._axis_of(joined)
            axes = axes[:number] + axes[number + 1 :]
            if number < len(axes):
                numbers = np.moveaxis(self._file_grid, number, -1).ravel().tolist()
        if not axes or axes[0].name != VARIABLE:
            return axes, [("", numbers)]
        names = axes[0].values
        count = len(numbers) // len(names)
        return axes[1:], [
            (str(name), numbers[i * count : (i + 1) * count]) for i, name in enumerate(names)
        ]

    def _resolve_parts(
        self, member: Description, sizes: Sequence[int], files: list[tuple[str, Sequence[int]]]
    ) -> Iterator[tuple[str, Variable, Sequence[int]]]:
        """Yield each variable as it is in one file, and the files that hold it."""
        if self.by_name:
            inside = [name for name, variable in member.variables.items() if variable.in_file]
            rest = replace(member, variables={}) if inside else member
            for name, numbers in files:
                if name in inside:
                    one = replace(rest, variables={name: member.variables[name]})
                    yield name, self._resolve_one(one, sizes, numbers).variables[name], numbers
            inline = {n: v for n, v in member.variables.items() if n not in inside}
            yield from ((name, variable, ()) for name, variable in inline.items())
            return
        one = self._resolve_one(member, sizes, range(len(sizes)))
        if files[0][0] and sum(variable.in_file for variable in one.variables.values()) != 1:
            raise DescriptionError(
                f"{self.pattern.text}: the field {{{VARIABLE}}} names the one variable of each "
                f"file, but a file has {len(one.variables)}: {list(one.variables)}"
            )
        for key, variable in one.variables.items():
            if not variable.in_file:
                yield key, variable, ()
                continue
            for name, numbers in files:
                yield name or key, variable, numbers

    def _resolve_one(
        self, member: Description, sizes: Sequence[int], files: Sequence[int]
    ) -> Description:
        """Return the description of one of some files of equal contents.

        Where records are joined it is that of the longest: the others hold the beginning of it.
        """
        if member.records is not None and member.records.dim in self.pattern.names:
            return member.resolve(max(sizes))
        if not any(variable.grows for variable in member.variables.values()):
            return member.resolve(sizes[0])
        existing = files if isinstance(files, range) else [file for file in files if file >= 0]
        if len({sizes[file] for file in existing}) > 1:
            self._refuse_sizes(sizes, existing)
        return member.resolve(sizes[existing[0]] if len(existing) else 0)

    def _check_names(self, axes: Sequence[Axis], one: Description) -> None:
        inside = {name: v for name, v in one.variables.items() if v.in_file}
        dims = {dim for variable in inside.values() for dim in variable.dims}
        for axis in axes:
            if axis.name in dims or axis.name in inside:
                raise DescriptionError(
                    f"{self.pattern.text}: the field {axis.name!r} is a dimension or variable of "
                    "each file too; rename one of them, or pass it as record_dim= to join the "
                    "records of all files"
                )

    def _coordinates(self, axes: Sequence[Axis], one: Description) -> dict[str, Variable]:
        """Return the values in the names, unless the description has coordinates itself."""
        return {
            axis.name: Variable((axis.name,), Values(axis.values))
            for axis in axes
            if axis.name not in self.listed and axis.name not in one.variables
        }

    def _stack(
        self,
        name: str,
        variable: Variable,
        axes: Sequence[Axis],
        files: Sequence[int],
        joint: Joint | None,
    ) -> Variable:
        """Return a variable with the fields as leading axes, its records joined."""
        data: Any = variable.data
        if isinstance(data, Values):
            return variable
        joined = joint is not None and joint.axis.name in variable.dims
        if joint is not None and not joined:
            files = _first_of_each(files, len(joint.lengths))
        shape = tuple(len(axis.values) for axis in axes)
        dims = tuple(axis.name for axis in axes) + variable.dims
        # A range has no -1, and takes no time to look through.
        filled = not isinstance(files, range) and -1 in files
        fill = self._filling(name, variable) if filled else None
        if joint is None or not joined:
            mosaic = Mosaic.stack(data, shape, files, fill)
        else:
            axis = variable.dims.index(joint.axis.name)
            mosaic = Mosaic.join(data, joint.lengths, axis, files, fill, shape)
        return replace(variable, dims=dims, data=mosaic)

    def _filling(self, name: str, variable: Variable) -> Any:
        """Return what stands for missing elements, in the type of the values."""
        subject = f"{self.pattern.text}: variable {name!r}: "
        dtype = variable.dtype
        value = self.fill_value
        if value is None:
            value = variable.attrs.get("_FillValue", np.nan if dtype.kind in "fc" else None)
        if value is None:
            raise DescriptionError(
                f"{subject}files are missing and {dtype} has no NaN: pass fill_value="
            )
        filling = np.asarray(value).astype(dtype)[()]
        if dtype.kind in "iub" and filling != value:
            raise DescriptionError(f"{subject}fill_value={value!r} is not a value of type {dtype}")
        return filling

    def _measure(self, one: Description, records: Records, sizes: Sequence[int]) -> Joint:
        """Return how long the joined dimension is in each file, where `one` is in the longest."""
        counts = self._count_records(records, np.asarray(sizes, np.int64))
        # An axis that is stored in blocks has several positions for each record.
        each = _length(one, records.dim) // max(int(counts.max()), 1)
        return Joint(self.grid.axes[self._axis_of(records.dim)], counts * each)

    def _count_records(
        self, records: Records, sizes: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """Return the number of records in the files of each value of the joined field.

        Raises
        ------
        DescriptionError
            If files of the same value, but of others in their other fields, differ in it.
        """
        number = self._axis_of(records.dim)
        files = np.moveaxis(self._file_grid, number, -1).reshape(-1, self.grid.shape[number])
        counts = records.count_all(sizes)
        lengths = np.where(files < 0, -1, counts[files])
        longest: npt.NDArray[np.int64] = lengths.max(axis=0)
        for i, j in np.argwhere((files >= 0) & (lengths != longest)):
            other = files[lengths[:, j].argmax(), j]
            raise DescriptionError(
                f"{self.pattern.text}: the files of one {records.dim!r} must have equally many "
                f"records, but {self._name(files[i, j])} has {lengths[i, j]} of "
                f"{records.nbytes} bytes, and {self._name(other)} {longest[j]}"
            )
        return np.maximum(longest, 0)  # a listed value may have no file

    def _axis_of(self, name: str) -> int:
        return [axis.name for axis in self.grid.axes].index(name)

    @property
    def _file_grid(self) -> npt.NDArray[np.int64]:
        """The files by the values of the fields; -1 for those that are missing."""
        return np.asarray(self.grid.numbers(), np.int64).reshape(self.grid.shape)

    def _label(self, joint: Joint, one: Description) -> dict[str, Variable]:
        """Return the value in the name of its file for each record, unless that name is taken."""
        name, values = f"file_{joint.axis.name}", joint.axis.values
        dims = {dim for variable in one.variables.values() for dim in variable.dims}
        if name in {*one.variables, *self.pattern.names, *dims} or values.dtype.kind == "O":
            return {}
        return {name: Variable((joint.axis.name,), Mosaic.repeat(values, joint.lengths))}

    def _refuse_sizes(self, sizes: Sequence[int], files: Sequence[int]) -> None:
        first = files[0]
        other = next(file for file in files if sizes[file] != sizes[first])
        raise DescriptionError(
            f"{self.pattern.text}: lengths follow from the sizes of the files, which differ: "
            f"{sizes[first]} bytes of {self._name(first)}, {sizes[other]} bytes of "
            f"{self._name(other)}; "
            "give shape= without -1, or the field as record_dim= to join their records"
        )

    def _name(self, number: int) -> str:
        """Return the path of the file of a number."""
        cell = number if self.grid.cells is None else int(self.grid.cells[number])
        index = np.unravel_index(cell, self.grid.shape)
        values: Mapping[str, Any] = {
            axis.name: axis.values[i] for axis, i in zip(self.grid.axes, index, strict=True)
        }
        return self.pattern.format(values)


def _length(description: Description, dim: str) -> int:
    """Return the length of a dimension in a resolved description; 0 if no variable has it."""
    for variable in description.variables.values():
        if dim in variable.dims:
            return variable.arrangement.shape[variable.dims.index(dim)]
    return 0


def _first_of_each(files: Sequence[int], count: int) -> list[int]:
    """Return the first existing file of every `count` ones, -1 where there is none."""
    grid = np.asarray(files, np.int64).reshape(-1, count)
    first = (grid >= 0).argmax(axis=1)
    chosen: list[int] = grid[np.arange(len(grid)), first].tolist()
    return chosen
