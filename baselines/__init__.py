"""Reference baselines: floors, the human row, retrieval, the from-scratch family, printed rows."""
