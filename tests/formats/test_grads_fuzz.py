"""Damaged GrADS descriptor files: nothing but errors of files, within bounded time and memory."""

from __future__ import annotations

import contextlib
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rawmmap
from rawmmap.formats.grads.templates import MOST_TIMES
from rawmmap.layout import Values

SEEDS = (
    """DSET ^g.dat
TITLE a title
UNDEF -9.99e33
OPTIONS little_endian yrev zrev sequential
FILEHEADER 8
XYHEADER 4
XYTRAILER 4
THEADER 4
TRAILERBYTES 4
XDEF 3 LINEAR 0 10
YDEF 2 LEVELS -10
 10
ZDEF 2 LEVELS 1000 500
TDEF 2 LINEAR 12:30z01jan2000 1mo
EDEF 2 NAMES a b
@ u String units K
@ global Float32 x 1,2
VARS 2
u 2 99 the wind
long=>v 0 99 another
ENDVARS
""",
    """DSET ^g%e_%y4%m2%d2_%ch_%f3.dat
UNDEF 255
OPTIONS template 365_day_calendar
CHSUB 1 2 a
CHSUB 3 * b
XDEF 3 LINEAR 0 10
YDEF 2 GAUST62 5
ZDEF 1 LINEAR 1 1
TDEF 4 LINEAR 27feb2000 12hr
EDEF 2
m 4 27feb2000
n 2 28feb2000
ENDEDEF
VARS 1
u 0 -1,40,1 bytes
ENDVARS
""",
    """DSET ^g%t2.dat
UNDEF nan
OPTIONS template big_endian
XDEF 3 LINEAR 0 10
YDEF 2 LINEAR 0 1
ZDEF 2 LINEAR 1 1
TDEF 3 LINEAR jan1999 5dy
PDEF 3 2 lcc 40 -100 1 1 30 60 -100 1 1
VARS 2
u 2 -1,20,1 x
v 2 -1,20,1 x
ENDVARS
""",
)
WORDS = (
    "0 1 -1 2 3 99 255 65536 4000000 999999999 999999999999999999 9999999999999999999999 1e308 "
    "-1e-300 nan inf 0x10 1_0 .. ../x /etc/passwd ^ % %e %ch %n2 %t1 %tm6 %q a=>b => = , ; * @ "
    "LINEAR LEVELS NAMES GAUSR40 template sequential yrev big_endian byteswapped 1mn 9999yr 1mo "
    "29feb2000 31jan1999 jan0001 1jan9999 -1,20 -1,20,2 -1,40,4 -1,30 99,99 ENDVARS ENDEDEF VARS "
    "DSET OPTIONS XDEF EDEF PDEF CHSUB TDEF DTYPE @ \u0661 \ud800 \xe9 \ufeff \x1c \x00"
)


def make_folder(folder: Path) -> None:
    """Write the data files that the seeds name."""
    data = np.random.default_rng(1).bytes(600)
    names = ["g.dat", "g01.dat", "g03.dat", "gm_20000227_a_000.dat", "gn_20000228_b_024.dat"]
    for name in ["x", *names]:
        (folder / name).write_bytes(data)


def damage(text: str, seed: int) -> bytes:
    """Return a text with some lines, words and bytes changed."""
    rng = random.Random(seed)
    lines = [line.split(" ") for line in text.split("\n")]
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        line = rng.choice(lines)
        action = rng.random()
        if action < 0.5:
            line[rng.randrange(len(line))] = rng.choice(WORDS.split(" "))
        elif action < 0.6:
            line.insert(rng.randrange(len(line) + 1), rng.choice(WORDS.split(" ")))
        elif action < 0.7:
            del line[rng.randrange(len(line))]
            line.append("")
        elif action < 0.8:
            lines.insert(rng.randrange(len(lines)), list(rng.choice(lines)))
        elif action < 0.9 and len(lines) > 1:
            lines.remove(line)
        else:
            rng.shuffle(lines)
    content = "\n".join(map(" ".join, lines)).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.randbytes(rng.randrange(4)) + content[at + rng.randrange(9) :]
    return content


def try_to_open(ctl: Path) -> bool:
    """Open a damaged file and read some of it; any error but those of files fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            raw = rawmmap.open(ctl, format="grads")
        except UnicodeError:
            raise
        except (ValueError, OSError):
            return False
        for name in raw:
            arrangement: Any = raw.arrangement(name)
            if isinstance(arrangement, Values):
                assert arrangement.nbytes <= 8 * MOST_TIMES
                continue
            key = tuple(slice(0, 2) for _ in arrangement.shape)
            with contextlib.suppress(OSError):
                raw[name].data[key]
                raw[name].data[tuple(-1 for _ in arrangement.shape)]
    return True


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_the_seeds_open(tmp_path: Path, seed: int) -> None:
    make_folder(tmp_path)
    (tmp_path / "g.ctl").write_text(SEEDS[seed])
    assert try_to_open(tmp_path / "g.ctl")


@given(seed=st.integers(0, 2**32), text=st.sampled_from(SEEDS))
def test_damaged_files(tmp_path: Path, seed: int, text: str) -> None:
    if not (tmp_path / "g.dat").exists():
        make_folder(tmp_path)
    ctl = tmp_path / "g.ctl"
    ctl.write_bytes(damage(text, seed))
    try_to_open(ctl)


@given(content=st.binary(max_size=300))
def test_bytes_of_any_kind(tmp_path: Path, content: bytes) -> None:
    ctl = tmp_path / "g.ctl"
    ctl.write_bytes(b"DSET ^g.dat\nVARS 1\n" + content)
    (tmp_path / "g.dat").write_bytes(bytes(100))
    try_to_open(ctl)


LARGE = {
    "lines": "* comment\n" * 90_000,
    "levels": "XDEF 400000 LEVELS " + "1 " * 400_000,
    "names": "EDEF 200000 NAMES " + " ".join(map(str, range(150_000))),
    "variables": "VARS 90000\n" + "".join(f"u{i} 0 99\n" for i in range(70_000)),
    "members": "EDEF 90000\n" + "".join(f"m{i} 1 jan2000\n" for i in range(45_000)),
    "strings": "CHSUB 1 2 x\n" * 80_000,
    "attributes": "@ u String a b\n" * 65_000,
    "one line": "TITLE " + "x" * 1_000_000,
    "commas": "VARS 1\nu 0 " + "1," * 500_000 + "1 x\nENDVARS",
    "blanks": "VARS 1\nu 0" + " " * 1_000_000 + "x\nENDVARS",
    "blanks and commas": "VARS 1\nu 0 1" + " ," * 500_000 + "\nENDVARS",
    "template": "OPTIONS template\nDSET ^" + "%y4" * 300_000,
    "dates": "TDEF 1 LINEAR " + "0" * 1_000_000,
    "steps": "TDEF 1 LINEAR jan2000 " + "1dy" * 300_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_large_files_take_time_in_proportion(tmp_path: Path, name: str) -> None:
    ctl = tmp_path / "g.ctl"
    ctl.write_text(SEEDS[0].replace("TITLE a title", LARGE[name]))
    (tmp_path / "g.dat").write_bytes(bytes(1000))
    try_to_open(ctl)
