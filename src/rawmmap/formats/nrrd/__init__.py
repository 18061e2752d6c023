"""NRRD, with the header before the data or in a file of its own."""
