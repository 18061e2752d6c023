"""A file's name stands before an error's text, once, and the error stays what it was."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from rawmmap.errors import DescriptionError, ShortFileError, add_file_name, name_file


@pytest.mark.parametrize("kind", [TypeError, ValueError, IndexError, DescriptionError])
@pytest.mark.parametrize("path", ["a.bin", b"a.bin", Path("a.bin")])
def test_the_name_comes_first_and_once(kind: type[Exception], path: str | bytes | Path) -> None:
    error = kind("offset -1 is negative")
    with pytest.raises(kind) as info, name_file(path), name_file(path):
        raise error
    assert info.value is error
    assert str(error) == "a.bin: offset -1 is negative"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    "text", ["/tmp/a.bin: too short", "cannot map 'a.bin' here", "a.bin: too short"]
)
def test_a_name_that_is_said_already_is_not_repeated(text: str) -> None:
    error = ValueError(text)
    add_file_name(error, "a.bin")
    assert str(error) == text


def test_errors_of_the_system_get_a_filename() -> None:
    error = OSError(errno.ENOSPC, "no space")
    add_file_name(error, "a.bin")
    add_file_name(error, "b.bin")
    assert error.filename == "a.bin"
    assert "a.bin" in str(error)


@pytest.mark.parametrize(
    "error",
    [
        KeyError("a"),
        UnicodeDecodeError("ascii", b"\xff", 0, 1, "no"),
        ShortFileError("c.bin", 2, 1),
        ValueError(),
        ValueError(3),
    ],
    ids=repr,
)
def test_errors_without_a_plain_text_are_left_alone(error: Exception) -> None:
    before = str(error)
    add_file_name(error, "a.bin")
    assert str(error) == before


def test_no_name_changes_nothing() -> None:
    with pytest.raises(ValueError, match=r"^shape$"), name_file(None):
        raise ValueError("shape")
