"""Metrics that read replies with a model: families made on demand (`harness.metrics.families`)."""
