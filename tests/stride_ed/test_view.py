"""What the page of traces says of an answer is what `stride score` counts of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import InputError, PredictionsError
from stride_ed.trace import FAILURES, Trace, render
from stride_ed.viewer import view_page
from tests.stride_ed.training_work import annotated, make_work, write_run

_ARTICLE = re.compile(r'<article data-system="[^"]*" data-total="(\d)" data-kind="([^"]*)"')


@pytest.fixture(scope="module", name="held")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("held"), example_set="ed/test")


def spoilt(trace: Trace) -> dict[str, tuple[str, int]]:
    """Texts by what is wrong with them, with the reward that metrics count: worked by hand."""
    good = render(trace)
    other = "Others" if trace.strategy != "Others" else "Information"
    emotion, strategy = f"<Emotion> {trace.emotion}", trace.strategy
    return {
        "not_the_format": (f"Sure! {good}", 0),
        "missing_section": (good.replace("<Action> Say so. ", ""), 3),
        "repeated_section": (good.replace("<Action>", "<Context> Again. <Action>"), 3),
        "wrong_order": (
            good.replace(f"<Context> They tell. {emotion}", f"{emotion} <Context> They tell."), 3,
        ),
        "empty_section": (good.replace("They tell.", ""), 3),
        "unknown_emotion": (good.replace(emotion, "<Emotion> bittersweet"), 2),
        "unknown_strategy": (good.replace(strategy, "Tell them off"), 2),
        "strategy_mismatch": (good.replace(f"({strategy})", f"({other})"), 2),
        "no_listener_prefix": (good.replace("listener: ", ""), 2),
        # A failed prediction: there is no reply, so that nothing counts.
        "empty_response": (good.replace(trace.response, ""), 0),
        "not_plain": (good.replace("They tell.", "They\ntell."), 3),
    }  # fmt: skip


def right() -> dict[str, str]:
    """The trace that is all right, by example."""
    examples, annotations = annotated("ed/test")
    return {e.id: render(t) for e in examples if (t := annotations[e.id].trace)}


def page_of(tmp_path: Path, texts: list[str], held: Path | None) -> str:
    """The page of a run whose first answers are these, all others right."""
    said = right()
    said |= dict(zip(said, texts, strict=False))
    run = write_run(tmp_path, "it", said)
    path = tmp_path / "p.html"
    view_page([run], path, data="sample", annotations=held, limit=max(1, len(texts)))
    return path.read_text("utf-8")


def traces(count: int) -> list[Trace]:
    examples, annotations = annotated("ed/test")
    found = [annotations[example.id].trace for example in examples.examples[:count]]
    return [trace for trace in found if trace is not None]


def test_every_kind_of_failure_is_named_and_earns_what_score_counts(
    tmp_path: Path, held: Path
) -> None:
    chosen = [
        (kind, *spoilt(trace)[kind])
        for kind, trace in zip(FAILURES, traces(len(FAILURES)), strict=True)
    ]
    page = page_of(tmp_path, [text for _, text, _ in chosen], held)
    assert _ARTICLE.findall(page) == [(str(total), kind) for kind, _, total in chosen]


def test_a_reply_missing_is_shown_as_written_and_earns_nothing(tmp_path: Path, held: Path) -> None:
    (trace,) = traces(1)
    page = page_of(tmp_path, [spoilt(trace)["empty_response"][0]], held)
    assert "0 of 3</span>" in page
    assert "+1</span>" not in page
    assert re.search(rf"emotion <bdi>{trace.emotion}</bdi>, right, but without", page)


def test_a_whole_trace_of_10_000_words_earns_all(tmp_path: Path, held: Path) -> None:
    (trace,) = traces(1)
    text = render(trace).replace("They tell.", " ".join(["word"] * 10_000))
    page = page_of(tmp_path, [text], held)
    assert _ARTICLE.findall(page) == [("3", "")]
    assert "(29,999 more characters)" in page


def test_labels_in_another_case_stand_with_what_they_earn(tmp_path: Path, held: Path) -> None:
    (trace,) = traces(1)
    page = page_of(tmp_path, [render(trace).replace("<Emotion>", "<emotion>")], held)
    assert f'<dt>emotion</dt><dd><bdi>{trace.emotion}</bdi> <span class="right">+1' in page


def test_an_emotion_never_named_is_said_to_lack(tmp_path: Path, held: Path) -> None:
    (trace,) = traces(1)
    text = render(trace).replace(f"<Emotion> {trace.emotion} ", "")
    page = page_of(tmp_path, [text], held)
    assert "<dt>Emotion</dt><dd><bdi>(missing)</bdi>" in page
    assert f"+0, gold: {trace.emotion}" in page
    assert _ARTICLE.findall(page) == [("2", "missing_section")]


def test_without_labels_of_strategies_two_is_the_most(tmp_path: Path) -> None:
    (trace,) = traces(1)
    page = page_of(tmp_path, [render(trace)], None)
    assert "2 of 2</span>" in page
    assert "of 3</span>" not in page
    assert "2, all right" in page


def test_what_turns_text_around_is_kept_to_itself(tmp_path: Path, held: Path) -> None:
    (trace,) = traces(1)
    text = render(trace).replace(f"<Emotion> {trace.emotion}", "<Emotion> \u202edas")
    page = page_of(tmp_path, [text], held)
    assert f'<bdi>\u202edas</bdi> <span class="wrong">+0, gold: {trace.emotion}' in page


def test_a_strategy_announced_late_stays_in_the_reply(tmp_path: Path, held: Path) -> None:
    (trace,) = traces(1)
    late = f"Well, listener: ({trace.strategy}) Oh."
    text = render(trace)[: render(trace).index("listener: ")] + f"{late}</answer>"
    page = page_of(tmp_path, [text], held)
    assert f"<dt>Response</dt><dd><bdi>{late}</bdi>" in page
    assert (
        f'<dt>announced</dt><dd><bdi>(none)</bdi> <span class="wrong">+0, gold: {trace.strategy}'
        in page
    )


def test_half_a_surrogate_pair_is_written_as_a_question_mark(tmp_path: Path, held: Path) -> None:
    said = right()
    said[next(iter(said))] = "half HERE"
    run = write_run(tmp_path, "it", said)
    file = run / "predictions.jsonl"
    file.write_text(file.read_text("utf-8").replace("HERE", "\\ud83d"), "utf-8")
    view_page([run], tmp_path / "p.html", data="sample", annotations=held, limit=1)
    assert "half ?</pre>" in (tmp_path / "p.html").read_text("utf-8")


def test_annotations_of_other_turns_and_an_empty_file_are_refused(
    tmp_path: Path, held: Path
) -> None:
    run = write_run(tmp_path, "it", right())
    wrong = make_work(tmp_path / "wrong", example_set="ed/train")
    with pytest.raises(InputError, match="says nothing of .* annotate ed/sample-test"):
        view_page([run], tmp_path / "p.html", data="sample", annotations=wrong, limit=1)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(PredictionsError, match=r"empty\.jsonl"):
        view_page([empty], tmp_path / "p.html", data="sample", annotations=held, limit=1)


def test_answers_that_are_labels_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path, "it", right())
    file = run / "predictions.jsonl"
    file.write_text(file.read_text("utf-8").replace("ed_response", "ed_emotion", 1), "utf-8")
    with pytest.raises(InputError, match="answers ed_emotion, .* answer ed_response"):
        view_page([run], tmp_path / "p.html", data="sample", annotations=None, limit=1)
