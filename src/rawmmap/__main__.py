"""``python -m rawmmap`` is the command ``rawmmap``."""

from __future__ import annotations

from rawmmap.cli import main

if __name__ == "__main__":
    main(prog_name="rawmmap")
