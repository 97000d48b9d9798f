"""Replies that people have rated, whoever published them, as one kind of record.

load_ratings("empo:FILE")       Sotolar et al. 2024 (EmPO): 135 contexts × 5 systems × 3 raters
load_ratings("welivita:FILE")   Welivita & Pu 2024: 2,000 prompts × 3 systems, one rater each
load_ratings("kumar:FOLDER")    Kumar et al. 2025: 50 dialogues; experts, crowd, language models
load_ratings("duo:FILE")        DUO: 157 dialogues; their users, and third parties for a part
load_ratings("csv:FILE")        one's own: item, system, rater, criterion, value and more
"""

from harness.judges.ratings.load import load_ratings, sources
from harness.judges.ratings.records import Item, Rating, RatingSet, Scale

__all__ = ["Item", "Rating", "RatingSet", "Scale", "load_ratings", "sources"]
