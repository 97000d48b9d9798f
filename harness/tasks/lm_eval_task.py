"""The tasks as plain lm-eval runs them: `lm-eval run --include_path <this folder> --tasks empathy`.

The YAML files beside this module name the functions here. Prompts, examples, reply parsing and
metrics are those of `empathy-bench run`; the differences are lm-eval's: no intervals, no resume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from lm_eval.api.task import ConfigurableTask

from harness.datasets import load_example_set
from harness.datasets.sets import ExampleSet
from harness.dialogue import Example, Turn
from harness.metrics import score_predictions
from harness.models.contract import DEFAULT_SEED
from harness.models.parsing import parse_label, parse_reply
from harness.predictions import Prediction
from harness.tasks import TASKS, Task
from harness.tasks.prompts import demonstrations, messages, text

Doc = dict[str, Any]
Scored = tuple[str, Doc, dict[str, Any]]


def load(task: str, data: str | None = None, **_: object) -> dict[str, Any]:
    """The test split of a task, as `datasets` rows.

    Raises:
        DataError: the data set cannot be found or read.
    """
    from datasets import Dataset

    examples = load_example_set(TASKS[task].example_set, data)
    rows = [to_doc(example, task, data) for example in examples]
    return {"test": Dataset.from_list(rows)}


def to_doc(example: Example, task: str, data: str | None) -> Doc:
    """One example as a flat row that names its task and data."""
    turns = [[str(turn.index), turn.role, turn.text] for turn in example.context]
    return {
        "task": task,
        "data": data or "",
        "id": example.id,
        "dialogue_id": example.dialogue_id,
        "context": turns,
        "reference": example.reference,
        "emotion": example.emotion or "",
        "strategy": example.strategy or "",
    }


def to_example(doc: Doc) -> Example:
    """The inverse of `to_doc`."""
    return Example(
        id=doc["id"],
        dialogue_id=doc["dialogue_id"],
        context=tuple(Turn(int(index), role, words) for index, role, words in doc["context"]),
        reference=doc["reference"],
        emotion=doc["emotion"] or None,
        strategy=doc["strategy"] or None,
    )


class DialogueTask(ConfigurableTask):
    """A task whose context is a real multi-turn dialogue under a chat template."""

    seed = DEFAULT_SEED

    def __init__(self, config: dict[str, Any]) -> None:
        # The factory hands over the key that named this class, which the task's own config refuses.
        super().__init__(config={key: value for key, value in config.items() if key != "class"})

    def set_fewshot_seed(self, seed: int | None = None) -> None:
        """Keep the seed: demonstrations are drawn per example, not from a running generator."""
        super().set_fewshot_seed(seed)
        self.seed = DEFAULT_SEED if seed is None else seed

    def fewshot_context(
        self,
        doc: Doc,
        num_fewshot: int,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., str] | None = None,
        gen_prefix: str | None = None,
    ) -> str:
        """The prompt of one example; see `harness.tasks.prompts`."""
        task, example = TASKS[doc["task"]], to_example(doc)
        shots: Sequence[Example] = ()
        if num_fewshot:
            pool = _pool(task, doc["data"] or None)
            shots = demonstrations(task, example, pool, num_fewshot, self.seed)
        if not apply_chat_template or chat_template is None:
            prompt = text(task, example, shots)
            return f"{system_instruction}\n\n{prompt}" if system_instruction else prompt
        chat = messages(task, example, shots)
        if system_instruction:
            chat[0]["content"] = f"{system_instruction}\n\n{chat[0]['content']}"
        return chat_template(chat, add_generation_prompt=True)


@cache
def _pool(task: Task, data: str | None) -> tuple[Example, ...]:
    return load_example_set(task.train_set, data).examples


def doc_to_text(doc: Doc) -> str:
    """The zero-shot plain prompt; `DialogueTask.fewshot_context` builds the real one."""
    return text(TASKS[doc["task"]], to_example(doc))


def doc_to_target(doc: Doc) -> str | int:
    """The gold reply, or the gold label's index where labels are choices."""
    task = TASKS[doc["task"]]
    gold = task.gold(to_example(doc))
    return task.labels.index(gold) if task.method == "likelihood" else gold


def doc_to_choice(doc: Doc) -> list[str]:
    """The task's labels."""
    return list(TASKS[doc["task"]].labels)


def process_response(doc: Doc, results: Sequence[str]) -> dict[str, Scored]:
    """Parse a reply; the metrics are computed over all of them at the end."""
    reply = parse_reply(results[0])
    answer = {"error": reply.error} if reply.error else {"response": reply.text}
    return {name: (name, doc, answer) for name in ("bleu_4", "rouge_l", "dist_2", "length")}


def process_likelihoods(doc: Doc, results: Sequence[tuple[float, bool]]) -> dict[str, Scored]:
    """Choose the likeliest label."""
    task = TASKS[doc["task"]]
    scores = [score for score, _ in results]
    return _label(task, doc, {task.kind: task.labels[scores.index(max(scores))]})


def process_label(doc: Doc, results: Sequence[str]) -> dict[str, Scored]:
    """Parse a generated label."""
    task = TASKS[doc["task"]]
    reply = parse_label(results[0], task.labels)
    return _label(task, doc, {"error": reply.error} if reply.error else {task.kind: reply.text})


def _label(task: Task, doc: Doc, answer: dict[str, Any]) -> dict[str, Scored]:
    names = ["accuracy", "macro_f1"] + (["invalid_rate"] if task.method == "generate" else [])
    return {name: (f"{task.kind}_{name}", doc, answer) for name in names}


def _aggregate(items: Sequence[Scored]) -> float:
    name, first, _ = items[0]
    examples = ExampleSet("lm-eval", tuple(to_example(doc) for _, doc, _ in items))
    predictions = [Prediction(id=doc["id"], **answer) for _, doc, answer in items]
    kind = TASKS[first["task"]].kind
    (result,) = score_predictions(examples, predictions, kind=kind, names=[name], resamples=0)
    return float("nan") if result.value is None else result.value


bleu_4 = rouge_l = dist_2 = length = accuracy = macro_f1 = invalid_rate = partial(_aggregate)
