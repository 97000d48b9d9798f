"""empathy-bench: evaluate empathetic dialogue models on EmpatheticDialogues and ESConv."""

from __future__ import annotations

__version__ = "0.1.0"
