"""Many runs from one file: models × tasks × seeds, then judges over what they said."""

from __future__ import annotations

from harness.matrix.execute import FILE_NAME, Done, execute, known_seconds, read_state
from harness.matrix.plan import Cell, Judging, Matrix, cells, read_matrix

__all__ = [
    "FILE_NAME",
    "Cell",
    "Done",
    "Judging",
    "Matrix",
    "cells",
    "execute",
    "known_seconds",
    "read_matrix",
    "read_state",
]
