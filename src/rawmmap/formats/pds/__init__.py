"""Images of NASA's Planetary Data System, versions 3 and 4."""
