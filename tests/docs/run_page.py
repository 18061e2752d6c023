"""Run the blocks of one page, in order and in the current folder: ``run_page.py PAGE``.

Those of Python share their names, as the cells of a notebook do. Where a block of ``text`` follows
directly, it has to be what was printed, with the value of a last expression as in the interpreter;
``...`` stands for anything.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import linecache
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.docs.blocks import Block, read_blocks

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_python(block: Block, name: str, names: dict[str, Any]) -> str:
    """Execute a block, and return what it prints."""
    padded = "\n" * (block.line - 1) + block.text
    linecache.cache[name] = (len(padded), None, padded.splitlines(keepends=True), name)
    tree = ast.parse(padded, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(tree, name, "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), names)
            if value is not None:
                print(repr(value))
    return output.getvalue()


def run_shell(block: Block) -> str:
    """Execute a block by bash, with the commands of this environment, and return what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-eu", "-c", block.text],
        env=os.environ | {"PATH": path, "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return result.stdout


def run_block(block: Block, name: str, names: dict[str, Any]) -> None:
    """Execute a block and compare what it prints with the page."""
    shell = block.language == "sh"
    try:
        output = run_shell(block) if shell else run_python(block, name, names)
    except Exception:
        if not block.raises:
            raise
        return
    if block.raises:
        raise SystemExit(f"{name}, line {block.line}: this did not raise")
    if block.printed is not None and not matches(block.printed, output):
        raise SystemExit(f"{name}, line {block.line}: printed\n{output}instead of\n{block.printed}")


def matches(expected: str, output: str) -> bool:
    """Compare as doctest does."""
    return doctest.OutputChecker().check_output(expected, output, FLAGS)


def main() -> None:
    """Run the page that the command line names."""
    page = Path(sys.argv[1])
    names: dict[str, Any] = {"__name__": "page"}
    for block in read_blocks(page):
        if block.runs:
            run_block(block, page.name, names)


if __name__ == "__main__":
    main()
