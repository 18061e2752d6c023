"""NumPy's ``.npy`` format: its header read, and written before data."""
