"""NumPy's ``.npz`` archives: members that are stored as they are lie in the file like any array.

The directory at the end of an archive says where the local header of each member begins, and that
is followed by its name and the member itself (PKWARE's APPNOTE 6.3.10, sections 4.3.7 and 4.3.12;
ZIP64 included).
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rawmmap.description.model import Description, Variable
from rawmmap.description.template import LayoutTemplate
from rawmmap.errors import DescriptionError
from rawmmap.formats.npy.reader import LONGEST_PREAMBLE, read_template
from rawmmap.formats.probe import Probe

__all__ = ["NpzReader"]

_SUFFIX = ".npy"
# Signature, and lengths of the name and of what follows it, within a local header of 30 bytes.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 0x1


class NpzReader:
    """Reads the directory of a ``.npz`` archive, and the headers of its arrays."""

    name = "npz"

    def recognises(self, probe: Probe) -> bool:
        """Return whether the file is a ZIP archive of which the first member is an array."""
        head = probe.head
        if not head.startswith(_SIGNATURE) or len(head) < _LOCAL_HEADER.size:
            return False
        _, length, _ = _LOCAL_HEADER.unpack_from(head)
        name = head[_LOCAL_HEADER.size : _LOCAL_HEADER.size + length]
        return name.endswith(_SUFFIX.encode())

    def read(self, probe: Probe) -> Description:
        """Return the description of the arrays, each a variable that is named as its member is.

        Raises
        ------
        DescriptionError
            If a member is compressed or encrypted, or the archive is malformed.
        """
        try:
            members = _list_members(probe)
            variables = dict(_describe(probe, members))
        except (DescriptionError, OSError):
            raise
        # What zipfile raises for a malformed directory ranges from BadZipFile to struct.error.
        except Exception as error:
            raise DescriptionError(f"{probe.name}: malformed archive: {error}") from error
        return Description(probe.name, variables)


def _list_members(probe: Probe) -> list[zipfile.ZipInfo]:
    """Return the entries of the directory that are arrays."""
    with probe.open() as file, zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(_SUFFIX)]
    if not members:
        raise DescriptionError(f"{probe.name}: this archive holds no array, a member named .npy")
    packed = [i.filename for i in members if i.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise DescriptionError(
            f"{probe.name}: {_join(packed)} compressed, so that there are no bytes of an array to "
            "map; load the file by numpy.load, and store it by numpy.savez"
        )
    locked = [i.filename for i in members if i.flag_bits & _ENCRYPTED]
    if locked:
        raise DescriptionError(f"{probe.name}: {_join(locked)} encrypted; decrypt the archive")
    return members


def _describe(probe: Probe, members: Sequence[zipfile.ZipInfo]) -> Iterator[tuple[str, Variable]]:
    """Yield the arrays, by name."""
    starts = _find_starts(probe, members)
    seen = set()
    for member, start in zip(members, starts, strict=True):
        name = member.filename.removesuffix(_SUFFIX)
        if name in seen or not name:
            raise DescriptionError(f"{probe.name}: member {member.filename!r} is there twice")
        seen.add(name)
        stop = start + member.file_size
        if stop > probe.size:
            raise DescriptionError(
                f"{probe.name}: member {member.filename!r} takes the bytes {start} to {stop}, but "
                f"the file has {probe.size}"
            )
        template = _read_member(probe, member, start)
        # The axes of an array have no names, and two of one number need not be of one length.
        yield name, Variable(tuple(f"{name}_{i}" for i in range(template.ndim)), template)


def _find_starts(probe: Probe, members: Sequence[zipfile.ZipInfo]) -> list[int]:
    """Return the byte at which each member begins, after its local header and its name."""
    size = _LOCAL_HEADER.size
    headers = probe.read([member.header_offset for member in members], size)
    starts = []
    for number, member in enumerate(members):
        signature, *lengths = _LOCAL_HEADER.unpack_from(headers, number * size)
        if signature != _SIGNATURE:
            raise DescriptionError(
                f"{probe.name}: no local header at byte {member.header_offset}, where that of "
                f"{member.filename!r} should be"
            )
        starts.append(member.header_offset + size + sum(lengths))
    return starts


def _read_member(probe: Probe, member: zipfile.ZipInfo, start: int) -> LayoutTemplate:
    """Return the layout that the header of a member describes."""
    length = min(member.file_size, LONGEST_PREAMBLE)
    beginning = io.BytesIO(probe.read((start,), length) if length else b"")
    try:
        template = read_template(beginning)
        nbytes = template.resolve(0).extent[1]
    except Exception as error:
        raise DescriptionError(f"{probe.name}: member {member.filename!r}: {error}") from error
    if nbytes > member.file_size:
        raise DescriptionError(
            f"{probe.name}: member {member.filename!r} has {member.file_size} bytes, but its array "
            f"ends at byte {nbytes} of it"
        )
    return replace(template, offset=start + template.offset)


def _join(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the member {names[0]!r} is"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"the members {', '.join(map(repr, names[:5]))}{more} are"
