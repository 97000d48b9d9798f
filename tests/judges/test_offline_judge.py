"""The judge without a language model: what it learns, that it leaks nothing, where it says it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from harness.dialogue import Turn
from harness.errors import DataError, ModelError
from harness.judges.agreement import spearman
from harness.judges.offline import fit_judge, held_out, keep_judge, load_offline_judge
from harness.judges.offline.failings import failings, transfers, worst
from harness.judges.offline.features import PLAIN, Reply, Vectors, features, load_vectors
from harness.judges.offline.fitting import Learned, learned_from
from harness.judges.ratings.records import Item, Rating, RatingSet, Scale
from tests.conftest import Cli

WARM = ("warm", "kind", "gentle", "dear", "close", "soft")
COLD = ("cold", "rude", "harsh", "distant", "sharp", "hard")


def hashed(texts: object) -> np.ndarray:
    """Unit vectors of words by their hash: enough to tell WARM from COLD."""
    rows = []
    for text in list(texts):  # type: ignore[call-overload]
        row = np.zeros(97)
        for word in str(text).lower().split():
            row[crc32(word.encode()) % 97] += 1
        rows.append(row / max(float(np.linalg.norm(row)), 1e-9))
    return np.array(rows)


VECTORS = Vectors(hashed, "hashed@1")


def rated(n: int = 200, *, seed: int = 0, per_dialogue: int = 4, name: str = "made") -> RatingSet:
    """Replies whose rating is how many of their words are warm, by three raters with noise."""
    rng = np.random.default_rng(seed)
    items, ratings = [], []
    for number in range(n):
        warm = int(rng.integers(0, 5))
        words = [*rng.choice(WARM, warm), *rng.choice(COLD, 4 - warm)]
        item = Item(id=f"i{number}/s{number % 2}", dialogue=f"d{number // per_dialogue}",
                    system=f"s{number % 2}", context=(Turn(0, "speaker", f"topic {number % 7}"),),
                    response=" ".join(map(str, words)))  # fmt: skip
        items.append(item)
        for rater in range(3):
            value = float(np.clip(round(1 + warm + rng.normal(0, 0.5)), 1, 5))
            ratings.append(Rating(item.id, f"r{rater}", "people", "empathy", value))
    return RatingSet(name, "ours", "CC0", tuple(items), tuple(ratings),
                     {"empathy": Scale(1, 5, True, "warm?")})  # fmt: skip


def test_a_planted_signal_is_learned_and_judged_on_the_unit_scale() -> None:
    learned = learned_from([rated()], "empathy", VECTORS)
    scores = held_out(learned, "empathy")
    assert spearman(learned.y, scores) > 0.85
    assert scores.min() >= 0 and scores.max() <= 1
    assert abs(float((scores - learned.y).mean())) < 0.03


def test_nothing_is_learned_from_ratings_that_mean_nothing() -> None:
    found = [
        spearman(shuffled.y, held_out(shuffled, "empathy"))
        for seed in range(8)
        for learned in [learned_from([rated(seed=seed)], "empathy", VECTORS)]
        for shuffled in [replace(learned, y=np.random.default_rng(seed).permutation(learned.y))]
    ]
    # A fold's mean is far where the others' is near, so that held-out ρ of noise is below 0.
    assert -0.3 < float(np.mean(found)) < 0.05


def test_a_dialogue_is_never_learned_from_and_judged() -> None:
    """Every dialogue has a mood and a word of its own: whoever had seen it would know the mood."""
    rng = np.random.default_rng(5)
    moods = rng.uniform(0, 1, 60)
    dialogue = np.repeat(np.arange(60), 4)
    x = np.zeros((240, 60))
    x[np.arange(240), dialogue] = 1
    learned = Learned(items=(), x=x, y=moods[dialogue], sources=("made",) * 240,
                      dialogues=tuple(f"d{number}" for number in dialogue))  # fmt: skip
    assert abs(spearman(learned.y, held_out(learned, "empathy"))) < 0.35
    leaking = replace(learned, dialogues=tuple(f"row{number}" for number in range(240)))
    assert spearman(leaking.y, held_out(leaking, "empathy")) > 0.8


def test_equal_data_give_an_equal_judge_in_any_order() -> None:
    learned = learned_from([rated()], "empathy", VECTORS)
    turned = learned_from([replace_items(rated())], "empathy", VECTORS)
    one, other = fit_judge(learned, "empathy"), fit_judge(turned, "empathy")
    np.testing.assert_allclose(one.weight, other.weight, atol=1e-9)
    scores = dict(zip([i.id for i in learned.items], held_out(learned, "empathy"), strict=True))
    again = dict(zip([i.id for i in turned.items], held_out(turned, "empathy"), strict=True))
    assert scores == pytest.approx(again, abs=1e-9)


def replace_items(found: RatingSet) -> RatingSet:
    return RatingSet(found.name, found.citation, found.licence, tuple(reversed(found.items)),
                     tuple(reversed(found.ratings)), found.scales)  # fmt: skip


def test_kept_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    learned = learned_from([rated()], "empathy", VECTORS)
    judge = fit_judge(learned, "empathy", model=VECTORS.model)
    keep_judge(judge, tmp_path)
    again = load_offline_judge(tmp_path)
    replies = [Reply("a", ("topic 3",), "warm kind words"), Reply("b", (), "")]
    assert again.scores(replies, VECTORS) == judge.scores(replies, VECTORS)
    assert again.about == dict(judge.about) and not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize("damage", ["gone", "cut", "other", "json", "schema"])
def test_a_damaged_judge_is_refused(damage: str, tmp_path: Path) -> None:
    keep_judge(fit_judge(learned_from([rated()], "empathy", VECTORS), "empathy"), tmp_path)
    weights, told = tmp_path / "judge.safetensors", tmp_path / "judge.json"
    if damage == "gone":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif damage == "other":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    elif damage == "json":
        told.write_text("{")
    else:
        told.write_text(json.dumps({**json.loads(told.read_text()), "schema": "x"}))
    with pytest.raises(ModelError, match="judge fit"):
        load_offline_judge(tmp_path)


def test_features_by_hand() -> None:
    reply = Reply("a", ("My dog died.", "She was nine."), "I am sorry about your dog ! you ?")
    row = features([reply], VECTORS)[0, -len(PLAIN) :]
    named = dict(zip(PLAIN, row, strict=True))
    # Words: i am sorry about your dog you; one (dog) of seven stands in the context.
    assert named["length"] == pytest.approx(np.log(8)) and named["question"] == 1
    assert named["words of the context"] == pytest.approx(1 / 7)
    assert named["different words"] == 1 and named["you"] == pytest.approx(2 / 7)
    assert named["i"] == pytest.approx(1 / 7) and named["exclamation"] == 1
    for text in ("", " ", "🙂", "x" * 50_000, "你好"):
        assert np.isfinite(features([Reply("a", (), text)], VECTORS)).all()


def test_where_it_fails_is_found() -> None:
    """One system is rated lower whatever it says: nothing in the text tells, and the bias shows."""
    found = rated(400)
    lower = tuple(
        replace(r, value=max(1.0, r.value - 1.5)) if r.item.endswith("s1") else r
        for r in found.ratings
    )
    learned = learned_from([replace(found, ratings=lower)], "empathy", VECTORS)
    scores = held_out(learned, "empathy")
    rows = {(f.by, f.part): f for f in failings(learned, scores, resamples=100)}
    s0, s1 = rows["system", "s0"], rows["system", "s1"]
    assert s1.judge - s1.human > 0.05 and s0.judge - s0.human < -0.05
    assert s0.n + s1.n == 400 and (s0.rho.low or 0) > 0.6
    furthest = worst(learned, scores, count=5)
    off = np.abs(scores - learned.y)
    assert off[furthest[0]] == off.max() and len(furthest) == 5


def test_transfer_is_between_sources() -> None:
    other = rated(seed=9, name="else")
    turned = tuple(replace(r, value=6 - r.value) for r in other.ratings)
    learned = learned_from([rated(), replace(other, ratings=turned)], "empathy", VECTORS)
    found = {(t.learned, t.tested): t.rho for t in transfers(learned, "empathy", resamples=100)}
    assert set(found) == {("made", "else"), ("else", "made")}
    # What is warm for the one is cold for the other.
    assert all((rho.high or 0) < -0.5 for rho in found.values())


def test_sets_without_replies_or_criterion_or_size_are_refused() -> None:
    with pytest.raises(DataError, match="it has empathy"):
        learned_from([rated()], "fluency", VECTORS)
    with pytest.raises(DataError, match="too few"):
        learned_from([rated(20)], "empathy", VECTORS)
    whole = rated(60)
    mute = replace(whole, items=tuple(replace(item, response=None) for item in whole.items))
    with pytest.raises(DataError, match="whole dialogues"):
        learned_from([mute], "empathy", VECTORS)


def test_by_the_command_line(cli: Cli, tmp_path: Path) -> None:
    rows = ["item,system,rater,criterion,value,response,context,reference"]
    found = rated(80, seed=2)
    for r in found.ratings:
        item = found.by_id[r.item]
        rows.append(f"{item.dialogue}-{item.id.split('/')[0]},{item.system},{r.rater},empathy,"
                    f"{r.value:g},{item.response},{item.context[0].text},warm words")  # fmt: skip
    (tmp_path / "mine.csv").write_text("\n".join(rows), encoding="utf-8")
    done = cli("judge", "fit", "--ratings", "csv:mine.csv", "-o", "judge", "--resamples", "100")
    assert done.returncode == 0, done.stderr
    for words in ("offline judge", "Where it fails", "What it gives to what is no answer",
                  "Furthest from people"):  # fmt: skip
        assert words in done.stdout
    report = json.loads((tmp_path / "judge" / "report.json").read_text(encoding="utf-8"))
    (own,) = (a for a in report["agreement"][0]["agreements"] if a["predictor"] == "offline judge")
    again = cli("judge", "validate", "--ratings", "csv:mine.csv", "--metric", "none", "--scores",
                "judge/held-out.jsonl", "--json")  # fmt: skip
    assert again.returncode == 0, again.stderr
    (held,) = json.loads(again.stdout)["agreements"]
    assert held["spearman"]["value"] == pytest.approx(own["spearman"]["value"], abs=1e-6)
    run = cli("run", "-m", "constant", "-m", "human", "-t", "ed_response", "--data", "sample", "-o",
              "runs", "--mlflow", "off", "--limit", "6")  # fmt: skip
    assert run.returncode == 0, run.stderr
    scored = cli("judge", "offline-scores", "judge", "runs/ed_response/Constant-reply",
                 "runs/ed_response/Human-reference", "--data", "sample")  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    lines = (tmp_path / "offline-scores.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12
    assert all(0 <= json.loads(line)["score"] <= 1 for line in lines)
    judged = cli("judge", "run", "ed-absolute", "runs/ed_response/Constant-reply",
                 "runs/ed_response/Human-reference", "-j", "offline:judge", "--data", "sample",
                 "--items", "6", "--controls", "3", "--mlflow", "off", "--json")  # fmt: skip
    assert judged.returncode == 0, judged.stderr
    for result, name in zip(json.loads(judged.stdout), ("Constant reply", "Human reference"),
                            strict=True):  # fmt: skip
        said = {m["name"]: m for m in result["metrics"]}
        shares = [json.loads(line)["score"] for line in lines if f'/{name}"' in line]
        assert said["empathy"]["value"] == pytest.approx(1 + 4 * sum(shares) / 6, abs=1e-4)
        assert set(said) == {"empathy"}
    report = cli("judge", "report", "judged/ed-absolute", "--json")
    assert report.returncode == 0, report.stderr
    refused = cli("judge", "run", "ed-pairwise", "runs/ed_response/Constant-reply",
                  "runs/ed_response/Human-reference", "-j", "offline:judge", "--data", "sample",
                  "--mlflow", "off")  # fmt: skip
    assert refused.returncode == 2 and "asks for something else" in refused.stderr
    bad = cli("judge", "fit", "--ratings", "csv:mine.csv", "--criterion", "warmth")
    assert bad.returncode == 2 and "nobody rated 'warmth'" in bad.stderr


def test_it_beats_length_on_people_s_ratings_and_stays_below_their_ceiling(real_data: Path) -> None:
    """EmPO's 675 rated replies: the cheap judge that a language model must beat."""
    from harness.judges.ratings import load_ratings

    path = real_data / "human" / "empo_he_data.csv"
    if not path.is_file():
        pytest.skip("EmPO's ratings are not at hand")
    ratings = load_ratings(f"empo:{path}")
    learned = learned_from([ratings], "empathy", load_vectors())
    scores = held_out(learned, "empathy")
    words = np.array([len((item.response or "").split()) for item in learned.items], dtype=float)
    rho, of_length = spearman(learned.y, scores), spearman(learned.y, words)
    assert of_length + 0.05 < rho < 0.63
