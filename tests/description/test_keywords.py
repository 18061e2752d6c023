"""Keywords that describe a file: what they mean, and what an error says of wrong ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rawmmap.description import Description, Keywords
from rawmmap.errors import DescriptionError
from rawmmap.formats import sidecar
from rawmmap.layout import Layout

CUBE: dict[str, Any] = {"dtype": "<f4", "shape": (2, 5, 6), "dims": ("a", "c", "b")}
RECORD = np.dtype([("ch", "<i2", 4), ("t", "<f8")])


def resolve(size: int, **keywords: Any) -> Description:
    description = Keywords(**keywords).describe("a.bin")
    assert description is not None
    return description.resolve(size)


def layouts(size: int, **keywords: Any) -> dict[str, Any]:
    return {name: v.arrangement for name, v in resolve(size, **keywords).variables.items()}


def dims(size: int, **keywords: Any) -> dict[str, tuple[str, ...]]:
    return {name: v.dims for name, v in resolve(size, **keywords).variables.items()}


def test_no_keywords_describe_nothing() -> None:
    assert Keywords().describe("a.bin") is None
    assert Keywords(overlap=True).describe("a.bin") is None


def test_taking_keywords_leaves_the_others() -> None:
    keywords = {"dtype": "u1", "chunks": {}, "offset": 4}
    assert Keywords.take_from(keywords) == Keywords(dtype="u1", offset=4)
    assert keywords == {"chunks": {}}


def test_one_variable() -> None:
    assert layouts(240, **CUBE) == {"data": Layout.dense("<f4", (2, 5, 6))}
    assert dims(240, **CUBE) == {"data": ("a", "c", "b")}


def test_the_major_axis_follows_from_the_size() -> None:
    assert layouts(50, dtype="<i2", shape=(-1, 4), offset=2)["data"].shape == (6, 4)
    assert layouts(50, dtype="<i2", shape=(4, -1), offset=2, order="F")["data"].shape == (4, 6)
    assert layouts(50, dtype="<i2")["data"].shape == (25,)


def test_variables_follow_each_other() -> None:
    variables: dict[str, dict[str, Any]] = {
        "u": {"dtype": "<f4", "shape": (2, 3)},
        "v": {"dtype": "<i2", "shape": 5},
        "w": {"dtype": "u1", "shape": 4, "offset": 100},
        "rest": {"dtype": "<f8", "shape": -1},
    }
    offsets = {n: a.offset for n, a in layouts(120, variables=_dims(variables), offset=8).items()}
    assert offsets == {"u": 8, "v": 32, "w": 100, "rest": 104}


def _dims(variables: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name the axes of each variable after it."""
    return {
        name: {**keywords, "dims": [f"{name}{i}" for i in range(np.size(keywords["shape"]))]}
        for name, keywords in variables.items()
    }


def test_default_names_of_unequal_axes_ask_for_dims() -> None:
    variables = {"a": {"dtype": "u1", "shape": 3}, "b": {"dtype": "u1", "shape": 4}}
    with pytest.raises(ValueError, match=r"'dim_0' has length 3 in 'a', but 4 in 'b'.*dims="):
        resolve(7, variables=variables)
    variables = {
        "a": {"dtype": "u1", "shape": 3, "record": False},
        "b": {"dtype": "u1", "shape": 4},
    }
    with pytest.raises(ValueError, match="dims="):
        resolve(11, variables=variables, record_dim="time", offset=3)


def test_records() -> None:
    variables = {
        "t": {"dtype": "<f8", "shape": ()},
        "x": {"dtype": "<i2", "shape": 4, "dims": "channel"},
    }
    found = resolve(
        10 + 3 * 20 + 7, variables=variables, offset=10, record_dim="time", record_nbytes=20
    )
    assert {n: v.dims for n, v in found.variables.items()} == {
        "t": ("time",),
        "x": ("time", "channel"),
    }
    assert found.variables["t"].arrangement == Layout("<f8", (3,), (20,), 10)
    assert found.variables["x"].arrangement == Layout("<i2", (3, 4), (20, 2), 18)


@pytest.mark.parametrize("missing", range(12))
def test_the_last_record_needs_its_variables_and_not_what_follows_them(missing: int) -> None:
    # Variables take 5 of 16 bytes, from the third on, and the file ends before the third record's.
    words: dict[str, Any] = {"record_dim": "time", "record_nbytes": 16, "offset": 6}
    variables = {"n": {"dtype": "u1", "offset": 2}, "v": {"dtype": "<f4", "offset": 3}}
    size = 6 + 3 * 16 - missing
    expected = 3 if missing <= 16 - 7 else 2
    assert {v.shape for v in layouts(size, variables=variables, **words).values()} == {(expected,)}
    described = Keywords(variables=variables, **words).describe("a.bin")
    assert described is not None
    # A variable that is left out does not make a record complete.
    assert described.without({"v"}).resolve(size).variables["n"].data.shape == (expected,)
    assert sidecar.loads(sidecar.dumps(described), "a.bin.json").resolve(size).variables[
        "v"
    ].data.shape == (expected,)


def test_the_hint_at_fortran_records_reads_all_of_them() -> None:
    size = 3 * (4 + 64 + 4)
    with pytest.raises(DescriptionError) as error:
        resolve(size, dtype="<f8", shape=(-1, 4, 2))
    assert "offset=4 and go on by 72 bytes: with record_dim= and record_nbytes=72" in str(
        error.value
    )
    assert "format='fortran'" in str(error.value)
    words: dict[str, Any] = {"dtype": "<f8", "offset": 4}
    expected = {"data": Layout("<f8", (3, 4, 2), (72, 16, 8), 4)}
    assert layouts(size, shape=(4, 2), record_dim="t", record_nbytes=72, **words) == expected
    assert layouts(size, shape=(-1, 4, 2), strides=(72, 16, 8), **words) == expected


def test_a_variable_outside_of_the_records() -> None:
    variables = {
        "gain": {"dtype": "<f4", "shape": 2, "dims": "channel", "record": False, "offset": 4},
        "x": {"dtype": "<i2", "shape": 2, "dims": "channel"},
    }
    found = layouts(12 + 5 * 4 + 3, variables=variables, offset=12, record_dim="time")
    assert found["gain"] == Layout.dense("<f4", (2,), offset=4)
    assert found["x"] == Layout.dense("<i2", (5, 2), offset=12)


@pytest.mark.parametrize(
    ("keywords", "what"),
    [
        ({"record_dim": "time", "shape": (-1,)}, "one record"),
        ({"record_dim": "time", "shape": 3, "record_nbytes": 5}, "take 6 bytes"),
        ({"shape": 3, "record_nbytes": 6}, "record_dim="),
        ({"record_dim": "time", "shape": 3, "dims": ("time", "x")}, "without it"),
        ({"record_dim": 3, "shape": 3}, "record_dim= must be"),
    ],
)
def test_records_that_contradict_themselves(keywords: dict[str, Any], what: str) -> None:
    with pytest.raises((TypeError, ValueError), match=what):
        resolve(60, dtype="<i2", **keywords)


def test_fields_have_dims_and_attrs_of_their_own() -> None:
    keywords: dict[str, Any] = {"dtype": RECORD, "shape": -1}
    assert dims(80, **keywords, dims=("time", "channel")) == {
        "ch": ("time", "channel"),
        "t": ("time",),
    }
    found = resolve(
        80, **keywords, dims="time", fields={"ch": {"dims": "channel", "attrs": {"units": "V"}}}
    ).variables
    assert found["ch"].dims == ("time", "channel")
    assert found["ch"].attrs == {"units": "V"}
    assert found["t"].attrs == {}


def test_attributes_of_single_fields() -> None:
    attrs = {"source": "a", "t": {"_FillValue": -1}}
    found = resolve(80, dtype=RECORD, shape=-1, dims="time", attrs=attrs).variables
    assert found["ch"].attrs == {"source": "a"}
    assert found["t"].attrs["_FillValue"].dtype == np.float64


def test_fortran_order_reaches_into_fields() -> None:
    dtype = np.dtype([("u", "<i2", (2, 3)), ("n", "u1")])
    found = layouts(26, dtype=dtype, shape=-1, dims=("time", "x", "y"), order="F")
    assert found["u"] == Layout("<i2", (2, 2, 3), (13, 2, 4), 0)
    assert found["n"] == Layout("u1", (2,), (13,), 12)


def test_a_dimension_in_blocks_is_one_axis() -> None:
    found = resolve(48, dtype="<i2", shape=(3, 2, 4), dims=("time", "channel", "time"))
    assert found.variables["data"].dims == ("time", "channel")
    assert found.variables["data"].arrangement.shape == (12, 2)


@pytest.mark.parametrize(
    "keywords",
    [
        {"shape": "5000,69"},
        {"shape": (2, 5.0, 6)},
        {"offset": "64"},
        {"offset": -1},
        {"dtype": "int16be"},
        {"dims": "time,ch"},
        {"dims": {"ch": ("a",)}},
        {"strides": "1"},
        {"order": "fortran"},
        {"name": 3},
        {"name": ""},
        {"attrs": [1]},
        {"fields": [1]},
        {"variables": [1]},
    ],
    ids=str,
)
def test_wrong_keywords_are_named_with_the_file(keywords: dict[str, Any]) -> None:
    (word,) = keywords
    with pytest.raises((TypeError, ValueError), match=rf"a\.bin.*{word}") as caught:
        resolve(240, **{**CUBE, **keywords})
    assert "'data'" not in str(caught.value)


def test_near_spellings_are_suggested() -> None:
    with pytest.raises(TypeError, match="write '>i2'"):
        resolve(240, dtype="int16be")
    with pytest.raises(TypeError, match="did you mean shape="):
        resolve(240, variables={"u": {"dtype": "u1", "shap": 3}})


@pytest.mark.parametrize(
    ("keywords", "error", "what"),
    [
        ({"overlap": "yes", "dtype": "u1"}, TypeError, "overlap='yes' must be True or False"),
        ({"variables": {"v": {"dtype": "u1", "record": "no"}}}, TypeError, "record='no' must be"),
        ({"variables": {}}, DescriptionError, "names none"),
        ({"dtype": "int24"}, TypeError, "write '<i3'"),
    ],
)
def test_words_of_other_types_are_refused(
    keywords: dict[str, Any], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=rf"^a\.bin: .*{what}"):
        resolve(10, **keywords)
