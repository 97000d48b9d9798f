"""METEOR: NLTK's numbers with and without WordNet, its speed, and odd replies."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nltk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.translate.meteor_score import single_meteor_score

from harness.errors import InputError
from harness.metrics import choose_metrics, example_values, score_metric
from harness.metrics.contract import Metric
from harness.metrics.meteor import make
from harness.metrics.tokens import tokens_13a
from harness.metrics.wordnet import find_wordnet, open_wordnet
from tests.metrics.build import scored, value
from tests.metrics.published import replies

WORDNET_FOLDERS = ("/usr/share/wordnet", "/usr/share/wordnet/dict", "/opt/WordNet-3.0/dict")


class NoWordNet:
    """What NLTK asks of WordNet, of one without a word."""

    def synsets(self, word: str) -> list[Any]:
        return []


@pytest.fixture(scope="session")
def folder() -> Path:
    """A folder of WordNet's dict files."""
    for name in (os.environ.get("WNSEARCHDIR", ""), *WORDNET_FOLDERS):
        if name and (Path(name) / "data.noun").is_file():
            return Path(name)
    pytest.skip("no WordNet on this machine: apt-get install wordnet-base, or set WNSEARCHDIR")


@pytest.fixture(scope="session")
def nltk_data(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NLTK's data with the same files as a corpus; NLTK reads no links and nothing elsewhere."""
    root = tmp_path_factory.mktemp("nltk_data")
    corpus = root / "corpora" / "wordnet"
    corpus.mkdir(parents=True)
    for file in folder.glob("*.*"):
        shutil.copy(file, corpus)
    # NLTK wants one file more, which distributions leave out.
    (corpus / "lexnames").write_text("".join(f"{i:02}\tname{i}\t1\n" for i in range(45)))
    return root


@pytest.fixture(scope="session")
def reader(nltk_data: Path) -> Iterator[Any]:
    """NLTK's own reader of the same files."""
    nltk.data.path.append(str(nltk_data))

    class OneLanguage(WordNetCorpusReader):  # type: ignore[misc]
        def map_wn(self, version: str = "wordnet") -> None:
            """Other languages' wordnets need a file that distributions leave out."""

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield OneLanguage(str(nltk_data / "corpora" / "wordnet"), None)
    nltk.data.path.remove(str(nltk_data))


def without_synonyms() -> Metric:
    with patch("harness.metrics.meteor.find_wordnet", return_value=None):
        return make()[0]


def nltks(said: Sequence[str], meant: Sequence[str], wordnet: Any = None) -> list[float]:
    return [
        100
        * single_meteor_score(
            list(tokens_13a(m)), list(tokens_13a(s)), wordnet=wordnet or NoWordNet()
        )
        for s, m in zip(said, meant, strict=True)
    ]


WORDS = st.sampled_from(
    ["a", "a", "the", "happy", "happily", "happiness", "run", "runs", "running", "glad", "gladly",
     "car", "automobile", "cars", "big", "large", "larger", "men", "man", "went", "go", "!", "ça"]
)  # fmt: skip
TEXTS = st.one_of(st.lists(WORDS, max_size=14).map(" ".join), st.text(max_size=25))
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5)


@given(PAIRS)
@settings(deadline=None, max_examples=150)
def test_meteor_is_nltks(couples: list[tuple[str, str]]) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    metric = without_synonyms()
    found = example_values(metric, scored(said, meant))
    assert found == pytest.approx(nltks(said, meant), abs=1e-9)
    assert value(metric, scored(said, meant)) == pytest.approx(sum(nltks(said, meant)) / len(said))


@given(PAIRS)
@settings(deadline=None, max_examples=150)
def test_with_synonyms_too(folder: Path, reader: Any, couples: list[tuple[str, str]]) -> None:
    said, meant = [list(column) for column in zip(*couples, strict=True)]
    (metric,) = make(str(folder))
    found = example_values(metric, scored(said, meant))
    assert found == pytest.approx(nltks(said, meant, reader), abs=1e-9)


@pytest.mark.parametrize("synonyms", [False, True])
def test_real_replies_have_nltks_values_in_seconds(
    real_data: Path, synonyms: bool, request: pytest.FixtureRequest
) -> None:
    reader = request.getfixturevalue("reader") if synonyms else None
    folder = request.getfixturevalue("folder") if synonyms else None
    metric = make(str(folder))[0] if synonyms else without_synonyms()
    examples = replies(real_data, "MIME top-k")
    value(metric, examples[:1])
    started = time.perf_counter()
    whole = value(metric, examples)
    assert time.perf_counter() - started < 15
    some = examples[:700]
    expected = nltks([x.response or "" for x in some], [x.reference for x in some], reader)
    assert example_values(metric, some) == pytest.approx(expected, abs=1e-9)
    assert 10 < whole < 20


def test_the_papers_arithmetic_by_hand() -> None:
    # "the cat sat" / "the cat sat down": m = 3 in 1 run, P = 1, R = 3/4.
    f_mean = 1 * 0.75 / (0.9 * 1 + 0.1 * 0.75)
    expected = 100 * (1 - 0.5 * (1 / 3) ** 3) * f_mean
    metric = without_synonyms()
    assert value(metric, scored(["the cat sat"], ["the cat sat down"])) == pytest.approx(expected)
    # Of two words only the stem of the first matches: P = R = 1/2 in as many runs as matches.
    stem = value(metric, scored(["running now"], ["runs today"]))
    assert stem == pytest.approx(100 * (1 - 0.5) * 0.5)


def test_the_signature_says_which_stages_ran(folder: Path) -> None:
    assert "|stages:exact+stem+wordnet-3.0|" in make(str(folder))[0].signature
    assert make(str(folder))[0].signature.endswith(f"|lib:nltk-{nltk.__version__}|v1")
    assert "|stages:exact+stem|" in without_synonyms().signature


def test_synonyms_are_nltks(folder: Path, reader: Any) -> None:
    wordnet = open_wordnet(folder)
    words = ["good", "better", "went", "men", "axes", "larger", "Paris", "ex-wife", "aardvark",
             "quickly", "qqq", "", "able", "children", "best", "dwarves", "a_la_carte"]  # fmt: skip
    for word in words:
        expected = {
            lemma.name()
            for synset in reader.synsets(word)
            for lemma in synset.lemmas()
            if "_" not in lemma.name()
        }
        assert wordnet.synonyms(word) == expected, word
    assert "automobile" in wordnet.synonyms("cars")


@pytest.fixture
def anew() -> Iterator[None]:
    """NLTK's data are looked for again."""
    find_wordnet.cache_clear()
    yield
    find_wordnet.cache_clear()


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("zipped", [False, True])
def test_nltks_own_corpus_is_found(
    nltk_data: Path, tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = nltk_data
    if zipped:
        root = tmp_path
        (root / "corpora").mkdir()
        shutil.make_archive(
            str(root / "corpora" / "wordnet"), "zip", nltk_data / "corpora", "wordnet"
        )
    monkeypatch.setattr(nltk.data, "path", [str(root)])
    (metric,) = make()
    assert "wordnet-3.0" in metric.signature
    assert value(metric, scored(["x ill"], ["y sick"])) == pytest.approx(25.0)


def test_a_folder_without_wordnet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no WordNet database .*index\.noun.* give the folder"):
        make(str(tmp_path))
    for part in ("noun", "verb", "adj", "adv"):
        for file in (f"index.{part}", f"data.{part}", f"{part}.exc"):
            (tmp_path / file).write_text("something else\n")
    with pytest.raises(InputError, match="states no WordNet version"):
        make(f"{tmp_path}/.")
    (tmp_path / "data.noun").write_text("  14 WordNet 3.0 Copyright 2006\n")
    with pytest.raises(InputError, match="damaged line"):
        make(f"{tmp_path}/../{tmp_path.name}")


LONG = {
    "one word again and again": ("sorry " * 10_000, "sorry " * 10_000),
    "no word in common": (" ".join(f"a{i}" for i in range(10_000)),
                          " ".join(f"b{i}" for i in range(10_000))),
    "backwards": (" ".join(f"w{i}" for i in range(10_000)),
                  " ".join(f"w{i}" for i in reversed(range(10_000)))),
    "one endless word": ("y" * 1_000_000, "yyy" * 300_000 + "s"),
}  # fmt: skip


@pytest.mark.parametrize("case", LONG)
def test_long_replies_end_in_seconds(case: str) -> None:
    said, meant = LONG[case]
    started = time.perf_counter()
    found = value(without_synonyms(), scored([said], [meant]))
    assert time.perf_counter() - started < 5
    assert 0 <= found <= 100


def test_odd_and_failed_replies() -> None:
    odd = ["", " ", "🙂🙂", "\u202eabc", "ＡＢ", "a\x00b", "what happened ?"]
    metric = without_synonyms()
    found = example_values(metric, scored(odd))
    assert found is not None and found[:-1].tolist() == [0.0] * 6 and found[-1] > 60
    failed = scored(["what happened then ?"] * 6, failed=[True] * 6)
    result = score_metric(metric, failed)
    assert (result.value, result.n_failed) == (0.0, 6)
    assert value(metric, scored([""], [""])) == 0.0


def test_it_is_chosen_by_the_name_of_the_family(folder: Path) -> None:
    examples = scored(["x ill"] * 6, ["y sick"] * 6)
    (metric,) = choose_metrics(examples, kind="response", names=[f"meteor:{folder}"])
    assert score_metric(metric, examples).value == pytest.approx(25.0)
    assert "meteor" not in {m.name for m in choose_metrics(examples, kind="response")}
