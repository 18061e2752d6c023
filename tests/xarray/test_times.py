"""Times and other types of NumPy's own: what is read is written again, and appended to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr

import rawmmap
import rawmmap.xarray

UNITS = ["Y", "M", "W", "D", "h", "m", "s", "25s", "ms", "us", "ns", "ps", "as"]
TYPES = [f"{order}{kind}8[{unit}]" for unit in UNITS for order, kind in ("<M", ">M", "<m", ">m")]

Array = npt.NDArray[Any]


def described(path: Path, values: Array) -> xr.Dataset:
    values.tofile(path)
    return xr.open_dataset(
        path, engine="rawmmap", dtype=values.dtype, shape=values.shape, dims=("y", "x"), name="v"
    )


@pytest.mark.parametrize("chunks", [None, {"y": 1}])
@pytest.mark.parametrize("dtype", [*TYPES, "<M8", "<m8", "V10", "V1"])
# xarray reads durations that the CF conventions name by days, and says so.
@pytest.mark.filterwarnings("ignore:Following pandas, xarray only supports decoding:UserWarning")
def test_what_is_read_is_written_again(tmp_path: Path, dtype: str, chunks: Any) -> None:
    size = np.dtype(dtype).itemsize
    values = np.frombuffer(np.arange(6 * size, dtype="u1").tobytes(), f"V{size}").reshape(2, 3)
    if "8" in dtype:
        counts = np.array([[0, 1, 40], [-3, 7, np.iinfo("i8").min]], dtype[0] + "i8")
        values = counts.view(dtype)
    with described(tmp_path / "a.bin", values) as ds:
        (ds if chunks is None else ds.chunk(chunks)).rawmmap.to_raw(tmp_path / "b.bin")
    again = rawmmap.open(tmp_path / "b.bin")["v"]
    attrs = again.attrs
    if "units" not in attrs:
        assert np.asarray(again.data).tobytes() == values.astype(again.data.dtype).tobytes()
        return
    with xr.open_dataset(tmp_path / "b.bin", engine="rawmmap") as read:
        same = read["v"].values == values
    assert (same | np.isnat(values)).all()
    assert np.isnat(read["v"].values[1, 2])


@pytest.mark.parametrize("chunks", [None, {"time": 1}])
@pytest.mark.parametrize("dtype", ["<M8[ms]", ">M8[D]", "<M8[Y]", "<M8[ns]", ">m8[s]", "<m8[W]"])
def test_records_with_times_are_appended_to(tmp_path: Path, dtype: str, chunks: Any) -> None:
    records = np.zeros(3, [("time", dtype), ("v", "<f4"), ("other", dtype)])
    records["time"] = np.arange(3).astype(dtype)
    path = tmp_path / "a.bin"
    records.tofile(path)
    rawmmap.describe(path, dtype=records.dtype, shape=(), record_dim="time")
    more = xr.Dataset(
        {
            "v": ("time", np.array([4, 5], "f4")),
            "other": ("time", np.array([9, 8]).astype(dtype)),
            "time": np.array([3, 4]).astype(dtype),
        }
    )
    (more if chunks is None else more.chunk(chunks)).rawmmap.to_raw(path, append_dim="time")
    found = np.fromfile(path, records.dtype)
    assert found["time"].tolist() == np.arange(5).astype(dtype).tolist()
    assert found["other"].tolist() == np.array([0, 0, 0, 9, 8]).astype(dtype).tolist()
    more.assign(other=more["other"][::-1].variable).rawmmap.to_raw(path, region="auto")
    found = np.fromfile(path, records.dtype)
    assert found["other"].tolist() == np.array([0, 0, 0, 8, 9]).astype(dtype).tolist()


@pytest.mark.parametrize("chunks", [None, {"y": 1}])
@pytest.mark.parametrize(
    ("dtype", "value"),
    [("<M8[s]", np.datetime64(1_500, "ms")), ("<m8[s]", np.timedelta64(1_500, "ms"))],
)
def test_times_between_two_counts_are_refused(
    tmp_path: Path, dtype: str, value: Any, chunks: Any
) -> None:
    path = tmp_path / "a.bin"
    np.arange(2).astype(dtype).tofile(path)
    rawmmap.describe(path, dtype=dtype, shape=2, dims="y", name="v")
    before = path.read_bytes()
    ds = xr.Dataset({"v": ("y", np.array([value, value]))})
    with pytest.raises(ValueError, match=rf"{path}: variable 'v': .*type of the file"):
        (ds if chunks is None else ds.chunk(chunks)).rawmmap.to_raw(path, mode="r+")
    assert path.read_bytes() == before
