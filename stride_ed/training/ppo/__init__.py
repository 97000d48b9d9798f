"""Proximal policy optimisation with a value critic (Schulman et al. 2017), for token sequences."""
