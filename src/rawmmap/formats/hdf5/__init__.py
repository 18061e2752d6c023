"""HDF5 files whose datasets are the bytes of a flat file."""
