"""Counts the processes that tests kill, in the tests' own and in all that they start.

Python imports this module at its start where the folder is on PYTHONPATH.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

# As they are now: some tests put others in their place.
_open, _write, _close = os.open, os.write, os.close
_path = os.environ.get("RAWMMAP_KILLS", "")


def _count(event: str, args: tuple[Any, ...]) -> None:
    if event == "os.kill" and args[1] == signal.SIGKILL:
        fd = _open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        _write(fd, b".")
        _close(fd)


if _path and hasattr(signal, "SIGKILL"):
    sys.addaudithook(_count)
