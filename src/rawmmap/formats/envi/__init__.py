"""ENVI's header beside a flat raster: read, and written."""
