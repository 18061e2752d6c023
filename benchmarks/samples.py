"""Samples that NumPy has no type for: stored bytes per second, read through `RawArray` and decoded.

The file is in the page cache, so that decoding is what is measured: in processor time of one
thread, which other programs hardly change. "decode" and "encode" are the conversions of an array in
memory.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

if __name__ == "__main__":
    # A script's folder is on the path, not the one above it, which holds the package.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rawmmap import RawArray
from rawmmap.layout.bits import SIZES
from rawmmap.layout.samples import NAMES, parse_dtype


class Rates(NamedTuple):
    """Stored megabytes per second, the best of some rounds; None where there is no such way."""

    name: str
    read: float
    decode: float | None = None
    encode: float | None = None


def measure_coded(folder: Path, name: str, nbytes: int, rounds: int) -> Rates:
    """Return the rates of a type that has a name, after comparing what was read with NumPy's."""
    stored, samples = parse_dtype(name)
    assert samples is not None
    numbers = np.random.default_rng(0).integers(0, 100, nbytes // stored.itemsize)
    values = numbers.astype(samples.dtype)
    encoded = samples.encode(values)
    path = folder / "samples.bin"
    encoded.tofile(path)
    array = RawArray(path, name, values.size, access="read")
    np.testing.assert_array_equal(array[...], values)
    return Rates(
        name,
        rate_of(lambda: array[...], encoded.nbytes, rounds),
        rate_of(lambda: samples.decode(encoded), encoded.nbytes, rounds),
        rate_of(lambda: samples.encode(values), encoded.nbytes, rounds),
    )


def measure_bits(folder: Path, bits: int, order: Any, nbytes: int, rounds: int) -> Rates:
    """Return the rate of samples of a few bits, after comparing some of them with NumPy's."""
    content = np.random.default_rng(0).integers(0, 256, nbytes, np.uint8)
    path = folder / "bits.bin"
    content.tofile(path)
    dtype = "u1" if bits < 8 else "u2"
    array = RawArray(path, dtype, 8 * nbytes // bits, bits=bits, bit_order=order, access="read")
    check_bits(array[:64], content, bits, order)
    name = f"bits={bits}, {order}"
    return Rates(name, rate_of(lambda: array[...], nbytes, rounds))


def check_bits(samples: npt.NDArray[Any], content: Any, bits: int, order: str) -> None:
    single = np.unpackbits(content, bitorder="big" if order == "msb" else "little")
    groups = single[: samples.size * bits].reshape(-1, bits).astype(int)
    places = np.arange(bits)[:: -1 if order == "msb" else 1]
    np.testing.assert_array_equal(samples, (groups << places).sum(axis=1))


def rate_of(function: Callable[[], Any], nbytes: int, rounds: int) -> float:
    """Return megabytes per second of the fastest round."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return nbytes / min(seconds) / 1e6


def measure_all(folder: Path, nbytes: int, rounds: int) -> Iterator[Rates]:
    for name in NAMES:
        for order in "<>":
            yield measure_coded(folder, order + name, nbytes, rounds)
    for bits in SIZES:
        for bit_order in ("msb", "lsb"):
            yield measure_bits(folder, bits, bit_order, nbytes, rounds)


def main(argv: list[str] | None = None) -> int:
    """Print a table of all types."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nbytes", type=int, default=2**25)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    print("| samples | read | decode | encode |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for rates in measure_all(Path(folder), args.nbytes, args.rounds):
            cells = ["-" if rate is None else f"{rate:.0f}" for rate in rates[1:]]
            print(f"| `{rates.name}` | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
