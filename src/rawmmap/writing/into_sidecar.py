"""Values that go into a sidecar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from rawmmap.description import Description, Variable
from rawmmap.files.interrupts import deferring_interrupts
from rawmmap.files.lock import locked
from rawmmap.formats import sidecar
from rawmmap.layout import Layout, Values
from rawmmap.writing.draft_transaction import DraftTransaction
from rawmmap.writing.sidecars import change_text
from rawmmap.writing.state import State

__all__ = ["IntoSidecar"]


@dataclass(frozen=True, slots=True)
class IntoSidecar(DraftTransaction):
    """Small variables that a sidecar holds itself; the data file stays as it is.

    Parameters
    ----------
    draft : Draft
        Takes the values until all of them are computed.
    description : Description
        What the sidecar says, without the new variables.
    variables : mapping of str to Variable
        The new variables, as they lie in the draft.
    planned : State
        What data file and sidecar were when this was planned.
    """

    description: Description
    variables: Mapping[str, Variable]
    planned: State

    def check(self) -> None:
        """Refuse a target that was changed since."""
        self.planned.check(self.draft.target)

    def commit(self, written: Iterable[int]) -> None:
        """Replace the sidecar."""
        with locked(self.draft.target):
            self.draft.check(written)
            self.check()
            data = np.fromfile(self.draft.path, np.uint8)
            new = {
                name: replace(variable, data=Values(_view(variable.data, data)))
                for name, variable in self.variables.items()
            }
            variables = {**self.description.variables, **new}
            text = sidecar.dumps(replace(self.description, variables=variables))
            with deferring_interrupts():
                change_text(self.draft.target, text)
                self.draft.remove()


def _view(layout: Any, data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    assert isinstance(layout, Layout)
    return layout.view(data)
