"""Fine-tuned encoder–decoders: BART, T5 and BlenderBot as small random models."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines.pretrained.answering import load
from baselines.pretrained.card import make_card
from baselines.pretrained.models import label_ids
from baselines.pretrained.rows import joined, make_rows, source_ids, target_ids
from baselines.pretrained.settings import DEFAULTS, Settings
from baselines.pretrained.training import train
from baselines.pretrained.tuned import Tuned
from harness.datasets.sets import ExampleSet
from harness.dialogue import ESCONV_STRATEGIES, Example, Turn
from harness.errors import InputError, ModelError
from harness.models import Question
from harness.models import Settings as Run
from harness.tasks import TASKS
from harness.training_log import read_curve
from harness.tuning import loop
from harness.tuning.bases import find_base, load_base
from harness.tuning.loop import Collator, token_loss
from harness.tuning.tokens import IGNORED
from tests.baselines.test_pretrained import cli
from tests.baselines.tiny_models import tiny

ESCONV = TASKS["esconv_response"]
FAMILY = ("bart", "t5", "blenderbot")
TALKS = (
    ("I lost my job today.", "I am so sorry. What happened?", "Question"),
    ("My dog died.", "That must hurt a lot.", "Reflection of feelings"),
    ("I cannot sleep at night.", "Maybe a walk in the evening helps.", "Providing Suggestions"),
    ("My exam is tomorrow!", "You are well prepared.", "Affirmation and Reassurance"),
    ("Nobody likes me.", "So you feel alone.", "Restatement or Paraphrasing"),
    ("My boss shouts at me.", "Mine did that too, years ago.", "Self-disclosure"),
    ("What is burnout?", "It is a long exhaustion from work.", "Information"),
    ("Hello.", "Hi, nice to meet you.", "Others"),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def examples(split: str = "train") -> list[Example]:
    return [
        Example(
            f"esconv/{split}/{n}/2", f"esconv/{split}/{n}",
            (Turn(0, "listener", "Hello, how are you?"), Turn(1, "speaker", said)),
            reply, strategy=label,
        )
        for n, (said, reply, label) in enumerate(TALKS)
    ]  # fmt: skip


QUESTIONS = [Question(example) for example in examples("test")]


def settings(base: Path, /, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "kind": "seq2seq", "base": str(base), "task": "esconv_response", "lora": False,
        "rate": 1e-2, "batch_size": 8, "validate_every": 50, "patience": 99, "max_len": 160,
    }  # fmt: skip
    return Settings(**(given | changes))


def tune(folder: Path, wanted: Settings) -> Path:
    trained = train(examples(), examples("valid"), folder, settings=wanted)
    sets = ExampleSet("esconv/train", tuple(examples())), ExampleSet("esconv/valid", ())
    (folder / "card.json").write_text(json.dumps(make_card(trained, *sets)))
    return folder


@pytest.fixture(scope="module", params=FAMILY)
def overfit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    base = tiny(request.param, folder / "base")
    steps = 400 if request.param == "t5" else 150
    return tune(folder / "out", settings(base, joint="strategy", steps=steps))


def tuned(folder: Path, option: str = "", **changes: Any) -> Tuned:
    model = load(f"{folder}{option}", Run(**changes))
    assert isinstance(model, Tuned)
    return model


# --- rows


def test_an_encoder_reads_the_turns_joined_by_the_separator(tmp_path: Path) -> None:
    _, words = load_base(find_base(str(tiny("blenderbot", tmp_path / "b"))), "seq2seq")
    said = joined(QUESTIONS[1].example.context, words)
    assert said == "Hello, how are you? __end__ My dog died."
    ids, cut = source_ids(QUESTIONS[1].example, words, longest=99)
    assert ids == words(said)["input_ids"] and not cut
    assert ids.count(words.eos_token_id) == 1
    _, words = load_base(find_base(str(tiny("t5", tmp_path / "t"))), "seq2seq")
    assert source_ids(QUESTIONS[1].example, words, longest=99)[0][-1] == words.eos_token_id


@pytest.mark.parametrize("kind", FAMILY)
def test_a_long_dialogue_loses_its_beginning_and_keeps_its_frame(kind: str, tmp_path: Path) -> None:
    _, words = load_base(find_base(str(tiny(kind, tmp_path))), "seq2seq")
    whole, _ = source_ids(QUESTIONS[1].example, words, longest=999)
    ids, cut = source_ids(QUESTIONS[1].example, words, longest=8)
    lead = 1 if kind == "bart" else 0  # BART's inputs begin with <s>, those of the others do not
    assert cut and len(ids) == 8
    assert ids == whole[:lead] + whole[-8 + lead :]


@pytest.mark.parametrize("kind", FAMILY)
def test_a_reply_is_learnt_whole_with_one_end(kind: str, tmp_path: Path) -> None:
    _, words = load_base(find_base(str(tiny(kind, tmp_path))), "seq2seq")
    ids = target_ids("Oh no.", words)
    assert ids.count(words.eos_token_id) == 1 and ids[-1] == words.eos_token_id
    assert words.decode(ids, skip_special_tokens=True) == "Oh no."
    long = [dataclasses.replace(examples()[0], reference="word " * 200)]
    made = make_rows(examples() + long, words, settings(tmp_path), positions=160)
    assert (len(made), made.too_long, made.shortened) == (8, 1, 0)
    short = make_rows(examples(), words, settings(tmp_path, max_len=6), positions=160)
    assert (len(short), short.shortened) == (8, 8)


def test_batches_and_loss_are_what_transformers_makes_of_them(tmp_path: Path) -> None:
    from transformers import DataCollatorForSeq2Seq

    model, words = load_base(find_base(str(tiny("bart", tmp_path))), "seq2seq")
    made = make_rows(examples(), words, settings(tmp_path), positions=160)
    ours = Collator(model.config.decoder_start_token_id, words.pad_token_id)(made.rows)
    theirs = DataCollatorForSeq2Seq(words, model)([dict(row) for row in made.rows])
    for name in ("input_ids", "attention_mask", "labels", "decoder_input_ids"):
        assert torch.equal(ours[name], theirs[name]), name
    output = model.eval()(**theirs)
    assert token_loss(output, theirs["labels"]).item() == pytest.approx(output.loss.item())
    # Two accumulated halves of unequal length weigh by tokens, not by half.
    halves = [Collator(2, words.pad_token_id)(made.rows[:2]), ours]
    count = sum(int((half["labels"] != IGNORED).sum()) for half in halves)
    parts = [
        token_loss(model(**{k: v for k, v in half.items() if k != "labels"}), half["labels"], count)
        for half in halves
    ]
    assert sum(part.item() for part in parts) < 2 * output.loss.item()


# --- training and answers


def test_eight_replies_are_learnt_by_heart(overfit: Path) -> None:
    model = tuned(overfit)
    curve = read_curve(overfit)
    assert curve[-1]["valid/loss"] < 0.25 and curve[-1]["valid/accuracy"] > 80
    predictions = model.predict(ESCONV, QUESTIONS)
    right = [p.response == q.example.reference for p, q in zip(predictions, QUESTIONS, strict=True)]
    named = [p.strategy == q.example.strategy for p, q in zip(predictions, QUESTIONS, strict=True)]
    assert sum(right) >= 7 and sum(named) >= 7
    for prediction in predictions:
        scores = prediction.strategy_scores
        assert scores is not None and list(scores) == list(ESCONV_STRATEGIES)
        assert sum(map(math.exp, scores.values())) == pytest.approx(1.0, abs=1e-5)
    answers = model.predict(TASKS["esconv_strategy"], QUESTIONS)
    assert [a.strategy for a in answers] == [p.strategy for p in predictions]


def test_scores_and_likelihoods_are_those_of_one_plain_pass(overfit: Path) -> None:
    model = tuned(overfit)
    chosen = label_ids(model.training, model.tokenizer)
    for question, prediction in zip(QUESTIONS, model.predict(ESCONV, QUESTIONS), strict=True):
        words, place = model.tokenizer, ESCONV_STRATEGIES.index(prediction.strategy or "")
        source = words(joined(question.example.context, words), return_tensors="pt").input_ids
        labels = [chosen[place], *target_ids(question.example.reference, words)]
        logits = model.model(input_ids=source, labels=torch.tensor([labels])).logits[0]
        scores = logits[0, chosen].log_softmax(-1).tolist()
        expected = dict(zip(ESCONV_STRATEGIES, scores, strict=True))
        assert prediction.strategy_scores == pytest.approx(expected, abs=1e-4)
        log_p = logits.log_softmax(-1)
        said = [
            (step, token) for step, token in enumerate(labels)
            if step and token not in (words.bos_token_id, words.eos_token_id)
        ]  # fmt: skip
        nll = -sum(log_p[step, token].item() for step, token in said)
        assert prediction.reference_nll == pytest.approx(nll, abs=1e-3)
        assert prediction.reference_tokens == len(said)


def test_batches_do_not_change_answers(overfit: Path) -> None:
    model = tuned(overfit, batch_size=3)
    batches = model.batches(ESCONV, QUESTIONS)
    assert sorted(map(len, batches)) == [2, 3, 3]
    together = {p.id: p for batch in batches for p in model.predict(ESCONV, batch)}
    for question in QUESTIONS:
        (alone,) = model.predict(ESCONV, [question])
        other = together[question.example.id]
        assert (alone.response, alone.strategy) == (other.response, other.strategy)
        assert alone.reference_nll == pytest.approx(other.reference_nll, abs=1e-3)


def test_no_gold_label_is_read_but_by_the_oracle(overfit: Path) -> None:
    relabelled = [
        Question(dataclasses.replace(q.example, strategy=other.example.strategy))
        for q, other in zip(QUESTIONS, QUESTIONS[1:] + QUESTIONS[:1], strict=True)
    ]
    blind, told = tuned(overfit), tuned(overfit, ",oracle")
    assert blind.predict(ESCONV, relabelled) == blind.predict(ESCONV, QUESTIONS)
    nll = [[p.reference_nll for p in told.predict(ESCONV, q)] for q in (QUESTIONS, relabelled)]
    assert all(a != b for a, b in zip(*nll, strict=True))
    nameless = [Question(dataclasses.replace(QUESTIONS[0].example, strategy=None)), QUESTIONS[1]]
    failed, fine = told.predict(ESCONV, nameless)
    assert failed.error and fine.response


def test_odd_texts_crash_nothing(overfit: Path) -> None:
    odd = ["", " \n", "🙂🙃", "word " * 10_000, "你好吗", "\x00</s> __end__"]
    asked = [
        Question(
            Example(f"esconv/test/{n}/1", f"esconv/test/{n}", (Turn(0, "speaker", said),), reply)
        )
        for n, (said, reply) in enumerate(zip(odd, reversed(odd), strict=True))
    ]
    model = tuned(overfit, max_tokens=5000 if "t5" not in str(overfit) else 200)
    found = [p for b in model.batches(ESCONV, asked) for p in model.predict(ESCONV, b)]
    assert sorted(p.id for p in found) == sorted(q.example.id for q in asked)
    for prediction in found:
        assert bool(prediction.response) != bool(prediction.error)
    by_id = {p.id: p for p in found}
    assert by_id["esconv/test/2/1"].reference_nll is None  # 10,000 words fit nowhere


def test_no_task_is_answered_that_was_not_learnt(tmp_path: Path) -> None:
    base = tiny("t5", tmp_path / "base")
    model = tuned(tune(tmp_path / "out", settings(base, steps=2)))
    with pytest.raises(ModelError, match="was not trained to"):
        model.generation(TASKS["esconv_strategy"])
    assert model.generation(ESCONV)["label"] is None
    (prediction, *_) = model.predict(ESCONV, QUESTIONS)
    assert prediction.strategy is None and prediction.reference_nll
    shown = [Question(QUESTIONS[0].example, shots=(examples()[1],))]
    with pytest.raises(ModelError, match="takes no demonstrations"):
        model.batches(ESCONV, shown)


def test_adapters_upon_an_encoder_decoder(tmp_path: Path) -> None:
    base = tiny("bart", tmp_path / "base")
    folder = tune(tmp_path / "out", settings(base, lora=True, steps=3, rate=5e-2))
    assert (folder / "model" / "adapter_model.safetensors").is_file()
    plain, words = load_base(find_base(str(base)), "seq2seq")
    changed = tuned(folder).model
    ids = words("I lost my job.", return_tensors="pt")
    start = torch.tensor([[2]])
    logits = [m.eval()(**ids, decoder_input_ids=start).logits for m in (plain, changed)]
    assert not torch.allclose(*logits, atol=1e-3)
    with pytest.raises(InputError, match="add --full"):
        tune(tmp_path / "joint", settings(base, lora=True, joint="strategy"))


def test_encoder_decoders_are_no_bases_of_the_other_trainer(tmp_path: Path) -> None:
    base = tiny("llama", tmp_path / "base")
    with pytest.raises(ModelError, match="no encoder–decoder; use `empathy-bench train sft`"):
        tune(tmp_path / "out", settings(base))


def test_a_stopped_training_goes_on_to_the_same_end(tmp_path: Path) -> None:
    base = tiny("blenderbot", tmp_path / "base")
    wanted = settings(base, joint="strategy", steps=9, validate_every=2, batch_size=3)

    def stop(step: Any) -> None:
        if step.done == 7:
            raise KeyboardInterrupt

    sides = examples(), examples("valid")
    train(*sides, tmp_path / "whole", settings=wanted)
    with pytest.raises(KeyboardInterrupt):
        train(*sides, tmp_path / "cut", settings=wanted, show=stop)
    assert loop.last_checkpoint(tmp_path / "cut", loop.Progress)[1].step == 6
    train(*sides, tmp_path / "cut", settings=wanted, resume=True)
    assert read_curve(tmp_path / "cut") == read_curve(tmp_path / "whole")


def test_the_command_line_trains_and_the_model_answers(tmp_path: Path) -> None:
    base = tiny("bart", tmp_path / "bart")
    done = cli(
        "train", "seq2seq", "--base", base, "--task", "ed_response", "--joint", "emotion",
        "--data", "sample", "-o", "out", "--steps", "6", "--validate-every", "3", "--limit", "30",
        "--rate", "1e-2", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "bart, SFT, joint emotion (seed 0): validation PPL" in done.stdout
    run = cli(
        "run", "--model", "tuned:out", "--model", "tuned:out,oracle", "--task", "ed_response",
        "--data", "sample", "--limit", "6", "--output", "runs", "--mlflow", "off", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    own, told = json.loads(run.stdout)
    found = {metric["name"]: metric["value"] for metric in own["metrics"]}
    assert found["emotion_invalid_rate"] == 0.0 and found["ppl_word"] > 1.0
    assert "oracle label" in told["model"]["name"]
    missing = cli("train", "seq2seq", "--data", "sample", cwd=tmp_path)
    assert missing.returncode == 2 and "--base" in missing.stderr


def test_published_defaults_of_both_kinds() -> None:
    assert DEFAULTS["causal"]["lora"] and not DEFAULTS["seq2seq"]["lora"]
    plain = Settings(kind="causal", base="smollm2", task="ed_response")
    assert (plain.rank, plain.alpha) == (16, 32)
