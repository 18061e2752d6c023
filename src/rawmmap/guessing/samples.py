"""The few parts of a file that are looked at: its beginning, some of its middle, its end."""

from __future__ import annotations

from dataclasses import dataclass

from rawmmap.formats.probe import Probe

__all__ = ["HEADER_BYTES", "MAX_BYTES", "Parts", "read_parts"]

#: Never more than this is read of a file.
MAX_BYTES = 2**26
#: How long a header may be to be found.
HEADER_BYTES = 4096

# Of a file that is read in parts: bytes at its beginning, which rows are sought in, and bytes and
# number of the other parts.
_BEGINNING, _PART, _PARTS = 2**20, 2**16, 7


@dataclass(frozen=True)
class Parts:
    """Parts of a file.

    Attributes
    ----------
    size : int
        Bytes of the file.
    starts : tuple of int
        First byte of each part; the first part is the beginning.
    blocks : tuple of bytes
        The parts.
    """

    size: int
    starts: tuple[int, ...]
    blocks: tuple[bytes, ...]

    @property
    def beginning(self) -> bytes:
        """The first part."""
        return self.blocks[0]

    def body(self, nbytes: int) -> tuple[list[int], list[bytes]]:
        """Return starts and bytes of parts that hold data, of `nbytes` in all at most.

        A header lies before them, if it is not longer than a third of the file.
        """
        skip = min(HEADER_BYTES, self.size // 3)
        share = nbytes // len(self.blocks)
        starts, blocks = [self.starts[0] + skip], [self.blocks[0][skip : skip + share]]
        for start, block in zip(self.starts[1:], self.blocks[1:], strict=True):
            starts.append(start)
            blocks.append(block[:share])
        return starts, blocks


def read_parts(probe: Probe) -> Parts:
    """Return the parts of a file; all of a small one."""
    size = probe.size
    if size <= _BEGINNING + _PARTS * _PART:
        return Parts(size, (0,), (bytes(probe.read((0,), size)) if size else b"",))
    gap = (size - _BEGINNING - _PART) // _PARTS
    starts = [size - _PART - gap * i for i in reversed(range(_PARTS))]
    beginning = bytes(probe.read((0,), _BEGINNING))
    rest = bytes(probe.read(starts, _PART))
    blocks = [rest[i * _PART : (i + 1) * _PART] for i in range(_PARTS)]
    return Parts(size, (0, *starts), (beginning, *blocks))
