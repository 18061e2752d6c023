"""Layouts whose lengths follow from the size of a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rawmmap.layout import Layout, check_shape, infer_shape
from rawmmap.layout.bits import BitLayout, Packing

__all__ = ["LayoutTemplate", "template_of"]


@dataclass(frozen=True, slots=True)
class LayoutTemplate:
    """A layout as it is described; its shape may hold a ``-1``.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of one element, byte order included.
    shape : tuple of int or None
        Element counts; ``-1`` follows from the file's size; None is the rest of the file in one
        dimension.
    offset : int
        Byte of the file at which the first element starts.
    order : {"C", "F"}
        Order of the axes where there are no strides, and of the axes inside fields.
    strides : tuple of int or None
        Bytes from one element to the next along each axis; of packed samples, along each axis but
        the packed one, or along each axis where none is packed.
    packing : Packing or None
        How samples of a few bits are packed.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...] | None
    offset: int = 0
    order: str = "C"
    strides: tuple[int, ...] | None = None
    packing: Packing | None = None

    @property
    def ndim(self) -> int:
        """Number of axes, those inside the dtype not counted."""
        return 1 if self.shape is None else len(self.shape)

    @property
    def grows(self) -> bool:
        """Whether a length follows from the size of the file."""
        return self.shape is None or -1 in self.shape

    def with_length(self, axis: int, length: int) -> LayoutTemplate:
        """Return the template with another length along one axis."""
        shape = (-1,) if self.shape is None else self.shape
        return replace(self, shape=(*shape[:axis], length, *shape[axis + 1 :]))

    def check(self) -> None:
        """Refuse what fits no file, whatever its size.

        Raises
        ------
        ValueError
            If shape, strides and offset contradict each other, or ``-1`` is not allowed where it
            stands.
        """
        counts = check_shape(self.shape, self.order, None if self.packing else self.strides)
        if self.packing is not None:
            self.packing.check(self.dtype)
        replace(self, shape=tuple(max(n, 0) for n in counts)).arrange(0)

    def arrange(self, size: int) -> Layout | BitLayout:
        """Return where the elements lie in a file of `size` bytes, also packed ones.

        Raises
        ------
        ValueError
            As for `resolve`.
        """
        if self.packing is None:
            return self.resolve(size)
        return BitLayout.of(
            self.packing,
            self.shape,
            offset=self.offset,
            order=self.order,
            strides=self.strides,
            size=size,
        )

    def resolve(self, size: int) -> Layout:
        """Return the layout in a file of `size` bytes.

        Raises
        ------
        ValueError
            If shape, strides and offset contradict each other or the size.
        """
        shape = infer_shape(
            self.dtype,
            self.shape,
            size=size,
            offset=self.offset,
            order=self.order,
            strides=self.strides,
        )
        if self.strides is None:
            return Layout.dense(self.dtype, shape, offset=self.offset, order=self.order)
        return Layout(self.dtype, shape, self.strides, self.offset)


def template_of(layout: Layout | BitLayout) -> LayoutTemplate:
    """Return the template of a layout whose lengths are known.

    Raises
    ------
    ValueError
        If samples of a few bits are not packed along the last axis, or rows do not start on a byte.
    """
    if isinstance(layout, BitLayout):
        return _template_of_bits(layout)
    dense = Layout.dense(layout.dtype, layout.shape, offset=layout.offset)
    strides = None if layout == dense else layout.strides
    return LayoutTemplate(layout.dtype, layout.shape, layout.offset, strides=strides)


def _template_of_bits(layout: BitLayout) -> LayoutTemplate:
    grid, packing = layout.grid, layout.packing
    *outer, inner = grid.strides if grid.ndim else (packing.bits,)
    if inner != packing.bits or any(step % 8 for step in (grid.offset, *outer)):
        raise ValueError(
            f"samples of {packing.bits} bits are not packed along the last axis in rows that start "
            f"on a byte: the strides are {grid.strides} bits"
        )
    strides = tuple(step // 8 for step in outer) if grid.ndim else None
    return LayoutTemplate(
        layout.dtype, grid.shape, grid.offset // 8, strides=strides, packing=packing
    )
