"""Headers and data files find each other by name, wherever they lie."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import rawmmap

RPL = "key\tvalue\nwidth\t3\nheight\t2\ndepth\t1\noffset\t0\ndata-length\t1\n"
RPL += "data-type\tunsigned\nbyte-order\tdont-care\nrecord-by\tdont-care\n"
MHD = "ObjectType = Image\nNDims = 2\nDimSize = 3 2\nElementType = MET_UCHAR\n"
HDR = "NROWS 2\nNCOLS 3\nNBITS 8\n"
ENVI = "ENVI\nsamples = 3\nlines = 2\nbands = 1\ndata type = 1\ninterleave = bsq\n"
RSC = "WIDTH 3\nFILE_LENGTH 2\n"
GRD = "[georeference]\nnrows=2\nncols=3\n[data]\ndatatype=INT1U\nnbands=1\nbandorder=BSQ\n"
XML = "<imageFile>" + "".join(
    f'<property name="{key}"><value>{value}</value></property>'
    for key, value in {
        "width": 3,
        "length": 2,
        "number_bands": 1,
        "data_type": "BYTE",
        "scheme": "BIP",
        "byte_order": "l",
        "file_name": "elsewhere/b.bin",
    }.items()
)
XML += "</imageFile>"
SIGMF = '{"global": {"core:datatype": "ru8", "core:num_channels": 3}, "captures": []}'
CTL = "DSET ^a.dat\nUNDEF 255\nXDEF 3 LINEAR 0 1\nYDEF 2 LINEAR 0 1\nZDEF 1 LINEAR 1 1\n"
CTL += "TDEF 1 LINEAR 00Z01jan2000 1hr\nVARS 1\ndata 0 -1,40,1 u\nENDVARS\n"
NHDR = "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 3 2\nencoding: raw\ndata file: a.raw\n"
VALUES = np.arange(6, dtype="u1").reshape(2, 3)


@pytest.mark.parametrize(
    ("names", "header"),
    [
        (("a.rpl", "a.raw"), RPL),
        (("a.rpl", "a.RAW"), RPL),
        (("a.hdr", "a.bil"), HDR),
        (("a.HDR", "a.BIL"), HDR),
        (("a.bil.hdr", "a.bil"), HDR),
        (("a.hdr", "a"), HDR),
        (("a.img.hdr", "a.img"), ENVI),
        (("a.hdr", "a.img"), ENVI),
        (("a.hdr", "a"), ENVI),
        (("a.flg.rsc", "a.flg"), RSC),
        (("a.grd", "a.gri"), GRD),
        (("a.bin.xml", "a.bin"), XML),
        (("other.xml", "b.bin"), XML),
        (("a.sigmf-meta", "a.sigmf-data"), SIGMF),
        (("a.ctl", "a.dat"), CTL),
        (("a.dat.ctl", "a.dat"), CTL),
        (("a.nhdr", "a.raw"), NHDR),
        (("a.mhd", "a.raw"), MHD + "ElementDataFile = a.raw\n"),
        (("a.raw.mhd", "a.raw"), MHD + "ElementDataFile = a.raw\n"),
        (("a.mhd", "other.dat"), MHD + "ElementDataFile = other.dat\n"),
    ],
)
@pytest.mark.parametrize("opened", ["header", "data"])
@pytest.mark.parametrize("place", ["folder", "zip"])
def test_either_file_opens(
    tmp_path: Path, names: tuple[str, str], header: str, opened: str, place: str
) -> None:
    if "other" in names[0] + names[1] and opened == "data":
        pytest.skip("only its header leads to a file of another name")
    contents = {names[0]: header.encode(), names[1]: VALUES.tobytes()}
    chosen = names[0 if opened == "header" else 1]
    if place == "zip":
        with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
            for name, content in contents.items():
                archive.writestr(f"d/{name}", content)
        path = f"zip://d/{chosen}::{tmp_path / 'b.zip'}"
    else:
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        path = str(tmp_path / chosen)
    raw = rawmmap.open(path)
    np.testing.assert_array_equal(np.asarray(raw["data"].data).squeeze(), VALUES)


def test_a_template_in_an_archive(tmp_path: Path) -> None:
    lines = CTL.replace("^a.dat", "^a%d2.dat\nOPTIONS template").replace("TDEF 1", "TDEF 2")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("d/a.ctl", lines.replace("1hr", "1dy"))
        for day in (1, 2):
            archive.writestr(f"d/a0{day}.dat", (VALUES + day).tobytes())
    raw = rawmmap.open(f"zip://d/a.ctl::{tmp_path / 'b.zip'}")
    np.testing.assert_array_equal(np.asarray(raw["data"].data), [VALUES + 1, VALUES + 2])


def test_a_header_of_the_same_stem_is_not_that_of_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.rpl").write_text(RPL)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    with pytest.raises(ValueError, match="nothing says"):
        rawmmap.open(tmp_path / "a.png")


def test_missing_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.rpl").write_text(RPL)
    with pytest.raises(FileNotFoundError, match=r"a\.raw"):
        rawmmap.open(tmp_path / "a.rpl")
    (tmp_path / "b.raw").write_bytes(VALUES.tobytes())
    with pytest.raises(ValueError, match=r"b\.rpl"):
        rawmmap.open(tmp_path / "b.raw", format="ripple")
    with pytest.raises(ValueError, match=r"b\.raw\.hdr or b\.hdr"):
        rawmmap.open(tmp_path / "b.raw", format="envi")


def test_a_header_of_another_name_says_nothing_of_its_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HDR)
    with pytest.raises(ValueError, match=r"not named \.hdr"):
        rawmmap.open(tmp_path / "a.txt")
