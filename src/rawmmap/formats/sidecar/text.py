"""The sidecar: a JSON file beside the data that says what lies where.

``data.bin.json`` describes ``data.bin``. Its fields are documented in ``docs/sidecar.md`` and, for
programs, in ``sidecar.schema.json`` beside this module. A sidecar is treated as untrusted
input: it may only name a file in its own folder, and any mistake in it is a `DescriptionError` that
says where.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from rawmmap.description.checks import (
    check_dims,
    check_integer,
    check_integers,
    check_object,
    check_strings,
    check_template,
    convert_fill_value,
    name_subject,
)
from rawmmap.description.model import Description, Records, Variable
from rawmmap.description.template import LayoutTemplate, template_of
from rawmmap.errors import DescriptionError, name_file
from rawmmap.formats.sidecar.members import (
    check_in_folder,
    decode_files,
    decode_members,
    encode_files,
    encode_members,
)
from rawmmap.formats.sidecar.pieces import decode_pieces, encode_pieces
from rawmmap.formats.sidecar.pretty import pretty
from rawmmap.formats.sidecar.values import (
    MAX_BYTES,
    check_memory,
    decode_array,
    decode_attrs,
    decode_dtype,
    encode_array,
    encode_attrs,
    encode_dtype,
    parse_stored,
)
from rawmmap.layout import Layout, Values
from rawmmap.layout.bits import BitLayout, Packing
from rawmmap.layout.samples import Samples
from rawmmap.sources import local_path, split_chain

__all__ = [
    "SUFFIX",
    "VERSION",
    "dumps",
    "loads",
    "read",
    "read_bounded",
    "read_bytes",
    "sidecar_path_of",
]

SUFFIX = ".json"
VERSION = 1

_TOP = {"rawmmap", "file", "files", "series", "attrs", "coords", "overlap", "records", "variables"}
_PLACED = {"shape", "offset", "order", "strides", "bits", "bit_order", "pieces", "fill_value"}
_VARIABLE = {"dtype", "dims", "attrs", "values", *_PLACED}


def sidecar_path_of(path: str) -> str:
    """Return the path of a data file's sidecar, whether it exists or not.

    A symbolic link may have a sidecar of its own; otherwise that of its target counts.
    """
    sidecar_path = path + SUFFIX
    if os.path.islink(path) and not os.path.lexists(sidecar_path):
        return os.path.realpath(path) + SUFFIX
    return sidecar_path


def dumps(description: Description) -> str:
    """Return the text of a description's sidecar.

    Raises
    ------
    TypeError
        If an attribute is of a type that JSON cannot hold.
    """
    document: dict[str, Any] = {"rawmmap": VERSION}
    if description.members is not None:
        document["series"] = encode_members(description.members)
    if len(description.files) > 1:
        document["files"] = encode_files(description.files)
    if description.attrs:
        document["attrs"] = encode_attrs(description.attrs, "the dataset")
    if description.coords:
        document["coords"] = [n for n in description.variables if n in description.coords]
    records = description.records
    if records is not None:
        document["records"] = {
            "dim": records.dim,
            "offset": records.offset,
            "nbytes": records.nbytes,
        }
    if description.overlap:
        document["overlap"] = True
    document["variables"] = {
        name: _encode_variable(name, variable) for name, variable in description.variables.items()
    }
    return pretty(document) + "\n"


def _encode_variable(name: str, variable: Variable) -> dict[str, Any]:
    data = variable.data
    if isinstance(data, Values):
        entry = {**encode_array(data.array), "dims": list(variable.dims)}
    elif isinstance(data, LayoutTemplate):
        entry = _encode_template(data, variable)
    elif isinstance(data, Layout | BitLayout):
        with name_subject(f"variable {name!r}"):
            entry = _encode_template(template_of(data), variable)
    else:
        with name_subject(f"variable {name!r}"):
            entry = {
                "dtype": encode_dtype(data.dtype, variable.samples),
                "dims": list(variable.dims),
                **encode_pieces(data),
            }
    if variable.attrs:
        entry["attrs"] = _encode_variable_attrs(variable, f"variable {name!r}")
    return entry


def _encode_template(template: LayoutTemplate, variable: Variable) -> dict[str, Any]:
    dtype = encode_dtype(template.dtype, variable.samples)
    entry: dict[str, Any] = {"dtype": dtype, "dims": list(variable.dims)}
    if template.packing is not None:
        entry["bits"], entry["bit_order"] = template.packing
    entry["shape"] = list(template.shape) if template.shape is not None else [-1]
    entry["offset"] = template.offset
    if template.strides is not None:
        entry["strides"] = list(template.strides)
    elif template.order != "C":
        entry["order"] = template.order
    return entry


def _encode_variable_attrs(variable: Variable, what: str) -> dict[str, Any]:
    """Return attributes as JSON; a fill value has the type of its variable, which is left out."""
    attrs = encode_attrs(variable.attrs, what)
    fill = attrs.get("_FillValue")
    if isinstance(fill, dict) and not isinstance(fill["values"], list):
        attrs["_FillValue"] = fill["values"]
    return attrs


def read(path: str) -> Description:
    """Return the description in a sidecar, with the path of the data file that it describes.

    Raises
    ------
    FileNotFoundError
        If there is no such sidecar.
    DescriptionError
        If it is malformed, or its data file lies outside its folder.
    """
    return loads(read_bytes(path), path)


def read_bytes(path: str) -> bytes:
    """Return the text of a sidecar; refuse one that is too long."""
    with open(path, "rb") as file:
        return read_bounded(file, path)


def read_bounded(file: BinaryIO, path: str) -> bytes:
    """Return the text of an open sidecar; refuse one that is too long."""
    raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        with name_file(path):
            raise DescriptionError(
                f"a sidecar may have at most {MAX_BYTES} bytes; put values into the data file"
            )
    return raw


def loads(raw: bytes | str, path: str) -> Description:
    """Return the description in the text of a sidecar that lies at `path`.

    Raises
    ------
    DescriptionError
        If it is malformed, or its data file lies outside its folder.
    """
    with name_file(path):
        try:
            return _decode_description(_parse(raw), path)
        except RecursionError:
            raise DescriptionError("nested too deeply for a sidecar") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise DescriptionError(str(error)) from error


def _parse(raw: bytes | str) -> Any:
    """Return the JSON in the text of a sidecar."""
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        return json.loads(text, object_pairs_hook=_check_names, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ValueError(f"not the JSON of a sidecar, or cut short: {error}") from error


def _check_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; refuse repeated names, of which JSON would keep the last."""
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        repeated = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the name {repeated!r} occurs twice in one object")
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f'{name} is not valid JSON; write it as the string "{name}"')


def _decode_description(document: Any, path: str) -> Description:
    top = check_object(document, "the sidecar", _TOP)
    version = top.get("rawmmap")
    if type(version) is not int or version < 1:
        raise ValueError(
            f'"rawmmap" must be the version of the format, such as {VERSION}, not {version!r}'
        )
    if version > VERSION:
        raise ValueError(
            f"version {version} of the format is newer than this library knows ({VERSION}); "
            "update rawmmap"
        )
    entries = check_object(top.get("variables"), '"variables"')
    check_memory(top)
    # In a chain of URLs what holds the sidecar holds the data file too.
    path, rest = split_chain(path)
    folder, sidecar_name = _split(path)
    files = tuple(folder + name + rest for name in decode_files(top))
    count = max(len(files), 1)
    variables = {name: _decode_variable(name, entry, count) for name, entry in entries.items()}
    records = _decode_records(top.get("records"))
    overlap = _check_overlap(top.get("overlap", False))
    for name, variable in variables.items():
        # An index is read when its file is opened.
        lazy = variable.dims != (name,)
        check_template(variable, records, f"variable {name!r}", overlap=overlap and lazy)
    coords = check_strings(top.get("coords", []), '"coords"')
    unknown = [name for name in coords if name not in variables]
    if unknown:
        raise ValueError(f'"coords" names {unknown}, which are not variables of the sidecar')
    members = decode_members(top, folder)
    if members is not None:
        path = members.pattern.text
    else:
        path = files[0] if files else folder + _data_name(top, sidecar_name) + rest
    return Description(
        path,
        variables,
        frozenset(coords),
        decode_attrs(check_object(top.get("attrs", {}), '"attrs"')),
        None if records is None else records.measure(variables),
        overlap=overlap,
        files=files,
        members=members,
    )


def _check_overlap(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f'"overlap" must be true or false, not {value!r}')
    return value


def _split(path: str) -> tuple[str, str]:
    """Return the folder of a sidecar, and its name.

    The folder keeps its last separator: before it, ``memory://a.bin`` has no folder, but a scheme.
    """
    name = path.rpartition("/")[2] if local_path(path) is None else os.path.basename(path)
    return path.removesuffix(name), name


def _data_name(top: Mapping[str, Any], sidecar_name: str) -> str:
    name = top.get("file", sidecar_name.removesuffix(SUFFIX))
    if not isinstance(name, str) or not name:
        raise TypeError(f'"file" must be the name of a file, not {name!r}')
    check_in_folder(name, '"file"')
    if name == sidecar_name:
        raise ValueError('"file" is missing, and the sidecar is not named after its data file')
    return name


def _decode_records(value: Any) -> Records | None:
    if value is None:
        return None
    entry = check_object(value, '"records"', {"dim", "offset", "nbytes"})
    dim = entry.get("dim")
    if not isinstance(dim, str):
        raise TypeError(f'"records": "dim" must be the name of a dimension, not {dim!r}')
    offset = check_integer(entry.get("offset"), '"records": "offset"', 0)
    return Records(dim, offset, check_integer(entry.get("nbytes"), '"records": "nbytes"', 1))


def _decode_variable(name: str, value: Any, files: int) -> Variable:
    what = f"variable {name!r}"
    entry = check_object(value, what, _VARIABLE)
    dims = tuple(check_strings(entry.get("dims"), f'{what}: "dims"'))
    attributes = check_object(entry.get("attrs", {}), f'{what}: "attrs"')
    samples: Samples | None = None
    with name_subject(what):
        attrs = decode_attrs(attributes)
        if "values" in entry:
            stored = decode_dtype(entry.get("dtype"))
        else:
            stored, samples = parse_stored(entry.get("dtype"))
    data: Any
    if "values" in entry:
        data = _decode_values(entry, what)
    elif "pieces" in entry:
        data = decode_pieces(entry, stored, files, what)
    else:
        data = _decode_template(entry, stored, what)
    check_dims(dims, data.shape or (), what)
    dtype = stored if samples is None else samples.dtype
    return Variable(dims, data, convert_fill_value(attrs, dtype, what), samples=samples)


def _decode_values(entry: dict[str, Any], what: str) -> Values:
    excess = sorted(_PLACED & set(entry))
    if excess:
        raise ValueError(f"{what} has its values in the sidecar; remove {excess}")
    with name_subject(what):
        return Values(decode_array(entry))


def _decode_template(entry: dict[str, Any], dtype: np.dtype[Any], what: str) -> LayoutTemplate:
    if "fill_value" in entry:
        raise ValueError(f'{what}: "fill_value" is for variables in pieces')
    order = entry.get("order", "C")
    if order not in ("C", "F"):
        raise ValueError(f'{what}: "order" must be "C" or "F", not {order!r}')
    strides = entry.get("strides")
    packing = None
    if "bits" in entry or "bit_order" in entry:
        bits = check_integer(entry.get("bits"), f'{what}: "bits"', 1)
        packing = Packing(bits, entry.get("bit_order", "msb"))
        with name_subject(what):
            packing.check(dtype)
    return LayoutTemplate(
        dtype,
        check_integers(entry.get("shape"), f'{what}: "shape"', -1),
        check_integer(entry.get("offset", 0), f'{what}: "offset"', 0),
        order,
        None if strides is None else check_integers(strides, f'{what}: "strides"'),
        packing,
    )
