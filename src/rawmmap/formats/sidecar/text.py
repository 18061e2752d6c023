"""The sidecar: a JSON file beside the data that says what lies where.

``data.bin.json`` describes ``data.bin``. Its fields are documented in ``docs/sidecar.md`` and, for
programs, in ``sidecar.schema.json`` beside this module. A sidecar is checked as input from a
stranger: it names no file outside its own folder, and whatever is wrong with it is a
`DescriptionError` that says where.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from rawmmap.description.checks import (
    as_integer,
    as_integers,
    as_object,
    as_strings,
    check_dims,
    check_template,
    typed,
    within,
)
from rawmmap.description.model import Description, Records, Variable
from rawmmap.description.template import LayoutTemplate, template_of
from rawmmap.errors import DescriptionError
from rawmmap.formats.sidecar.pretty import pretty
from rawmmap.formats.sidecar.values import (
    decode_array,
    decode_attrs,
    decode_dtype,
    encode_array,
    encode_attrs,
    encode_dtype,
    parse_stored,
)
from rawmmap.layout import Layout, Values

__all__ = [
    "SUFFIX",
    "VERSION",
    "beside",
    "dumps",
    "is_sidecar",
    "is_sidecar_text",
    "loads",
    "read",
    "read_bounded",
    "read_bytes",
    "sidecar_path",
]

SUFFIX = ".json"
VERSION = 1

_MARK = re.compile(rb'"rawmmap"\s*:')
_HEAD = 4096
_SEARCHED = 2**24
# Values inside a sidecar are for coordinates; megabytes of them belong into the data file.
_LARGEST = 256 * 2**20

_TOP = {"rawmmap", "file", "attrs", "coords", "overlap", "records", "variables"}
_VARIABLE = {"dtype", "dims", "shape", "offset", "order", "strides", "attrs", "values"}


def sidecar_path(path: str) -> str:
    """Return where the sidecar of a data file lies."""
    return path + SUFFIX


def beside(path: str) -> str:
    """Return where the sidecar of a data file is or goes: beside a link, else its target."""
    own = sidecar_path(path)
    if os.path.islink(path) and not os.path.lexists(own):
        return sidecar_path(os.path.realpath(path))
    return own


def is_sidecar(path: str) -> bool:
    """Return whether `path` is a sidecar, by its content; never raises."""
    try:
        if not os.path.isfile(path):
            return False  # a pipe would make us wait
        with open(path, "rb") as file:
            head = file.read(_HEAD)
        return is_sidecar_text(head, lambda: open(path, "rb"))
    except (OSError, ValueError):
        return False


def is_sidecar_text(head: bytes, open_file: Callable[[], BinaryIO]) -> bool:
    """Return whether a file that starts with `head` is a sidecar; read more of it if need be."""
    if not head.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"[")):
        return False
    # Our own writer puts the mark first, but objects in JSON have no order.
    if _MARK.search(head):
        return True
    if len(head) < _HEAD:
        return False
    with open_file() as file:
        return bool(_MARK.search(file.read(_SEARCHED)))


def dumps(description: Description) -> str:
    """Return the text of a description's sidecar.

    Raises
    ------
    TypeError
        If an attribute is of a type that JSON cannot hold.
    """
    document: dict[str, Any] = {"rawmmap": VERSION}
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
        name: _encoded(name, variable) for name, variable in description.variables.items()
    }
    return pretty(document) + "\n"


def _encoded(name: str, variable: Variable) -> dict[str, Any]:
    data = variable.data
    if isinstance(data, Values):
        words = {**encode_array(data.array), "dims": list(variable.dims)}
    elif isinstance(data, LayoutTemplate):
        words = _encode_template(data, variable)
    elif isinstance(data, Layout):
        words = _encode_template(template_of(data), variable)
    else:
        raise TypeError(f"variable {name!r}: a sidecar cannot describe {type(data).__name__}")
    if variable.attrs:
        words["attrs"] = _encoded_attrs(variable, f"variable {name!r}")
    return words


def _encode_template(template: LayoutTemplate, variable: Variable) -> dict[str, Any]:
    dtype = encode_dtype(template.dtype, variable.samples)
    words: dict[str, Any] = {"dtype": dtype, "dims": list(variable.dims)}
    words["shape"] = list(template.shape) if template.shape is not None else [-1]
    words["offset"] = template.offset
    if template.strides is not None:
        words["strides"] = list(template.strides)
    elif template.order != "C":
        words["order"] = template.order
    return words


def _encoded_attrs(variable: Variable, what: str) -> dict[str, Any]:
    """Return attributes as JSON; the type of a fill value goes without saying."""
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
    """Return the text of a sidecar, unless it is too long for one."""
    with open(path, "rb") as file:
        return read_bounded(file, path)


def read_bounded(file: BinaryIO, path: str) -> bytes:
    """Return the text of an open sidecar, unless it is too long for one."""
    raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise DescriptionError(
            f"{path}: a sidecar has at most {_LARGEST} bytes; put values into the data file"
        )
    return raw


def loads(raw: bytes | str, path: str) -> Description:
    """Return the description in the text of a sidecar that lies at `path`.

    Raises
    ------
    DescriptionError
        If it is malformed, or its data file lies outside its folder.
    """
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise DescriptionError(f"{path}: nested too deeply for a sidecar") from None
    except ValueError as error:
        raise DescriptionError(
            f"{path}: not the JSON of a sidecar, or cut short: {error}"
        ) from error
    try:
        return _description(document, path)
    except RecursionError:
        raise DescriptionError(f"{path}: nested too deeply for a sidecar") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise DescriptionError(f"{path}: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the name {twice!r} stands twice in one object")
    return found


def _no_constant(word: str) -> None:
    raise ValueError(f'{word} is no JSON; write it as the text "{word}"')


def _description(document: Any, path: str) -> Description:
    top = as_object(document, "the sidecar", _TOP)
    version = top.get("rawmmap")
    if type(version) is not int or version < 1:
        raise ValueError(
            f'"rawmmap" is the version of the format, such as {VERSION}, not {version!r}'
        )
    if version > VERSION:
        raise ValueError(
            f"version {version} of the format is newer than this library knows ({VERSION}); "
            "update rawmmap"
        )
    variables = as_object(top.get("variables"), '"variables"')
    described = {name: _variable(name, words) for name, words in variables.items()}
    records = _records(top.get("records"))
    for name, variable in described.items():
        check_template(variable, records, f"variable {name!r}")
    coords = as_strings(top.get("coords", []), '"coords"')
    unknown = [name for name in coords if name not in described]
    if unknown:
        raise ValueError(f'"coords" names {unknown}, which are none of the variables')
    return Description(
        _data_path(top, path),
        described,
        frozenset(coords),
        decode_attrs(as_object(top.get("attrs", {}), '"attrs"')),
        records,
        overlap=_overlap(top.get("overlap", False)),
    )


def _overlap(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f'"overlap" is true or false, not {value!r}')
    return value


def _data_path(top: Mapping[str, Any], path: str) -> str:
    folder, own = os.path.split(path)
    default = own.removesuffix(SUFFIX)
    name = top.get("file", default)
    if not isinstance(name, str) or not name:
        raise TypeError(f'"file" is the name of a file, not {name!r}')
    # A colon leads to another drive on Windows, and is a letter like others elsewhere.
    forbidden = "/\\:\0" if os.name == "nt" else "/\\\0"
    if name in (".", "..") or any(c in name for c in forbidden):
        raise ValueError(
            f'"file" is {name!r}: a sidecar names only files in its own folder; open the data file '
            "with keywords instead"
        )
    if name == own:
        raise ValueError('"file" is missing: the sidecar is not named after its data file')
    return os.path.join(folder, name)


def _records(words: Any) -> Records | None:
    if words is None:
        return None
    found = as_object(words, '"records"', {"dim", "offset", "nbytes"})
    dim = found.get("dim")
    if not isinstance(dim, str):
        raise TypeError(f'"records": "dim" is the name of a dimension, not {dim!r}')
    offset = as_integer(found.get("offset"), '"records": "offset"', 0)
    return Records(dim, offset, as_integer(found.get("nbytes"), '"records": "nbytes"', 1))


def _variable(name: str, words: Any) -> Variable:
    what = f"variable {name!r}"
    found = as_object(words, what, _VARIABLE)
    dims = tuple(as_strings(found.get("dims"), f'{what}: "dims"'))
    attrs = within(what, decode_attrs, as_object(found.get("attrs", {}), f'{what}: "attrs"'))
    if "values" in found:
        misplaced = sorted({"shape", "offset", "order", "strides"} & set(found))
        if misplaced:
            raise ValueError(f"{what} has values in the sidecar, so {misplaced} mean nothing")
        dtype = within(what, decode_dtype, found.get("dtype"))
        values = within(what, decode_array, found)
        check_dims(dims, values.shape, what)
        return Variable(dims, Values(values), typed(attrs, dtype, what))
    stored, samples = within(what, parse_stored, found.get("dtype"))
    shape = as_integers(found.get("shape"), f'{what}: "shape"', -1)
    strides = found.get("strides")
    order = found.get("order", "C")
    if order not in ("C", "F"):
        raise ValueError(f'{what}: "order" is "C" or "F", not {order!r}')
    check_dims(dims, shape, what)
    template = LayoutTemplate(
        stored,
        shape,
        as_integer(found.get("offset", 0), f'{what}: "offset"', 0),
        order,
        None if strides is None else as_integers(strides, f'{what}: "strides"'),
    )
    dtype = stored if samples is None else samples.dtype
    return Variable(dims, template, typed(attrs, dtype, what), samples=samples)
