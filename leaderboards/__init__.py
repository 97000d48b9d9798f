"""Boards: results side by side on one offline page, with nothing compared that is not comparable.

result.json files, MLflow ──▶ collect ──▶ table (Board) ──▶ page (HTML) and markdown
"""

from __future__ import annotations
