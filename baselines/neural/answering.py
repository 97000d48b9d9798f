"""A trained folder as a model: `--model trained:FOLDER[,greedy|beam|top-k]`.

A prediction carries the reply, the named label with the log-probability of each, and the
likelihood of the human reply. Words that training never showed are UNK to the model, which makes
them cheap; to keep perplexities comparable with models of open vocabulary each such word also pays
ln 256 for every byte of its spelling and of the space before it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baselines.neural.vocabulary import PAD, Vocabulary
from harness import checkpoint
from harness.errors import ModelError
from harness.metrics.tokens import tokens_space
from harness.models import Question, Settings
from harness.predictions import Prediction
from harness.tasks import Task

if TYPE_CHECKING:
    from baselines.neural.architecture import Architecture, Memory
    from baselines.neural.batches import Batch
    from baselines.neural.settings import Settings as Training

__all__ = ["CARD", "Trained", "load"]

CARD = "card.json"
DECODINGS = ("greedy", "beam", "top-k")
_BATCH = 128


@dataclass(frozen=True)
class Trained:
    """A trained architecture with its vocabulary and labels."""

    card: Mapping[str, Any]
    decoding: str
    settings: Settings
    training: Training
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    model: Architecture
    device: str
    relations: Mapping[str, tuple[str, ...]]

    def generation(self, task: Task) -> Mapping[str, Any]:
        """The settings that answers depend on.

        Raises:
            ModelError: the task asks for a label that this model does not name.
        """
        if task.kind != "response" and not self._names(task.kind):
            raise ModelError(f"{self.card['name']} does not name a speaker's {task.kind}")
        return {
            "method": self.decoding if task.kind == "response" else "label head",
            "unknown_words": "ln 256 a byte",
            "reference_likelihood": self.settings.reference_likelihood,
            "seed": self.settings.seed if self.decoding == "top-k" else None,
        }

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        """By falling length of the context: little padding.

        Raises:
            ModelError: the model needs relations that its folder does not hold for a question.
        """
        if self.training.relations is not None:
            missing = [q.example.id for q in questions if q.example.id not in self.relations]
            if missing:
                raise ModelError(
                    f"{self.card['name']} has no relations for {len(missing):,} examples, such as "
                    f"{missing[0]}; train it with a --relations file that holds them"
                )
        size = self.settings.batch_size or _BATCH
        ordered = sorted(
            questions,
            key=lambda q: (-sum(len(t.text) for t in q.example.context), q.example.id),
        )
        return [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        import torch

        from baselines.neural.batches import collate

        rows = collate([self._encoded(question) for question in batch]).to(self.device)
        with torch.inference_mode():
            memory = self.model.encode(rows)
            names = self._label_fields(memory, len(batch))
            if task.kind != "response":
                return [
                    Prediction(id=question.example.id, **fields)
                    for question, fields in zip(batch, names, strict=True)
                ]
            replies = self._replies(memory, batch)
            likelihoods = self._likelihoods(memory, rows, batch)
        return [
            _prediction(question, reply, {**fields, **likelihood})
            for question, reply, fields, likelihood in zip(
                batch, replies, names, likelihoods, strict=True
            )
        ]

    def _names(self, kind: str) -> bool:
        return self.training.label == kind and bool(self.labels)

    def _encoded(self, question: Question) -> Any:
        from baselines.neural.batches import encode

        return encode(
            question.example,
            self.vocabulary,
            self.labels,
            label=None,
            max_context=self.training.max_context,
            max_target=max(self.training.max_target, 512),
            relations=self.relations.get(question.example.id, ()),
        )

    def _label_fields(self, memory: Memory, size: int) -> list[dict[str, Any]]:
        if memory.emotion is None:
            return [{} for _ in range(size)]
        scores = memory.emotion.float().log_softmax(-1).tolist()
        name = self.training.label
        return [
            {
                name: self.labels[row.index(max(row))],
                f"{name}_scores": dict(zip(self.labels, row, strict=True)),
            }
            for row in scores
        ]

    def _replies(self, memory: Memory, batch: Sequence[Question]) -> list[str]:
        import torch

        from baselines.neural.search import beam, greedy, sample
        from harness.files import sha256_text

        if self.decoding == "beam":
            found = beam(self.model, memory)
        elif self.decoding == "top-k":
            # From the questions themselves, so that a resumed run draws the same.
            key = sha256_text("\n".join(q.example.id for q in batch))[:8]
            generator = torch.Generator(self.device).manual_seed(int(key, 16) ^ self.settings.seed)
            found = sample(self.model, memory, generator=generator)
        else:
            found = greedy(self.model, memory)
        return [self.vocabulary.decode(numbers) for numbers in found]

    def _likelihoods(
        self, memory: Memory, rows: Batch, batch: Sequence[Question]
    ) -> list[dict[str, Any]]:
        from torch.nn import functional

        if not self.settings.reference_likelihood:
            return [{} for _ in batch]
        wanted = rows.target != PAD
        logits = self.model.logits(memory, rows.shifted, wanted).float()
        losses = functional.cross_entropy(logits, rows.target[wanted], reduction="none")
        sums = losses.new_zeros(len(batch)).index_add(0, wanted.nonzero()[:, 0], losses).tolist()
        counts = wanted.sum(1).tolist()
        found = []
        for question, nll, count in zip(batch, sums, counts, strict=True):
            reference = question.example.reference
            spelled = sum(
                1 + len(word.encode("utf-8", "surrogatepass"))
                for word in self.vocabulary.unknown(reference)
            )
            surcharge = spelled * math.log(256)
            found.append(
                {
                    "reference_nll": nll + surcharge,
                    "reference_surcharge": surcharge,
                    "reference_tokens": count,
                    "reference_words": len(tokens_space(reference)),
                }
            )
        return found


def _prediction(question: Question, reply: str, fields: Mapping[str, Any]) -> Prediction:
    if not reply:
        return Prediction(id=question.example.id, error="the model ended at once", **fields)
    return Prediction(id=question.example.id, response=reply, **fields)


def load(argument: str, settings: Settings) -> Trained:
    """`trained:FOLDER` or `trained:FOLDER,beam`.

    Raises:
        ModelError: the folder holds no finished training run, or its files do not belong together.
    """
    from baselines.neural.settings import Settings as Training
    from baselines.neural.settings import assemble
    from baselines.neural.training import VOCABULARY

    place, _, decoding = argument.partition(",")
    decoding = decoding or "greedy"
    if not place or decoding not in DECODINGS:
        raise ModelError(
            f"--model trained:{argument}: write trained:FOLDER, with one of "
            f"{', '.join(DECODINGS)} behind a comma if wanted"
        )
    folder = Path(place)
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        training = Training(**card["settings"])
        labels = tuple(card["labels"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder}: no finished training run ({error}); make one with `empathy-bench train`"
        ) from error
    vocabulary = Vocabulary.load(folder / VOCABULARY)
    model = assemble(training, vocabulary=len(vocabulary), labels=labels)
    tensors, _ = checkpoint.load(folder / checkpoint.BEST)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ModelError(f"{folder}: weights and vocabulary are of two models: {reason}") from error
    device = settings.device or "cpu"
    name = card["name"] if decoding == "greedy" else f"{card['name']}, {decoding}"
    shown = {key: card[key] for key in ("parameters", "seed", "weights", "trained_on")}
    return Trained(
        card={"name": name, "kind": "baseline", "family": "from scratch", **shown},
        decoding=decoding,
        settings=settings,
        training=training,
        vocabulary=vocabulary,
        labels=labels,
        model=model.to(device).eval(),
        device=device,
        relations=_relations(folder) if training.relations is not None else {},
    )


def _relations(folder: Path) -> dict[str, tuple[str, ...]]:
    from baselines.neural.cem import RELATIONS
    from baselines.neural.files import read_relations
    from baselines.neural.training import RELATIONS_FILE

    return read_relations(folder / RELATIONS_FILE, RELATIONS)
