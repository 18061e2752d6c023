"""A series of files of equal contents, as new leading axes of what one of them holds. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rawmmap.description.members import Members
from rawmmap.description.model import Description, Variable, check_lengths
from rawmmap.description.patterns import VARIABLE, Axis, Grid, Pattern
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout, Mosaic, Values
from rawmmap.layout.mosaic import Cell

__all__ = ["Series"]


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
        if records is not None and records.dim in self.pattern.names:
            return self._join(member, sizes)
        axes, files = self._names_and_files()
        parts = list(self._resolve_parts(member, sizes, files))
        one = replace(member, variables={name: variable for name, variable, _ in parts})
        self._check_names(axes, one)
        variables = self._coordinates(axes, one)
        for name, variable, numbers in parts:
            variables[name] = self._stack(name, variable, axes, numbers)
        check_lengths(self.pattern.text, variables)
        return replace(one, variables=variables)

    def _names_and_files(self) -> tuple[tuple[Axis, ...], list[tuple[str, Sequence[int]]]]:
        """Return the axes, and the files of each variable; of all by the name ""."""
        axes, numbers = self.grid.axes, self.grid.numbers()
        if axes[0].name != VARIABLE:
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
        """Return the description of one of some files of equal contents."""
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
        self, name: str, variable: Variable, axes: Sequence[Axis], files: Sequence[int]
    ) -> Variable:
        """Return a variable with the fields as leading axes."""
        data: Any = variable.data
        if isinstance(data, Values):
            return variable
        if isinstance(data, Mosaic):
            raise DescriptionError(
                f"{self.pattern.text}: variable {name!r} is stored in blocks, which a series of "
                "files cannot have; open the files one by one"
            )
        shape = tuple(len(axis.values) for axis in axes)
        dims = tuple(axis.name for axis in axes) + variable.dims
        # A range has no -1, and takes no time to look through.
        filled = not isinstance(files, range) and -1 in files
        fill = self._filling(name, variable) if filled else None
        return replace(variable, dims=dims, data=Mosaic.stack(data, shape, files, fill))

    def _filling(self, name: str, variable: Variable) -> Any:
        """Return what stands for missing elements, in the type of the file."""
        subject = f"{self.pattern.text}: variable {name!r}: "
        if variable.samples is not None:
            raise DescriptionError(f"{subject}missing files of {variable.samples} cannot be filled")
        dtype = variable.data.dtype
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

    def _join(self, member: Description, sizes: Sequence[int]) -> Description:
        """Return the description of files whose records follow each other."""
        assert member.records is not None
        dim = member.records.dim
        if self.pattern.names != (dim,):
            raise DescriptionError(
                f"{self.pattern.text}: record_dim={dim!r} joins the records of files that differ "
                f"in {dim!r} alone, and not in {self.pattern.names}"
            )
        resolved = {size: member.resolve(size) for size in sorted(set(sizes))}
        first = resolved[sizes[0]]
        variables = {
            name: self._joined(name, variable, dim, [resolved[size] for size in sizes])
            for name, variable in first.variables.items()
        }
        check_lengths(self.pattern.text, variables)
        return replace(first, variables=variables)

    def _joined(
        self, name: str, variable: Variable, dim: str, members: Sequence[Description]
    ) -> Variable:
        if dim not in variable.dims or not isinstance(variable.data, Layout):
            return variable  # what is not of the records is that of the first file
        pieces: list[Any] = [member.variables[name].data for member in members]
        cells = [Cell(piece, number) for number, piece in enumerate(pieces)]
        return replace(variable, data=Mosaic.concatenate(cells, variable.dims.index(dim)))

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
