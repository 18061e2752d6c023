"""Sidecars: what is written, by the schema; what is read, as input from a stranger."""

from __future__ import annotations

import copy
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.errors import DescriptionError
from rawmmap.formats import sidecar
from rawmmap.formats.sidecar.pretty import pretty

SCHEMA = json.loads((files("rawmmap.formats.sidecar") / "sidecar.schema.json").read_text("utf-8"))
CHECKER = jsonschema.Draft202012Validator(SCHEMA)

GOOD: dict[str, Any] = {
    "rawmmap": 1,
    "file": "a.bin",
    "attrs": {"title": "a", "n": [1, {"b": None}], "x": {"dtype": "<f4", "values": ["NaN", 1]}},
    "coords": ["lon"],
    "records": {"dim": "t", "offset": 64, "nbytes": 24},
    "variables": {
        "mask": {"dtype": "|b1", "dims": ["x"], "shape": [3], "offset": 8, "strides": [-1]},
        "lon": {"dtype": "<f8", "dims": ["x"], "values": [1, 2.5, "Infinity"]},
        "grid": {"dtype": ">i2", "dims": ["x", "y"], "shape": [3, 2], "offset": 16, "order": "F"},
        "u": {
            "dtype": "<f4",
            "dims": ["t", "x"],
            "shape": [-1, 3],
            "offset": 64,
            "strides": [24, 4],
            "attrs": {"_FillValue": "NaN", "units": "K"},
        },
        "t": {"dtype": "<M8[s]", "dims": ["t"], "shape": [-1], "offset": 80, "strides": [24]},
    },
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(64 + 2 * 24 + 5))
    return path


def open_with(path: Path, text: str | bytes) -> xr.Dataset:
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    Path(f"{path}.json").write_bytes(raw)
    return xr.open_dataset(path, engine="rawmmap", decode_cf=False).load()


def changed(*keys: Any, to: Any) -> Any:
    """Return the good sidecar with one thing changed, or added."""
    document = copy.deepcopy(GOOD)
    *outer, last = keys
    place: Any = document
    for key in outer:
        place = place[key]
    place[last] = to
    return document


def test_a_good_one(path: Path) -> None:
    ds = open_with(path, json.dumps(GOOD))
    assert dict(ds.sizes) == {"x": 3, "y": 2, "t": 2}
    assert set(ds.coords) == {"lon", "t"}
    assert np.isnan(ds["u"].attrs["_FillValue"])
    assert ds["u"].attrs["_FillValue"].dtype == np.dtype("f4")
    CHECKER.validate(GOOD)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_what_is_written_follows_the_schema(tmp_path: Path) -> None:
    ds = xr.Dataset(
        {
            "u": (("t", "x"), np.zeros((2, 3)), {"a": np.arange(2), "b": b"\xff", "c": 1 + 0j}),
            "s": ("x", np.array(["a", "b", "c"], object)),
            "b": ("x", [True, False, True]),
        },
        {"t": np.array(["2001", "2002"], "M8[ns]")},
        {"f": np.float32(np.inf)},
    )
    ds["u"].attrs["c"] = np.complex64(1)
    for number, unlimited in enumerate((None, "t")):
        path = tmp_path / f"{number}.bin"
        rawmmap.to_raw(ds, path, unlimited_dims=unlimited)
        CHECKER.validate(json.loads(Path(f"{path}.json").read_text("utf-8")))
    raw = tmp_path / "c.raw"
    raw.write_bytes(bytes(24))
    dtype = [("a", ">f4"), ("b", "<i2", (2,)), ("c", "V4")]
    written = rawmmap.describe(raw, dtype=dtype, shape=-1, dims="x", coords={"x": [1.5, 2]})
    CHECKER.validate(json.loads(written.read_text("utf-8")))
    assert set(xr.open_dataset(raw, engine="rawmmap").variables) == {"a", "b", "c", "x"}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_readable_json_is_json(value: Any) -> None:
    text = pretty(value)
    assert json.loads(text) == value
    assert all(not line.endswith(" ") for line in text.split("\n"))


def test_short_lists_stay_on_one_line() -> None:
    text = pretty(GOOD)
    assert '   "shape": [-1, 3],\n' in text
    assert max(map(len, text.splitlines())) <= 100
    long = pretty({"values": list(range(1000))}).splitlines()
    assert len(long) < 60
    assert max(map(len, long)) <= 100


BIG = 2**63
HOSTILE: dict[str, tuple[Any, str]] = {
    "parent folder": (changed("file", to="../a.bin"), "only files in its own folder"),
    "just the parent": (changed("file", to=".."), "own folder"),
    "absolute path": (changed("file", to="/etc/passwd"), "own folder"),
    "path of Windows": (changed("file", to="C:\\a.bin"), "own folder"),
    "URL": (changed("file", to="http://a/b"), "own folder"),
    "null byte": (changed("file", to="a\0.bin"), "own folder"),
    "no name": (changed("file", to=""), "name of a file"),
    "number as name": (changed("file", to=3), "name of a file"),
    "another file": (changed("file", to="b.bin"), "not .*a.bin"),
    "newer version": (changed("rawmmap", to=2), "version 2.*newer"),
    "version 0": (changed("rawmmap", to=0), "version"),
    "version true": (changed("rawmmap", to=True), "version"),
    "unknown name": (changed("extra", to=1), r"unknown names \['extra'\]"),
    "no variables": (changed("variables", to=None), '"variables" must be a JSON object'),
    "list of variables": (changed("variables", to=[]), '"variables" must be a JSON object'),
    "variable is a list": (changed("variables", "u", to=[]), "variable 'u' must be a JSON object"),
    "unknown word": (changed("variables", "u", "dtyp", to=1), r"unknown names \['dtyp'\]"),
    "no dtype": (changed("variables", "u", "dtype", to=None), "'u'.*a dtype must be a string"),
    "pointers": (changed("variables", "u", "dtype", to="O"), "not a plain NumPy dtype"),
    "several types": (changed("variables", "u", "dtype", to="f4,f4"), "not a plain NumPy dtype"),
    "subarray": (changed("variables", "u", "dtype", to="(3,)f4"), "not a plain NumPy dtype"),
    "no byte order": (changed("variables", "u", "dtype", to="f4"), "no byte order"),
    "no such size": (changed("variables", "u", "dtype", to="<f3"), "not a NumPy dtype"),
    "no bytes": (changed("variables", "u", "dtype", to="S0"), "not a NumPy dtype"),
    "huge element": (changed("variables", "lon", "dtype", to="|S2000000000"), "too many"),
    "negative offset": (changed("variables", "u", "offset", to=-1), '"offset" is -1'),
    "huge offset": (changed("variables", "u", "offset", to=BIG), '"offset" is 9223372036854775808'),
    "offset at the limit": (changed("variables", "grid", "offset", to=BIG - 4), "past the largest"),
    "far offset": (changed("variables", "grid", "offset", to=2**40), "bytes are needed, but.*117"),
    "fractional offset": (changed("variables", "u", "offset", to=1.5), "an integer, not 1.5"),
    "true offset": (changed("variables", "u", "offset", to=True), "an integer, not True"),
    "negative length": (changed("variables", "grid", "shape", to=[-2, 2]), "-2"),
    "overflowing lengths": (changed("variables", "grid", "shape", to=[2**62, 2**62]), "2..63"),
    "unlike lengths": (
        changed("variables", "grid", "shape", to=[4, 2]),
        "length 3 in 'mask', but 4",
    ),
    "missing length": (changed("variables", "grid", "shape", to=[3]), "shape"),
    "text as shape": (changed("variables", "grid", "shape", to="33"), "list of integers"),
    "two unknown lengths": (changed("variables", "grid", "shape", to=[-1, -1]), "-1"),
    "many dims": (
        changed(
            "variables",
            "m",
            to={"dtype": "|u1", "dims": [str(i) for i in range(40)], "shape": [1] * 40},
        ),
        "40 dimensions; 32",
    ),
    "dim twice": (changed("variables", "grid", "dims", to=["x", "x"]), "length"),
    "number as dim": (changed("variables", "grid", "dims", to=["x", 1]), "list of strings"),
    "order": (changed("variables", "grid", "order", to="K"), '"order" must be'),
    "stride past the start": (changed("variables", "mask", "strides", to=[-9]), "before the start"),
    "overlap": (changed("variables", "mask", "strides", to=[0]), "overlap"),
    "endless": (
        changed(
            "variables", "t", to={"dtype": "|u1", "dims": ["k"], "shape": [2**40], "strides": [0]}
        ),
        "overlap",
    ),
    "huge stride": (changed("variables", "mask", "strides", to=[-BIG - 1]), "outside of"),
    "missing stride": (changed("variables", "grid", "strides", to=[2]), "axes"),
    "stride of no record": (
        changed("variables", "u", "strides", to=[12, 4]),
        "stride along 't' is 12",
    ),
    "past its record": (changed("variables", "u", "offset", to=80), "within the first record"),
    "empty records": (changed("records", "nbytes", to=0), '"nbytes" is 0'),
    "huge records": (changed("records", "offset", to=BIG), '"offset" is'),
    "records of no dim": (changed("records", "dim", to=None), "name of a dimension"),
    "list of records": (changed("records", to=[]), '"records" must be a JSON object'),
    "coords": (changed("coords", to=["lat"]), r"\['lat'\], which are not variables"),
    "coords as text": (changed("coords", to="lon"), "list of strings"),
    "values and offset": (changed("variables", "lon", "offset", to=1), r"remove \['offset'\]"),
    "ragged values": (changed("variables", "lon", "values", to=[1, [2], 3]), "'lon'"),
    "texts as numbers": (changed("variables", "lon", "values", to=["a", 2, 3]), "not a number"),
    "values and dims": (changed("variables", "lon", "dims", to=["x", "y"]), "dims"),
    "fill value": (changed("variables", "grid", "attrs", to={"_FillValue": 70000}), "_FillValue"),
    "fractional fill": (
        changed("variables", "grid", "attrs", to={"_FillValue": 1.5}),
        "_FillValue",
    ),
    "fill of text": (changed("variables", "grid", "attrs", to={"_FillValue": "a"}), "_FillValue"),
    "many fills": (changed("variables", "grid", "attrs", to={"_FillValue": [1, 2]}), "_FillValue"),
    "attrs": (changed("attrs", to=[]), "JSON object"),
    "array of objects": (changed("attrs", "x", to={"dtype": "O", "values": [1]}), "dtype"),
    "array too small": (changed("attrs", "x", to={"dtype": "|u1", "values": [300]}), "fit"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_sidecars(path: Path, case: str) -> None:
    document, what = HOSTILE[case]
    with pytest.raises(ValueError, match=what) as caught:
        open_with(path, json.dumps(document))
    assert len(str(caught.value)) < 1000
    assert "a.bin" in str(caught.value)


DEEP = 100_000
TEXTS: dict[str, tuple[str | bytes, str]] = {
    "truncated": (json.dumps(GOOD)[:-30], "cut short"),
    "deep lists": ('{"rawmmap": 1, "attrs": {"a": ' + "[" * DEEP + "]" * DEEP + "}}", "deeply"),
    "deep objects": (
        '{"rawmmap": 1, "attrs": ' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
        "deeply",
    ),
    "twice": ('{"rawmmap": 1, "variables": {"a": 1, "a": 2}}', "'a' occurs twice"),
    "not a number": (
        '{"rawmmap": 1, "attrs": {"a": NaN}, "variables": {}}',
        "NaN is not valid JSON",
    ),
    "long number": ('{"rawmmap": 1' + "0" * 5000 + "}", "digits|version"),
    "no text": (b'{"rawmmap": 1, "\xff": 1}', "not the JSON"),
    "a list": ('[{"rawmmap": 1}]', "JSON object"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_hostile_texts(path: Path, case: str) -> None:
    text, what = TEXTS[case]
    with pytest.raises(ValueError, match=what) as caught:
        open_with(path, text)
    assert len(str(caught.value)) < 1000


def test_a_huge_sidecar_is_not_read(path: Path) -> None:
    own = Path(f"{path}.json")
    own.write_text('{"rawmmap": 1')
    os.truncate(own, 2**40)
    with pytest.raises(ValueError, match="at most 268435456 bytes"):
        xr.open_dataset(path, engine="rawmmap")


def test_a_link_out_of_the_folder_is_followed_only_if_it_is_named(
    tmp_path: Path, path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "a.bin").symlink_to(path)
    (inner / "a.bin.json").write_text(json.dumps(GOOD))
    with pytest.raises(ValueError, match="link out of the sidecar's folder"):
        xr.open_dataset(inner / "a.bin.json", engine="rawmmap")
    assert xr.open_dataset(inner / "a.bin", engine="rawmmap").sizes["t"] == 2


# Mutations: any value in the place of any other, and any text cut, doubled or overwritten.


def places(value: Any, keys: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [keys, *(place for key, item in inner for place in places(item, (*keys, key)))]


strange = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.sampled_from([-1, 0, 1, 2, 3, 24, 2**31, 2**62, 2**63 - 1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(
        ["x", "t", "<f4", ">U9", "|S1", "<M8[s]", "<m8[3D]", "|b1", "|V3", "NaN", "F", "..", "<c32"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["dtype", "values", "dims", "shape", "offset", "a"]), inner, max_size=4
        )
    ),
    max_leaves=5,
)


@given(st.lists(st.tuples(st.sampled_from(places(GOOD)[1:]), strange), min_size=1, max_size=3))
def test_a_sidecar_of_any_content_opens_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[tuple[Any, ...], Any]]
) -> None:
    document = copy.deepcopy(GOOD)
    for (*outer, last), value in changes:
        place: Any = document
        try:
            for key in outer:
                place = place[key]
            place[last] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    check_any(tmp_path_factory, json.dumps(document))


@given(st.data())
def test_a_sidecar_of_any_text_opens_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = json.dumps(GOOD).encode()
    start = data.draw(st.integers(0, len(raw)))
    stop = data.draw(st.integers(start, min(start + 10, len(raw))))
    middle = data.draw(st.binary(max_size=5) | st.just(raw[start:stop] * 2))
    check_any(tmp_path_factory, raw[:start] + middle + raw[stop:])


def check_any(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "a.bin"
    path.write_bytes(bytes(64 + 2 * 24 + 5))
    raw = text.encode() if isinstance(text, str) else text
    try:
        description = sidecar.loads(raw, f"{path}.json")
        open_with(path, raw)
    except (ValueError, OSError):
        return
    assert os.path.dirname(description.path) == str(path.parent)
    CHECKER.validate(json.loads(sidecar.dumps(description)))


@pytest.mark.parametrize("dtype", ["<U5", "<U500000", "|S500000", "<i4"])
def test_one_long_text_among_many_needs_no_memory(dtype: str) -> None:
    values = ["short"] * 100_000 + ["x" * 500_000]
    text = json.dumps({"rawmmap": 1, "variables": {"v": _values(dtype, values)}})
    with pytest.raises(DescriptionError, match=r"fit|too many|numbers"):
        sidecar.loads(text, "a.raw.json")


@pytest.mark.parametrize(
    "document",
    [
        {"attrs": {f"a{i}": {"dtype": "<U16000000", "values": ["a"]} for i in range(100)}},
        {"attrs": {"a": [{"dtype": "|S64000000", "values": ["a"]}] * 100}},
        {
            "attrs": {
                "a": {
                    "b": [{"dtype": "<f8", "values": [1]}, {"dtype": "<U99999999", "values": ["a"]}]
                }
            }
        },
        {"filled": True},
    ],
    ids=["attributes", "a list", "nested", "fill values"],
)
def test_values_anywhere_need_no_memory(document: dict[str, Any]) -> None:
    entry: dict[str, Any] = {"dtype": "<f4", "dims": ["x"], "shape": [1]}
    variables = {"v": entry}
    if document.pop("filled", False):
        filled = {**entry, "dtype": "|S64000000", "attrs": {"_FillValue": "a"}}
        variables = {f"v{i}": filled for i in range(100)}
    text = json.dumps({"rawmmap": 1, "variables": variables, **document})
    with pytest.raises(DescriptionError, match="too many"):
        sidecar.loads(text, "a.raw.json")


def test_many_texts_of_a_long_type_need_no_memory() -> None:
    entries = {f"v{i}": _values("<U16000000", ["a"]) for i in range(100)}
    text = json.dumps({"rawmmap": 1, "variables": entries})
    with pytest.raises(DescriptionError, match="bytes"):
        sidecar.loads(text, "a.raw.json")


def _values(dtype: str, values: list[Any]) -> dict[str, Any]:
    return {"dtype": dtype, "dims": ["x"], "values": values}


@pytest.mark.parametrize("value", [1, None, 1.5, True, {}, ["a"]])
def test_texts_are_strings(value: Any) -> None:
    text = json.dumps({"rawmmap": 1, "variables": {"v": _values("<U9", ["a", value])}})
    with pytest.raises(DescriptionError):
        sidecar.loads(text, "a.raw.json")


@pytest.mark.parametrize("bit_order", ["msb", "lsb"])
def test_samples_of_a_few_bits_are_described(tmp_path: Path, bit_order: Any) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes([0b10110001, 0b01000000]))
    order: Any = {"msb": "big", "lsb": "little"}[bit_order]
    expected = np.unpackbits(np.frombuffer(path.read_bytes(), "u1"), bitorder=order)
    written = rawmmap.describe(
        path, dtype="u1", shape=(2, 8), dims=("y", "x"), bits=1, bit_order=bit_order
    )
    CHECKER.validate(json.loads(written.read_text("utf-8")))
    ds = xr.open_dataset(path, engine="rawmmap")
    np.testing.assert_array_equal(ds["data"].values, expected.reshape(2, 8))


@pytest.mark.parametrize("bits", [0, 8, 9, "1", 1.0, None])
def test_bits_that_no_sample_has(path: Path, bits: Any) -> None:
    document = {
        "rawmmap": 1,
        "variables": {"v": {"dtype": "|u1", "dims": ["x"], "shape": [8], "bits": bits}},
    }
    with pytest.raises(DescriptionError, match="bits"):
        open_with(path, json.dumps(document))


OTHERS = {
    "metadata": '{"gain": 3, "rawmmap": "read with it"}',
    "versions": '{"versions": {"numpy": 2, "rawmmap": 0.1}}',
    "versions, long": '{"about": "' + "x" * 9000 + '", "versions": {"rawmmap": 1}}',
    "versions first": '{"rawmmap": {"version": 1}, "variables": {}}',
    "a list": '[3, {"rawmmap": 1}]',
    "a text": '{"note": "put \\"rawmmap\\": 1 here"}',
    "references": '{"version": 1, "refs": {".zgroup": "{}"}}',
    "broken": '{"versions": {"rawmmap": 1',
    "empty": "",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_json_files_of_others_are_not_replaced(path: Path, text: str) -> None:
    other = Path(f"{path}.json")
    other.write_text(text)
    words: dict[str, Any] = {"dtype": "u1", "shape": -1}
    ds = xr.Dataset({"v": ("x", [1])})
    for write in (
        lambda: rawmmap.describe(path, **words),
        lambda: ds.rawmmap.to_raw(path),
        lambda: ds.rawmmap.to_raw(path, compute=False).compute(),
    ):
        with pytest.raises(FileExistsError, match="not a sidecar"):
            write()
    for mode in ("a", "r+"):
        with pytest.raises(ValueError, match="no sidecar of rawmmap"):
            ds.rawmmap.to_raw(path, mode=mode)
    with pytest.raises(ValueError, match="is not a sidecar of rawmmap"):
        rawmmap.open(path)
    assert rawmmap.open(path, **words).sizes
    assert other.read_text() == text


@pytest.mark.parametrize("gap", ["", " " * 9000])
def test_the_mark_of_a_sidecar_may_come_late(path: Path, gap: str) -> None:
    Path(f"{path}.json").write_text(
        '{"variables": {"v": {"dtype": "|u1", "dims": ["x"], "shape": [-1]}}, '
        f'"attrs": {{"rawmmap": "x"}}, {gap} "rawmmap": 1}}'
    )
    assert rawmmap.open(path)["v"].dtype == "u1"
