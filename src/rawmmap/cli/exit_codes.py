"""Exit codes, which scripts may rely on."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """The exit code of a command."""

    DONE = 0
    # The command ran with a negative result: a check found errors, or a file is not raw.
    NO = 1
    # The command line is malformed; this is click's own.
    USAGE = 2
    # The file, its description or the system does not allow what was asked for.
    REFUSED = 3
    # 128 and the number of the signal, as shells report it.
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143
