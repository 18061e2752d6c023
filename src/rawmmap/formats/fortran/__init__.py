"""Files of Fortran's unformatted sequential access: records between markers of their length."""
