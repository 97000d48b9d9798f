"""Judgements of replies: the human ratings that judges and metrics must answer to."""
