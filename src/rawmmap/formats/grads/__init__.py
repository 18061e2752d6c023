"""GrADS descriptor files (``.ctl``) beside flat grids."""
