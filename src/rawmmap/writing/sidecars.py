"""A data file and its sidecar, changed together though no system renames two files at once.

While both are replaced, the sidecar says itself what is coming: beside the description of the old
data it holds that of the new one as ``"next"``, with what tells the draft from other files. The
rename of the draft decides which of the two is true, and then the sidecar is replaced by the new
one alone. Readers choose by what the data file is; see `rawmmap.formats.sidecar.next`. Every
function here that changes something expects its caller to hold the lock of the target, but for
`write_sidecar` and `settle`, which take it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from rawmmap.errors import DescriptionError
from rawmmap.files.hidden import draft_path
from rawmmap.files.lock import locked
from rawmmap.files.presence import Presence
from rawmmap.files.replace import create_draft, rename, sync, take_mode
from rawmmap.formats import sidecar
from rawmmap.formats.sidecar.next import announce, choose, has_next

__all__ = [
    "change_text",
    "check_replaceable",
    "draft_text",
    "install_both",
    "install_text",
    "remove_untrue",
    "restore_text",
    "settle",
    "write_sidecar",
    "write_text",
]


def check_replaceable(target: str, text: str | None) -> None:
    """Refuse to make a description untrue, or to replace a file that is not a sidecar.

    Parameters
    ----------
    target : str
        The data file that is replaced.
    text : str or None
        Its new sidecar; None if it gets none.
    """
    path = sidecar.sidecar_path_of(target)
    try:
        os.lstat(path)
    except OSError as error:
        if text is None or error.errno == errno.ENOENT:
            return
        raise  # a name that is too long, before anything is written
    ours = sidecar.is_sidecar(path)
    if text is not None and not ours:
        raise FileExistsError(
            errno.EEXIST,
            "this is not a sidecar of rawmmap, and would be replaced by one: move it away, or "
            f"write to another path than {target}",
            path,
        )
    if text is None and ours and _present_text(target) is not None:
        raise DescriptionError(
            f"{target}: {path} describes this file, and would no longer be true; write a dataset, "
            "remove the sidecar first, or write to another path"
        )


def install_both(draft: str, target: str, text: str) -> None:
    """Replace a data file by a draft, and its sidecar by `text`."""
    real = os.path.realpath(target)
    take_mode(draft, real)
    sync(draft)
    before = _present_text(target)
    # Complete before anything changes: later a full disk could not be undone.
    with draft_text(target, text.encode(), like=draft) as final:
        try:
            _replace(target, announce(before, draft, text), like=draft)
            rename(draft, real)
        except BaseException:
            _restore(target, before)
            raise
        try:
            sync(os.path.dirname(real))
        finally:
            install_text(final, target)


def _restore(target: str, before: bytes | None) -> None:
    if before is not None:
        _replace(target, before)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(sidecar.sidecar_path_of(target))


def remove_untrue(target: str, text: str) -> bytes | None:
    """Remove a sidecar that says something else than `text`, and return what it says."""
    before = _present_text(target)
    if before is None or before == text.encode():
        return None
    path = os.path.realpath(sidecar.sidecar_path_of(target))
    os.unlink(path)
    sync(os.path.dirname(path))
    return before


def restore_text(target: str, before: bytes | None, data: str) -> None:
    """Write a sidecar again that `remove_untrue` has removed."""
    if before is not None:
        _replace(target, before, like=data)


def write_text(target: str, text: str, data: str | None = None) -> str:
    """Replace the sidecar of a data file, at once or not at all, and return its path.

    Parameters
    ----------
    target : str
        The path that the sidecar is named after.
    text : str
        The sidecar.
    data : str, optional
        The data file whose permissions a new sidecar takes, if that is another one.
    """
    check_replaceable(target, text)
    _replace(target, text.encode(), like=data)
    return sidecar.sidecar_path_of(target)


def change_text(target: str, text: str) -> None:
    """Replace the sidecar of a data file; after a failure it says what it said before."""
    before = _present_text(target)
    try:
        write_text(target, text)
    except BaseException:
        if _present_text(target) != before:  # the name may not have reached the disk
            _restore(target, before)
        raise


def write_sidecar(target: str, text: str, data: str | None = None) -> str:
    """Replace the sidecar of a data file under the lock of its name, and return its path."""
    with Presence.enter(draft_path(target)), locked(target):
        return write_text(target, text, data)


def settle(target: str) -> None:
    """Complete what a writer that was killed between its two renames has left."""
    if not has_next(sidecar.sidecar_path_of(target)):
        return
    with Presence.enter(draft_path(target)), locked(target):
        if has_next(sidecar.sidecar_path_of(target)):
            _restore(target, _present_text(target))


def _present_text(target: str) -> bytes | None:
    """Return the text that is true of the data file as it is now."""
    path = sidecar.sidecar_path_of(target)
    if not sidecar.is_sidecar(path):
        return None
    try:
        status = os.stat(target)
    except FileNotFoundError:
        status = None
    return choose(sidecar.read_bytes(path), target, status)


def _replace(target: str, text: bytes, like: str | None = None) -> None:
    with draft_text(target, text, like) as draft:
        install_text(draft, target)


@contextlib.contextmanager
def draft_text(target: str, text: bytes, like: str | None = None) -> Iterator[str]:
    """Yield the path of a sidecar that is on disk, and removed unless it is installed.

    It has the permissions of the one that it replaces, or else those of `like` or `target`.
    """
    path = os.path.realpath(sidecar.sidecar_path_of(target))
    beside = os.path.dirname(path) == os.path.dirname(os.path.realpath(target))
    # A draft of the target, so that the next writer removes what a killed one has left.
    draft = draft_path(target if beside else path)
    try:
        create_draft(draft, like or target)
        with open(draft, "r+b") as file:
            file.write(text)
        take_mode(draft, like or target, 0o666)
        take_mode(draft, path)
        sync(draft)
        yield draft
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def install_text(draft: str, target: str) -> None:
    """Rename what `draft_text` has yielded to the sidecar of a data file."""
    path = os.path.realpath(sidecar.sidecar_path_of(target))
    rename(draft, path)
    sync(os.path.dirname(path))
