"""Files whose content only their maker knows, from a seed: raw ones, and others as decoys."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: The types without byte order.
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16")


@dataclass(frozen=True)
class Sample:
    """A file and what lies in it.

    Attributes
    ----------
    kind : str
        What the values are: ``"field"``, ``"counts"``, or the kind of a decoy.
    data : bytes
        The whole file.
    dtype : numpy.dtype or None
        Type of the values; None for what is not raw.
    offset : int
        Bytes of the header.
    shape : tuple of int
        Of the array.
    keywords : dict
        Others that a right description has.
    """

    kind: str
    data: bytes
    dtype: np.dtype[Any] | None = None
    offset: int = 0
    shape: tuple[int, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        dtype = "" if self.dtype is None else "".join(c for c in str(self.dtype.str) if c != "|")
        return f"{self.kind} {dtype} {self.offset}".strip()


def make_samples(seed: int, rounds: int = 2) -> Iterator[Sample]:
    """Yield raw files of all types and kinds, in both byte orders, with and without headers."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for code in TYPES:
            for kind, make in KINDS.items():
                values = make(rng, np.dtype(code))
                if values is None:
                    continue
                dtype = np.dtype(code).newbyteorder(_choose_order(rng))
                header = make_header(rng)
                data = header + values.astype(dtype).tobytes()
                yield Sample(kind, data, dtype, len(header), values.shape)
        for _ in range(6):
            yield make_records(rng)
        for code in ("f4", "f8", "i4"):
            yield make_fortran(rng, code)


def _choose_order(rng: np.random.Generator) -> Literal["<", ">"]:
    return "<" if rng.choice(["<", ">"]) == "<" else ">"


def make_header(rng: np.random.Generator) -> bytes:
    """Return the bytes before the data: none, text, zeros, numbers, or a mixture."""
    kind = rng.choice(["none", "text", "padded", "numbers", "mixed"])
    length = int(
        rng.choice([rng.integers(16, 4097), 8 * rng.integers(2, 513), 2 ** rng.integers(5, 13)])
    )
    if kind == "none":
        return b""
    words = "".join(
        f"{rng.choice(['nx', 'ny', 'time', 'gain', 'date', 'station'])} = {rng.normal():.5g}\n"
        for _ in range(300)
    ).encode()
    numbers = rng.integers(0, 5000, 64).astype("<i4").tobytes()
    numbers += rng.normal(0, 100, 64).astype("<f4").tobytes()
    if kind == "text":
        return words[: length - 1] + b"\n"
    if kind == "padded":
        pad = (b" ", b"\0")[rng.integers(2)]
        return bytes(words[: rng.integers(10, length)].ljust(length, pad)[:length])
    if kind == "numbers":
        return (numbers * 8)[:length]
    return (b"DATA" + numbers[: rng.integers(8, 300)]).ljust(length, b"\0")[:length]


def _fit(values: Array, dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """Scale values of about -3 to 3 into a type as programs do."""
    if dtype.kind == "c":
        turned = np.roll(values, values.shape[-1] // 7, -1)
        return (values + 1j * turned).astype(dtype)
    if dtype.kind == "f":
        offset, scale = ((0, 1), (280, 15), (0, 1e-5), (1013, 20), (0.5, 0.15))[rng.integers(5)]
        return (values * scale + offset).astype(dtype)
    bits = 8 * dtype.itemsize
    # Digitizers use most of a small type; large ones hold whatever the quantity needs.
    span = 8 if bits == 8 else int(rng.integers(10, min(bits, 24) + 1))
    scale = 2.0 ** (span - 1) / 3.2
    middle = 2 ** (span - 1) if dtype.kind == "u" else 0
    info = np.iinfo(dtype)
    return np.clip(np.rint(values * scale * 0.8 + middle), info.min, info.max).astype(dtype)


def make_field(rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """A few smooth waves on a grid."""
    ny, nx = int(rng.integers(40, 120)), int(rng.integers(50, 200))
    y, x = np.mgrid[:ny, :nx]
    values = np.zeros((ny, nx))
    for _ in range(5):
        ky, kx = rng.normal(0, 0.12, 2)
        values += rng.normal() * np.sin(ky * y + kx * x + rng.uniform(0, 6))
    return _fit(values / values.std() + rng.normal(0, 0.002, values.shape), dtype, rng)


def make_image(rng: np.random.Generator, dtype: np.dtype[Any]) -> Array | None:
    """Bright discs on a background with noise."""
    if dtype.kind == "c":
        return None
    ny, nx = int(rng.integers(50, 130)), int(rng.integers(50, 200))
    y, x = np.mgrid[:ny, :nx]
    values = 0.5 * np.sin(x / 37) - 1.5
    for _ in range(20):
        cy, cx, r = rng.uniform(0, ny), rng.uniform(0, nx), rng.uniform(3, 15)
        values += np.where((y - cy) ** 2 + (x - cx) ** 2 < r * r, rng.uniform(0.3, 1.5), 0)
    values = np.clip(values, -3, 3) + rng.normal(0, 0.05, values.shape)
    return _fit(values, dtype, rng)


def make_counts(rng: np.random.Generator, dtype: np.dtype[Any]) -> Array | None:
    """Counts of rare or frequent events along a spectrum."""
    if dtype.kind == "c":
        return None
    n = int(rng.integers(3000, 12000))
    mean = float(rng.choice([2, 12, 40] if dtype.itemsize == 1 else [3, 30, 400]))
    rate = mean * (1 + 0.5 * np.sin(np.arange(n) / rng.uniform(50, 400)))
    return rng.poisson(rate).astype(dtype)


def make_series(rng: np.random.Generator, dtype: np.dtype[Any]) -> Array:
    """A signal with noise, sampled in time."""
    n = int(rng.integers(4000, 16000))
    t = np.arange(n)
    values = np.sin(t / rng.uniform(5, 60)) + 0.5 * np.sin(t / rng.uniform(60, 900))
    values += rng.normal(0, rng.choice([0.01, 0.1, 0.4]), n)
    return _fit(values, dtype, rng)


def make_noise(rng: np.random.Generator, dtype: np.dtype[Any]) -> Array | None:
    """Noise about zero, or about the middle of the range; as complex numbers, of one band."""
    if dtype.kind == "c":
        n = int(rng.integers(2000, 8000))
        noise = rng.normal(size=(2, n + 7))
        band = np.convolve(noise[0] + 1j * noise[1], np.exp(0.3j * np.arange(8)), "valid")
        return band.astype(dtype)
    return _fit(rng.normal(0, 0.8, int(rng.integers(4000, 12000))), dtype, rng)


def make_channels(rng: np.random.Generator, dtype: np.dtype[Any]) -> Array | None:
    """Several signals, one sample of each in turn."""
    if dtype.kind == "c":
        return None
    n, channels = int(rng.integers(1500, 4000)), int(rng.integers(2, 9))
    t = np.arange(n)[:, None]
    values = rng.uniform(0.2, 1, channels) * np.sin(t / rng.uniform(10, 90, channels))
    values = values + rng.uniform(-1.5, 1.5, channels) + rng.normal(0, 0.02, (n, channels))
    return _fit(values, dtype, rng)


KINDS: dict[str, Callable[[np.random.Generator, np.dtype[Any]], Array | None]] = {
    "field": make_field,
    "image": make_image,
    "counts": make_counts,
    "series": make_series,
    "noise": make_noise,
    "channels": make_channels,
}


def make_records(rng: np.random.Generator) -> Sample:
    """Records of a time, a few quantities and a counter."""
    order = _choose_order(rng)
    n = int(rng.integers(1200, 3000))
    t = np.arange(n)
    columns = [
        ("f8", 1.7e9 + 0.1 * t),
        ("f4", 280 + 5 * np.sin(t / 40) + rng.normal(0, 0.1, n)),
        ("f4", 1013 + rng.normal(0, 2, n)),
        ("i2", 300 * np.sin(t / 25) + rng.normal(0, 20, n)),
        ("i4", np.cumsum(rng.integers(-50, 60, n)) + 100000),
    ]
    chosen = sorted(rng.choice(len(columns), int(rng.integers(3, 6)), replace=False))
    dtype = np.dtype([(f"f{i}", order + columns[c][0]) for i, c in enumerate(chosen)])
    values = np.zeros(n, dtype)
    for i, c in enumerate(chosen):
        values[f"f{i}"] = columns[c][1]
    header = make_header(rng)
    return Sample("records", header + values.tobytes(), dtype, len(header), (n,))


def make_fortran(rng: np.random.Generator, code: str) -> Sample:
    """A field in records of one row each, between markers."""
    values = make_field(rng, np.dtype(code))
    order = _choose_order(rng)
    dtype = np.dtype(code).newbyteorder(order)
    marker = np.array(values[0].nbytes, order + "i4").tobytes()
    data = b"".join(marker + row.astype(dtype).tobytes() + marker for row in values)
    return Sample("Fortran", data, dtype, 0, values.shape, {"format": "fortran"})


def make_decoys(seed: int, rounds: int = 2) -> Iterator[Sample]:
    """Yield files that are not raw: text, compressed data, and formats of other programs."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        text = _make_prose(rng)
        table = "\n".join(",".join(f"{v:.4f}" for v in row) for row in rng.normal(0, 30, (400, 6)))
        data = make_series(rng, np.dtype("i2")).tobytes() + text.encode()
        noise = rng.bytes(int(rng.integers(4000, 40000)))
        deflate = zlib.compressobj(wbits=-15)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.bin", data)
        for kind, content in {
            "prose": text.encode(),
            "prose in UTF-8": text.replace("o", "ö").replace("e", "é").encode(),
            "prose in UTF-16": text.encode("utf-16"),
            "prose in Latin-1": text.replace("o", "ö").encode("latin-1"),
            "table": table.encode(),
            "columns": table.replace(",", "  ").encode(),
            "JSON": json.dumps({"values": rng.integers(0, 999, 3000).tolist()}).encode(),
            "XML": ("<a>" + "".join(f"<b x='{v}'/>" for v in range(2000)) + "</a>").encode(),
            "digits": "".join(map(str, rng.integers(0, 10, 20000))).encode(),
            "hexadecimal": noise.hex().encode(),
            "gzip": gzip.compress(data),
            "zlib": zlib.compress(data),
            "deflate": deflate.compress(data) + deflate.flush(),
            "bzip2": bz2.compress(data),
            "bzip2 without its start": bz2.compress(data)[14:],
            "xz": lzma.compress(data),
            "LZMA": lzma.compress(data, lzma.FORMAT_ALONE),
            "ZIP": archive.getvalue(),
            "PNG": _make_png(rng),
            "encrypted": noise,
        }.items():
            yield Sample(kind, content)


_WORDS = "the data of a model run were written to one file per step and read by others"


def _make_prose(rng: np.random.Generator) -> str:
    words = np.array(_WORDS.split())
    lines = (" ".join(rng.choice(words, int(rng.integers(3, 14)))) for _ in range(300))
    return "\n".join(lines)


def _make_png(rng: np.random.Generator) -> bytes:
    rows = make_image(rng, np.dtype("u1"))
    assert rows is not None
    ny, nx = rows.shape

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + name + content + check

    head = nx.to_bytes(4, "big") + ny.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )
