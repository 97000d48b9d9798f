"""Answers of fine-tuned models that are joint, encoder–decoders, or both.

A joint model first takes the label token with the highest probability of all label tokens, then
writes the reply behind it; the same probabilities answer the label task. `,oracle` puts the gold
label's token there instead: the oracle row of the ESConv paper (Liu et al. 2021, Section 6).
The likelihood of the human reply is the one behind that same token, since that is what the model
would have written it behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from baselines.pretrained.models import label_ids
from baselines.pretrained.rows import (
    INPUT,
    gold_label,
    input_hash,
    prompt_text,
    source_ids,
    spoken,
    target_ids,
)
from baselines.pretrained.settings import Settings as Training
from baselines.pretrained.settings import label_token
from harness.errors import ModelError
from harness.models import Question, Settings
from harness.models.parsing import SIGNATURE, parse_reply
from harness.predictions import Prediction
from harness.tasks import TASKS, Task
from harness.tasks.prompts import prompt_hash
from harness.tuning.passes import (
    first_logits,
    last,
    numbering,
    padded,
    positions,
    start_token,
)
from harness.tuning.tokens import Tokens, encode_pair

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BATCH", "Tuned"]

BATCH = 16
# A longer reply gets no likelihood: its logits would not fit into memory.
_LONGEST_REFERENCE = 1024


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned model that `LanguageModel` cannot ask: joint, encoder–decoder, or both."""

    card: Mapping[str, Any]
    training: Training
    settings: Settings
    oracle: bool
    model: Any
    tokenizer: Any

    def generation(self, task: Task) -> Mapping[str, Any]:
        """The settings that answers depend on.

        Raises:
            ModelError: the task asks for a label that this model does not name.
        """
        if task.kind != "response" and (self.oracle or task.kind != self.training.joint):
            why = "is given the gold label" if self.oracle else "was not trained to"
            raise ModelError(f"{self.card['name']} gives no {task.kind}: it {why}")
        turns = self._reads_turns
        asked = {
            "input": INPUT if turns else "task prompt",
            "input_hash": input_hash(self.tokenizer) if turns else prompt_hash(_response(task)),
            "label": "gold" if self.oracle else self.training.joint,
            "chat_template": self.chat,
        }
        if task.kind != "response":
            return {"method": "label tokens", **asked}
        return {
            "method": "generate",
            **asked,
            "batch_size": self.batch_size,
            "parser": SIGNATURE,
            "do_sample": self.settings.temperature > 0,
            "temperature": self.settings.temperature or None,
            "max_gen_toks": self._longest_reply(task),
            "context_tokens": self._longest_context(task),
            "reference_likelihood": self.settings.reference_likelihood,
        }

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        """By falling length of the context: little padding.

        Raises:
            ModelError: there are demonstrations, and the model only reads turns.
        """
        if self._reads_turns and any(question.shots for question in questions):
            raise ModelError(f"{self.card['name']} takes no demonstrations; leave out --few-shot")
        keyed = [(-len(self._read(task, q)), q.example.id, q) for q in questions]
        ordered = [question for _, _, question in sorted(keyed, key=lambda item: item[:2])]
        size = self.batch_size
        return [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        """Answers for one batch, in order; see `harness.models.Model.predict`."""
        read = [self._read(task, question) for question in batch]
        fields: list[dict[str, Any]] = [{} for _ in batch]
        labels: list[str | None] = [None] * len(batch)
        if self.oracle:
            labels = [gold_label(question.example, self.training) for question in batch]
        elif self.training.joint:
            fields = self._label_fields(read)
            labels = [found[self.training.joint] for found in fields]
        if task.kind != "response":
            return [
                Prediction(id=question.example.id, **found)
                for question, found in zip(batch, fields, strict=True)
            ]
        said = self._replies(task, batch, read, labels)
        scored = self._references(task, batch, labels)
        return [
            self._prediction(*row) for row in zip(batch, labels, said, fields, scored, strict=True)
        ]

    @property
    def chat(self) -> bool:
        return bool(self.tokenizer.chat_template) and not self._reads_turns

    @property
    def batch_size(self) -> int:
        return self.settings.batch_size or BATCH

    @property
    def _reads_turns(self) -> bool:
        return self.training.kind == "seq2seq"

    @cached_property
    def _label_ids(self) -> Tokens:
        return label_ids(self.training, self.tokenizer)

    def _longest_reply(self, task: Task) -> int:
        wanted, bound = (
            self.settings.max_tokens or _response(task).max_tokens,
            positions(self.model),
        )
        return min(wanted, bound - 3) if bound else wanted

    def _longest_context(self, task: Task) -> int | None:
        """Tokens of the question that the model reads; None where there is no bound."""
        bound = positions(self.model)
        if self._reads_turns:
            return min(self.training.max_len, bound or self.training.max_len)
        return max(1, bound - self._longest_reply(task) - 2) if bound else None

    def _read(self, task: Task, question: Question) -> Tokens:
        """The question in tokens, without the label."""
        longest = self._longest_context(task)
        if self._reads_turns:
            assert longest is not None
            return source_ids(question.example, self.tokenizer, longest=longest)[0]
        prompt = self._prompt(task, question)
        return encode_pair(self.tokenizer, prompt, "")[0][-(longest or 0) :]

    def _prompt(self, task: Task, question: Question) -> str:
        return prompt_text(
            _response(task),
            question.example,
            self.tokenizer,
            chat=self.chat,
            shots=question.shots,
        )

    def _label_fields(self, read: Sequence[Tokens]) -> list[dict[str, Any]]:
        logits = first_logits(
            self.model, self.training.kind, read, self._label_ids, self.tokenizer.pad_token_id
        )
        name, labels = str(self.training.joint), self.training.labels
        return [
            {
                name: labels[row.index(max(row))],
                f"{name}_scores": dict(zip(labels, row, strict=True)),
            }
            for row in logits.log_softmax(-1).tolist()
        ]

    def _token(self, label: str | None) -> Tokens:
        if self.training.joint is None or label is None:
            return []
        return [self._label_ids[self.training.labels.index(label)]]

    def _replies(
        self,
        task: Task,
        batch: Sequence[Question],
        read: Sequence[Tokens],
        labels: Sequence[str | None],
    ) -> list[str]:
        """What the model writes behind the label tokens."""
        import torch

        self._seed(batch)
        pad, begun = self.tokenizer.pad_token_id, [self._token(label) for label in labels]
        if self._reads_turns:
            tokens, mask = padded(read, pad, left=False)
            start = start_token(self.model)
            # Without gold label an oracle has no token; any will do, its row is an error.
            width = max(map(len, begun))
            heads = [[start, *(head or [pad] * width)] for head in begun]
            extra = {"decoder_input_ids": torch.tensor(heads, device=self.model.device)}
            skip = len(heads[0])
        else:
            rows = [asked + head for asked, head in zip(read, begun, strict=True)]
            tokens, mask = padded(rows, pad, left=True)
            extra, skip = {}, tokens.shape[1]
        sampled = self.settings.temperature > 0
        how = {"temperature": self.settings.temperature, "top_k": 0, "top_p": 1.0}
        with torch.inference_mode():
            written = self.model.generate(
                input_ids=tokens.to(self.model.device),
                attention_mask=mask.to(self.model.device),
                max_new_tokens=self._longest_reply(task),
                do_sample=sampled,
                **(how if sampled else {}),
                **extra,
            )
        found: list[str] = self.tokenizer.batch_decode(written[:, skip:], skip_special_tokens=True)
        return found

    def _seed(self, batch: Sequence[Question]) -> None:
        """Sampling depends on seed and batch alone, so a resumed run draws what it would have."""
        if self.settings.temperature > 0:
            import torch

            name = f"{self.settings.seed}|{batch[0].example.id}"
            torch.manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:7]))

    def _references(
        self, task: Task, batch: Sequence[Question], labels: Sequence[str | None]
    ) -> list[dict[str, Any]]:
        """-ln p(reference | context, label) and the reference's lengths, per question."""
        if not self.settings.reference_likelihood:
            return [{} for _ in batch]
        pairs = [self._pair(task, *row) for row in zip(batch, labels, strict=True)]
        bound = min(_LONGEST_REFERENCE, (positions(self.model) or _LONGEST_REFERENCE) - 3)
        fits = [number for number, (_, _, tail) in enumerate(pairs) if len(tail) <= bound]
        found: list[dict[str, Any]] = [{} for _ in batch]
        special = set(self.tokenizer.all_special_ids)
        for number, nats in zip(fits, self._nats([pairs[n] for n in fits]), strict=True):
            # BART writes BOS before every reply: no part of the reference.
            words = [x for x, token in zip(nats, pairs[number][2], strict=True)
                     if token not in special]  # fmt: skip
            found[number] = {
                "reference_nll": sum(words),
                "reference_tokens": len(words),
                "reference_words": len(batch[number].example.reference.split()),
            }
        return found

    def _pair(
        self, task: Task, question: Question, label: str | None
    ) -> tuple[Tokens, Tokens, Tokens]:
        """What the model reads, the label token, the reference without end of turn."""
        reference, token = question.example.reference, self._token(label)
        if self._reads_turns:
            return self._read(task, question), token, target_ids(reference, self.tokenizer)[:-1]
        mark = label_token(self.training.joint, label) if self.training.joint and label else ""
        prompt = self._prompt(task, question) + mark
        head, tail = encode_pair(self.tokenizer, prompt, spoken(reference, chat=self.chat))
        return head[: len(head) - len(token)], token, tail

    def _nats(self, pairs: Sequence[tuple[Tokens, Tokens, Tokens]]) -> list[list[float]]:
        """-ln p of every token of each reference."""
        import torch

        if not pairs:
            return []
        pad, device = self.tokenizer.pad_token_id, self.model.device
        with torch.inference_mode():
            if self._reads_turns:
                start = start_token(self.model)
                tokens, mask = padded([read for read, _, _ in pairs], pad, left=False)
                spoken_so_far, _ = padded(
                    [[start, *token, *tail][:-1] or [start] for _, token, tail in pairs],
                    pad,
                    left=False,
                )
                logits = self.model(
                    input_ids=tokens.to(device),
                    attention_mask=mask.to(device),
                    decoder_input_ids=spoken_so_far.to(device),
                ).logits
                begins = [len(token) for _, token, _ in pairs]
            else:
                bound = positions(self.model)
                rows = [(a + b + c)[-(bound + 1 if bound else 0) : -1] for a, b, c in pairs]
                tokens, mask = (x.to(device) for x in padded(rows, pad, left=True))
                width = max(1, *(len(tail) for _, _, tail in pairs))
                logits = self.model(
                    input_ids=tokens,
                    attention_mask=mask,
                    **numbering(self.model, mask),
                    **last(self.model, width),
                ).logits
                begins = [logits.shape[1] - len(tail) for _, _, tail in pairs]
            return [
                _read_off(logits[row, begin : begin + len(tail)], tail)
                for row, (begin, (_, _, tail)) in enumerate(zip(begins, pairs, strict=True))
            ]

    def _prediction(
        self,
        question: Question,
        label: str | None,
        raw: str,
        fields: Mapping[str, Any],
        scored: Mapping[str, Any],
    ) -> Prediction:
        reply = parse_reply(raw)
        error = reply.error
        if self.oracle and label is None:
            error = f"the example has no gold {self.training.joint} for the oracle"
        answer: dict[str, Any] = {"error": error} if error else {"response": reply.text}
        kept = raw if raw != reply.text else None
        return Prediction(id=question.example.id, raw=kept, **answer, **fields, **scored)


def _read_off(logits: Tensor, tokens: Tokens) -> list[float]:
    """-ln p of each token under logits [tokens, vocabulary]."""
    import torch

    if not tokens:
        return []
    chosen = torch.tensor(tokens, device=logits.device)
    log_p = logits.float().log_softmax(-1).gather(1, chosen[:, None])[:, 0]
    found: list[float] = (-log_p).clamp(min=0).tolist()
    return found


def _response(task: Task) -> Task:
    """The task whose prompt the model was trained on."""
    return TASKS[f"{task.dataset}_response"]
