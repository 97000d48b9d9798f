"""What `evaluate.load` copies and runs: it looks for the first metric class of this file."""

from harness.metrics.evaluate_modules import EvaluateMetric

__all__ = ["EvaluateMetric"]
