"""Datasets into flat files with a sidecar."""
