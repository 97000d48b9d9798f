"""Any lm-eval backend as a model of ours: the bridge between `predict` and lm-eval's `LM`.

Requests are ordered and batched as lm-eval orders and batches them (longest prompt first, ties by
text), so that a run here and a run of plain lm-eval put the same rows into the same batches.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError
from harness.models.contract import Question, Settings
from harness.models.parsing import SIGNATURE, parse_label, parse_reply
from harness.predictions import Prediction
from harness.tasks import Task
from harness.tasks.prompts import STOP, Message, continuation, messages, text

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import LM

__all__ = ["LanguageModel", "generate"]


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """An lm-eval `LM` with its card.

    `chat`: prompts go through the model's chat template. `likelihood`: the backend can score
    given text (chat-completion endpoints cannot), so label tasks and reference likelihoods work.
    """

    lm: LM
    card: Mapping[str, Any]
    settings: Settings
    batch_size: int
    chat: bool
    likelihood: bool

    def generation(self, task: Task) -> Mapping[str, Any]:
        """Everything beside model and prompt that an answer depends on.

        Raises:
            ModelError: the task needs likelihoods and the backend has none.
        """
        if task.method == "likelihood" and not self.likelihood:
            raise ModelError(
                f"{self.card['name']} gives no likelihoods, which {task.name} needs; "
                f"use the task {task.name}_generate instead"
            )
        if task.method == "likelihood":
            return {"method": "likelihood", "chat_template": self.chat}
        return {
            "method": "generate",
            "chat_template": self.chat,
            "batch_size": self.batch_size,
            "parser": SIGNATURE,
            "reference_likelihood": self._scores_reference(task),
            **self._decoding(task),
        }

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        """Batches by falling prompt length."""
        keyed = [(self._prompt(task, question), question) for question in questions]
        keyed.sort(key=lambda item: (-self._length(item[0]), str(item[0])))
        ordered = [question for _, question in keyed]
        size = self.batch_size
        return [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        """Answers for one batch, in order; see `Model.predict`."""
        return self._answer(task, batch, [self._prompt(task, question) for question in batch])

    def answer(
        self, task: Task, batch: Sequence[Question], prompts: Sequence[str | list[Message]]
    ) -> list[Prediction]:
        """`predict` with prompts of the caller's own: what prompting baselines build upon.

        A list of messages goes through the model's chat template (only where `chat` holds), text
        goes as it is. Seeds, decoding and parsing are those of `predict`.
        """
        rendered = [
            prompt if isinstance(prompt, str) else self.lm.apply_chat_template(prompt)
            for prompt in prompts
        ]
        return self._answer(task, batch, rendered)

    def _answer(
        self, task: Task, batch: Sequence[Question], prompts: Sequence[Any]
    ) -> list[Prediction]:
        self._seed(batch)
        if task.method == "likelihood":
            return self._by_likelihood(task, batch, prompts)
        return self._by_generation(task, batch, prompts)

    def _prompt(self, task: Task, question: Question) -> Any:
        if self.chat:
            return self.lm.apply_chat_template(messages(task, question.example, question.shots))
        return text(task, question.example, question.shots)

    def _length(self, prompt: Any) -> int:
        encode = getattr(self.lm, "tok_encode", None)
        return len(encode(prompt)) if encode and isinstance(prompt, str) else len(str(prompt))

    def _decoding(self, task: Task) -> dict[str, Any]:
        sampled = self.settings.temperature > 0
        decoding: dict[str, Any] = {
            "until": list(STOP),
            "do_sample": sampled,
            "max_gen_toks": self.settings.max_tokens or task.max_tokens,
        }
        if sampled:
            decoding["temperature"] = self.settings.temperature
        return decoding

    def _scores_reference(self, task: Task) -> bool:
        wanted = task.kind == "response" and self.settings.reference_likelihood
        return wanted and self.likelihood

    def _seed(self, batch: Sequence[Question]) -> None:
        """Sampling depends on seed and batch alone, so a resumed run draws what it would have."""
        if self.settings.temperature > 0:
            import torch

            name = f"{self.settings.seed}|{batch[0].example.id}"
            torch.manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]))

    def _by_likelihood(
        self, task: Task, batch: Sequence[Question], prompts: Sequence[Any]
    ) -> list[Prediction]:
        pairs = [
            (prompt, continuation(label, chat=self.chat))
            for prompt in prompts
            for label in task.labels
        ]
        scores = [score for score, _ in self.loglikelihood(pairs)]
        width = len(task.labels)
        return [
            _label_prediction(task, question, scores[row * width : (row + 1) * width])
            for row, question in enumerate(batch)
        ]

    def _by_generation(
        self, task: Task, batch: Sequence[Question], prompts: Sequence[Any]
    ) -> list[Prediction]:
        requests = [(prompt, self._decoding(task)) for prompt in prompts]
        raws: list[str] = self.lm.generate_until(
            _instances("generate_until", requests), disable_tqdm=True
        )
        references = self._reference_fields(task, batch, prompts)
        return [
            _generated_prediction(task, question, raw, fields)
            for question, raw, fields in zip(batch, raws, references, strict=True)
        ]

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """(ln p(continuation | prompt) in nats, is it the greedy one) of each pair."""
        answers: list[tuple[float, bool]] = self.lm.loglikelihood(
            _instances("loglikelihood", pairs), disable_tqdm=True
        )
        return answers

    def _reference_fields(
        self, task: Task, batch: Sequence[Question], prompts: Sequence[Any]
    ) -> list[dict[str, Any]]:
        """ln p(reference | context) and the reference's lengths, per question."""
        if not self._scores_reference(task):
            return [{} for _ in batch]
        references = [" ".join(question.example.reference.split()) for question in batch]
        pairs = [
            (prompt, continuation(reference, chat=self.chat))
            for prompt, reference in zip(prompts, references, strict=True)
        ]
        scores = self.loglikelihood(pairs)
        encode_pair = self.lm._encode_pair
        return [
            {
                "reference_nll": -score,
                "reference_tokens": len(encode_pair(*pair)[1]),
                "reference_words": len(reference.split()),
            }
            for (score, _), pair, reference in zip(scores, pairs, references, strict=True)
        ]


def generate(
    model: LanguageModel,
    prompts: Sequence[str],
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[str]:
    """What the model goes on with after each prompt, which is given to it as it is.

    Greedy at temperature 0, else sampled under `seed`.
    """
    decoding: dict[str, Any] = {
        "until": [],
        "do_sample": temperature > 0,
        "max_gen_toks": max_tokens,
    }
    if temperature > 0:
        import torch

        torch.manual_seed(seed)
        decoding["temperature"] = temperature
    texts: list[str] = model.lm.generate_until(
        _instances("generate_until", [(prompt, dict(decoding)) for prompt in prompts]),
        disable_tqdm=True,
    )
    return texts


def _label_prediction(task: Task, question: Question, scores: Sequence[float]) -> Prediction:
    by_label = dict(zip(task.labels, scores, strict=True))
    if not all(map(math.isfinite, scores)):
        return Prediction(
            id=question.example.id, error="the model gave a likelihood that is not finite"
        )
    best = max(by_label, key=by_label.__getitem__)
    answer: dict[str, Any] = {task.kind: best, f"{task.kind}_scores": by_label}
    return Prediction(id=question.example.id, **answer)


def _generated_prediction(
    task: Task, question: Question, raw: str | None, fields: Mapping[str, Any]
) -> Prediction:
    raw = raw or ""
    if task.kind == "response":
        reply = parse_reply(raw)
        answer: dict[str, Any] = {"response": reply.text, "strategy": reply.strategy}
    else:
        reply = parse_label(raw, task.labels)
        answer = {task.kind: reply.text}
    if reply.error:
        answer = {"error": reply.error}
    return Prediction(
        id=question.example.id,
        raw=raw if raw != reply.text else None,
        **answer,
        **fields,
    )


def _instances(kind: str, arguments: Sequence[tuple[Any, Any]]) -> list[Instance]:
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type=kind, doc={}, arguments=argument, idx=index)
        for index, argument in enumerate(arguments)
    ]
