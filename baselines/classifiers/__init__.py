"""Trained classifiers: who reads a context names the speaker's emotion or the next strategy."""
