"""STRIDE-ED (ACL 2026): strategy-grounded stepwise reasoning for empathetic dialogue.

Strategies, trace format, data refinement and training arrive here; see the roadmap in README.md.
"""
