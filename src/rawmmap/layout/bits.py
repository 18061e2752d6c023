"""Arrays of unsigned samples of a few bits each, packed along one axis.

A `BitLayout` is a layout that counts in bits: slicing and transposing it is the arithmetic of
`Layout`. What is read are bytes: of whole rows where the samples lie near each other, else just
those of each sample.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rawmmap.layout.parts import Part, full_index
from rawmmap.layout.shapes import check_shape, dense_strides
from rawmmap.layout.strided import BasicKey, Layout
from rawmmap.layout.unpacking import unpack_run

__all__ = ["BIT_ORDERS", "SIZES", "BitLayout", "BitRows", "Packing", "check_packed_strides"]

#: Bits that a sample can have; those of 8 and 16 are plain integers.
SIZES = (1, 2, 3, 4, 5, 6, 7, 10, 12, 14)
BIT_ORDERS = ("msb", "lsb")

# Bytes between samples of a row up to which all of them are read.
_NEAR = 64
# Samples from one to the next up to which those between them are unpacked too.
_CROWDED = 8
# Samples that are unpacked at a time, so that intermediate results stay in the cache.
_BLOCK = 2**16


class Packing(NamedTuple):
    """How samples are packed into bytes.

    Attributes
    ----------
    bits : int
        Bits of one sample.
    order : {"msb", "lsb"}
        Whether the first sample is in the most or the least significant bits of a byte.
    """

    bits: int
    order: str = "msb"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned type that holds a sample."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @classmethod
    def of(cls, bits: Any, order: str = "msb") -> Packing:
        """Return the packing of samples of `bits` bits.

        Raises
        ------
        TypeError
            If `bits` is not an integer.
        ValueError
            If samples cannot have so many bits.
        """
        try:
            packing = cls(operator.index(bits), order)
        except TypeError:
            raise TypeError(f"bits={bits!r} must be an integer") from None
        packing.check(packing.dtype)
        return packing

    def check(self, dtype: np.dtype[Any]) -> None:
        """Refuse sizes, orders and types that samples cannot have.

        Raises
        ------
        TypeError
            If `dtype` is not the type of the values.
        ValueError
            If the number of bits or their order is unknown.
        """
        if self.bits not in SIZES:
            raise ValueError(f"bits={self.bits!r}: a sample can have {SIZES} bits")
        if self.order not in BIT_ORDERS:
            raise ValueError(f"bit_order must be 'msb' or 'lsb', not {self.order!r}")
        if dtype.newbyteorder("=") != self.dtype:
            raise TypeError(
                f"samples of {self.bits} bits are of dtype {self.dtype.str[1:]!r}, not {dtype}"
            )

    def combine(self, columns: Sequence[npt.NDArray[Any]], shift: Any) -> npt.NDArray[Any]:
        """Return samples that start at bit `shift` of successive bytes, the first one in front."""
        ordered = columns if self.order == "msb" else columns[::-1]
        words = ordered[0].astype(np.uint32)
        for column in ordered[1:]:
            words = words << np.uint32(8) | column
        if self.order == "msb":
            shift = 8 * len(columns) - self.bits - shift
        samples = words >> np.asarray(shift, np.uint32) & np.uint32((1 << self.bits) - 1)
        return samples.astype(self.dtype)


class BitRows(NamedTuple):
    """The bytes that hold the rows of a `BitLayout`, and how to unpack them.

    Attributes
    ----------
    layout : Layout
        The bytes; those of a row are the last axis.
    packing : Packing
        As for `BitLayout`.
    axis : int or None
        Where the axis of the samples of a row belongs; None where each row is one sample.
    first, step, length : int
        Bit of a row at which its first sample starts, bits from one to the next (backwards if it is
        negative), and their number.
    """

    layout: Layout
    packing: Packing
    axis: int | None
    first: int
    step: int
    length: int

    def unpack(self, stored: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return the samples in bytes of the shape of `layout`."""
        outer = stored.shape[:-1]
        every, over = divmod(abs(self.step), self.packing.bits)
        if self.axis is None or (not over and every <= _CROWDED):
            samples = self._unpack_all(stored, max(every, 1))
        else:
            rows = stored.reshape(-1, stored.shape[-1])
            samples = np.empty((len(rows), self.length), self.packing.dtype)
            some = max(_BLOCK // self.length, 1)
            for row in range(0, len(rows), some):
                for start in range(0, self.length, _BLOCK):
                    key = slice(row, row + some), slice(start, start + _BLOCK)
                    samples[key] = self._unpack(rows[key[0]], key[1])
            samples = samples.reshape(*outer, self.length)
        if self.step < 0:
            samples = samples[..., ::-1]
        return samples[..., 0] if self.axis is None else np.moveaxis(samples, -1, self.axis)

    def _unpack_all(self, stored: npt.NDArray[np.uint8], every: int) -> npt.NDArray[Any]:
        """Return every so many samples, after unpacking those between them too."""
        count = (self.length - 1) * every + 1
        bits, order = self.packing
        if bits == 1:
            bit_order: Any = "big" if order == "msb" else "little"
            single = np.unpackbits(stored, axis=-1, bitorder=bit_order)
            return single[..., self.first : self.first + count : every]
        rows = stored.reshape(-1, stored.shape[-1])
        samples = unpack_run(rows, bits, order, self.first, count)[:, ::every]
        return samples.reshape(*stored.shape[:-1], self.length)

    def _unpack(self, rows: npt.NDArray[np.uint8], which: slice) -> npt.NDArray[Any]:
        positions = np.arange(*which.indices(self.length)) * abs(self.step) + self.first
        shift = positions % 8
        last = rows.shape[1] - 1
        count = (int(shift.max()) + self.packing.bits + 7) // 8
        # What lies past the last byte is shifted or masked away again.
        columns = [rows[:, np.minimum(positions // 8 + i, last)] for i in range(count)]
        return self.packing.combine(columns, shift)


@dataclass(frozen=True, slots=True)
class BitLayout:
    """Where samples of a few bits each lie in a file.

    Parameters
    ----------
    packing : Packing
        Bits of a sample, and their order.
    grid : Layout
        Where the samples start; strides and offset count bits.
    """

    packing: Packing
    grid: Layout

    @classmethod
    def of(
        cls,
        packing: Packing,
        shape: Sequence[int] | int | None,
        *,
        offset: int = 0,
        order: str = "C",
        strides: Sequence[int] | None = None,
        size: int,
    ) -> BitLayout:
        """Return the layout of samples that are packed along the fastest axis.

        Parameters
        ----------
        packing : Packing
            Bits of a sample, and their order.
        shape : int or tuple of int
            Numbers of samples; ``-1`` is allowed once, on the slowest axis.
        offset : int
            Bytes before the first sample.
        order : {"C", "F"}
            Whether the last axis is the fastest, or the first one.
        strides : tuple of int, optional
            Bytes from one step to the next along each of the other axes. One for each axis says
            that every sample starts on a byte.
        size : int
            Bytes of the file.

        Raises
        ------
        ValueError
            If rows do not start on a byte, or shape, strides, offset and size contradict each
            other.
        """
        counts = check_shape(shape, order)
        packed = (len(counts) - 1 if order == "C" else 0) if counts else None
        if strides is None:
            known = tuple(max(n, 1) for n in counts)
            steps = dense_strides(packing.bits, known, order)
            _check_rows(packing, counts, steps, packed)
        elif len(strides) == len(counts):
            packed, steps = None, tuple(8 * step for step in strides)
        else:
            steps = _row_strides(packing, counts, strides, packed)
        if -1 in counts:
            counts = _with_length(packing, counts, steps, packed, size - offset)
        return cls(packing, Layout(np.uint8, counts, steps, 8 * offset))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples once they are unpacked."""
        return self.packing.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of samples."""
        return self.grid.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.grid.ndim

    @property
    def size(self) -> int:
        """Number of samples."""
        return self.grid.size

    @property
    def nbytes(self) -> int:
        """Bytes of all samples once they are unpacked."""
        return self.size * self.dtype.itemsize

    @property
    def extent(self) -> tuple[int, int]:
        """First byte and past the last byte of any sample; the offset twice where empty."""
        start, stop = self.grid.extent
        if start == stop:
            return start // 8, start // 8
        return start // 8, (stop - 1 + self.packing.bits + 7) // 8

    def __getitem__(self, key: BasicKey) -> BitLayout:
        """Return the layout of ``array[key]`` for integers, slices, ``...`` and ``None``.

        Raises
        ------
        IndexError
            As for `Layout`.
        """
        return BitLayout(self.packing, self.grid[key])

    def transpose(self, axes: Sequence[int]) -> BitLayout:
        """Return the layout with its axes in the order of `axes`, as `numpy.transpose` does."""
        return BitLayout(self.packing, self.grid.transpose(axes))

    def parts(self) -> Iterator[Part]:
        """Yield the one part that there is, which lies in the file number 0."""
        yield Part(full_index(self.shape), self, 0)

    @property
    def bytes_read(self) -> Layout:
        """The bytes that hold the samples: of whole rows, or from the first to the last one."""
        rows = self.rows() if self.size else None
        if rows is not None:
            return rows.layout
        start, stop = self.extent
        return Layout.dense(np.uint8, stop - start, offset=start)

    def rows(self) -> BitRows | None:
        """Return the bytes of whole rows, if the samples of a row lie near each other."""
        shape, steps = self.shape, self.grid.strides
        packed = [i for i, (n, s) in enumerate(zip(shape, steps, strict=True)) if n > 1 and s % 8]
        if len(packed) > 1 or any(abs(steps[axis]) > 8 * _NEAR for axis in packed):
            return None
        axis = packed[0] if packed else None
        count, step = (1, 0) if axis is None else (shape[axis], steps[axis])
        low = self.grid.offset + min((count - 1) * step, 0)
        first = low % 8
        length = ((count - 1) * abs(step) + first + self.packing.bits + 7) // 8
        others = [i for i in range(self.ndim) if i != axis]
        layout = Layout(
            np.uint8,
            (*(shape[i] for i in others), length),
            (*(steps[i] // 8 if shape[i] > 1 else 0 for i in others), 1),
            low // 8,
        )
        return BitRows(layout, self.packing, axis, first, step, count)

    def positions(self, points: Sequence[npt.NDArray[np.intp]] = ()) -> npt.NDArray[np.int64]:
        """Return the bit at which each sample starts, of those that `points` pick and all others.

        Parameters
        ----------
        points : sequence of numpy.ndarray
            Positions along the leading axes, of one common shape, none of them negative.
        """
        # The steps of an axis of one position can be of any size.
        steps = [s if n > 1 else 0 for n, s in zip(self.shape, self.grid.strides, strict=True)]
        result = np.array(self.grid.offset, np.int64)
        for picked, step in zip(points, steps, strict=False):
            result = result + picked.astype(np.int64) * step
        for axis in range(len(points), self.ndim):
            result = result[..., None] + np.arange(self.shape[axis]) * steps[axis]
        return result

    def windows(
        self, positions: npt.NDArray[np.int64]
    ) -> tuple[Layout, npt.NDArray[np.intp], npt.NDArray[np.int64]]:
        """Return the bytes that hold samples which start at some bits.

        Returns
        -------
        layout : Layout
            Windows of as many bytes as a sample can touch, one from each byte on.
        chosen : numpy.ndarray
            The number of the window of each sample.
        shift : numpy.ndarray
            The bit of its window at which it starts.
        """
        low, high = self.extent
        width = min((7 + self.packing.bits + 7) // 8, high - low)
        layout = Layout(np.uint8, (high - low - width + 1, width), (1, 1), low)
        chosen = np.minimum(positions // 8 - low, high - low - width)
        return layout, chosen.astype(np.intp), positions - 8 * (chosen + low)

    def unpack(
        self, windows: npt.NDArray[np.uint8], shift: npt.NDArray[np.int64]
    ) -> npt.NDArray[Any]:
        """Return samples from the bytes of their windows, which are the last axis."""
        return self.packing.combine([windows[..., i] for i in range(windows.shape[-1])], shift)


def check_packed_strides(packing: Packing, ndim: int, strides: Sequence[int] | None) -> None:
    """Refuse strides that are not those of all axes but one.

    Raises
    ------
    ValueError
        If there are more of them, or fewer.
    """
    if strides is not None and len(strides) != max(ndim - 1, 0):
        raise ValueError(
            f"strides {tuple(strides)} of samples of {packing.bits} bits: give the bytes from one "
            f"step to the next for each of the {ndim} axes but the packed one"
        )


def _check_rows(
    packing: Packing, counts: tuple[int, ...], steps: tuple[int, ...], packed: int | None
) -> None:
    """Refuse dense rows that do not start on a byte."""
    for axis, (n, step) in enumerate(zip(counts, steps, strict=True)):
        if axis != packed and n not in (0, 1) and step % 8:
            assert packed is not None
            row = counts[packed]
            raise ValueError(
                f"rows of {row} samples of {packing.bits} bits, {row * packing.bits} bits, do not "
                "fill their bytes; give the bytes from one row to the next as strides="
                f"{(-(-row * packing.bits // 8),) if len(counts) == 2 else '(...)'}, one number "
                "for each axis but the packed one"
            )


def _row_strides(
    packing: Packing, counts: tuple[int, ...], strides: Sequence[int], packed: int | None
) -> tuple[int, ...]:
    """Return strides in bits from those that are given in bytes."""
    if packed is None or len(strides) != len(counts) - 1:
        raise ValueError(
            f"strides {tuple(strides)} of samples of {packing.bits} bits: give the bytes from one "
            f"step to the next for each axis of shape {counts} but the packed one"
        )
    steps = [8 * step for step in strides]
    steps.insert(packed, packing.bits)
    return tuple(steps)


def _with_length(
    packing: Packing,
    counts: tuple[int, ...],
    steps: tuple[int, ...],
    packed: int | None,
    left: int,
) -> tuple[int, ...]:
    """Return a shape with its ``-1`` worked out from the bytes that are left of the file."""
    axis = counts.index(-1)
    if left < 0:
        raise ValueError(f"the offset lies {-left} bytes past the end of the file")
    if axis == packed:
        n, over = divmod(8 * left, packing.bits)
        over //= 8
    else:
        step = steps[axis] // 8
        if step <= 0:
            raise ValueError(f"no number of steps of {step} bytes fills the file; give the length")
        one = tuple(1 if n == -1 else n for n in counts)
        row = BitLayout(packing, Layout(np.uint8, one, steps, 2**62))
        n, over = divmod(left, step)
        if over >= row.extent[1] - 2**59:
            n, over = n + 1, 0  # the last row may end before its step does
    if over:
        raise ValueError(
            f"the {left} bytes from the offset to the end of the file hold {n} steps along axis "
            f"{axis} and {over} bytes more; give the length, or check bits, shape and offset"
        )
    return tuple(n if count == -1 else count for count in counts)
