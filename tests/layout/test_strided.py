"""Layouts, against NumPy's own views of the same bytes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap import Layout
from rawmmap.layout import infer_shape
from tests.strategies import filled, plain_dtypes, shapes, sliced


def layout_of(view: np.ndarray, base: np.ndarray, offset: int = 0) -> Layout:
    """Return where NumPy says that a view of `base` lies."""
    start = view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    return Layout(view.dtype, view.shape, view.strides, start + offset)


@given(sliced(), plain_dtypes, st.sampled_from("CF"), st.integers(0, 50))
def test_slicing_finds_the_bytes_that_numpy_finds(
    case: tuple[tuple[int, ...], Any], dtype: np.dtype, order: Any, offset: int
) -> None:
    shape, key = case
    array = np.asarray(filled(dtype, shape), order=order)
    expected = array[key]
    part = Layout.dense(dtype, shape, offset=offset, order=order)[key]
    raw = bytes(offset) + array.tobytes(order)
    found = part.view(raw) if part.size else np.empty(part.shape, dtype)
    assert part.shape == np.shape(expected)
    np.testing.assert_array_equal(found, expected)


@given(sliced(), st.sampled_from("CF"))
def test_extent_and_contiguity_are_numpys(case: tuple[Any, Any], order: Any) -> None:
    shape, key = case
    array = np.zeros(shape, "i4", order=order)
    items = key if isinstance(key, tuple) else (key,)
    view = array[items if Ellipsis in items else (*items, ...)]  # with dots, never a scalar
    part = Layout.dense("i4", shape, order=order)[key]
    assert part.contiguous == view.flags.c_contiguous
    assert part.nbytes == view.nbytes
    if view.size:
        low, high = np.lib.array_utils.byte_bounds(view)
        base = array.__array_interface__["data"][0]
        assert part.extent == (low - base, high - base)
    else:
        assert part.extent == (part.offset, part.offset)


@given(sliced(), st.sampled_from("CF"), st.integers(0, 40))
def test_runs_hold_exactly_the_elements(case: tuple[Any, Any], order: Any, gap: int) -> None:
    shape, key = case
    array = np.arange(int(np.prod(shape)), dtype="i4").reshape(shape)
    raw = array.tobytes(order)
    part = Layout.dense("i4", shape, order=order)[key]
    runs = part.runs(gap)
    starts = runs.starts().tolist()
    packed = b"".join(raw[s : s + runs.length] for s in starts)
    assert len(packed) == runs.nbytes
    found = runs.packed.view(packed) if part.size else np.empty(part.shape, "i4")
    np.testing.assert_array_equal(found, array[key])
    for most in (1, 3, 7):
        batches = [b.tolist() for b in runs.batches(most)]
        assert [start for batch in batches for start in batch] == starts
        assert all(len(b) <= most for b in batches)


def test_runs_without_a_gap_are_as_few_as_can_be() -> None:
    crop = Layout.dense("f4", (8, 10, 10), offset=20)[2:4, 3:5, 1:9]
    runs = crop.runs()
    assert (runs.length, runs.count) == (32, 4)
    assert runs.starts().tolist() == [
        20 + 4 * (100 * t + 10 * y + 1) for t in (2, 3) for y in (3, 4)
    ]
    assert crop.runs(8).count == 2
    assert Layout.dense("f4", (8, 10, 10)).runs().count == 1


@pytest.mark.parametrize(
    "key", [5, -6, (0, 0, 0, 0), (..., ...), 1.5, "a", [0, 1], True, np.array([True]), (0, 4)]
)
def test_what_is_no_basic_key_is_an_index_error(key: Any) -> None:
    with pytest.raises(IndexError):
        Layout.dense("i4", (5, 4, 3))[key]


@given(shapes)
def test_layouts_are_values(shape: tuple[int, ...]) -> None:
    one, other = Layout.dense(">f4", shape, offset=3), Layout.dense(">f4", shape, offset=3)
    assert one == other
    assert hash(one) == hash(other)
    assert pickle.loads(pickle.dumps(one)) == one
    assert one != Layout.dense("<f4", shape, offset=3)
    with pytest.raises(AttributeError):
        one.offset = 4  # type: ignore[misc]


def test_fields_and_subarrays_become_layouts() -> None:
    dtype = np.dtype([("a", "u1"), ("b", ">f4", (2, 3)), ("c", "<i8")])
    records = np.frombuffer(bytes(range(dtype.itemsize)) * 4, dtype).reshape(2, 2)
    layout = Layout.dense(dtype, (2, 2))
    for name in "abc":
        field = layout.field(name)
        np.testing.assert_array_equal(field.view(records.tobytes()), records[name])
        assert field == layout_of(records[name], records)
    assert layout.field("b").shape == (2, 2, 2, 3)
    with pytest.raises(KeyError, match="'z'"):
        layout.field("z")
    inner = Layout.dense(("f4", (3,)), (5,))
    assert (inner.shape, inner.strides, inner.nbytes) == ((5, 3), (12, 4), 60)


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        (("O", 3, (8,), 0), TypeError, "pointers"),
        ((np.dtypes.StringDType(), 3, (16,), 0), TypeError, "pointers"),
        (("S", 3, (0,), 0), ValueError, "no bytes"),
        (("f4", -1, (4,), 0), ValueError, "negative"),
        (("f4", 3, (4,), -1), ValueError, "-1"),
        (("f4", 3, (4, 4), 0), ValueError, "1 axes"),
        (("f4", 3, (-4,), 7), ValueError, "1 bytes before"),
        (("f4", 2**62, (4,), 0), ValueError, "2\\*\\*63"),
        (("u1", 1, (1,), 2**63 - 1), ValueError, "2\\*\\*63"),
    ],
)
def test_impossible_layouts_are_refused(words: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        Layout(*words)


def test_the_last_possible_byte_is_allowed() -> None:
    assert Layout("u1", 1, (1,), 2**63 - 2).extent == (2**63 - 2, 2**63 - 1)
    assert Layout.dense("u1", (0, 2**62, 2**62)).size == 0


@pytest.mark.parametrize(
    ("shape", "words", "size", "expected"),
    [
        (None, {}, 40, (10,)),
        (-1, {}, 40, (10,)),
        ((-1, 5), {}, 40, (2, 5)),
        ((5, -1), {"order": "F"}, 40, (5, 2)),
        ((-1, 5), {"offset": 20}, 40, (1, 5)),
        ((-1, 5), {"offset": 40}, 40, (0, 5)),
        ((2, 3), {}, 1, (2, 3)),
        ((-1, 2), {"strides": (16, 4)}, 40, (3, 2)),
        ((-1, 2), {"strides": (16, 4)}, 48, (3, 2)),
        ((2, -1), {"strides": (4, 16)}, 40, (2, 3)),
    ],
)
def test_minus_one_follows_from_the_size(
    shape: Any, words: Any, size: int, expected: tuple[int, ...]
) -> None:
    assert infer_shape("f4", shape, size=size, **words) == expected


@pytest.mark.parametrize(
    ("shape", "words", "text"),
    [
        (-2, {}, "-2"),
        ((-1, -1), {}, "once"),
        ((5, -1), {}, "axis 0"),
        ((-1, 5), {"order": "F"}, "axis 1"),
        ((-1, 0), {}, "zero"),
        ((-1, 3), {}, "4 bytes more"),
        (None, {"offset": 41}, "41"),
        (None, {"offset": 3}, "37 bytes"),
        (-1, {"offset": -1}, "-1"),
        (-1, {"order": "K"}, "'K'"),
        ((-1, 2), {"strides": (16, 4), "offset": 4}, "16 bytes"),
    ],
)
def test_what_minus_one_cannot_be_is_refused(shape: Any, words: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        infer_shape("f4", shape, size=40, **words)


@pytest.mark.parametrize("step", [2**60, 2**62, 2**63 - 1, -(2**63), 2**70, -(2**70)])
@pytest.mark.parametrize("key", ["rows", "columns", "both", "none"])
def test_huge_steps_give_what_numpy_gives(step: int, key: str) -> None:
    array = np.arange(12, dtype="<i4").reshape(3, 4)
    keys: dict[str, Any] = {
        "rows": slice(None, None, step),
        "columns": (..., slice(None, None, step)),
        "both": (slice(1, None, step), slice(None, 2, step)),
        "none": (slice(2, 2, step),),
    }
    part = Layout.dense("<i4", (3, 4))[keys[key]]
    np.testing.assert_array_equal(part.view(array.tobytes()), array[keys[key]])


def test_axes_of_a_transposition_are_checked() -> None:
    layout = Layout.dense("<i4", (2, 3, 4))
    assert layout.transpose((-1, 0, -2)) == layout.transpose((2, 0, 1))
    for axes in [(0, 1), (0, 1, 1), (0, 1, 3), (0, 1, -2), (0, 1, 2, 3)]:
        with pytest.raises(ValueError, match="not a permutation of the 3 axes"):
            layout.transpose(axes)
