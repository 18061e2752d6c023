"""Comparisons of rawmmap with other ways to the same bytes."""
