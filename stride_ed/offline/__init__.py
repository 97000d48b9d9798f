"""Annotation and evaluation without an LLM: classifiers, sentence vectors, templates."""
