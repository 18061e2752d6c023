"""Patterns of file names: what they parse formats back to the same names."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rawmmap.description.patterns import Grid, Pattern, is_pattern
from rawmmap.errors import DescriptionError

TEXT = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)


def parsed(pattern: str, *names: str) -> dict[str, list[Any]]:
    _, axes = Pattern(pattern).parse(names)
    return {axis.name: axis.values.tolist() for axis in axes}


def test_a_field_of_digits_is_an_integer() -> None:
    assert parsed("run/ux-{step:04d}.bin", "ux-0001.bin", "ux-12345.bin") == {"step": [1, 12345]}


def test_names_that_the_values_do_not_format_to_do_not_belong() -> None:
    names = ("ux-1.bin", "ux-00001.bin", "ux-0001.bin.json", "uy-0001.bin", "ux--001.bin")
    assert parsed("ux-{step:04d}.bin", *names) == {"step": [-1]}


def test_times() -> None:
    _, (axis,) = Pattern("{time:%Y%m%d}.dat").parse(["20240229.dat", "20230229.dat"])
    assert axis.values.dtype == "M8[ns]"
    assert axis.values.tolist() == np.array(["2024-02-29"], "M8[ns]").tolist()


def test_a_time_may_be_spread_over_folders() -> None:
    pattern = Pattern("a/{time:%Y}/{time:%Y-%j}.dat")
    chosen, (axis,) = pattern.parse(["2024/2024-060.dat", "2023/2024-060.dat"])
    assert chosen == [0]
    assert axis.values.tolist() == np.array(["2024-02-29"], "M8[ns]").tolist()
    assert pattern.folder == "a/"
    assert len(pattern.levels) == 2


def test_fields_without_a_format_are_integers_where_all_are() -> None:
    assert parsed("{year}/{day}.bin", "2024/01.bin", "2025/12.bin") == {
        "year": [2024, 2025],
        "day": ["01", "12"],
    }
    assert parsed("{variable}-{a:s}.x", "1-2.x") == {"variable": ["1"], "a": ["2"]}


def test_floats_and_other_bases() -> None:
    assert parsed("{x:.2f}", "0.10", "-1.50", "1.5") == {"x": [0.1, -1.5]}
    assert parsed("{x:04x}", "00ff") == {"x": [255]}


def test_braces_are_escaped_by_doubling_them() -> None:
    assert is_pattern("a{{b}}{c}")
    assert not is_pattern("a{{b}}")
    assert not is_pattern("a{b")
    assert Pattern("a{{b}}/{c}").folder == "a{b}/"
    assert parsed("a{{b}}{c}", "a{b}7") == {"c": [7]}


@pytest.mark.parametrize("text", ["{}", "{0}", "{a.b}", "{a:q}", "{a!r}", "{t:%A}", "{a[0]}"])
def test_what_cannot_be_read_back_is_refused(text: str) -> None:
    with pytest.raises(DescriptionError, match=r"\{"):
        Pattern(text)


@given(st.integers(-(10**9), 10**9), st.datetimes(), TEXT, st.integers(0, 9))
def test_values_come_back(step: int, time: dt.datetime, text: str, width: int) -> None:
    if time.year < 1000:
        time = time.replace(year=2000)
    spec = f"{{step:0{width}d}}" if width else "{step:d}"
    pattern = Pattern("p/{time:%Y-%m-%dT%H%M%S.%f}/{text:s}_" + spec)
    name = pattern.format({"step": step, "time": time, "text": text})
    chosen, axes = pattern.parse([name.removeprefix("p/")])
    assert chosen == [0]
    values = {axis.name: axis.values[0] for axis in axes}
    assert (values["step"], values["text"]) == (step, text)
    assert values["time"] == np.datetime64(time, "us")


@given(st.lists(st.text(st.characters(exclude_characters="/\0"), max_size=12), max_size=20))
def test_every_name_that_belongs_formats_back(names: list[str]) -> None:
    for text in ("{a}-{b:02d}", "{a}", "{b:d}.{c:g}", "{t:%Y}x"):
        pattern = Pattern(text)
        chosen, axes = pattern.parse(names)
        for row, number in enumerate(chosen):
            values = {axis.name: axis.values[row] for axis in axes}
            assert pattern.format(values) == names[number]


def test_a_grid_is_sorted_in_the_order_of_the_fields() -> None:
    names = ["b-2", "a-10", "a-2", "b-10"]
    chosen, axes = Pattern("{k}-{n}").parse(names)
    grid = Grid.of(axes)
    assert grid.shape == (2, 2)
    assert [names[chosen[i]] for i in grid.files] == ["a-2", "a-10", "b-2", "b-10"]
    assert grid.numbers() == range(4)


def test_what_is_missing_is_named() -> None:
    pattern = Pattern("{k}-{n:02d}")
    _, axes = pattern.parse(["a-01", "b-02", "b-01"])
    grid = Grid.of(axes)
    assert list(grid.numbers()) == [0, -1, 1, 2]
    with pytest.raises(DescriptionError, match="1 of 4 files are missing: a-02;"):
        grid.check_complete(pattern)


def test_the_list_of_what_is_missing_is_bounded() -> None:
    pattern = Pattern("{a}-{b}")
    _, axes = pattern.parse([f"{i}-{i}" for i in range(100)])
    with pytest.raises(DescriptionError, match="and 9895 more") as caught:
        Grid.of(axes).check_complete(pattern)
    assert len(str(caught.value)) < 300


def test_a_grid_that_is_nearly_empty_is_refused() -> None:
    _, axes = Pattern("{a}-{b}").parse([f"{i}-{i}" for i in range(2000)])
    with pytest.raises(DescriptionError, match="2000 files make hardly a grid"):
        Grid.of(axes)


FIELDS = ["{a}", "{b:d}", "{c:x}", "{d:.1f}", "{t:%m}", "{e:s}", "-", "x", "1", "."]


@given(
    parts=st.lists(st.sampled_from(FIELDS), min_size=3, max_size=7),
    name=st.text("0a1-x.", max_size=12),
)
def test_names_match_as_by_the_expression_alone(parts: list[str], name: str) -> None:
    pattern = Pattern("".join(parts) + "{n}")
    (level,) = pattern.levels
    expected = re.fullmatch(level.pattern, name)
    match = level.fullmatch(name)
    if match is None or expected is None:
        assert match is expected
    else:
        assert match.groups() == expected.groups()


def test_many_fields_take_no_time_on_long_names() -> None:
    # All ways to divide these names would be thousands of millions.
    pattern = Pattern("{a}{b}-{c}{d}{e}.x")
    names = ["a" * 250 + ".y", "-" * 250 + "y", "a" * 250 + ".x"]
    assert pattern.parse(names)[0] == []
    assert pattern.parse(["a" * 100 + "-" + "b" * 100 + ".x"])[0] == [0]


@pytest.mark.parametrize("spec", ["%Y%m%d", "%Y%j", "%H%M%S", "%Y%m%d%H%M%S%f", "%m%d", "%Y%m%d%j"])
@given(data=st.data())
def test_digits_are_the_times_of_strptime(spec: str, data: Any) -> None:
    # Mostly near valid times, so that there are some.
    time = data.draw(st.datetimes().filter(lambda t: t.year >= 1000))
    digits = list(time.strftime(spec))
    for _ in range(data.draw(st.integers(0, 2))):
        digits[data.draw(st.integers(0, len(digits) - 1))] = data.draw(
            st.sampled_from("0123456789")
        )
    name = "".join(digits)
    expected = []
    try:
        # Without a year strptime takes 1900, which is not a leap year; we take 1970.
        text, format_ = (name, spec) if "%Y" in spec else (f"1970{name}", f"%Y{spec}")
        found = dt.datetime.strptime(text, format_)  # noqa: DTZ007
        if found.year >= 1000 and found.strftime(format_) == text:
            expected = [np.datetime64(found, "us")]
    except ValueError:
        pass
    _, (axis,) = Pattern(f"{{t:{spec}}}").parse([name])
    assert axis.values.astype("M8[us]").tolist() == [value.item() for value in expected]


def test_years_of_fewer_digits_and_other_digits_do_not_belong() -> None:
    assert parsed("{t:%Y}", "0999", "١٩٧٠", "1000", "12345") == {"t": [dt.datetime(1000, 1, 1)]}  # noqa: DTZ001
