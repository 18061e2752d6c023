#!/usr/bin/env python3
"""Execute notebooks and keep their outputs, without what differs from machine to machine.

Usage: .venv-test/bin/python .ci/update_notebooks.py [NOTEBOOK ...]; all of them by default.
"""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).parent.parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def main(names: list[str]) -> None:
    """Execute the notebooks of these paths."""
    for path in [Path(name) for name in names] or sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False)
        client.execute()
        clean(notebook)
        nbformat.write(notebook, path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


def clean(notebook: Any) -> None:
    """Remove what another execution would change without need."""
    notebook.metadata = nbformat.from_dict(METADATA)
    numbers: dict[str, str] = {}
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index:02}"
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
            for kind, value in output.get("data", {}).items():
                if kind == "image/png":
                    output.data[kind] = _compress(value)
                elif isinstance(value, str):
                    output.data[kind] = _number_uuids(value, numbers)


def _compress(picture: str) -> str:
    """Reduce a picture to 256 colours, which makes noisy maps a third as long."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _number_uuids(text: str, numbers: dict[str, str]) -> str:
    """Replace the random identifiers in xarray's HTML by consecutive ones."""
    return _UUID.sub(lambda m: numbers.setdefault(m[0], f"id-{len(numbers)}"), text)


if __name__ == "__main__":
    main(sys.argv[1:])
