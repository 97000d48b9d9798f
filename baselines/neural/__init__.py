"""The trainable-from-scratch family of this field, on one skeleton.

    vocabulary ─▶ batches ─▶ encode ─▶ Memory ─▶ decode ─▶ log-probabilities ─▶ loss | search

Each architecture is one module that holds its own idea; embedding, layers, losses, training loop
and search are shared.
"""
