"""A STRIDE-ED model as every other model: `--model stride:FOLDER`, or `stride:BASE` untrained.

It answers response tasks with a trace. Reply, emotion and strategy are read from it as the reward
reads them; what earns no format reward, or holds no reply, is a failed prediction whose reason says
what is wrong with it. Labels that do not exist are kept as written and score as wrong. The whole
trace is given where every stage is as it should be. BASE (smollm2, a model folder, a hub id) is
asked in the same words without having learnt them: where SFT begins.

The likelihood of the human reply is the one behind the model's own thinking, since that is where it
would have written it; an answer that keeps no format gives none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import ModelError
from harness.models import Model, Question, Settings
from harness.predictions import Prediction
from harness.tasks import Task
from harness.training_log import CARD
from harness.tuning.bases import choose_device, find_base, load_base
from harness.tuning.passes import last, numbering, padded
from harness.tuning.tokens import Tokens, encode_pair
from stride_ed.crosswalk import to_esconv
from stride_ed.prompts import prompt_hashes
from stride_ed.rewards import format_reward, read_emotion, read_strategy
from stride_ed.strategies import STRATEGY_NAMES
from stride_ed.trace import STAGES, Failure, Stage, read_stages
from stride_ed.training.checkpoints import load_weights, read_checkpoint
from stride_ed.training.questions import stops_of
from stride_ed.training.rows import prompt_tokens

__all__ = ["PARSER", "StrideModel", "load", "read_answer"]

PARSER = "stride|format:as-rewarded|labels:as-written|v1"
_BATCH = 16
# The paper decodes up to 1,024 tokens; a trace of ED dialogues has some 100.
_LONGEST = 1024
_ROLE = re.compile(r"^listener:\s*", re.IGNORECASE)
_ANNOUNCED = re.compile(r"^\([^()]*\)\s*")
_CARD_FIELDS = (
    "stage", "variant", "stages", "base", "method", "parameters", "seed", "weights", "trained_on",
)  # fmt: skip


def load(argument: str, settings: Settings) -> Model:
    """`stride:FOLDER` of a trained model, or `stride:BASE`.

    Raises:
        ModelError: there is no such model, or it cannot be loaded.
    """
    import torch

    if not argument:
        raise ModelError("--model stride: write stride:FOLDER of a training, or stride:smollm2")
    device = settings.device or ("cuda" if torch.cuda.is_available() else "cpu")
    choose_device(device)
    dtype = settings.dtype or ("float32" if device == "cpu" else "bfloat16")
    shown: dict[str, Any]
    stages: tuple[Stage, ...] = STAGES
    if (Path(argument) / CARD).is_file() or not _is_base(argument):
        found = read_checkpoint(Path(argument))
        model, tokenizer = load_weights(found, dtype=dtype)
        stages = found.stages
        shown = {"name": found.card["name"]} | {name: found.card[name] for name in _CARD_FIELDS}
    else:
        base = find_base(argument)
        model, tokenizer = load_base(base, "causal", dtype=dtype)
        shown = {
            "name": f"{base.name}, asked for a trace",
            "base": {"name": base.name, "revision": base.revision},
        }
    shown |= {"kind": "model", "family": "STRIDE-ED", "dtype": dtype, "device": device}
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = model.to("cuda" if device.startswith("cuda") else device).eval()
    return StrideModel(shown, stages, settings, model, tokenizer)


def _is_base(argument: str) -> bool:
    folder = Path(argument)
    return (folder / "config.json").is_file() or not folder.exists()


@dataclass(frozen=True)
class StrideModel:
    """See the module's head; `card` and `settings` as every model has them."""

    card: Mapping[str, Any]
    stages: tuple[Stage, ...]
    settings: Settings
    model: Any
    tokenizer: Any

    def generation(self, task: Task) -> Mapping[str, Any]:
        """The settings that answers depend on.

        Raises:
            ModelError: the task asks for a label alone.
        """
        if task.kind != "response":
            raise ModelError(
                f"{self.card['name']} names labels on its way to a reply: use {task.dataset}"
                "_response, which scores them as well"
            )
        return {
            "method": "generate",
            "input": "stride",
            "input_hash": prompt_hashes()["model"],
            "stages": list(self.stages),
            "parser": PARSER,
            "batch_size": self._size,
            "do_sample": self.settings.temperature > 0,
            "temperature": self.settings.temperature or None,
            "max_gen_toks": self._longest,
            "reference_likelihood": self.settings.reference_likelihood,
        }

    def batches(self, task: Task, questions: Sequence[Question]) -> list[list[Question]]:
        """By falling length of the prompt: little padding.

        Raises:
            ModelError: there are demonstrations, and the model has learnt without.
        """
        if any(question.shots for question in questions):
            raise ModelError(f"{self.card['name']} takes no demonstrations; leave out --few-shot")
        keyed = [(-len(self._asked(q)), q.example.id, q) for q in questions]
        ordered = [question for _, _, question in sorted(keyed, key=lambda item: item[:2])]
        return [ordered[at : at + self._size] for at in range(0, len(ordered), self._size)]

    def predict(self, task: Task, batch: Sequence[Question]) -> list[Prediction]:
        """Answers for one batch, in order; see `harness.models.Model.predict`."""
        from stride_ed.training.ppo.rollout import uniforms, write

        sampled = self.settings.temperature > 0
        drawn = [uniforms(self._seed(q), self._longest) for q in batch] if sampled else None
        answers = write(
            self.model,
            [self._asked(question) for question in batch],
            pad=self.tokenizer.pad_token_id,
            most=self._longest,
            ended=self._ended,
            temperature=self.settings.temperature,
            drawn=drawn,
        )
        texts = [self.tokenizer.decode(a.tokens, skip_special_tokens=True) for a in answers]
        scored = self._references(batch, texts)
        return [
            Prediction(
                id=question.example.id, **read_answer(text, self.stages, task.dataset), **fields
            )
            for question, text, fields in zip(batch, texts, scored, strict=True)
        ]

    @property
    def _size(self) -> int:
        return self.settings.batch_size or _BATCH

    @property
    def _longest(self) -> int:
        return self.settings.max_tokens or _LONGEST

    @cached_property
    def _ended(self) -> Any:
        from stride_ed.training.ppo.rollout import ending

        return ending(self.tokenizer, stops_of(self.tokenizer))

    def _seed(self, question: Question) -> tuple[int, int]:
        digest = hashlib.sha256(question.example.id.encode()).digest()
        return self.settings.seed, int.from_bytes(digest[:7])

    def _asked(self, question: Question) -> Tokens:
        return prompt_tokens(self.tokenizer, question.example, self.stages)

    def _references(self, batch: Sequence[Question], texts: Sequence[str]) -> list[dict[str, Any]]:
        """-ln p(reference | context, own thinking) and its lengths, where there is a thinking."""
        import torch

        found: list[dict[str, Any]] = [{} for _ in batch]
        if not self.settings.reference_likelihood:
            return found
        pairs: dict[int, tuple[Tokens, Tokens]] = {}
        for place, (question, text) in enumerate(zip(batch, texts, strict=True)):
            head = _thinking(text, self.stages)
            if head is not None:
                reference = " ".join(question.example.reference.split())
                # As it would be written: the blank belongs to the reply's first word.
                begun = head.rstrip()
                spoken = f" {reference}" if begun else reference
                before, tail = encode_pair(self.tokenizer, begun, spoken)
                # The prompt's own tokens stay what they were when it was answered.
                pairs[place] = (self._asked(question) + before, tail)
        if not pairs:
            return found
        rows = [(head + tail)[:-1] for head, tail in pairs.values()]
        width = max(len(tail) for _, tail in pairs.values())
        tokens, mask = (
            x.to(self.model.device) for x in padded(rows, self.tokenizer.pad_token_id, left=True)
        )
        with torch.inference_mode():
            logits = self.model(
                input_ids=tokens,
                attention_mask=mask,
                **numbering(self.model, mask),
                **last(self.model, width),
            ).logits
        for row, (place, (_, tail)) in enumerate(pairs.items()):
            log_p = logits[row, logits.shape[1] - len(tail) :].float().log_softmax(-1)
            chosen = torch.tensor(tail, device=log_p.device)[:, None]
            found[place] = {
                "reference_nll": max(0.0, -float(log_p.gather(1, chosen).sum())),
                "reference_tokens": len(tail),
                "reference_words": len(batch[place].example.reference.split()),
            }
        return found


def read_answer(text: str, stages: tuple[Stage, ...], dataset: str) -> dict[str, Any]:
    """A generated text as fields of a prediction; `error` where it keeps no format.

    ESConv's strategies are named by its own eight.
    """
    if not stages:
        reply = " ".join(text.split())
        return {"response": reply} if reply else {"error": "empty reply"}
    fields = read_stages(text, stages)
    reply = _reply(text, stages) if format_reward(text) else ""
    labels = {
        "emotion": read_emotion(text) if "Emotion" in stages else None,
        "strategy": _named(read_strategy(text), dataset) if "Strategy" in stages else None,
    }
    answer: dict[str, Any] = {"raw": text} | {name: x for name, x in labels.items() if x}
    if not reply:
        return answer | {"error": str(fields if isinstance(fields, Failure) else "empty reply")}
    trace = {} if isinstance(fields, Failure) else {"trace": fields}
    return answer | {"response": reply} | trace


def _reply(text: str, stages: tuple[Stage, ...]) -> str:
    """What a text in the frame answers, without role and announced strategy."""
    answer = text.partition("<answer>")[2].removesuffix("</answer>").strip()
    answer = _ROLE.sub("", answer, count=1)
    if "Strategy" in stages:
        answer = _ANNOUNCED.sub("", answer, count=1)
    return " ".join(answer.split())


def _named(strategy: str | None, dataset: str) -> str | None:
    if dataset == "esconv" and strategy in STRATEGY_NAMES:
        return to_esconv(strategy)
    return strategy


def _thinking(text: str, stages: tuple[Stage, ...]) -> str | None:
    """The answer up to where its reply begins; None where not every stage is as it should be."""
    if not stages:
        return ""
    fields = read_stages(text, stages)
    if isinstance(fields, Failure):
        return None
    return text.removesuffix("</answer>").removesuffix(fields["response"])
