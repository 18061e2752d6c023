"""GDAL's virtual format with raw bands: read, and written."""
