"""The from-scratch family: layers, architectures, search and training against their equations."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch.nn import functional

from baselines.neural.answering import load
from baselines.neural.architecture import Architecture, Draw, Memory
from baselines.neural.batches import Batch, Encoded, collate, encode, shuffled, sorted_batches
from baselines.neural.cache import Cache
from baselines.neural.layers import Attention, DecoderLayer, EncoderLayer, Sizes, positions
from baselines.neural.mime import MIME, POSITIVE, gaussian_kl
from baselines.neural.moel import TOP_K, MoEL, mixture, oracle_rate
from baselines.neural.search import beam, greedy, sample
from baselines.neural.settings import KINDS, Settings, assemble
from baselines.neural.training import train
from baselines.neural.transformer import Transformer
from baselines.neural.updates import Learner, learning_rate, update, validate, word_loss
from baselines.neural.vocabulary import EOS, PAD, SOS, SPECIAL, UNK, Vocabulary, build
from harness import checkpoint
from harness.datasets import load_example_set
from harness.dialogue import ED_EMOTIONS, Example, Turn
from harness.errors import DataError, InputError, ModelError, StorageError
from harness.models import Question
from harness.models import Settings as Run
from harness.parallel import World
from harness.tasks import TASKS
from harness.training_log import read_curve

SMALL = Sizes(width=16, heads=2, depth=8, filters=6, layers=2)
LABELS = ("angry", "joyful", "proud", "sad")
V, C = len(SPECIAL) + 9, len(LABELS)
# EmpDG's second stage has no architecture of its own; see test_empathetic.py.
FAMILY = [kind for kind in KINDS if kind != "empdg-adversarial"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def rows(count: int, seed: int = 0) -> list[Encoded]:
    draw = torch.Generator().manual_seed(seed)

    def words(longest: int) -> tuple[int, ...]:
        size = int(torch.randint(1, longest, (), generator=draw))
        return tuple(torch.randint(len(SPECIAL), V, (size,), generator=draw).tolist())

    found = []
    for number in range(count):
        context = (4, *words(9))
        found.append(Encoded(context, (4, *[5] * (len(context) - 1)), (*words(7), EOS), number % C))
    return found


def small(kind: str, **changes: Any) -> Architecture:
    sizes: dict[str, Any] = {"width": 16, "heads": 2, "depth": 8, "filters": 6, "layers": 2}
    settings = Settings(kind=kind, **(sizes | KINDS[kind].defaults | changes))
    return assemble(settings, vocabulary=V, labels=LABELS).eval()


# --- vocabulary and batches


def test_words_come_back_and_strangers_are_unknown() -> None:
    vocabulary = build(["I am so sad .", "so sad !", "<eos> so"])
    assert vocabulary.words[: len(SPECIAL)] == SPECIAL
    assert vocabulary.decode([*vocabulary.encode("SO sad!"), EOS, 9, 9]) == "so sad !"
    assert vocabulary.encode("so glad") == [vocabulary.encode("so")[0], UNK]
    assert vocabulary.unknown("so glad , dad") == ["glad", ",", "dad"]
    assert build(["a a b"], min_count=2).encode("a b") == [len(SPECIAL), UNK]


def test_a_vocabulary_is_kept_and_a_damaged_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.json"
    vocabulary = build(["ça va 🙂", "b"])
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary
    for text in ("", "[1]", '["a"]', "{}"):
        path.write_text(text)
        with pytest.raises(ModelError, match="vocabulary"):
            Vocabulary.load(path)


def example(context: list[str], reply: str = "oh no") -> Example:
    turns = tuple(
        Turn(i, "speaker" if i % 2 == 0 else "listener", text) for i, text in enumerate(context)
    )
    return Example("ed/test/a/1", "ed/test/a", turns, reply, emotion="sad")


def test_contexts_keep_their_end_and_replies_their_start() -> None:
    vocabulary = build(["a b c d e f"])
    a, b, c, d, e, f = (vocabulary.encode(word)[0] for word in "abcdef")
    made = encode(
        example(["a b", "c d", "e"], "a b c d"), vocabulary, ["proud", "sad"],
        label="sad", max_context=5, max_target=3,
    )  # fmt: skip
    assert made.context == (4, b, c, d, e)
    assert made.roles == (4, 5, 6, 6, 5)
    assert made.target == (a, b, EOS)
    assert made.label == 1
    assert f not in made.context


@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
@hypothesis_settings(max_examples=30, deadline=None)
def test_every_example_is_in_one_batch(count: int, size: int, seed: int, epoch: int) -> None:
    found = shuffled(rows(count), size=size, seed=seed, epoch=epoch)
    assert sorted(itertools.chain(*found)) == list(range(count))
    assert max(map(len, found)) <= size
    assert found == shuffled(rows(count), size=size, seed=seed, epoch=epoch)
    assert sorted(itertools.chain(*sorted_batches(rows(count), size=size))) == list(range(count))


# --- layers


def test_attention_is_its_formula() -> None:
    torch.manual_seed(0)
    layer = Attention(SMALL)
    x, memory = torch.randn(2, 3, 16), torch.randn(2, 4, 16)
    seen = torch.tensor([[True, True, False, False], [True, True, True, True]])
    mixed = []
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        q, k, v = (
            x @ layer.query.weight.T,
            memory @ layer.key.weight.T,
            memory @ layer.value.weight.T,
        )
        scores = q[..., part] @ k[..., part].transpose(1, 2) / math.sqrt(4)
        scores = scores.masked_fill(~seen[:, None], -torch.inf)
        mixed.append(scores.softmax(-1) @ v[..., part])
    expected = torch.cat(mixed, -1) @ layer.output.weight.T
    assert torch.allclose(layer(x, memory, seen=seen), expected, atol=1e-6)


def test_positions_are_sines_then_cosines() -> None:
    found = positions(3, 4)
    assert found[0].tolist() == [0, 0, 1, 1]
    assert found[2].tolist() == pytest.approx(
        [math.sin(2), math.sin(2e-4), math.cos(2), math.cos(2e-4)], abs=1e-6
    )


def test_a_decoder_never_looks_ahead() -> None:
    torch.manual_seed(1)
    layer = DecoderLayer(SMALL).eval()
    states, memory = torch.randn(1, 6, 16), torch.randn(1, 4, 16)
    seen = torch.ones(1, 4, dtype=torch.bool)
    changed = states.clone()
    changed[:, 4:] += 5
    first, second = layer(states, memory, seen), layer(changed, memory, seen)
    assert torch.allclose(first[:, :4], second[:, :4], atol=1e-6)
    assert not torch.allclose(first[:, 4:], second[:, 4:], atol=1e-2)


def test_padding_changes_no_state() -> None:
    torch.manual_seed(2)
    layer = EncoderLayer(SMALL).eval()
    states = torch.randn(1, 5, 16)
    alone = layer(states, torch.ones(1, 5, dtype=torch.bool))
    padded = functional.pad(states, (0, 0, 0, 3), value=7.0)
    seen = torch.tensor([[True] * 5 + [False] * 3])
    assert torch.allclose(layer(padded, seen)[:, :5], alone, atol=1e-6)


@pytest.mark.parametrize("kind", FAMILY)
def test_batches_change_no_likelihood(kind: str) -> None:
    model = small(kind)
    examples = rows(9)
    together = validate(model, examples, size=9)
    alone = [validate(model, [row]) for row in examples]
    words = [len(row.target) for row in examples]
    expected = sum(math.log(a["ppl"]) * n for a, n in zip(alone, words, strict=True)) / sum(words)
    assert math.log(together["ppl"]) == pytest.approx(expected, abs=1e-5)


# --- architectures


@given(st.lists(st.integers(-20, 20), min_size=C, max_size=9, unique=True), st.integers(1, 9))
@hypothesis_settings(max_examples=50, deadline=None)
def test_a_mixture_is_the_softmax_of_the_largest(tenths: list[int], k: int) -> None:
    logits = [number / 10 for number in tenths]
    weights = mixture(torch.tensor([logits]), k)[0]
    assert float(weights.sum()) == pytest.approx(1, abs=1e-5)
    assert int((weights > 0).sum()) <= k
    largest = sorted(range(len(logits)), key=lambda i: -logits[i])[:k]
    below = sum(math.exp(logits[i]) for i in largest)
    for i, weight in enumerate(weights.tolist()):
        expected = math.exp(logits[i]) / below if i in largest else 0.0
        assert weight == pytest.approx(expected, abs=1e-5)


def test_moel_mixes_every_listener_by_its_weight() -> None:
    model = small("moel")
    assert isinstance(model, MoEL)
    batch = collate(rows(5))
    memory = model.encode(batch)
    assert memory.emotion is not None
    weights = mixture(memory.emotion, TOP_K)
    embedded = model.embedding(batch.shifted)
    mixed = model.shared(embedded, memory.states, memory.seen)
    for number, listener in enumerate(model.listeners):
        said = listener(embedded, memory.states, memory.seen)
        mixed = mixed + weights[:, number, None, None] * said
    expected = model.meta(mixed, memory.states, memory.seen)
    assert torch.allclose(model.states(memory, embedded), expected, atol=1e-5)


def test_the_oracle_fades_and_is_gone_at_test() -> None:
    assert oracle_rate(0) == 1.0
    assert oracle_rate(10_000) == pytest.approx(math.exp(-1), abs=1e-3)
    model, batch = small("moel"), collate(rows(6))
    assert isinstance(model, MoEL)
    gold = functional.one_hot(batch.label, C).float()
    told = model.encode(batch, draw=Draw(torch.Generator().manual_seed(0), 6))
    assert torch.equal(told.more["listeners"], gold)
    assert int(model.steps) == 1
    untold = model.encode(batch)
    assert not torch.equal(untold.more["listeners"], gold)
    assert int(model.steps) == 1
    model.quirks = frozenset({"keep-oracle"})
    assert torch.equal(model.encode(batch).more["listeners"], gold), "the published quirk"


def test_mime_divides_emotions_as_its_repository() -> None:
    assert len(POSITIVE) == 13 and len(set(ED_EMOTIONS) - POSITIVE) == 19
    with pytest.raises(InputError, match="positive and negative"):
        assemble(Settings(kind="mime"), vocabulary=V, labels=("Question", "Others"))


def test_the_divergence_is_that_of_two_gaussians() -> None:
    torch.manual_seed(3)
    tensors = [torch.randn(5, 7) for _ in range(4)]
    (mean, log_variance), (mean_0, log_variance_0) = tensors[:2], tensors[2:]
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()),
        torch.distributions.Normal(mean_0, (0.5 * log_variance_0).exp()),
    ).sum(-1)
    found = gaussian_kl((mean, log_variance), (mean_0, log_variance_0))
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(gaussian_kl((mean, mean), (mean, mean)), torch.zeros(5))


def test_mime_reads_the_context_with_the_emotion_of_the_speakers_side() -> None:
    model, batch = small("mime"), collate(rows(6))
    assert isinstance(model, MIME)
    memory = model.encode(batch)
    assert memory.emotion is not None and memory.more == {}
    plain = Architecture.encode(model, batch)
    q, e = plain.states[:, 0], model.vectors.weight
    assert torch.allclose(memory.emotion, q @ model.query.weight.T @ e.T, atol=1e-6)
    sides = []
    for side, members in enumerate(([1, 2], [0, 3])):
        weights = model.choose[side](model.prior[side](q)[0]).softmax(-1)
        sides.append(sum(weights[:, [i]] * e[member] for i, member in enumerate(members)))
    for row, label in enumerate(memory.emotion.argmax(-1).tolist()):
        own, other = sides if label in (1, 2) else sides[::-1]
        states, seen = plain.states[[row]], plain.seen[[row]]
        m = model.mimicking(states, own[[row]], seen)
        m_other = model.contrary(states, other[[row]], seen)
        both = torch.cat([m, m_other], -1)
        v = model.refine(torch.sigmoid(model.gate(both)) * both)
        assert torch.allclose(memory.states[[row]], v, atol=1e-5)


def test_mime_sees_the_gold_side_in_training_only() -> None:
    model = small("mime")
    examples = rows(6)
    turned = [replace(row, label=(row.label + 1) % C) for row in examples]
    first, second = collate(examples), collate(turned)
    assert torch.equal(model.encode(first).states, model.encode(second).states)

    def trained(batch: Batch) -> Memory:
        torch.manual_seed(0)
        return model.encode(batch, draw=Draw(torch.Generator(), 6))

    one, other = trained(first), trained(second)
    assert not torch.allclose(one.states, other.states)
    assert set(model.terms(one, first)) == {"emotion", "kl"}
    assert (one.more["kl"] > 0).all()


def test_emoprepend_reads_its_own_prediction_never_the_gold_label() -> None:
    model = small("emoprepend")
    examples = rows(6)
    blind = [replace(row, label=-1) for row in examples]
    first, second = model.encode(collate(examples)), model.encode(collate(blind))
    assert torch.equal(first.states, second.states)
    with torch.no_grad():
        model.classifier.bias[3] += 100.0
    assert not torch.allclose(model.encode(collate(examples)).states, first.states)


def test_labels_count_only_where_there_is_one() -> None:
    model = small("multi-trs")
    batch = collate([*rows(3), replace(rows(1)[0], label=-1)])
    memory = model.encode(batch)
    assert memory.emotion is not None
    expected = functional.cross_entropy(memory.emotion[:3], batch.label[:3], reduction="sum")
    loss, count = model.terms(memory, batch)["emotion"]
    assert torch.allclose(loss, expected) and count == 3
    assert small("transformer").encode(batch).emotion is None
    none = collate([replace(row, label=-1) for row in rows(2)])
    loss, count = model.terms(model.encode(none), none)["emotion"]
    assert (float(loss.detach()), count) == (0.0, 0)


def test_the_word_loss_is_over_words_and_their_end() -> None:
    model, batch = small("transformer"), collate(rows(4))
    memory = model.encode(batch)
    expected = 0.0
    for row in range(4):
        said = [SOS]
        for word in batch.target[row].tolist():
            if word == PAD:
                break
            logp = model.following(memory.rows(torch.tensor([row])), torch.tensor([said]))
            expected -= logp[0, word].item()
            said.append(word)
    summed, count = word_loss(model, memory, batch)
    assert summed.item() == pytest.approx(expected, abs=1e-4)
    assert count == sum(len(row.target) for row in rows(4))


@pytest.mark.parametrize("kind", FAMILY)
def test_it_can_learn_32_examples_by_heart(kind: str) -> None:
    model, examples = small(kind, width=32, depth=16, filters=24), rows(32)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    batch = collate(examples)
    for step in range(500):
        memory = model.encode(batch, draw=Draw(torch.Generator().manual_seed(step), 32))
        words, said = word_loss(model, memory, batch)
        loss = words / said + sum(
            term / count for term, count in model.terms(memory, batch).values()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = validate(model, examples)
    assert found["ppl"] < 1.1
    assert KINDS[kind].labels == ("accuracy" in found)
    if kind != "emoprepend":  # a bag of nine different words cannot tell 32 random labels apart
        assert found.get("accuracy", 100.0) > 95.0


# --- search


class Scripted(Architecture):
    """Next-word scores from a table of what was said so far; contexts choose the table."""

    def __init__(self, tables: torch.Tensor) -> None:
        super().__init__(vocabulary=tables.shape[-1], classes=0, sizes=SMALL)
        self.tables = tables  # (contexts, V, V): scores of the word after the last two

    def memory(self) -> Memory:
        count = len(self.tables)
        states = torch.arange(count, dtype=torch.float)[:, None, None].expand(count, 1, 16)
        seen = torch.ones(count, 1, dtype=torch.bool)
        return Memory(states, seen, seen.long())

    def logits(
        self, memory: Memory, tokens: torch.Tensor, wanted: torch.Tensor, cache: Cache | None = None
    ) -> torch.Tensor:
        table = memory.states[:, 0, 0].long()
        before = tokens[:, -2] if tokens.shape[1] > 1 else tokens[:, -1]
        found = self.tables[table, tokens[:, -1]] + 0.7 * self.tables[table, before].roll(1, -1)
        return found.float()


def tables(contexts: int, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(contexts, V, V, generator=draw)


def score(model: Scripted, row: int, said: list[int], length: int) -> float:
    memory = model.memory().rows(torch.tensor([row]))
    total, tokens = 0.0, [SOS]
    for word in [*said, EOS][:length]:
        logp = model.following(memory, torch.tensor([tokens]))
        total += float(logp[0, word])
        tokens.append(word)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_is_exhaustive_search(seed: int) -> None:
    length = 3
    model = Scripted(tables(2, seed))
    words = range(len(SPECIAL), V)
    every = [list(said) for n in range(length + 1) for said in itertools.product(words, repeat=n)]
    found = beam(model, model.memory(), width=V**2, length=length)
    for row in range(2):
        best = max(every, key=lambda said: score(model, row, said, length))
        assert found[row] == best


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy_and_a_wider_one_is_no_worse(seed: int) -> None:
    model = Scripted(tables(5, seed))
    one = greedy(model, model.memory(), length=6)
    assert beam(model, model.memory(), width=1, length=6) == one
    wide = beam(model, model.memory(), width=40, length=6)
    for row in range(5):
        assert score(model, row, wide[row], 6) >= score(model, row, one[row], 6) - 1e-5


@pytest.mark.parametrize("kind", FAMILY)
def test_word_by_word_is_all_at_once(kind: str) -> None:
    model, batch = small(kind), collate(rows(7))
    order = torch.tensor([3, 3, 0, 6, 1])
    with torch.inference_mode():
        memory, tokens = model.encode(batch), batch.shifted
        cache = Cache(7)
        for length in range(1, tokens.shape[1] + 1):
            if length == 3:  # as a beam does: some twice, some no more
                memory, cache, tokens = memory.rows(order), cache.rows(order), tokens[order]
            found = model.following(memory, tokens[:, :length], cache)
            expected = model.following(memory, tokens[:, :length])
            assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind", FAMILY)
def test_replies_do_not_depend_on_their_batch(kind: str) -> None:
    model, examples = small(kind), rows(12)
    with torch.inference_mode():
        together = model.encode(collate(examples))
        for search in (greedy, beam):
            found = search(model, together, length=8)
            alone = [search(model, model.encode(collate([row])), length=8)[0] for row in examples]
            assert found == alone


def test_special_words_are_never_said() -> None:
    model = Scripted(tables(3, 0) * 0)
    draw = torch.Generator().manual_seed(0)
    replies = [sample(model, model.memory(), k=99, generator=draw, length=20) for _ in range(20)]
    said = {word for reply in itertools.chain(*replies) for word in reply}
    assert said <= set(range(len(SPECIAL), V)) and len(said) > 5


def test_sampling_takes_the_k_best_by_their_probability() -> None:
    scores = torch.full((1, V, V), -9.0)
    scores[..., 10], scores[..., 11], scores[..., 12] = 2.0, 1.0, 0.5
    model = Scripted(scores)
    model.logits = lambda memory, tokens, wanted, cache: scores[0, tokens[:, -1]]  # type: ignore[method-assign]
    draw = torch.Generator().manual_seed(1)
    memory = model.memory().rows(torch.zeros(4000, dtype=torch.long))
    said = [reply[0] for reply in sample(model, memory, k=2, generator=draw, length=1)]
    assert set(said) == {10, 11}
    assert said.count(10) / 4000 == pytest.approx(math.e / (1 + math.e), abs=0.03)


# --- training


TINY = Settings(
    kind="multi-trs", width=24, heads=2, depth=8, filters=12, batch_size=8, steps=24,
    validate_every=6, warm_up=10, rate=0.5, dropout=0.1,
)  # fmt: skip
LEARN = load_example_set("ed/train", "sample").examples[:48]
STOP = load_example_set("ed/valid", "sample").examples


def test_the_schedule_rises_then_falls() -> None:
    settings = Settings(kind="transformer", width=300, warm_up=8000)
    peak = learning_rate(8000, settings)
    assert peak == pytest.approx(300**-0.5 * 8000**-0.5)
    assert learning_rate(4000, settings) == pytest.approx(peak / 2)
    assert learning_rate(32_000, settings) == pytest.approx(peak / 2)


def weights(folder: Path, name: str = checkpoint.LAST) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder / name)[0]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


@pytest.mark.parametrize("kind", FAMILY)
def test_a_resumed_run_ends_as_one_that_was_not_stopped(kind: str, tmp_path: Path) -> None:
    settings = replace(TINY, kind=kind)
    whole = train(LEARN, STOP, tmp_path / "whole", settings=settings)

    class Stop(Exception):
        pass

    def stop(step: checkpoint.Step) -> None:
        if step.done == 15:
            raise Stop

    with pytest.raises(Stop):
        train(LEARN, STOP, tmp_path / "cut", settings=settings, show=stop)
    cut = train(LEARN, STOP, tmp_path / "cut", settings=settings, resume=True)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))
    assert replace(cut.progress, seconds=0.0) == replace(whole.progress, seconds=0.0)
    curves = [read_curve(tmp_path / name) for name in ("whole", "cut")]
    assert curves[0] == curves[1]
    assert [row["step"] for row in curves[0]] == [6, 12, 18, 24]


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    program = Path(__file__).with_name("two_processes.py")
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    for name, start in (("one", []), ("two", torchrun)):
        done = subprocess.run(
            [sys.executable, *start, str(program), str(tmp_path / name)],
            cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": "."},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    for kind in FAMILY:
        alone, shared = (read_curve(tmp_path / name / kind) for name in ("one", "two"))
        assert [row["step"] for row in alone] == [2, 4, 6]
        # Before MoEL has learnt emotions rounding decides which listeners are its top five at
        # validation; in training the oracle decides.
        names = {"train/loss"} if kind == "moel" else set(alone[0])
        for one, two in zip(alone, shared, strict=True):
            for name in names:
                assert two[name] == pytest.approx(one[name], rel=1e-4), (kind, name)


def test_two_processes_speak_as_one(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*program, "--master_port", "29518", "-m", "harness.cli", "train", "transformer", *COMMAND],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("validation PPL") == 1
    assert (tmp_path / "models" / "transformer-ed-3" / "card.json").is_file()


def test_quirks_are_restored_on_demand(tmp_path: Path) -> None:
    for quirk, kind in (("keep-oracle", "mime"), ("gold-side", "moel"), ("shared-variance", "cem")):
        with pytest.raises(InputError, match=f"the quirk {quirk} is one of"):
            train(LEARN, STOP, tmp_path / "x", settings=replace(TINY, kind=kind, quirks=(quirk,)))
    with pytest.raises(InputError, match="no-clipping"):
        train(LEARN, STOP, tmp_path / "x", settings=replace(TINY, quirks=("no-cliping",)))


def test_gradients_are_clipped_unless_the_quirk_says_otherwise(tmp_path: Path) -> None:
    settings = replace(TINY, steps=1, validate_every=1, clip=1e-12, rate=1.0, kind="transformer")
    fresh = assemble(settings, vocabulary=1, labels=()).words.bias  # zero or drawn, not trained

    def moved(name: str, **changes: Any) -> float:
        train(LEARN, STOP, tmp_path / name, settings=replace(settings, **changes))
        tensors = weights(tmp_path / name)
        return float(tensors["optimizer.0.exp_avg"].norm())

    assert fresh.shape == (1,)
    assert moved("clipped") <= 1e-12
    assert moved("not", quirks=("no-clipping",)) > 1e-6


def test_the_mean_of_batches_perplexities_is_a_quirk() -> None:
    model, examples = small("multi-trs"), rows(40)
    model.quirks = frozenset({"batch-mean-ppl"})
    batches = sorted_batches(examples, size=16)
    plain = small("multi-trs")
    expected = [validate(plain, [examples[i] for i in batch])["ppl"] for batch in batches]
    found = validate(model, examples)
    assert found["ppl"] == pytest.approx(sum(expected) / 3, rel=1e-5)
    assert found["ppl"] != pytest.approx(validate(plain, examples)["ppl"], rel=1e-6)
    assert found["accuracy"] == validate(plain, examples)["accuracy"]


def test_a_summed_label_loss_is_a_quirk(tmp_path: Path) -> None:
    def gradient(*quirks: str) -> torch.Tensor:
        settings = replace(TINY, quirks=quirks, clip=1e9, dropout=0.0)
        model = assemble(settings, vocabulary=V, labels=LABELS)
        learner = Learner.of(model, settings, "cpu", World())
        update(learner, rows(8), 0, folder=tmp_path)
        assert model.emotion is not None and model.emotion.weight.grad is not None
        return model.emotion.weight.grad

    assert torch.allclose(gradient("summed-label-loss"), 8 * gradient(), rtol=1e-4, atol=1e-7)


def test_mimes_quirks() -> None:
    model = small("mime")
    assert isinstance(model, MIME)
    examples = rows(6)
    turned = [replace(row, label=(row.label + 1) % C) for row in examples]
    first, second = collate(examples), collate(turned)
    model.quirks = frozenset({"gold-side"})
    assert not torch.allclose(model.encode(first).states, model.encode(second).states)

    def drawn() -> Memory:
        return model.encode(first, draw=Draw(torch.Generator().manual_seed(0), 6))

    with torch.no_grad():
        model.prior[1].log_variance.bias += 3.0
    model.quirks = frozenset()
    own = drawn().states
    model.quirks = frozenset({"shared-variance"})
    assert not torch.allclose(drawn().states, own)
    shared = drawn().states
    with torch.no_grad():
        model.prior[1].log_variance.bias -= 2.0
    assert torch.allclose(drawn().states, shared), "its own variance is not looked at"


def test_patience_ends_a_run_and_the_best_weights_stay(tmp_path: Path) -> None:
    settings = replace(TINY, rate=200.0, patience=2, steps=300)
    done = train(LEARN, STOP, tmp_path, settings=settings)
    assert done.finished and done.progress.step < 300
    assert done.progress.step == done.progress.best_step + 2 * settings.validate_every
    _, state = checkpoint.load(tmp_path / checkpoint.BEST)
    assert state["step"] == done.progress.best_step


def test_a_loss_that_is_no_number_ends_it_and_keeps_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(LEARN, STOP, tmp_path, settings=replace(TINY, steps=6))
    good = weights(tmp_path)
    settings = json.loads((tmp_path / checkpoint.SETTINGS).read_text())
    (tmp_path / checkpoint.SETTINGS).write_text(json.dumps(settings | {"steps": 24}))
    real = Transformer.terms

    def broken(model: Transformer, memory: Memory, batch: Batch) -> object:
        loss, count = real(model, memory, batch)["emotion"]
        return {"emotion": (loss * math.nan, count)}

    monkeypatch.setattr(Transformer, "terms", broken)
    with pytest.raises(ModelError, match="loss is nan at step 7"):
        train(LEARN, STOP, tmp_path, settings=TINY, resume=True)
    assert same(weights(tmp_path), good)


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="dialogues are on both sides"):
        train(LEARN, LEARN[:4], tmp_path / "a", settings=TINY)
    with pytest.raises(DataError, match="found none"):
        train(LEARN, [], tmp_path / "b", settings=TINY)
    for change in ({"depth": 9}, {"rate": 0.0}, {"dropout": 1.0}, {"kind": "gpt"}, {"steps": 0}):
        with pytest.raises(InputError):
            train(LEARN, STOP, tmp_path / "c", settings=replace(TINY, **change))
    train(LEARN, STOP, tmp_path / "d", settings=replace(TINY, steps=6))
    with pytest.raises(InputError, match="--resume"):
        train(LEARN, STOP, tmp_path / "d", settings=replace(TINY, steps=6))
    with pytest.raises(InputError, match="seed 0, now it is 1"):
        train(LEARN, STOP, tmp_path / "d", settings=replace(TINY, steps=6, seed=1), resume=True)


# --- as a user


def cli(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


COMMAND = (
    *("--data", "sample", "--steps", "24", "--validate-every", "6", "--warm-up", "10"),
    *("--width", "24", "--batch-size", "8", "--seed", "3"),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    done = cli("train", "moel", *COMMAND, "--output", "moel", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "validation PPL" in done.stdout and "trained:moel" in done.stdout
    return folder


def test_a_killed_training_goes_on_to_the_same_end(trained: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "harness.cli", "train", "moel", *COMMAND, "-o", "cut"]
    running = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    last = tmp_path / "cut" / checkpoint.LAST
    deadline = time.monotonic() + 120
    while not last.is_file() and time.monotonic() < deadline:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = cli("train", "moel", *COMMAND, "-o", "cut", "--resume", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert same(weights(tmp_path / "cut"), weights(trained / "moel"))


@pytest.fixture
def own_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_it_and_keeps_the_last_good_state(own_disk: Path, tmp_path: Path) -> None:
    train(LEARN, STOP, tmp_path / "whole", settings=TINY)
    train(LEARN, STOP, own_disk / "t", settings=replace(TINY, steps=6))
    good = weights(own_disk / "t")
    filler = own_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb") as file:
        while True:
            file.write(b"0" * 4096)
            file.flush()
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        train(LEARN, STOP, own_disk / "t", settings=TINY, resume=True)
    assert same(weights(own_disk / "t"), good)
    filler.unlink()
    train(LEARN, STOP, own_disk / "t", settings=TINY, resume=True)
    assert same(weights(own_disk / "t"), weights(tmp_path / "whole"))
    assert read_curve(own_disk / "t") == read_curve(tmp_path / "whole")


def test_a_trained_folder_answers_replies_and_labels(trained: Path) -> None:
    run = cli(
        "run", "--model", "trained:moel", "--model", "trained:moel,beam", "--task",
        "ed_response,ed_emotion", "--data", "sample", "--limit", "24", "--output", "runs",
        "--mlflow", "off", "--json", cwd=trained,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    names = {result["model"]["name"] for result in results}
    assert names == {"MoEL (seed 3)", "MoEL (seed 3), beam"}
    for result in results:
        found = {metric["name"]: metric["value"] for metric in result["metrics"]}
        assert found["emotion_invalid_rate"] == 0.0
        assert found["emotion_top5_accuracy"] is not None
        if result["task"] == "ed_response":
            assert found["ppl_word"] > 1.0 and found["failure_rate"] < 100.0
    card = json.loads((trained / "moel" / "card.json").read_text())
    curve = read_curve(trained / "moel")
    assert card["validation"]["ppl"] == min(row["valid/ppl"] for row in curve)
    assert "trained:FOLDER" in (trained / "moel" / "README.md").read_text()


def test_all_of_them_fill_a_board_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    command = (
        "train", "all", "--data", "sample", "--names", "transformer,empdg,empdg-adversarial",
        "--seeds", "2", "--steps", "5", "--validate-every", "5", "--mlflow", "off",
    )  # fmt: skip
    done = cli(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = sorted(path.parent for path in (tmp_path / "runs").rglob("result.json"))
    assert len(results) == 6 + 4, "replies of all, labels of those that name any"
    before = {path: path.read_bytes() for path in (tmp_path / "models").rglob("*.safetensors")}
    assert len(before) == 12
    again = cli(*command, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert cli("train", "all", "--names", "moell", cwd=tmp_path).returncode == 2


def test_unknown_words_are_paid_for_by_the_byte(trained: Path) -> None:
    model = load(str(trained / "moel"), Run(data="sample"))
    task = TASKS["ed_response"]
    known = example(["i lost my dog"], "that is so")
    strange = replace(known, reference="that is so zyxwvu")
    assert model.vocabulary.unknown("that is so zyxwvu") == ["zyxwvu"]
    marked = replace(known, reference="that is so zyxwvuts")
    nll = [model.predict(task, [Question(e)])[0].reference_nll for e in (strange, marked)]
    assert nll[1] - nll[0] == pytest.approx(2 * math.log(256), abs=1e-4)  # type: ignore[operator]
    (found,) = model.predict(task, [Question(strange)])
    assert found.reference_surcharge == pytest.approx(7 * math.log(256)), "a space and six letters"
    (plain,) = model.predict(task, [Question(known)])
    assert plain.reference_surcharge == 0.0


def test_a_model_is_asked_only_for_labels_it_names(trained: Path) -> None:
    model = load(str(trained / "moel"), Run(data="sample"))
    with pytest.raises(ModelError, match="does not name a speaker's strategy"):
        model.generation(TASKS["esconv_strategy"])


def test_folders_that_do_not_belong_together_are_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no finished training run"):
        load(str(tmp_path), Run())
    with pytest.raises(ModelError, match="write trained:FOLDER"):
        load(f"{trained / 'moel'},best", Run())
    for file in (trained / "moel").iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    words = json.loads((tmp_path / "vocabulary.json").read_text())
    (tmp_path / "vocabulary.json").write_text(json.dumps([*words, "more"]))
    with pytest.raises(ModelError, match="of two models"):
        load(str(tmp_path), Run())
    (tmp_path / checkpoint.BEST).write_bytes(b"torn")
    with pytest.raises(Exception, match="damaged"):
        load(str(tmp_path), Run())


def test_batches_hold_what_the_decoder_reads() -> None:
    batch = collate([Encoded((4, 9), (4, 5), (8, 9, EOS), 0), Encoded((4,), (4,), (7, EOS), 1)])
    assert isinstance(batch, Batch)
    assert batch.shifted.tolist() == [[SOS, 8, 9], [SOS, 7, EOS]]
    assert batch.target.tolist() == [[8, 9, EOS], [7, EOS, PAD]]
