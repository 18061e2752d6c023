"""What is measured: each case binds a contestant to a call, and checks what the call returns."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import dask
import dask.array as da
import numpy as np
import xarray as xr

from . import cache
from .contestants import CONTESTANTS, Contestant
from .flat import Flat, Truth

__all__ = ["READING", "THREADS", "Case", "Workload"]

THREADS = 2
# A graph that takes longer to build takes minutes under tracemalloc.
_LONG = 5.0


@dataclass(frozen=True)
class Workload:
    """The files of a run, and what NumPy says about the main one."""

    main: Flat
    truth: Truth
    many: Flat
    wide: Flat
    workers: Flat
    quick: bool
    evictable: bool


class Case:
    """One comparison.

    Attributes
    ----------
    name, title : str
        Id and heading.
    state : {"warm", "cold", "any"}
        What the page cache holds of the contestant's files before each round.
    reference : str
        The contestant that ratios are taken to.
    repeat : int
        Calls per round; the round counts as their median.
    rounds : int
        Rounds of a full run.
    refill_each_round : bool
        Whether a warm file is evicted and refilled before each round, or once for all rounds, which
        is enough where a round reads little of it.
    skips : dict
        Contestants that are left out, and why.
    subtract : str or None
        The contestant whose time is taken off all others'.
    reads : str
        What a round is, where it needs saying.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    state: ClassVar[str] = "warm"
    reference: ClassVar[str] = "np.memmap"
    repeat: ClassVar[int] = 1
    rounds: ClassVar[int] = 5
    refill_each_round: ClassVar[bool] = False
    skips: ClassVar[dict[str, str]] = {}
    subtract: ClassVar[str | None] = None
    reads: ClassVar[str] = ""

    def takes(self, contestant: Contestant) -> bool:
        """Return whether the contestant has what the case measures."""
        raise NotImplementedError

    def contestants(self) -> list[Contestant]:
        """Return all that take part, whether they are installed or not."""
        return [c for c in CONTESTANTS if self.takes(c)]

    def units(self, work: Workload) -> int:
        """Return by how many a time is divided: of chunks, say."""
        return 1

    def flat(self, work: Workload) -> Flat:
        """Return the file that the case reads."""
        return work.main

    @contextmanager
    def bind(self, contestant: Contestant, work: Workload) -> Generator[Callable[[int], Any]]:
        """Open what the contestant needs and give the call to be timed, by number of repetition."""
        raise NotImplementedError

    def check(self, result: Any, i: int, work: Workload) -> None:
        """Compare a result with NumPy's."""

    def metrics(
        self, contestant: Contestant, result: Any, seconds: float, work: Workload
    ) -> dict[str, float]:
        """Return what else is worth reporting of a round."""
        return {}


class _Chunked(Case):
    reference = "in memory"
    skips: ClassVar[dict[str, str]] = {
        "da.from_array(np.memmap)": "reads the whole file while the graph is built",
    }

    def takes(self, contestant: Contestant) -> bool:
        return contestant.chunked

    @contextmanager
    def bind(self, contestant: Contestant, work: Workload) -> Generator[Callable[[int], Any]]:
        opened = contestant.open_chunked(self.flat(work))
        array = contestant.array(opened)
        try:
            with dask.config.set(scheduler="threads", num_workers=THREADS):
                yield lambda i: self.compute(array, work)
        finally:
            contestant.close(opened)

    def compute(self, array: Any, work: Workload) -> Any:
        raise NotImplementedError


def _mean(array: Any) -> float:
    # Skipping NaN costs five times the pure mean, whoever reads the file.
    lazy = array.mean(skipna=False) if isinstance(array, xr.DataArray) else array.mean()
    return float(lazy.compute())


class WarmMean(_Chunked):
    name = "mean-warm"
    title = "Mean of the whole file through Dask, two threads, file in the page cache"
    refill_each_round = True

    def compute(self, array: Any, work: Workload) -> Any:
        return _mean(array)

    def check(self, result: Any, i: int, work: Workload) -> None:
        np.testing.assert_allclose(result, work.truth.mean, rtol=1e-5)


class ColdMean(WarmMean):
    name = "mean-cold"
    title = "Mean of the whole file through Dask, two threads, nothing in the page cache"
    state = "cold"
    rounds = 3


class ColdSeries(_Chunked):
    name = "series-cold"
    title = "Time series of one pixel through Dask, nothing in the page cache"
    state = "cold"
    reference = "Dask's recipe"
    rounds = 3

    def compute(self, array: Any, work: Workload) -> Any:
        y, x = work.truth.fixed
        return np.asarray(array[:, y, x].compute())

    def check(self, result: Any, i: int, work: Workload) -> None:
        np.testing.assert_array_equal(result, work.truth.fixed_series)

    def needed(self, flat: Flat, truth: Truth) -> int:
        """Return how many pages hold any byte of the selection."""
        y, x = truth.fixed
        return _pages(flat, y, y + 1, x, x + 1)

    def metrics(
        self, contestant: Contestant, result: Any, seconds: float, work: Workload
    ) -> dict[str, float]:
        files = list(cache.files_below(contestant.files(work.main)))
        if not files:
            return {}
        pages = sum(cache.pages_in_cache(path) for path in files)
        return {"pages read / pages needed": pages / self.needed(work.main, work.truth)}


class ColdWindow(ColdSeries):
    name = "window-cold"
    title = "Mean of a window of every frame through Dask, nothing in the page cache"

    def compute(self, array: Any, work: Workload) -> Any:
        (y, x), side = work.truth.corner, work.truth.side
        return _mean(array[:, y : y + side, x : x + side])

    def check(self, result: Any, i: int, work: Workload) -> None:
        np.testing.assert_allclose(result, work.truth.corner_mean, rtol=1e-5)

    def needed(self, flat: Flat, truth: Truth) -> int:
        (y, x), side = truth.corner, truth.side
        return _pages(flat, y, y + side, x, x + side)


def _pages(flat: Flat, y0: int, y1: int, x0: int, x1: int) -> int:
    frames, ny, nx = flat.shape
    item = flat.dtype.itemsize
    rows = np.arange(frames)[:, None] * ny + np.arange(y0, y1)
    first = (flat.offset + (rows * nx + x0) * item) // cache.PAGE
    last = (flat.offset + (rows * nx + x1) * item - 1) // cache.PAGE
    spans = [first + k for k in range(int((last - first).max()) + 1)]
    return len(np.unique(np.concatenate([np.minimum(s, last).ravel() for s in spans])))


class _Open(Case):
    repeat = 5

    @contextmanager
    def bind(self, contestant: Contestant, work: Workload) -> Generator[Callable[[int], Any]]:
        opened: list[Any] = []
        # What xarray and Dask set up once per process is not part of opening.
        contestant.close(self.open(contestant, work.main))

        def call(i: int) -> Any:
            opened.append(self.open(contestant, work.main))
            return opened[-1]

        try:
            yield call
        finally:
            for result in opened:
                contestant.close(result)

    def open(self, contestant: Contestant, flat: Flat) -> Any:
        raise NotImplementedError

    def check(self, result: Any, i: int, work: Workload) -> None:
        array = result["u"] if isinstance(result, xr.Dataset) else result
        assert array.shape == work.main.shape
        assert array.dtype.kind == "f"


class OpenLazy(_Open):
    name = "open"
    title = "Open without Dask"

    def takes(self, contestant: Contestant) -> bool:
        return contestant.lazy

    def open(self, contestant: Contestant, flat: Flat) -> Any:
        return contestant.open(flat)


class OpenChunked(_Open):
    name = "open-chunked"
    title = "Open in Dask chunks"
    reference = "Dask's recipe"
    skips: ClassVar[dict[str, str]] = {"in memory": "nothing to open"}

    def takes(self, contestant: Contestant) -> bool:
        return contestant.chunked

    def open(self, contestant: Contestant, flat: Flat) -> Any:
        return contestant.open_chunked(flat)


class _Isel(Case):
    """Reads through xarray without Dask, at another position each time.

    Each comes in two forms: the first read after opening, whose pages nobody has touched through
    that map; and the median of many, between which a map that stays open keeps its page tables.
    """

    reads: ClassVar[str] = "a round is the median of 20 reads, each at another position"
    repeat = 20

    def takes(self, contestant: Contestant) -> bool:
        return contestant.lazy

    @contextmanager
    def bind(
        self, contestant: Contestant, work: Workload
    ) -> Generator[Callable[[int], Any], None, None]:
        opened = contestant.open(work.main)
        array = contestant.array(opened)
        keys = [dict(zip(array.dims, key, strict=True)) for key in self.keys(work.truth)]
        try:
            yield lambda i: self.read(array, keys[i % len(keys)])
        finally:
            contestant.close(opened)

    def keys(self, truth: Truth) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def read(self, array: xr.DataArray, key: dict[Any, Any]) -> Any:
        return array.isel(key).values


class _First(_Isel):
    reads = "the first read after opening"
    repeat = 1
    rounds = 15


class Pixel(_Isel):
    name = "pixel"
    title = "One element by isel"

    def keys(self, truth: Truth) -> list[tuple[Any, ...]]:
        return list(truth.pixels)

    def check(self, result: Any, i: int, work: Workload) -> None:
        values = work.truth.pixel_values
        assert result == values[i % len(values)]


class PixelFirst(_First, Pixel):
    name = "pixel-first"
    title = Pixel.title + ", first read"


class Series(_Isel):
    name = "series"
    title = "Time series of one pixel by isel"

    def keys(self, truth: Truth) -> list[tuple[Any, ...]]:
        return [(slice(None), y, x) for _, y, x in truth.pixels]

    def check(self, result: Any, i: int, work: Workload) -> None:
        series = work.truth.series
        np.testing.assert_array_equal(result, series[i % len(series)])

    def read(self, array: xr.DataArray, key: dict[Any, Any]) -> Any:
        # A view of a map is not read before it is used.
        return np.array(super().read(array, key))


class SeriesFirst(_First, Series):
    name = "series-first"
    title = Series.title + ", first read"


class Points200(_Isel):
    name = "points-200"
    title = "200 scattered elements by vectorised isel"
    count = 200
    skips: ClassVar[dict[str, str]] = {
        "netCDF4": "reads 200 x 200 rows one by one: minutes",
        "netCDF-3 (scipy)": "xarray gives it outer indexing: gigabytes",
        "rioxarray (ENVI)": "xarray gives it outer indexing: gigabytes",
        "Zarr, uncompressed": "decodes a chunk per point: seconds",
    }

    def keys(self, truth: Truth) -> list[tuple[Any, ...]]:
        return [
            tuple(xr.DataArray(index, dims="point") for index in points)
            for points in truth.points[self.count]
        ]

    def check(self, result: Any, i: int, work: Workload) -> None:
        values = work.truth.point_values[self.count]
        np.testing.assert_array_equal(result, values[i % len(values)])


class Points200First(_First, Points200):
    name = "points-200-first"
    title = Points200.title + ", first read"


class Points2000(Points200):
    name = "points-2000"
    title = "2,000 scattered elements by vectorised isel"
    count = 2000


class Points2000First(_First, Points2000):
    name = "points-2000-first"
    title = Points2000.title + ", first read"


class Crop(_Isel):
    name = "crop"
    title = "A window of every frame by isel, loaded and summed"

    def keys(self, truth: Truth) -> list[tuple[Any, ...]]:
        side = truth.side
        return [(slice(None), slice(y, y + side), slice(x, x + side)) for y, x in truth.windows]

    def read(self, array: xr.DataArray, key: dict[Any, Any]) -> Any:
        values = super().read(array, key)
        # The sum makes contestants that hand out views read them, and the others read their copy.
        return values, values.sum()

    def check(self, result: Any, i: int, work: Workload) -> None:
        sums = work.truth.window_sums
        values, total = result
        expected = sums[i % len(sums)]
        np.testing.assert_array_equal(np.sum(values, axis=(1, 2), dtype="f8"), expected)
        np.testing.assert_allclose(total, expected.sum(), rtol=1e-5)


class CropFirst(_First, Crop):
    name = "crop-first"
    title = Crop.title + ", first read"


class ManyChunks(Case):
    """Builds an array of very many chunks over a sparse file, of which nothing may be read."""

    name = "many-chunks"
    title = "Open a 1 TiB sparse file in 100,000 chunks"
    state = "any"
    reference = "rawmmap engine"
    rounds = 3
    skips: ClassVar[dict[str, str]] = {
        "in memory": "does not fit",
        "da.from_array(np.memmap)": "reads the whole file while the graph is built",
        "netCDF-3 (scipy)": "its library cannot write so large a hole",
        "netCDF4": "its library cannot write so large a hole",
        "rioxarray (ENVI)": "GDAL allows 65,536 bands",
        "Zarr, uncompressed": "has no file to be sparse",
        "np.fromfile": "builds the same graph as Dask's recipe",
        "rosettasciio": "works out the chunks' starts in quadratic time: minutes",
    }

    def takes(self, contestant: Contestant) -> bool:
        return contestant.chunked

    def flat(self, work: Workload) -> Flat:
        return work.many

    @contextmanager
    def bind(self, contestant: Contestant, work: Workload) -> Generator[Callable[[int], Any]]:
        contestant.close(contestant.open_chunked(work.main))
        opened: list[Any] = []

        def call(i: int) -> Any:
            opened.append(contestant.open_chunked(work.many))
            return opened[-1]

        try:
            yield call
        finally:
            for result in opened:
                contestant.close(result)

    def check(self, result: Any, i: int, work: Workload) -> None:
        array = result["u"] if isinstance(result, xr.Dataset) else result
        assert array.shape == work.many.shape
        assert len(array.chunks[0]) == len(work.many.starts)

    def metrics(
        self, contestant: Contestant, result: Any, seconds: float, work: Workload
    ) -> dict[str, float]:
        if seconds > _LONG:
            return {}
        (path,) = contestant.files(work.many)
        flat = work.many
        starts = [(flat.offset + i * flat.frame_bytes, 1) for i in flat.starts]
        read = cache.pages_in_cache(path, [(s, s + n) for s, n in starts])
        gc.collect()
        tracemalloc.start()
        try:
            opened = contestant.open_chunked(flat)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        contestant.close(opened)
        return {"peak memory, MB": peak / 1e6, "chunks read": read}


class _Stub:
    """An array that costs nothing to index: what is left is Dask's own work."""

    def __init__(self, flat: Flat) -> None:
        self.shape, self.dtype, self.ndim = flat.shape, flat.dtype, len(flat.shape)
        self._chunk = np.broadcast_to(np.zeros((), flat.dtype), (flat.rows, *flat.shape[1:]))

    def __getitem__(self, key: Any) -> Any:
        return self._chunk

    def __dask_tokenize__(self) -> str:
        return "stub"


class _StubContestant(Contestant):
    name = "nothing (Dask alone)"
    chunked = True

    def open_chunked(self, flat: Flat) -> da.Array:
        return da.from_array(
            _Stub(flat), chunks=(flat.rows, -1, -1), asarray=False, name="stub", inline_array=True
        )


STUB = _StubContestant()


class PerChunk(Case):
    """Runs the tasks that load chunks, without a scheduler and without touching what they give."""

    name = "per-chunk"
    title = "Cost of a chunk of 64 MiB before its data is touched"
    state = "any"
    reference = "Dask's recipe"
    rounds = 7
    subtract = STUB.name
    skips: ClassVar[dict[str, str]] = {
        "in memory": "does not fit",
        "da.from_array(np.memmap)": "reads the whole file while the graph is built",
        "netCDF-3 (scipy)": "its library cannot write so large a hole",
        "np.fromfile": "reads the data",
        "netCDF4": "reads the data",
        "rioxarray (ENVI)": "reads the data",
        "Zarr, uncompressed": "reads the data",
    }

    def takes(self, contestant: Contestant) -> bool:
        return contestant.chunked

    def contestants(self) -> list[Contestant]:
        return [*super().contestants(), STUB]

    def units(self, work: Workload) -> int:
        return len(work.wide.starts)

    def flat(self, work: Workload) -> Flat:
        return work.wide

    @contextmanager
    def bind(self, contestant: Contestant, work: Workload) -> Generator[Callable[[int], Any]]:
        opened = contestant.open_chunked(work.wide)
        run = _task_runner(contestant.array(opened))
        try:
            yield lambda i: run()
        finally:
            contestant.close(opened)

    def check(self, result: Any, i: int, work: Workload) -> None:
        assert result == work.wide.shape[0]


def _task_runner(array: Any) -> Callable[[], int]:
    """Return a function that runs each chunk's tasks once and drops the chunk at once."""
    from dask._task_spec import DataNode, convert_legacy_graph

    data = array.data if isinstance(array, xr.DataArray) else array
    graph = convert_legacy_graph(dict(data.__dask_graph__()))
    keys = list(dask.core.flatten(data.__dask_keys__()))
    constant = {k: node() for k, node in graph.items() if isinstance(node, DataNode)}

    def value(key: Any) -> Any:
        if key in constant:
            return constant[key]
        task = graph[key]
        return task({k: value(k) for k in task.dependencies})

    def run() -> int:
        total = 0
        for key in keys:
            total += value(key).shape[0]
        return total

    return run


READING: tuple[Case, ...] = (
    WarmMean(),
    ColdMean(),
    OpenLazy(),
    OpenChunked(),
    ManyChunks(),
    PerChunk(),
    PixelFirst(),
    Pixel(),
    SeriesFirst(),
    Series(),
    Points200First(),
    Points200(),
    Points2000First(),
    Points2000(),
    CropFirst(),
    Crop(),
    ColdSeries(),
    ColdWindow(),
)
