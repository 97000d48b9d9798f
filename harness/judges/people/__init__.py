"""People as judges: blind forms that need no network, and their answers read back."""

from __future__ import annotations

from harness.judges.people.forms import Form, Screen, make_forms
from harness.judges.people.results import Answered, read_results

__all__ = ["Answered", "Form", "Screen", "make_forms", "read_results"]
