"""Human-rated sets: the numbers of FIELD E2 from the real files, and what damaged ones are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import DataError, InputError, UnknownNameError
from harness.judges.agreement import icc, spearman, weighted_kappa, z_scored
from harness.judges.ratings import RatingSet, load_ratings, sources


@pytest.fixture(scope="module")
def human(real_data: Path) -> Path:
    folder = real_data / "human"
    if not folder.is_dir():
        pytest.skip("the human-rated sets are not at hand")
    return folder


def both(a: dict[str, float], b: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    shared = [item for item in a if item in b]
    return np.array([a[i] for i in shared]), np.array([b[i] for i in shared])


def of(found: RatingSet, rater: str, criterion: str) -> dict[str, float]:
    return {r.item: r.value for r in found.ratings if (r.rater, r.criterion) == (rater, criterion)}


SLIDERS = ("appropriateness", "empathy", "naturalness", "engagement")


def test_empo(human: Path) -> None:
    found = load_ratings(f"empo:{human / 'empo_he_data.csv'}")
    assert (len(found.items), len({i.dialogue for i in found.items})) == (675, 135)
    assert len({r.rater for r in found.ratings}) == 135
    plain = [icc(found.values(name)) for name in SLIDERS]
    scored = [icc(z_scored(found.values(name))) for name in SLIDERS]
    # FIELD E2: ICC(1,1) .12–.18, ICC(1,3) .29–.40, z-scored per rater .37–.45.
    for values, low, high in (
        ([i.single for i in plain if i], 0.12, 0.18),
        ([i.mean for i in plain if i], 0.29, 0.40),
        ([i.mean for i in scored if i], 0.37, 0.45),
    ):
        assert (round(min(values), 2), round(max(values), 2)) == (low, high)
    means = {
        system: [
            round(float(np.mean([
                value for item, value in found.means(name).items()
                if found.by_id[item].system == system
            ])), 1)
            for name in SLIDERS
        ]
        for system in dict.fromkeys(i.system for i in found.items)
    }  # fmt: skip
    # FIELD E3, system means.
    assert means["human"] == [71.9, 60.3, 67.7, 63.4]
    assert means["SFT"] == [73.3, 63.1, 68.8, 62.7]
    assert means["zephyr_base"] == [80.4, 76.0, 75.4, 71.9]
    assert means["zephyr_dpo"] == pytest.approx([74.9, 63.1, 72.9, 66.8], abs=0.11)
    halo = [
        spearman(*both(found.means(a), found.means(b)))
        for n, a in enumerate(SLIDERS) for b in SLIDERS[:n]
    ]  # fmt: skip
    assert (round(min(halo), 2), round(max(halo), 2)) == (0.61, 0.76)


def test_welivita(human: Path) -> None:
    found = load_ratings(f"welivita:{human / 'welivita/data/dataset_and_ratings.csv'}")
    by_system: dict[str, list[float]] = {}
    by_dialogue: dict[str, dict[str, float]] = {}
    for item, value in found.means("empathy").items():
        one = found.by_id[item]
        by_system.setdefault(one.system, []).append(value)
        by_dialogue.setdefault(one.dialogue, {})[one.system] = value
    # FIELD E2: means 2.322 / 2.556 / 2.576; ChatGPT > human 37 %, tie 42 %.
    assert [len(values) for values in by_system.values()] == [2000] * 3
    assert [round(float(np.mean(v)), 4) for v in by_system.values()] == [2.322, 2.556, 2.5765]
    gpt = [(given["ChatGPT"], given["human"]) for given in by_dialogue.values()]
    assert round(100 * np.mean([a > b for a, b in gpt])) == 37
    assert round(100 * np.mean([a == b for a, b in gpt])) == 42


def test_kumar(human: Path) -> None:
    """Published: all_annotator_pairs_spearman_kappa.csv; experts there are their median.

    What that file calls "llm" is Gemini alone: its numbers come out of gemini_ratings.csv to both
    digits, and of no mean or median of the three models.
    """
    found = load_ratings(f"kumar:{human / 'kumar'}")
    assert len(found.items) == 50 and len(found.groups) == 5
    published = {
        "empathy": ((0.63, 0.55, 0.59), (0.51, 0.62, 0.53), 0.29, 0.64, -0.01),
        "relevance": ((0.23, 0.37, 0.46), (0.44, 0.58, 0.49), 0.37, 0.13, 0.22),
        "fluency": ((0.25, 0.03, 0.44), (0.28, 0.11, 0.41), 0.23, 0.41, 0.24),
    }
    for name, (rhos, kappas, crowd, llm, llm_crowd) in published.items():
        one = {n: of(found, f"expert{n}", name) for n in (1, 2, 3)}
        for (a, b), rho, kappa in zip(((1, 2), (2, 3), (3, 1)), rhos, kappas, strict=True):
            pair = both(one[a], one[b])
            assert round(spearman(*pair), 2) == rho
            assert round(weighted_kappa(*pair, low=1, high=5), 2) == kappa
        experts = {i: float(np.median([one[n][i] for n in one])) for i in one[1]}
        workers, gemini = of(found, "crowd", name), of(found, "gemini", name)
        assert round(spearman(*both(experts, workers)), 2) == crowd
        assert round(spearman(*both(experts, gemini)), 2) == llm
        assert round(spearman(*both(gemini, workers)), 2) == llm_crowd
    pair = both({i: float(np.median([of(found, f"expert{n}", "empathy")[i] for n in (1, 2, 3)]))
                 for i in of(found, "expert1", "empathy")}, of(found, "gemini", "empathy"))  # fmt: skip
    assert round(weighted_kappa(*pair, low=1, high=5), 2) == 0.34


def test_duo(human: Path) -> None:
    found = load_ratings(f"duo:{human / 'duo_en.jsonl'}")
    assert len(found.items) == 157
    pair = both(
        found.means("empathy", group="users"), found.means("empathy", group="third parties")
    )
    assert len(pair[0]) == 50
    assert round(spearman(*pair), 2) == 0.27
    third = icc(found.values("empathy", group="third parties"))
    assert third is not None and abs(third.single) < 0.02


OWN = """item,system,rater,criterion,value,response,context
d1,mine,anna,empathy,4,Oh no.,"Speaker: I lost my job.
Listener: What?
Speaker: Yes."
d1,mine,ben,empathy,2,Oh no.,"Speaker: I lost my job.
Listener: What?
Speaker: Yes."
d1,theirs,anna,empathy,1,Fine.,
"""


def own(folder: Path, words: str) -> RatingSet:
    path = folder / "own.csv"
    path.write_text(words)
    return load_ratings(f"csv:{path}")


def test_ones_own_table(tmp_path: Path) -> None:
    found = own(tmp_path, OWN)
    assert found.means("empathy") == {"d1/mine": 3.0, "d1/theirs": 1.0}
    first = found.by_id["d1/mine"]
    assert [turn.role for turn in first.context] == ["speaker", "listener", "speaker"]
    assert found.scales["empathy"].high == 4 and found.scales["empathy"].ordinal
    assert found.fingerprint == own(tmp_path, OWN).fingerprint
    assert found.fingerprint != own(tmp_path, OWN.replace(",2,", ",3,")).fingerprint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "has no column item"),
        ("item,system,rater,value\n", "has no column criterion"),
        ("item,system,rater,criterion,value\n", "holds no row"),
        (
            "item,system,rater,criterion,value\na,b,c,d,much\n",
            r'own.csv:2: "value" must be a number',
        ),
        (
            "item,system,rater,criterion,value\na,b,c,d,nan\n",
            r'own.csv:2: "value" must be a number',
        ),
        ("item,system,rater,criterion,value\na,,c,d,1\n", r'own.csv:2: "system" is blank'),
        ("item,system,rater,criterion,value\na,b\n", r"own.csv:2: has too few cells"),
        (OWN + "d1,mine,anna,empathy,5,Oh no.,\n", "another text than before"),
        (OWN + "d1,theirs,anna,empathy,5,Fine.,\n", "stands twice"),
        ("\udcff", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(words: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_bytes(words.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match=said) as found:
        load_ratings(f"csv:{path}")
    assert "\n" not in str(found.value)


def test_sources_are_named(tmp_path: Path) -> None:
    assert set(sources()) == {"empo", "welivita", "kumar", "duo", "csv"}
    with pytest.raises(UnknownNameError, match="empo"):
        load_ratings("empa:x")
    with pytest.raises(InputError, match="write empo:PATH"):
        load_ratings("empo")
    for name in ("empo", "welivita", "duo", "kumar"):
        with pytest.raises(DataError, match="no such file"):
            load_ratings(f"{name}:{tmp_path / 'nothing'}")
