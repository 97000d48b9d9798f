"""EPITOME: how strongly a reply reacts, interprets and explores (Sharma et al. 2020).

data.py        the three annotated CSV files → pairs → train, valid, test
model.py       bi-encoder with attention over the seeker post, one head per mechanism
training.py    the resumable training loop
evaluation.py  accuracy and macro-F1 with intervals beside the majority floor
classifier.py  a fitted folder → levels of any (seeker post, reply) pairs
command.py     `empathy-bench train epitome`
"""

from __future__ import annotations
