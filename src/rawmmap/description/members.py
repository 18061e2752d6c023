"""What a description says of the files of a series: their names, and their values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.description.patterns import Pattern

__all__ = ["Members"]

_MOST_FIELDS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """The files of a series.

    Attributes
    ----------
    pattern : Pattern
        Their names.
    values : mapping of str to numpy.ndarray
        The values of fields in the names, in the order of the dimension; files of other values do
        not belong to the series. A field that is not in it has the values of all files that exist.
    missing : {"raise", "fill"}
        What happens where files are missing.
    fill_value : object
        What stands for the elements of missing files; None for the variable's own.
    """

    pattern: Pattern
    values: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    missing: str = "raise"
    fill_value: Any = None

    def check(self) -> None:
        """Refuse values of what is not a field, values that occur twice, and too many fields.

        The time to match a name grows with its length to the power of the fields of any length.

        Raises
        ------
        ValueError
            It names the field.
        """
        if self.pattern.variable_width > _MOST_FIELDS:
            raise ValueError(
                f"{self.pattern.text} has more than {_MOST_FIELDS} fields that are not times"
            )
        for name, values in self.values.items():
            if name not in self.pattern.names:
                raise ValueError(f"{name!r} is not a field of {self.pattern.text}")
            if values.ndim != 1 or len(np.unique(values)) < len(values):
                raise ValueError(f"the values of {name!r} must be a list without repetitions")
