"""Label scoring and generation against plain lm-eval and against a hand-tuned transformers loop.

    python benchmarks/speed.py [--contexts 200] [--labelled 500] [--data DIR] [--threads 2]

The bundled language model answers ED contexts, of `--data` or of the embedded sample over and over.
Label scoring: 32 emotions for each context, ours against lm-eval's hf backend, and whether the
same emotion wins. Generation: greedy replies, ours against lm-eval's hf backend at the batch size
that is fastest for it here, and against a loop by hand: sorted by length, left-padded, all rows of
a batch until its last has stopped. Every ratio is of wall times in this one run, after one warm-up.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from harness.datasets import load_example_set
from harness.dialogue import Example
from harness.models import Question, Settings, load_model
from harness.models.language_model import LanguageModel
from harness.tasks import TASKS, Task
from harness.tasks.prompts import STOP, continuation, messages

BATCHES = (1, 4, 8, 16, 32)
TRIED = 32
TOKENS = 64


def contexts(data: str | None, count: int, task: Task) -> list[Example]:
    """`count` examples; where there are fewer, the same ones come again."""
    found = list(load_example_set(task.example_set, data))
    return list(itertools.islice(itertools.cycle(found), count))


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def instances(kind: str, arguments: Sequence[Any]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type=kind, doc={}, arguments=a, idx=i) for i, a in enumerate(arguments)
    ]


def plain(model: LanguageModel, batch: int) -> Any:
    """lm-eval's own hf backend around the same weights."""
    from lm_eval.models.huggingface import HFLM

    ours: Any = model.lm
    return HFLM(pretrained=ours.model, tokenizer=ours.tokenizer, batch_size=batch)


def labels(model: LanguageModel, examples: Sequence[Example], task: Task) -> None:
    prompts = [model.lm.apply_chat_template(messages(task, example, ())) for example in examples]
    pairs = [(p, continuation(label, chat=True)) for p in prompts for label in task.labels]
    width = len(task.labels)

    def winners(scores: Sequence[tuple[float, bool]]) -> list[tuple[int, float]]:
        rows = [[score for score, _ in scores[i : i + width]] for i in range(0, len(scores), width)]
        return [(row.index(max(row)), max(row) - sorted(row)[-2]) for row in rows]

    model.loglikelihood(pairs[:width])
    ours, found = seconds(lambda: winners(model.loglikelihood(pairs)))
    best = min(
        (8, 16, 32, 64),
        key=lambda size: seconds(
            lambda: plain(model, size).loglikelihood(
                instances("loglikelihood", pairs[: 2 * width]), disable_tqdm=True
            )
        )[0],
    )
    reference = plain(model, best)
    theirs, expected = seconds(
        lambda: winners(
            reference.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
        )
    )
    same = sum(a[0] == b[0] for a, b in zip(found, expected, strict=True))
    odd = [min(a[1], b[1]) for a, b in zip(found, expected, strict=True) if a[0] != b[0]]
    print(
        f"label scoring, {len(examples)} contexts × {width}: ours {ours:.1f} s, lm-eval "
        f"(batch {best}) {theirs:.1f} s, {theirs / ours:.1f} × as fast; same winner {same} of "
        f"{len(examples)}" + (f", the others within {max(odd):.1e} nats" if odd else "")
    )


def by_hand(model: LanguageModel, prompts: Sequence[str], batch: int) -> list[str]:
    """Greedy replies by `generate` alone, in batches of like lengths."""
    import torch

    lm: Any = model.lm
    encoded = [lm.tok_encode(prompt) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: -len(encoded[i]))
    said = [""] * len(prompts)
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        width = max(len(encoded[i]) for i in rows)
        pad = lm.tokenizer.eos_token_id
        tokens = torch.tensor([[pad] * (width - len(encoded[i])) + encoded[i] for i in rows])
        mask = torch.tensor([[0] * (width - len(encoded[i])) + [1] * len(encoded[i]) for i in rows])
        with torch.inference_mode():
            out = lm.model.generate(
                tokens, attention_mask=mask, max_new_tokens=TOKENS, do_sample=False,
                pad_token_id=pad, stop_strings=list(STOP), tokenizer=lm.tokenizer,
            )  # fmt: skip
        for i, row in zip(rows, out[:, width:], strict=True):
            text = lm.tokenizer.decode(row, skip_special_tokens=True)
            said[i] = min((text.split(stop)[0] for stop in STOP), key=len)
    return said


def replies(model: LanguageModel, examples: Sequence[Example], task: Task) -> None:
    decoding = {"until": list(STOP), "do_sample": False, "max_gen_toks": TOKENS}
    prompts = [model.lm.apply_chat_template(messages(task, example, ())) for example in examples]

    def theirs(size: int, some: Sequence[str]) -> list[str]:
        requests = instances("generate_until", [(prompt, dict(decoding)) for prompt in some])
        found: list[str] = plain(model, size).generate_until(requests, disable_tqdm=True)
        return found

    def ours() -> list[str]:
        questions = [
            Question(Example(f"x/{i}", *_rest(example))) for i, example in enumerate(examples)
        ]
        batches = model.batches(task, questions)
        said = {p.id: p for batch in batches for p in model.predict(task, batch)}
        return [said[f"x/{i}"].raw or said[f"x/{i}"].response or "" for i in range(len(examples))]

    theirs(4, prompts[:4])
    some = prompts[:TRIED]
    tried = {size: seconds(lambda size=size: theirs(size, some))[0] for size in BATCHES}  # type: ignore[misc]
    best = min(tried, key=tried.__getitem__)
    hand = min(BATCHES, key=lambda size: seconds(lambda: by_hand(model, some, size))[0])
    own, said = seconds(ours)
    other, expected = seconds(lambda: theirs(best, prompts))
    loop, looped = seconds(lambda: by_hand(model, prompts, hand))
    same = sum(a.strip() == b.strip() for a, b in zip(said, expected, strict=True))
    alike = sum(a.strip() == b.strip() for a, b in zip(said, looped, strict=True))
    print(
        f"generation, {len(examples)} contexts: ours {own:.1f} s (batch {model.batch_size}), "
        f"lm-eval (batch {best}) {other:.1f} s, {other / own:.2f} × as fast, same text {same} of "
        f"{len(examples)}; by hand (batch {hand}) {loop:.1f} s, {loop / own:.2f} ×, same {alike}"
    )


def _rest(example: Example) -> tuple[Any, ...]:
    import dataclasses

    return tuple(getattr(example, field.name) for field in dataclasses.fields(example)[1:])


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--contexts", type=int, default=200, help="to be replied to")
    parser.add_argument("--labelled", type=int, default=500, help="whose emotions are scored")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model = load_model("smollm2", Settings(reference_likelihood=False))
    assert isinstance(model, LanguageModel)
    if asked.labelled:
        task = TASKS["ed_emotion"]
        labels(model, contexts(asked.data, asked.labelled, task), task)
    if asked.contexts:
        task = TASKS["ed_response"]
        replies(model, contexts(asked.data, asked.contexts, task), task)


if __name__ == "__main__":
    main()
