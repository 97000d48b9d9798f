"""Printed beside measured, and seeds summed up: by hand-worked numbers, and nothing ranked by it."""

from __future__ import annotations

from typing import Any

import pytest
from board_results import metric, result

from harness.results import Result
from leaderboards.markdown import render_markdown
from leaderboards.naming import system_key, system_name, without_seed
from leaderboards.page import render_page
from leaderboards.printed import Comparison
from leaderboards.table import Table, build_board


def only(results: list[Result]) -> Table:
    (table,) = build_board(results).tables
    return table


def paper(
    name: str, *values: Any, source: str = "CASE", same_as: str = "", test_set: str = ""
) -> Result:
    model = {"source": source, "same_as": same_as, "test_set": test_set}
    return result(name, *values, provenance="reported", model=model, citation=f"{source}, table 1")


def compared(table: Table) -> dict[tuple[str, str], Comparison]:
    return {(a.name, c.label): c for a in table.against for c in a.comparisons}


# ------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MoEL (seed 0)", ("MoEL", 0)),
        ("MoEL (seed 12), beam", ("MoEL, beam", 12)),
        ("MoEL", ("MoEL", None)),
        ("MoEL (seed x)", ("MoEL (seed x)", None)),
        (f"MoEL (seed {'9' * 5000})", (f"MoEL (seed {'9' * 5000})", None)),
        ("", ("", None)),
    ],
)
def test_the_seed_of_a_name(name: str, expected: tuple[str, int | None]) -> None:
    assert without_seed(name) == expected


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ({"name": "MoEL (seed 3), top-k"}, "moel"),
        ({"name": "moel"}, "moel"),
        ({"name": "MoEL (21M)"}, "moel (21m)"),
        ({"name": "MoEL (21M)", "same_as": "MoEL"}, "moel"),
        ({"name": "x", "same_as": "MoEL (seed 1), beam"}, "moel"),
        ({"name": "x", "same_as": " "}, "x"),
        ({"name": "x", "same_as": 7}, "x"),
        ({"name": "MoEL-large"}, "moel-large"),
    ],
)
def test_which_system_a_model_is_one_of(model: dict[str, Any], key: str) -> None:
    assert system_key(system_name(model)) == key


# ------------------------------------------------------------------------------------- seeds


def test_seeds_are_summed_up_by_mean_and_sample_deviation() -> None:
    # 2, 2.5, 3: mean 2.5, deviations -.5, 0, .5, variance .5 / 2, s.d. .5.
    values = {0: 2.0, 1: 3.0, 7: 2.5}
    table = only(
        [result(f"MoEL (seed {s})", metric("bleu_4", v, 0.1)) for s, v in values.items()]
        + [result("MIME (seed 0)", metric("bleu_4", 2.9, 0.1)), result("x", metric("bleu_4", 1.0))]
    )
    (summary,) = table.seeds
    assert (summary.name, summary.seeds, summary.cells) == ("MoEL", (0, 1, 7), ("2.50 ± 0.50",))
    marks = {row.name: row.cells[0].mark for row in table.rows}
    assert marks["MoEL (seed 1)"] == "best"
    assert [row.name for row in table.rows][:2] == ["MoEL (seed 1)", "MIME (seed 0)"]


def test_seeds_are_summed_up_only_where_all_have_the_same_metric() -> None:
    table = only(
        [
            result("M (seed 0)", metric("bleu_4", 2.0), metric("rouge_l", 5.0, signature="a")),
            result("M (seed 1)", metric("bleu_4", None), metric("rouge_l", 6.0, signature="b")),
            result("M (seed 1), beam", metric("bleu_4", 2.0), metric("rouge_l", 5.0)),
        ]
    )
    (summary,) = table.seeds
    assert summary.cells == ("–", "–")


def test_a_seed_that_was_scored_twice_counts_once_and_newest() -> None:
    rows = [
        result("M (seed 0)", metric("bleu_4", 1.0), created="2026-11-01T00:00:00+00:00"),
        result("M (seed 0)", metric("bleu_4", 2.0), created="2026-11-02T00:00:00+00:00"),
        result("M (seed 1)", metric("bleu_4", 4.0)),
    ]
    # The two rows of seed 0 are told apart by their dates, so neither has a second seed.
    assert only(rows).seeds == ()
    assert only(rows[1:]).seeds[0].cells == ("3.00 ± 1.41",)


def test_decodings_and_prompts_are_summed_up_apart() -> None:
    rows = [
        result(f"M (seed {seed}){decoding}", metric("bleu_4", 2.0 + seed), prompt={"few_shot": k})
        for seed in (0, 1)
        for decoding in ("", ", beam")
        for k in (0, 5)
    ]
    assert sorted((s.name, s.detail) for s in only(rows).seeds) == [
        ("M", ""),
        ("M", "5-shot"),
        ("M, beam", ""),
        ("M, beam", "5-shot"),
    ]


def test_floors_and_people_have_no_seeds() -> None:
    rows = [result(f"Shuffled (seed {s})", metric("bleu_4", 1.0 + s), kind="floor") for s in (0, 1)]
    assert only([*rows, result("a", metric("bleu_4", 1.0))]).seeds == ()


# ---------------------------------------------------------------------------------- printed rows


def test_printings_of_one_system_stand_together_in_the_order_of_names() -> None:
    table = only(
        [
            result("a", metric("bleu_4", 3.0)),
            paper("MoEL", metric("dist_2", 2.1), source="IAMM"),
            paper("Zed", metric("dist_2", 9.0)),
            paper("MoEL (21M)", metric("dist_2", 4.47), source="EmpHi", same_as="moel"),
            paper("CEM", metric("dist_2", 2.84)),
            paper("CEM", metric("dist_2", 2.84), source="ESCM"),
        ]
    )
    assert [(p.system, [r.source for r in p.rows]) for p in table.prints] == [
        ("cem", ["CASE", "ESCM"]),
        ("moel", ["EmpHi", "IAMM"]),
        ("zed", ["CASE"]),
    ]
    assert [p.differing for p in table.prints] == [(), ("Dist-2",), ()]
    assert [row.name for row in table.reported] == ["CEM", "CEM", "MoEL (21M)", "MoEL", "Zed"]
    assert [table.columns[i].name for i in table.printed_columns] == ["dist_2"]
    assert table.against == ()


def test_the_gap_is_ours_minus_print_for_every_printing() -> None:
    table = only(
        [
            result("MoEL (seed 0)", metric("dist_2", 2.0, 0.1)),
            result("MoEL (seed 1)", metric("dist_2", 3.0, 0.1)),
            paper("MOEL", metric("dist_2", 2.1, note="CASE: corpus Dist-2 × 100")),
            paper("MoEL", metric("dist_2", 4.47), source="EmpHi"),
        ]
    )
    found = compared(table)["MoEL", "Dist-2"]
    assert [(p.text, p.source, p.citation, p.definition) for p in found.printings] == [
        ("2.10", "CASE", "CASE, table 1", "corpus Dist-2 × 100"),
        ("4.47", "EmpHi", "EmpHi, table 1", "definition not stated"),
    ]
    (ours,) = found.measured
    # 2.5 - 4.47 and 2.5 - 2.1
    assert (ours.text, ours.spread, ours.gap) == (
        "2.50",
        "mean of 2 seeds, 2.00 to 3.00",
        "−1.97 to +0.40",
    )
    assert found.notes[0].startswith("Ours: Different word pairs per hundred")
    assert found.notes[1:] == ("CASE: corpus Dist-2 × 100", "EmpHi: definition not stated")


def test_one_run_stands_with_its_interval_and_decodings_stand_apart() -> None:
    table = only(
        [
            result("MIME", metric("bleu_4", 2.5, 0.25)),
            result("MIME, beam", metric("bleu_4", 2.75)),
            paper("MIME", metric("bleu_4", 2.75)),
        ]
    )
    measured = compared(table)["MIME", "BLEU-4"].measured
    assert [(m.name, m.text, m.spread, m.gap) for m in measured] == [
        ("MIME", "2.50", "95 % interval 2.25 to 2.75", "−0.25"),
        ("MIME, beam", "2.75", "", "0.00"),
    ]


def test_another_test_set_is_said() -> None:
    table = only(
        [
            result("MIME", metric("bleu_4", 2.5)),
            paper("MIME", metric("bleu_4", 2.0, note="CASE: Moses"), test_set="esconv/windows"),
        ]
    )
    found = compared(table)["MIME", "BLEU-4"]
    assert found.printings[0].test_set == "esconv/windows"
    assert found.notes[-1] == "CASE: Moses; another test set, esconv/windows"


def test_printed_numbers_keep_their_decimals() -> None:
    """A column of large numbers shows one decimal; what a paper printed is not ours to round."""
    table = only(
        [
            result("MIME", metric("ppl_word", 250.04, direction="lower"), metric("length", 1250.0)),
            paper("MIME", metric("ppl", 56.06, direction="lower"), metric("length", 12.285)),
            paper("MoEL", metric("ppl", 112.34, direction="lower"), metric("length", 9.0)),
        ]
    )
    texts = {row.name: [cell.text for cell in row.cells] for row in table.reported}
    assert texts == {"MIME": ["12.285", "56.06", "–"], "MoEL": ["9", "112.34", "–"]}
    assert compared(table)["MIME", "PPL as printed"].measured[0].text == "250.0"


def test_a_printed_perplexity_stands_beside_ours_under_its_own_name() -> None:
    table = only(
        [
            result("CEM (seed 0)", metric("ppl_word", 48.0, 1.0, direction="lower")),
            paper("CEM", metric("ppl", 36.86, direction="lower")),
        ]
    )
    found = compared(table)["CEM", "PPL as printed"]
    assert found.measured[0].gap == "+11.14"
    assert found.notes[0].startswith("Ours: PPL/word. Perplexity of the human reply per word")


def test_a_value_that_a_source_prints_for_several_rows_is_said_once() -> None:
    table = only(
        [
            result("MIME", metric("ppl_word", 48.0, direction="lower")),
            *(paper(f"MIME {d}", metric("ppl", 37.54), same_as="MIME") for d in ("beam", "greedy")),
        ]
    )
    (printing,) = compared(table)["MIME", "PPL as printed"].printings
    assert printing.names == ("MIME beam", "MIME greedy")


def test_nothing_is_beside_print_that_was_not_measured() -> None:
    floors = result("Human reference", metric("dist_2", 36.87), kind="human")
    table = only([floors, paper("Human reference", metric("dist_2", 43.2))])
    assert table.against == ()
    table = only([result("MoEL", metric("bleu_4", None)), paper("MoEL", metric("bleu_4", 2.73))])
    assert table.against == ()


def test_marks_and_order_are_those_without_print() -> None:
    ours = [result(f"MoEL (seed {s})", metric("bleu_4", 2.0 + s, 0.1)) for s in (0, 1)]
    alone = only(ours)
    beside = only([*ours, paper("MoEL", metric("bleu_4", 99.0))])
    assert beside.rows == alone.rows
    assert beside.seeds == alone.seeds
    assert (beside.columns[0].low, beside.columns[0].high) == (1.9, 3.1)


def test_rows_that_are_installed_meet_ours() -> None:
    from baselines.published import reported_results

    rows = [result("MoEL (seed 0)", metric("dist_2", 2.0, 0.1))]
    (table,) = build_board(rows, reported=reported_results()).tables
    assert [a.name for a in table.against] == ["MoEL"]
    printed = {(p.source, p.text) for c in table.against[0].comparisons for p in c.printings}
    assert {("CASE", "2.10"), ("EmpHi", "4.47"), ("DiffusEmp", "1.65")} <= printed
    assert len(table.prints) < len(table.reported)


# ------------------------------------------------------------------------------------- markdown


def test_markdown_has_seeds_comparison_and_folded_print() -> None:
    rows = [
        result("Mo|EL (seed 0)", metric("bleu_4", 2.0, 0.1)),
        result("Mo|EL (seed 1)", metric("bleu_4", 3.0, 0.1)),
        paper("mo|el", metric("bleu_4", 2.73, note="<b>: `Moses` | x"), source="<b>"),
    ]
    markdown = render_markdown(build_board(rows))
    assert "| Mo&#124;EL | 2 | 2.50 ± 0.71 |" in markdown
    (line,) = [x for x in markdown.splitlines() if "mean of 2 seeds" in x]
    assert line.startswith(
        "| Mo&#124;EL | BLEU-4 | 2.73 &lt;b&gt; | 2.50 mean of 2 seeds, 2.00 to 3.00 | −0.23 |"
    )
    assert line.endswith(r"&lt;b&gt;: \`Moses\` &#124; x |")
    assert "<details><summary>1 row of 1 system</summary>\n\n| System |" in markdown
    assert "| mo&#124;el | &lt;b&gt;, table 1 | 2.73 |\n\n</details>" in markdown


def test_boards_without_print_or_seeds_say_nothing_of_them() -> None:
    board = build_board([result("a", metric("bleu_4", 3.0))])
    page, markdown = render_page(board, []), render_markdown(board)
    for words in ("What papers printed", "Over training seeds", "Reported by papers"):
        assert words not in page + markdown
