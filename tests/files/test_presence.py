"""Which drafts are alive, and which a killed writer has left."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from rawmmap.files import lock, presence
from rawmmap.files.hidden import draft_path
from rawmmap.files.lock import locked
from rawmmap.files.presence import Presence

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no flock")


@pytest.fixture
def target(tmp_path: Path) -> str:
    return str(tmp_path / "a.bin")


def create(target: str) -> Path:
    draft = Path(draft_path(target))
    draft.touch()
    return draft


def in_child(function: Callable[[], None]) -> int:
    """Run a function in a forked child, and return the status that `os.waitpid` gives."""
    pid = os.fork()
    if pid == 0:
        try:
            function()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1]


def test_one_writer_leaves_nothing_and_lists_nothing(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(presence, "_remove_drafts")
    with Presence.enter(draft_path(target)):
        assert len(os.listdir(os.path.dirname(target))) == 1
    assert os.listdir(os.path.dirname(target)) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path, target: str) -> None:
    def write() -> None:
        with Presence.enter(draft_path(target)):
            create(target)
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(write) == signal.SIGKILL
    others = [create(f"{target}.json"), create(str(tmp_path / "b.bin"))]
    assert len(list(tmp_path.iterdir())) == 4
    mine = create(target)
    with Presence.enter(str(mine)):
        assert mine.exists()
        mine.unlink()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_draft_of_a_living_writer_stays(tmp_path: Path, target: str) -> None:
    one, two = create(target), create(target)
    first = Presence.enter(str(one))

    def write() -> None:
        with Presence.enter(str(two)):
            os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(write) == signal.SIGKILL
    second = Presence.enter(draft_path(target))
    second.leave()
    assert one.exists()
    assert two.exists(), "nobody can know who has it"
    one.unlink()
    first.leave()
    assert list(tmp_path.iterdir()) == [], "the last one knows"


def test_a_draft_left_to_others_stays_until_it_is_gone(tmp_path: Path, target: str) -> None:
    draft = create(target)
    Presence.enter(str(draft)).leave_to_others()
    assert draft.exists()
    again = Presence.enter(str(draft))
    assert draft.exists()
    assert not again.has_note("done")
    again.note("done")
    assert again.has_note("done")
    assert not again.has_note("do")
    draft.unlink()
    again.leave_to_others()
    assert list(tmp_path.iterdir()) == []


def test_a_child_does_not_share_locks(target: str) -> None:
    reader, writer = os.pipe()
    held = Presence.enter(draft_path(target))
    with locked(target):
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(len(lock._held))
    os.close(reader)
    held.leave()
    with locked(target):  # would wait for the child
        assert min(os.listdir(os.path.dirname(target))).endswith(".lock")
    os.close(writer)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_child_does_not_leave_for_its_parent(tmp_path: Path, target: str) -> None:
    draft = create(target)
    held = Presence.enter(str(draft))
    held.note("done")

    def leave() -> None:
        other = os.open(target, os.O_RDWR | os.O_CREAT)  # takes the number of what was closed
        held.leave()
        held.__del__()
        os.write(other, b"open")

    assert in_child(leave) == 0
    assert Path(target).read_bytes() == b"open"
    assert held.has_note("done")
    assert draft.exists()
    held.leave()
    assert not draft.exists()


def test_what_is_forgotten_is_left(tmp_path: Path, target: str) -> None:
    held = Presence.enter(draft_path(target))
    assert list(tmp_path.iterdir())
    del held
    assert not list(tmp_path.iterdir())


def test_without_locks_nothing_is_removed(
    tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "try_lock", lambda fd, **_: False)
    draft = create(target)
    with Presence.enter(draft_path(target)) as held:
        assert not held.has_note("")
    assert list(tmp_path.iterdir()) == [draft]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_writers_of_two_users_wait_for_each_other() -> None:
    mask = os.umask(0o022)
    order, begin = os.pipe(), os.pipe()
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            target = os.path.join(folder, "a.bin")
            with locked(target):
                pid = os.fork()
                if pid == 0:
                    try:
                        os.setuid(65534)
                        os.write(begin[1], b"x")
                        with locked(target):
                            os.write(order[1], b"child")
                    finally:
                        os._exit(0)
                os.read(begin[0], 1)
                os.write(order[1], b"parent")
            os.waitpid(pid, 0)
        assert os.read(order[0], 100) == b"parentchild"
    finally:
        os.umask(mask)
        for fd in (*order, *begin):
            os.close(fd)
