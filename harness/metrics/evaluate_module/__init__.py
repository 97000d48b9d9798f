"""The folder that `evaluate.load` is given; see `harness.metrics.evaluate_modules`."""
