"""A trained classifier as a model: `--model classifier:FOLDER`.

A prediction carries the most probable label and the log-probability of each that training showed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.classifiers.settings import Settings as Training
from baselines.classifiers.settings import task_of
from harness import checkpoint
from harness.errors import InputError, ModelError
from harness.files import sha256_file
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.tasks import Task
from harness.training_log import CARD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.dialogue import Example

__all__ = ["Classifier", "load"]

_BATCH = 256
_ADVICE = "train one: empathy-bench train classifier"
Score = Callable[[Sequence["Example"]], "NDArray[Any]"]


@dataclass(frozen=True)
class Classifier:
    """`score` gives the (n, L) log-probabilities of `labels` for n examples."""

    card: Mapping[str, Any]
    training: Training
    labels: tuple[str, ...]
    score: Score
    batch_size: int

    def generation(self, task: Task) -> Mapping[str, Any]:
        """The settings that answers depend on.

        Raises:
            ModelError: it was trained for another question.
        """
        own = task_of(self.training)
        if (task.kind, task.dataset) != (own.kind, own.dataset):
            raise ModelError(
                f"{self.card['name']} was trained for {own.name} and cannot answer {task.name}; "
                f"give --task {own.name}"
            )
        return {"method": "classifier", "history": self.training.history}

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        """In their own order, so that a dialogue's turns are together."""
        size = self.batch_size
        return [list(questions[at : at + size]) for at in range(0, len(questions), size)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        rows = self.score([question.example for question in batch]).tolist()
        return [
            _prediction(task, question, dict(zip(self.labels, row, strict=True)))
            for question, row in zip(batch, rows, strict=True)
        ]


def _prediction(task: Task, question: Question, scores: dict[str, float]) -> Prediction:
    best = max(scores, key=lambda label: scores[label])
    fields: dict[str, Any] = {task.kind: best, f"{task.kind}_scores": scores}
    return Prediction(id=question.example.id, **fields)


def load(argument: str, settings: Settings) -> Classifier:
    """`classifier:FOLDER`.

    Raises:
        ModelError: FOLDER holds no finished classifier, or a file of it is damaged or has changed.
    """
    if not argument:
        raise ModelError("--model classifier: write classifier:FOLDER, the folder of a training")
    folder = Path(argument)
    card, training = _read_card(folder)
    _check_weights(folder / checkpoint.BEST, card["weights"])
    make = _linear if training.method == "linear" else _fine_tuned
    shown = {
        key: card[key]
        for key in ("name", "task", "encoder", "parameters", "seed", "weights", "trained_on")
    }
    # Where the encoder lies is no part of what it is.
    shown["encoder"] = {k: v for k, v in card["encoder"].items() if k != "source"}
    return Classifier(
        card=shown | {"kind": "baseline", "family": "classifier"},
        training=training,
        labels=tuple(card["labels"]),
        score=make(folder, card, training, settings.device or "cpu"),
        batch_size=settings.batch_size or _BATCH,
    )


def _read_card(folder: Path) -> tuple[dict[str, Any], Training]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        training = Training(**card["settings"])
        task_of(training)
        if not (folder / checkpoint.BEST).is_file() or len(card["labels"]) < 2:
            raise ValueError(f"{checkpoint.BEST} or its labels are missing")
        _ = card["weights"], card["encoder"]["weights"], card["encoder"]["setup"]
    except (OSError, ValueError, KeyError, TypeError, InputError) as error:
        if (folder / checkpoint.SETTINGS).is_file() and not (folder / CARD).is_file():
            raise ModelError(
                f"{folder}: its training was not finished; go on with the same command and --resume"
            ) from error
        raise ModelError(f"{folder}: no finished classifier ({error}); {_ADVICE}") from error
    return card, training


def _check_weights(path: Path, expected: str) -> None:
    found = f"sha256:{sha256_file(path)[:16]}" if path.is_file() else "missing"
    if found != expected:
        raise ModelError(
            f"{path}: weights are {found}, not those of {CARD} ({expected}); "
            "train into a new folder"
        )


def _linear(folder: Path, card: Mapping[str, Any], training: Training, device: str) -> Score:
    from baselines.classifiers.linear import features
    from harness.metrics.neural.model_files import find_model
    from harness.regression import Regression

    encoder = card["encoder"]
    files = find_model(encoder["source"])
    if (files.weights, files.setup) != (encoder["weights"], encoder["setup"]):
        raise ModelError(
            f"{folder}: was trained on {encoder['name']}@{encoder['weights']}.{encoder['setup']}, "
            f"and {files.name} is @{files.weights}.{files.setup} now; bring that encoder back"
        )
    tensors, _ = checkpoint.load(folder / checkpoint.BEST)
    try:
        model = Regression(
            tuple(card["labels"]), tensors["weight"].numpy(), tensors["bias"].numpy()
        )
    except KeyError as error:
        raise ModelError(f"{folder}: its weights are of another model; {_ADVICE}") from error

    def score(examples: Sequence[Example]) -> NDArray[Any]:
        return model.log_probabilities(features(examples, files, history=training.history))

    return score


def _fine_tuned(folder: Path, card: Mapping[str, Any], training: Training, device: str) -> Score:
    from baselines.classifiers.contexts import ContextTokens
    from baselines.classifiers.finetuning import ENCODER
    from baselines.classifiers.network import build, log_probabilities
    from harness.encoders import load_tokenizer

    _check_weights(folder / ENCODER / "model.safetensors", card.get("kept_encoder", ""))
    model = build(
        folder / ENCODER,
        labels=len(card["labels"]),
        max_len=training.max_len,
        dropout=0.0,
        frozen_layers=training.frozen_layers,
        seed=training.seed,
    )
    weights, _ = checkpoint.load(folder / checkpoint.BEST)
    if weights.keys() != model.trained().keys():
        raise ModelError(f"{folder}: weights and encoder are of two models; {_ADVICE}")
    model.load_state_dict(weights, strict=False)
    model.to(device)
    tokenizer = load_tokenizer(folder / ENCODER, max_len=training.max_len, device=device).inner
    tokens = ContextTokens(tokenizer, training.max_len, training.history)
    padding = tokenizer.pad_token_id or 0

    def score(examples: Sequence[Example]) -> NDArray[Any]:
        rows = [tokens(example) for example in examples]
        found: NDArray[Any] = log_probabilities(model, rows, padding=padding, device=device).numpy()
        return found.astype("float64")

    return score
