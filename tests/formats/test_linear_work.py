"""Opening a file takes work that grows with its header, and not with the square of it.

What is counted are calls of Python functions: no clock is looked at.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rawmmap

Make = Callable[[Path, int], Path]


def make_envi(folder: Path, count: int) -> Path:
    (folder / "a.img").write_bytes(bytes(count))
    names = ",\n".join(f"b{i}" for i in range(count))
    notes = "".join(f"key {i} = {{a, b}}\n" for i in range(count))
    text = (
        f"ENVI\nsamples = 1\nlines = 1\nbands = {count}\ndata type = 1\nband names = {{{names}}}\n"
    )
    (folder / "a.hdr").write_text(text + notes)
    return folder / "a.hdr"


def make_grads(folder: Path, count: int) -> Path:
    np.zeros(4 * count, "f4").tofile(folder / "a.dat")
    lines = ["DSET ^a.dat", "UNDEF -9", "XDEF 2 LINEAR 0 1", "YDEF 2 LINEAR 0 1"]
    lines += ["ZDEF 1 LINEAR 1 1", "TDEF 1 LINEAR 00Z01jan2000 1hr", f"VARS {count}"]
    lines += [*(f"v{i} 0 99 note" for i in range(count)), "ENDVARS"]
    lines += [f"@ v{i} String comment text" for i in range(count)]
    (folder / "a.ctl").write_text("\n".join(lines) + "\n")
    return folder / "a.ctl"


def make_nrrd(folder: Path, count: int) -> Path:
    for i in range(count):
        (folder / f"f{i}.raw").write_bytes(bytes(4))
    head = f"NRRD0004\ntype: uchar\ndimension: 2\nsizes: 4 {count}\nencoding: raw\n"
    notes = "".join(f"key{i}:=value\n" for i in range(count))
    names = "".join(f"f{i}.raw\n" for i in range(count))
    (folder / "a.nhdr").write_text(head + notes + "data file: LIST\n" + names)
    return folder / "a.nhdr"


def make_safetensors(folder: Path, count: int) -> Path:
    entries = {
        f"t{i}": {"dtype": "U8", "shape": [2], "data_offsets": [2 * i, 2 * i + 2]}
        for i in range(count)
    }
    header = json.dumps(entries).encode()
    path = folder / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(2 * count))
    return path


def make_sigmf(folder: Path, count: int) -> Path:
    (folder / "a.sigmf-data").write_bytes(bytes(8 * count))
    captures = [{"core:sample_start": 4 * i, "core:header_bytes": 4} for i in range(count)]
    document = {"global": {"core:datatype": "ri8"}, "captures": captures, "annotations": []}
    (folder / "a.sigmf-meta").write_text(json.dumps(document))
    return folder / "a.sigmf-meta"


def make_pds4(folder: Path, count: int) -> Path:
    axes = "".join(
        f"<Axis_Array><axis_name>{name}</axis_name><elements>2</elements>"
        f"<sequence_number>{number}</sequence_number></Axis_Array>"
        for number, name in enumerate(("Line", "Sample"), 1)
    )
    areas = ""
    for i in range(count):
        (folder / f"f{i}.raw").write_bytes(bytes(4))
        areas += (
            f"<File_Area_Observational><File><file_name>f{i}.raw</file_name></File>"
            f'<Array_2D_Image><local_identifier>i{i}</local_identifier><offset unit="byte">0'
            "</offset><axes>2</axes><axis_index_order>Last Index Fastest</axis_index_order>"
            "<Element_Array><data_type>UnsignedByte</data_type></Element_Array>"
            f"{axes}</Array_2D_Image></File_Area_Observational>"
        )
    text = f'<Product_Observational xmlns="http://pds.nasa.gov/pds4/pds/v1">{areas}'
    (folder / "a.xml").write_text(text + "</Product_Observational>")
    return folder / "a.xml"


def make_netcdf3(folder: Path, count: int) -> Path:
    io = pytest.importorskip("scipy.io")
    with io.netcdf_file(folder / "a.nc", "w") as file:
        file.createDimension("t", None)
        for i in range(count):
            file.createVariable(f"v{i}", "i", ("t",))[:] = [1, 2, 3]
    return folder / "a.nc"


def make_hdf5(folder: Path, count: int) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.h5", "w") as file:
        for i in range(count):
            (folder / f"f{i}.raw").write_bytes(bytes(4))
            file.create_dataset(f"d{i}", (2,), "i2", external=[(f"f{i}.raw", 0, 4)])
    return folder / "a.h5"


def make_wav(folder: Path, count: int) -> Path:
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8, 8, 1, 8)
    content = b"RIFF\0\0\0\0WAVE" + form + b"junk\0\0\0\0" * count + b"data\4\0\0\0abcd"
    (folder / "a.wav").write_bytes(content)
    return folder / "a.wav"


def count_calls(path: Path) -> int:
    """Return how many calls it takes to open a file and to list its variables."""
    calls = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        list(rawmmap.open(path))
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize(
    "make",
    [
        make_envi,
        make_grads,
        make_nrrd,
        make_safetensors,
        make_sigmf,
        make_pds4,
        make_netcdf3,
        make_hdf5,
        make_wav,
    ],
)
def test_four_times_the_header_takes_four_times_the_work(tmp_path: Path, make: Make) -> None:
    numbers = 50, 200
    counts = []
    for number in numbers:
        folder = tmp_path / str(number)
        folder.mkdir()
        path = make(folder, number)
        rawmmap.open(path)  # imports what it needs
        counts.append(count_calls(path))
    assert counts[1] < 4.5 * counts[0]
