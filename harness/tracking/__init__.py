"""MLflow: finished runs go up once each, and come back as results for the board.

    run folder (result.json, predictions.jsonl) ──track──▶ MLflow store ──load_results──▶ Result
    training folder (curve.jsonl, card.json) ──training_mirror, track_training──▶ MLflow store
    data folder (data_card.json, files) ──track_data──▶ MLflow store

The local files are the record; MLflow is a copy of them that a team can browse. Everything goes
through `MlflowClient` with an explicit URI, so no environment variable, active run or working
folder of the user is touched. Layout in the store: one experiment per task version; in it one
parent run per invocation; below that one run per result (model × task × profile). MLflow nests
runs only inside one experiment, hence a parent in each experiment that an invocation reaches;
inside the user's own active run that run is the parent.
"""

from __future__ import annotations

from harness.tracking.download import load_answers, load_results, run_pages, store_state
from harness.tracking.made_data import DATA_CARD, data_folders, track_data
from harness.tracking.prepare import Preparation, prepare, prepare_in_background
from harness.tracking.store import Store, check_store, resolve_store
from harness.tracking.training import track_training, training_folders, training_mirror
from harness.tracking.upload import TrackingReport, track

__all__ = [
    "DATA_CARD",
    "Preparation",
    "Store",
    "TrackingReport",
    "check_store",
    "data_folders",
    "load_answers",
    "load_results",
    "prepare",
    "prepare_in_background",
    "resolve_store",
    "run_pages",
    "store_state",
    "track",
    "track_data",
    "track_training",
    "training_folders",
    "training_mirror",
]
