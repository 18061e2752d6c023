"""Files that are compressed as a whole: their bytes are not those of an array."""

from __future__ import annotations

from rawmmap.errors import DescriptionError

__all__ = ["HEAD_BYTES", "check_uncompressed", "may_be_compressed"]

#: How many of the first bytes of a file are looked at.
HEAD_BYTES = 8

# Suffixes, first bytes and names; from the specifications of each format (RFC 1952 for gzip, RFC
# 8878 for Zstandard, the file format documents of bzip2, xz, lz4 and Unix compress).
_COMPRESSIONS = (
    ((".gz", ".gzip", ".tgz"), b"\x1f\x8b", "gzip"),
    ((".bz2", ".tbz2"), b"BZh", "bzip2"),
    ((".xz", ".txz"), b"\xfd7zXZ\x00", "xz"),
    ((".zst", ".zstd"), b"\x28\xb5\x2f\xfd", "Zstandard (zstd)"),
    ((".lz4",), b"\x04\x22\x4d\x18", "LZ4"),
    ((".z",), b"\x1f\x9d", "compress"),
    ((".zip",), b"PK\x03\x04", "ZIP"),
)


def check_uncompressed(path: str, head: bytes) -> None:
    """Refuse a file whose suffix and first bytes both say that it is compressed.

    Raises
    ------
    DescriptionError
        With the name of the compression.
    """
    for suffixes, magic, name in _COMPRESSIONS:
        if path.lower().endswith(suffixes) and head.startswith(magic):
            raise DescriptionError(
                f"{path}: this file is compressed with {name}, so that its bytes are not those of "
                "an array; decompress it first"
            )


def may_be_compressed(path: str) -> bool:
    """Return whether the suffix is one of a compressed file."""
    return path.lower().endswith(_SUFFIXES)


_SUFFIXES = tuple(suffix for suffixes, _, _ in _COMPRESSIONS for suffix in suffixes)
