"""Reference baselines: floors, the human row, retrieval."""
