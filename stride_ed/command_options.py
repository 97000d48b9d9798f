"""The option that all `stride` commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Work"]

Work = Annotated[
    Path, typer.Argument(help="Folder of this refinement; made by annotate.", show_default=False)
]
