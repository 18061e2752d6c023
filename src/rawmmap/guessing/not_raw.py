"""What is not raw: text, compressed or encrypted bytes, and the formats of other programs."""

from __future__ import annotations

import codecs
import zlib

import numpy as np

from rawmmap.guessing.samples import Parts

__all__ = ["explain_not_raw"]

# First bytes, from the specifications of each format: (position, bytes, name).
_SIGNATURES = (
    (0, b"BZh", "compressed with bzip2"),
    (0, b"\xfd7zXZ\x00", "compressed with xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with Zstandard"),
    (0, b"\x04\x22\x4d\x18", "compressed with LZ4"),
    (0, b"LZIP", "compressed with lzip"),
    (0, b"\x89LZO\x00\r\n\x1a\n", "compressed with lzop"),
    (0, b"\xff\x06\x00\x00sNaPpY", "compressed with Snappy"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"\x00\x00\x00\x0cjP  \r\n", "a JPEG 2000 image"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
    (0, b"II+\x00", "a BigTIFF image"),
    (0, b"MM\x00+", "a BigTIFF image"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old document of Microsoft Office"),
    (0, b"\x7fELF", "an ELF program"),
    (0, b"\xcf\xfa\xed\xfe", "a program of macOS"),
    (0, b"\x00asm\x01\x00\x00\x00", "a WebAssembly program"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x0e\x03\x13\x01", "an HDF4 file"),
    (0, b"CDF\x01", "a netCDF file"),
    (0, b"CDF\x02", "a netCDF file"),
    (0, b"CDF\x05", "a netCDF file"),
    (0, b"GRIB", "a GRIB file"),
    (0, b"BUFR", "a BUFR file"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"ARROW1", "an Arrow file"),
    (0, b"ORC", "an ORC file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"MATLAB 5.0 MAT-file", "a MAT-file of MATLAB"),
    (0, b"fLaC", "a FLAC recording"),
    (0, b"OggS", "an Ogg recording"),
    (0, b"ID3", "an MP3 recording"),
    (8, b"WEBPVP8", "a WebP image"),
    (8, b"AVI LIST", "an AVI film"),
    (4, b"ftyp", "an MP4 film"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska film"),
    (128, b"DICM", "a DICOM file"),
    (0, b"LASF", "a LAS point cloud"),
    (0, b"root", "a ROOT file"),
    (0, b"\x80\x04\x95", "a pickle of Python"),
    (0, b"\xca\xfe\xba\xbe", "a Java class or a program of macOS"),
    (0, b"wOF2", "a font"),
)
# Marks of the byte order, at the beginning of text.
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# First bytes that are decompressed, to see whether they are what their mark says.
_TRIED = 65536
# Bits by which a byte may be more predictable than at random, in what is compressed.
_SURPLUS = 0.12


def explain_not_raw(parts: Parts) -> str | None:
    """Return a sentence that says why a file does not hold raw numbers, or None if it may."""
    if not parts.size:
        return "the file is empty"
    return (
        _recognise_signature(parts.beginning) or _explain_text(parts) or _explain_randomness(parts)
    )


def _recognise_signature(head: bytes) -> str | None:
    for at, mark, name in _SIGNATURES:
        if head[at : at + len(mark)] == mark:
            return f"bytes {at} to {at + len(mark)}, {mark!r}, are those of {_add_article(name)}"
    for name, wbits in (("gzip", 31), ("zlib", 15)):
        if _inflates(head[:_TRIED], wbits):
            return f"bytes 0 to 2, {head[:2]!r}, and what follows are data compressed with {name}"
    if head[:1] == b"\x5d" and head[5:13] == b"\xff" * 8:  # properties, then no known length
        return f"bytes 0 to 13, {head[:13]!r}, are those of data compressed with LZMA"
    # Two letters mark these, which numbers may have by chance: the header says more.
    if head[:2] == b"MZ" and _points_to(head, 60, b"PE\0\0"):
        return "bytes 0 to 2, b'MZ', and what they point to are those of a program of Windows"
    if (
        head[:2] == b"BM"
        and len(head) > 26
        and head[6:10] == bytes(4)
        and head[14] in (12, 40, 124)
    ):
        return "bytes 0 to 2, b'BM', and the header after them are those of a BMP image"
    return None


def _points_to(head: bytes, at: int, mark: bytes) -> bool:
    """Return whether the little-endian integer at a position is where a mark is."""
    start = int.from_bytes(head[at : at + 4], "little")
    return head[start : start + len(mark)] == mark


def _inflates(head: bytes, wbits: int) -> bool:
    """Return whether the first bytes of a file are the beginning of compressed data.

    Two bytes mark it, which numbers may have by chance: so it is tried.
    """
    try:
        return bool(zlib.decompressobj(wbits).decompress(head, 1))
    except zlib.error:
        return False


def _add_article(name: str) -> str:
    return f"a file {name}" if name.startswith("compressed") else name


def _explain_text(parts: Parts) -> str | None:
    """Return a sentence if all parts are text."""
    for mark, name in _MARKS:
        if parts.beginning.startswith(mark) and _is_wide_text(parts.beginning[2:4096], name):
            return f"the file is text: bytes 0 to 2, {mark!r}, mark it as UTF-16"
    data = np.frombuffer(b"".join(parts.blocks), np.uint8)
    counts = np.bincount(data, minlength=256)
    control = counts[:32].sum() - counts[[9, 10, 12, 13]].sum() + counts[127]
    letters = counts[32:127].sum() / data.size
    if control:
        return None
    if letters > 0.999 - counts[[9, 10, 12, 13]].sum() / data.size:
        return _explain_plain_text(counts, data.size)
    try:
        for block in parts.blocks:
            block[4 if block is not parts.beginning else 0 : -4].decode("utf-8", "strict")
    except UnicodeDecodeError:
        # Latin-1 and its like: mostly letters, with lines or spaces between them.
        if letters < 0.75 or counts[10] + counts[32] < 0.02 * data.size or counts[128:160].sum():
            return None
        return f"the file is text: {100 * letters:.1f} % of its bytes are printable"
    return "the file is text: all its bytes are valid UTF-8, without control characters"


def _is_wide_text(head: bytes, encoding: str) -> bool:
    text = head.decode(encoding, "replace")
    return sum(c.isprintable() or c.isspace() for c in text) > 0.98 * len(text)


def _explain_plain_text(
    counts: np.ndarray[tuple[int], np.dtype[np.int64]], size: int
) -> str | None:
    # Numbers of one byte may lie within the printable ones, but not evenly between what text has.
    marks = counts[[10, 13, 32, 44]].sum() / size
    digits = counts[48:58].sum() + counts[65:91].sum() + counts[97:123].sum()
    if marks < 0.005 and digits < 0.95 * size:
        return None
    return "the file is text: all its bytes are printable characters or ends of lines"


def _explain_randomness(parts: Parts) -> str | None:
    """Return a sentence if the bytes look random in whatever way they are arranged."""
    data = np.frombuffer(b"".join(parts.blocks)[256:], np.uint8)[: 2**20]
    if data.size < 512:
        return None
    surplus = max(
        _measure_surplus(data[: data.size // n * n].reshape(-1, n)) for n in (1, 2, 3, 4, 8)
    )
    if surplus > _SURPLUS:
        return None
    return (
        f"the bytes look random, at {8 - surplus:.3f} bits of entropy each in every arrangement: "
        "they are compressed or encrypted"
    )


def _measure_surplus(columns: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> float:
    """Return by how many bits the most predictable column is below 8, beyond chance."""
    surplus = 0.0
    for column in columns.T:
        p = np.bincount(column, minlength=256) / column.size
        p = p[p > 0]
        entropy = float(-(p * np.log2(p)).sum())
        # The entropy of a sample is too low by this much (Miller, 1955).
        entropy += (p.size - 1) / (2 * np.log(2) * column.size)
        surplus = max(surplus, 8 - entropy)
    return surplus
