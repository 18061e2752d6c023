"""Descriptions meet the size of a file: lengths, fields, blocks, and what contradicts itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rawmmap.description import Description, LayoutTemplate, Records, Variable
from rawmmap.errors import DescriptionError
from rawmmap.layout import Layout, Values


def template(dtype: Any, shape: Any, offset: int = 0, **keywords: Any) -> LayoutTemplate:
    return LayoutTemplate(np.dtype(dtype), shape, offset, **keywords)


def describe(**variables: tuple[tuple[str, ...], Any]) -> Description:
    return Description("a.bin", {n: Variable(dims, data) for n, (dims, data) in variables.items()})


@pytest.mark.parametrize(
    ("size", "count"), [(9, 0), (10, 0), (29, 0), (30, 1), (49, 1), (50, 2), (10 + 20 * 7 + 19, 7)]
)
def test_only_whole_records_count(size: int, count: int) -> None:
    assert Records("time", 10, 20).count(size) == count


def test_variables_of_a_structured_dtype_become_one_per_field() -> None:
    dtype = np.dtype([("a", "<i2"), ("in", [("b", "<f4", 2), ("c", "u1")])])
    found = describe(v=(("x",), template(dtype, (-1,)))).resolve(dtype.itemsize * 3).variables
    step = dtype.itemsize
    assert {name: v.arrangement for name, v in found.items()} == {
        "a": Layout("<i2", (3,), (step,), 0),
        "in.b": Layout("<f4", (3, 2), (step, 4), 2),
        "in.c": Layout("u1", (3,), (step,), 10),
    }
    assert found["in.b"].dims == ("x", "in.b_0")


def test_fields_named_like_variables_are_refused() -> None:
    record = template([("a", "u1")], (2,))
    with pytest.raises(DescriptionError, match="two variables are named 'a'"):
        describe(v=(("x",), record), a=(("x",), template("u1", (2,), 2))).resolve(4)


def test_values_stay_what_they_are() -> None:
    values = Values(np.arange(3))
    found = describe(v=(("x",), template("u1", (-1,))), x=(("x",), values)).resolve(3).variables
    assert found["x"].data is values


def test_a_dimension_has_one_length() -> None:
    description = describe(u=(("x",), template("u1", (2,))), v=(("x",), template("u1", (3,), 2)))
    with pytest.raises(DescriptionError, match="'x' has length 2 in 'u', but 3 in 'v'") as caught:
        description.resolve(5)
    assert "dims=" not in str(caught.value)  # the caller has named it


def test_variables_that_share_bytes_are_refused_unless_that_is_meant() -> None:
    variables = {
        "u": Variable(("x",), template("<i2", (4,))),
        "v": Variable(("y",), template("<i2", (4,), 6)),
    }
    with pytest.raises(DescriptionError, match=r"'u', bytes 0 to 8, and 'v', bytes 6 to 14"):
        Description("a.bin", variables).resolve(14)
    assert set(Description("a.bin", variables, overlap=True).resolve(14).variables) == {"u", "v"}


def test_variables_that_take_turns_do_not_overlap() -> None:
    variables = {
        name: Variable(("t", "x"), template("<f4", (5, 3), i * 12, strides=(24, 4)))
        for i, name in enumerate("uv")
    }
    assert set(Description("a.bin", variables).resolve(120).variables) == {"u", "v"}


def test_strides_in_elements_are_explained() -> None:
    description = describe(v=(("x", "y"), template("<f4", (5, 3), strides=(3, 1))))
    with pytest.raises(DescriptionError, match=r"did you mean \(12, 4\)"):
        description.resolve(60)


def test_blocks_are_one_axis() -> None:
    found = describe(v=(("t", "c", "t"), template("u1", (3, 2, 4)))).resolve(24).variables["v"]
    assert found.dims == ("t", "c")
    assert found.arrangement.shape == (12, 2)
    parts = np.full((12, 2), -1)
    stored = np.arange(24, dtype="u1")
    for part in found.arrangement.parts():
        assert isinstance(part.data, Layout)
        parts[part.index] = part.data.view(stored)
    np.testing.assert_array_equal(parts, stored.reshape(3, 2, 4).swapaxes(1, 2).reshape(12, 2))


@pytest.mark.parametrize("dims", [("t", "t", "t"), ("t", "c", "t", "c")])
def test_only_one_axis_can_be_in_blocks(dims: tuple[str, ...]) -> None:
    with pytest.raises(DescriptionError, match="only one axis"):
        describe(v=(dims, template("u1", (2,) * len(dims)))).resolve(2 ** len(dims))


def test_dims_and_axes_are_as_many() -> None:
    with pytest.raises(DescriptionError, match=r"variable 'v': it has 2 axes"):
        describe(v=(("x", "y", "z"), template("u1", (2, 3)))).resolve(6)


def test_an_unnamed_variable_is_not_spoken_of() -> None:
    data = {"data": Variable(("x", "y", "z"), template("u1", (2, 3)))}
    with pytest.raises(DescriptionError) as caught:
        Description("a.bin", data, unnamed=True).resolve(6)
    assert "'data'" not in str(caught.value)


def test_variables_can_be_left_out() -> None:
    description = Description(
        "a.bin",
        {"u": Variable(("x",), template("u1", (2,))), "v": Variable(("y",), template("u1", (9,)))},
        frozenset({"v"}),
    )
    kept = description.without(["v"])
    assert set(kept.variables) == {"u"}
    assert kept.coords == frozenset()
    assert description.without([]) is description
