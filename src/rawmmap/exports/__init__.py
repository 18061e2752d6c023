"""The description of a raw file, written down for other programs; no data are copied."""

from __future__ import annotations

from rawmmap.exports.envi import to_envi
from rawmmap.exports.hdf5 import to_hdf5
from rawmmap.exports.npy import to_npy
from rawmmap.exports.vrt import to_vrt

__all__ = ["to_envi", "to_hdf5", "to_npy", "to_vrt"]
