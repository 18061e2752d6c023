"""Variables added to a file, or replaced in it."""

from __future__ import annotations

from dataclasses import replace

from rawmmap.description import Description
from rawmmap.description.arrange import arrange
from rawmmap.formats import sidecar
from rawmmap.layout import Layout
from rawmmap.writing import Append, Draft, IntoSidecar, WritePlan
from rawmmap.xarray.writing.checks import check_record_axis_kept
from rawmmap.xarray.writing.covering import check_covered, is_arranged_by_us
from rawmmap.xarray.writing.create import describe_variable, pair_with_layouts, plan_file
from rawmmap.xarray.writing.encoding import Encoded, encode
from rawmmap.xarray.writing.existing import Existing
from rawmmap.xarray.writing.labels import check_labels_unless_replaced
from rawmmap.xarray.writing.request import WriteRequest
from rawmmap.xarray.writing.samples import decode_samples

__all__ = ["add"]

# Variables of so many bytes at the most go into a sidecar.
_SMALL = 2**20


def add(request: WriteRequest) -> WritePlan:
    """Plan to add variables to a file, or to replace some of its variables."""
    existing = Existing.open(request.target)
    check_record_axis_kept(existing, request.requested_record_dims)
    check_labels_unless_replaced(existing, request.dataset)
    new = encode(request.dataset, request.encoding, dimensions=existing.sizes)
    description = replace(
        existing.description,
        attrs={**existing.description.attrs, **new.attrs},
        coords=existing.description.coords | new.coords,
    )
    if not existing.grows:
        return _append(request.target, existing, new, description)
    if description.records is None:
        return _add_values(existing, new, description)
    return _rewrite(request.target, existing, new, description)


def _append(target: str, existing: Existing, new: Encoded, description: Description) -> WritePlan:
    """Plan the new variables behind the existing ones, and a sidecar that describes all."""
    size = existing.source.identity.size
    if is_arranged_by_us(existing):
        # What a killed writer has left behind the variables is overwritten.
        size = max(v.data.extent[1] for v in existing.placed.values() if isinstance(v.data, Layout))
    planned, end = arrange(
        target, {n: describe_variable(v) for n, v in new.variables.items()}, {}, None, size
    )
    whole = replace(description, variables={**description.variables, **planned.variables})
    draft = Draft.plan_copy(target, end - size)
    pieces = pair_with_layouts(new.variables, planned.resolve(end).variables)
    batches = [(array, layout.shifted(-size)) for array, layout in pieces]
    transaction = Append(draft, size, existing.state, sidecar.dumps(whole))
    return WritePlan(transaction, batches)


def _rewrite(target: str, existing: Existing, new: Encoded, description: Description) -> WritePlan:
    """Plan a new file of records, with the existing variables and the new ones."""
    check_covered(existing)
    variables = {
        name: new.variables[name] if name in new.variables else existing.variable(name)
        for name in {**existing.placed, **new.variables}
    }
    dim = description.records.dim if description.records else None
    return plan_file(target, variables, description.attrs, dim, description.coords, existing.state)


def _add_values(existing: Existing, new: Encoded, whole: Description) -> WritePlan:
    """Plan small variables in the sidecar of a file whose end says how long its variables are."""
    inside = {n for n, placed in existing.placed.items() if isinstance(placed.data, Layout)}
    moved = sorted(inside & set(new.variables))
    nbytes = sum(v.nbytes for v in new.variables.values())
    if moved or nbytes > _SMALL:
        what = f"{moved} are in it already" if moved else f"{nbytes} bytes are more than {_SMALL}"
        raise ValueError(
            f"{whole.path}: a -1 in the sidecar's shapes stands for the rest of the file, so that "
            f"variables can be added to the sidecar only, if they are small and new: {what}; write "
            "the whole dataset to another path, with mode='w'"
        )
    values = {name: decode_samples(variable) for name, variable in new.variables.items()}
    variables, end = {}, 0
    for name, variable in values.items():
        layout = Layout.dense(variable.dtype, variable.shape, offset=end)
        variables[name] = replace(describe_variable(variable), data=layout)
        end += layout.nbytes
    draft = Draft.plan_copy(whole.path, end)
    transaction = IntoSidecar(draft, whole, variables, existing.state)
    return WritePlan(transaction, pair_with_layouts(values, variables))
