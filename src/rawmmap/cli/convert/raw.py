"""Raw files, one or a series of them, in either order of the axes, with a sidecar or without."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rawmmap.cli.convert.running import running
from rawmmap.cli.convert.target import Target
from rawmmap.description.arrange import arrange
from rawmmap.description.naming import name_files
from rawmmap.description.patterns import VARIABLE, Pattern
from rawmmap.formats import sidecar
from rawmmap.formats.series import series_label
from rawmmap.layout import Layout
from rawmmap.writing import Draft, Replace, ReplaceSeries, WritePlan

if TYPE_CHECKING:
    import xarray as xr

    from rawmmap.description import Variable

__all__ = ["names_of", "write_plain", "write_raw"]


def names_of(ds: xr.Dataset, target: Target, *, plain: bool) -> list[str]:
    """Return the paths of all files that are written, sidecars too."""
    if not target.is_series:
        data = [target.path]
        return data if plain else [*data, sidecar.sidecar_path_of(target.path)]
    pattern = Pattern(target.path)
    names, _ = name_files(pattern, _labels_of(ds, pattern))
    data = [os.path.join(pattern.folder, name) for name in names]
    return data if plain else [*data, series_label(pattern) + sidecar.SUFFIX]


def _labels_of(ds: xr.Dataset, pattern: Pattern) -> dict[str, Any]:
    """Return the values of the fields of a pattern."""
    from rawmmap.xarray.writing.series import labels_of

    labels = {
        field: np.array(list(ds.data_vars)) if field == VARIABLE else labels_of(ds, field)
        for field in pattern.names
    }
    # Names of variables come first in the order of files.
    return dict(sorted(labels.items(), key=lambda item: item[0] != VARIABLE))


def write_raw(ds: xr.Dataset, target: Target, order: str) -> None:
    """Write a dataset to a file, or a series of files, with a sidecar."""
    from rawmmap.xarray.writing.front import to_raw

    if order == "F" and target.is_series:
        raise ValueError(
            f"{target.path}: --to-order F is for one file; a series is written in C order"
        )
    with running():
        if order == "C":
            to_raw(ds, target.path)
        else:
            _store(_plan_columns(ds, target.path))


def _plan_columns(ds: xr.Dataset, target: str) -> WritePlan:
    """Plan a file whose first axes are the fastest: that is C order of the reversed axes."""
    from rawmmap.xarray.writing.create import describe_variable, pair_with_layouts
    from rawmmap.xarray.writing.encoding import encode

    encoded = encode(ds, None, set())
    columns = {name: v.transpose(*v.dims[::-1]) for name, v in encoded.variables.items()}
    wanted = {name: describe_variable(variable) for name, variable in columns.items()}
    description, size = arrange(target, wanted, encoded.attrs)
    described = {name: _reverse(variable) for name, variable in description.variables.items()}
    text = sidecar.dumps(
        replace(description, variables=described, coords=encoded.coords & set(described))
    )
    pairs = pair_with_layouts(columns, description.resolve(size).variables)
    return WritePlan(Replace(Draft.plan_beside(target, size), text), pairs)


def _reverse(variable: Variable) -> Variable:
    """Return a variable in C order as one in F order, with its axes reversed."""
    template: Any = variable.data
    if len(variable.dims) < 2:
        return variable
    data = replace(template, shape=template.shape[::-1], order="F")
    return replace(variable, dims=variable.dims[::-1], data=data)


def write_plain(ds: xr.Dataset, target: Target, order: str) -> None:
    """Write the elements of one variable, and nothing else, to a file or a series of files.

    Raises
    ------
    ValueError
        If there are several variables.
    """
    from rawmmap.dask.to_raw import to_raw

    if len(ds.data_vars) != 1:
        raise ValueError(
            f"--plain writes one variable, and there are {[str(name) for name in ds.data_vars]}; "
            "choose one by --variable"
        )
    (variable,) = ds.data_vars.values()
    stored = variable.encoding.get("dtype", variable.dtype)
    with running():
        if target.is_series:
            _store(_plan_plain_series(ds, variable.variable, Pattern(target.path), stored, order))
        else:
            to_raw(variable.data, target.path, dtype=stored, order="F" if order == "F" else "C")


def _plan_plain_series(
    ds: xr.Dataset, variable: xr.Variable, pattern: Pattern, stored: Any, order: Any
) -> WritePlan:
    """Plan one file for each label of the leading dimensions."""
    fields = pattern.names
    if VARIABLE in fields or variable.dims[: len(fields)] != fields:
        raise ValueError(
            f"{pattern.text}: the fields {list(fields)} of the names have to be the leading "
            f"dimensions, which are {list(variable.dims)}"
        )
    if isinstance(stored, str):
        raise ValueError(f"{pattern.text}: --to-dtype {stored} with --plain writes one file")
    names, _ = name_files(pattern, _labels_of(ds, pattern))
    count = len(fields)
    member = Layout.dense(stored, variable.shape[count:], order=order)
    folder = os.path.abspath(pattern.folder)
    label = os.path.join(folder, pattern.label[len(pattern.folder) :].replace("/", "_"))
    transaction = ReplaceSeries.of(folder, names, (member.nbytes,), count, label)
    layout = transaction.layout(member, variable.shape[:count])
    return WritePlan(transaction, [(variable.data, layout)])


def _store(plan: WritePlan) -> None:
    from rawmmap.dask.store import store

    store(plan, compute=True)
