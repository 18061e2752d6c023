"""`rawmmap.guess`: its answers open files, whatever is in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.formats.probe import Probe
from tests.servers import run_http


def execute(guess: rawmmap.Guess) -> xr.Dataset:
    """Run the code of a guess and return the dataset that it opens."""
    names: dict[str, Any] = {}
    exec(guess.code, names)
    ds = names["ds"]
    assert isinstance(ds, xr.Dataset)
    return ds


def make_field(ny: int = 80, nx: int = 96) -> np.ndarray:
    y, x = np.mgrid[:ny, :nx]
    noise = np.random.default_rng(3).normal(0, 0.01, (ny, nx))
    return np.asarray(280 + 10 * np.sin(x / 22) + 5 * np.cos(y / 20) + noise)


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """A header of 512 bytes, then big-endian float32 of shape (80, 96)."""
    path = tmp_path / "field.bin"
    path.write_bytes(b"temperature in K\n".ljust(512) + make_field().astype(">f4").tobytes())
    return path


def test_keywords_code_and_evidence_say_the_same(field: Path) -> None:
    best, *others = rawmmap.guess(field)
    assert best.keywords == {"dtype": ">f4", "shape": (-1, 96), "dims": ("y", "x"), "offset": 512}
    assert 0.7 < best.score <= 1
    assert all(other.score <= best.score for other in others)
    assert sum(guess.score for guess in (best, *others)) <= 1 + 1e-9
    text = " ".join(best.evidence)
    assert "big-endian float32" in text
    assert "512 bytes" in text
    assert "96 values" in text
    with execute(best) as ds:
        np.testing.assert_array_equal(ds["data"].values, make_field().astype("f4"))
    with xr.open_dataset(field, engine="rawmmap", **best.keywords) as ds:
        assert ds["data"].shape == (80, 96)


def test_every_guess_opens(field: Path) -> None:
    for guess in rawmmap.guess(field, limit=20):
        with execute(guess) as ds:
            ds.load()


def test_limit(field: Path) -> None:
    assert len(rawmmap.guess(field, limit=1)) == 1
    assert len(rawmmap.guess(field, limit=3)) <= 3
    with pytest.raises(ValueError, match="limit=0 must be at least 1"):
        rawmmap.guess(field, limit=0)
    with pytest.raises(TypeError, match="limit must be an integer, not '2'"):
        rawmmap.guess(field, limit="2")  # type: ignore[arg-type]


def test_a_guess_cannot_be_changed(field: Path) -> None:
    guess = rawmmap.guess(field)[0]
    with pytest.raises(AttributeError):
        guess.score = 1.0  # type: ignore[misc]


def test_pictures(field: Path) -> None:
    guess = rawmmap.guess(field)[0]
    assert guess.thumbnail is not None
    assert guess.thumbnail.dtype == np.uint8
    assert guess.thumbnail.shape == (32, 64)
    values = make_field()[np.ix_(np.linspace(0, 79, 32).round().astype(int), np.array([0, 95]))]
    shades = guess.thumbnail[:, [0, -1]].astype(float)
    assert np.corrcoef(values.ravel(), shades.ravel())[0, 1] > 0.95
    text = str(guess)
    assert "█" in text
    assert guess.code.strip() in text
    assert repr(guess).startswith("<Guess ")
    assert "data:image/png;base64," in guess._repr_html_()
    assert "overflow-wrap:anywhere" in guess._repr_html_()


def test_the_picture_of_a_notebook_is_a_png(field: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    import base64
    import io
    import re

    guess = rawmmap.guess(field)[0]
    data = re.findall(r"base64,([^\"]+)", guess._repr_html_())[0]
    pixels = image.imread(io.BytesIO(base64.b64decode(data)), format="png")
    np.testing.assert_array_equal(np.rint(pixels * 255), guess.thumbnail)


@pytest.mark.parametrize("order", ["<", ">"])
def test_channels(tmp_path: Path, order: str) -> None:
    t = np.arange(3000)[:, None]
    values = 900 * np.sin(t / [20, 35, 60, 13]) + [0, 3000, -2000, 500]
    path = tmp_path / "a.bin"
    path.write_bytes(values.astype(order + "i2").tobytes())
    best = rawmmap.guess(path)[0]
    assert best.keywords == {
        "dtype": order + "i2",
        "shape": (-1, 4),
        "dims": ("sample", "channel"),
        "offset": 0,
    }
    with execute(best) as ds:
        np.testing.assert_array_equal(ds["data"], values.astype("i2"))


def test_records(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    n = 2000
    records = np.zeros(n, [("t", "<f8"), ("p", "<f4"), ("n", "<i2")])
    records["t"] = 1.7e9 + 0.1 * np.arange(n)
    records["p"] = 1000 + rng.normal(0, 3, n)
    records["n"] = 300 * np.sin(np.arange(n) / 25)
    path = tmp_path / "a.bin"
    path.write_bytes(b"LOG\n".ljust(64, b"\0") + records.tobytes())
    best = rawmmap.guess(path)[0]
    assert best.keywords["dtype"] == "<f8,<f4,<i2"
    assert best.keywords["offset"] == 64
    with execute(best) as ds:
        for stored, name in zip(records.dtype.names or (), ["f0", "f1", "f2"], strict=True):
            np.testing.assert_array_equal(ds[name], records[stored])


def test_a_file_without_rows_is_one_axis(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    np.random.default_rng(5).normal(0, 1, 5000).astype("<f8").tofile(path)
    best = rawmmap.guess(path)[0]
    assert best.keywords == {"dtype": "<f8", "shape": (-1,), "dims": ("x",), "offset": 0}


def test_integers_without_sign_are_offered_with_one_too(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    np.random.default_rng(5).poisson(300, 5000).astype("<i4").tofile(path)
    first, second = rawmmap.guess(path)[:2]
    assert {first.keywords["dtype"], second.keywords["dtype"]} == {"<u4", "<i4"}
    assert any("gives the same numbers" in sentence for sentence in first.evidence)


@pytest.mark.parametrize("size", [*range(1, 65), 100, 200, 1000])
def test_tiny_files(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes())
    for guess in rawmmap.guess(path):
        assert 0 <= guess.score <= 1
        if guess.keywords:
            execute(guess).close()


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.touch()
    (guess,) = rawmmap.guess(path)
    assert (guess.keywords, guess.score, guess.code) == ({}, 0.0, "")
    assert guess.evidence == ("the file is empty",)


@pytest.mark.parametrize("value", [0, 255, 32, 65])
def test_equal_bytes_say_nothing(tmp_path: Path, value: int) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes([value]) * 10_000)
    (guess,) = rawmmap.guess(path)
    assert guess.score < 0.1


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rawmmap.guess(tmp_path / "missing.bin")
    with pytest.raises(IsADirectoryError):
        rawmmap.guess(tmp_path)
    with pytest.raises(TypeError, match="a path or URL is needed, not int"):
        rawmmap.guess(3)  # type: ignore[arg-type]


@given(data=st.binary(max_size=3000))
def test_any_bytes_have_an_answer(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("guess") / "a.bin"
    path.write_bytes(data)
    guesses = rawmmap.guess(path, limit=3)
    assert 1 <= len(guesses) <= 3
    assert all(str(guess) and guess._repr_html_() for guess in guesses)
    for guess in guesses:
        if guess.keywords:
            execute(guess).close()


@given(
    values=st.lists(
        st.sampled_from([0.0, -0.0, 1.0, 1e300, -1e-300, np.nan, np.inf, -np.inf, 3.5]),
        min_size=1,
        max_size=400,
    ),
    dtype=st.sampled_from(["<f8", ">f4", "<i8", ">u8", "<c8"]),
    repeat=st.integers(1, 20),
)
def test_any_numbers_have_an_answer(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], dtype: str, repeat: int
) -> None:
    path = tmp_path_factory.mktemp("guess") / "a.bin"
    with np.errstate(all="ignore"):
        path.write_bytes(np.tile(values, repeat).astype(dtype).tobytes())
    for guess in rawmmap.guess(path):
        if guess.keywords:
            execute(guess).close()


def test_remote_files_are_read_by_ranges(field: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe("/guess/field.bin", field.read_bytes())
    best = rawmmap.guess("memory://guess/field.bin")[0]
    assert best.keywords["offset"] == 512
    with execute(best) as ds:
        np.testing.assert_array_equal(ds["data"].values, make_field().astype("f4"))


def test_little_of_a_remote_file_is_fetched(field: Path) -> None:
    pytest.importorskip("aiohttp")
    values = np.tile(make_field(), (100, 4)).astype("<f4")
    with run_http() as server:
        server.files["/a.bin"] = values.tobytes()
        best = rawmmap.guess(f"{server.url}/a.bin")[0]
        assert best.keywords["dtype"] == "<f4"
        fetched = sum(stop - start for start, stop in server.ranges())
        assert fetched < 2 * 2**20 < values.nbytes
        assert server.ranges()


def test_a_server_that_does_not_say_which_files_it_has(
    field: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(probe: Probe, name: str) -> None:
        raise PermissionError(13, "the server refuses", name)

    monkeypatch.setattr(Probe, "neighbour", refuse)
    best = rawmmap.guess(field)[0]
    assert best.keywords["offset"] == 512
    assert "the server refuses" in best.evidence[0]


_COUNTED = """
import os, sys, rawmmap

def count():
    with open("/proc/self/io") as file:
        return int(file.readline().split()[1])

small, large = sys.argv[1:]
rawmmap.guess(small)  # loads what it needs
before = count()
guesses = rawmmap.guess(large)
print(count() - before, guesses[0].keywords.get("dtype"))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="the system does not count reads")
@pytest.mark.parametrize("kind", ["field", "fortran"])
def test_little_of_a_large_file_is_read(tmp_path: Path, field: Path, kind: str) -> None:
    large = tmp_path / "large.bin"
    data = make_field(1000, 512).astype(">f4")
    if kind == "fortran":
        marker = np.array([data.nbytes], ">i4").tobytes()
        block = marker + data.tobytes() + marker
    else:
        block = data.tobytes()
    size = 10 * 2**30 // len(block) * len(block)
    with open(large, "wb") as file:
        file.truncate(size)
        for first in (0, len(block), size - len(block)):
            file.seek(first)
            file.write(block)
    shown = subprocess.run(
        [sys.executable, "-c", _COUNTED, str(field), str(large)],
        capture_output=True,
        text=True,
        check=True,
    )
    nbytes, dtype = shown.stdout.split()
    assert int(nbytes) < 2**26
    assert dtype == ">f4"
