"""Exports: read back by the programs they are for, and harmless whatever a model is called."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from board_results import metric, result
from typer.testing import CliRunner

from harness.errors import InputError
from harness.results import Result, write_result
from leaderboards.command import app
from leaderboards.exports.badges import render_badges
from leaderboards.exports.csv import COLUMNS, render_csv
from leaderboards.exports.latex import escape, render_latex
from leaderboards.table import build_board

HOSTILE = [
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@sum",
    'quote " comma, \r\n line',
    "../../etc/passwd",
    "<script>alert(1)</script>",
    r"\input{/etc/passwd} 100% & $x_1^2$ #{~} \\ \end{table}",
    "\x1b[31mred",
]


def rows() -> list[Result]:
    return [
        result("alpha", metric("bleu_4", 3.0, 0.2), metric("rouge_l", 12.0, 0.5)),
        result("beta", metric("bleu_4", 2.0, 0.2), metric("rouge_l", 11.8, 0.5)),
        result("Constant", metric("bleu_4", 1.0, 0.1), kind="floor"),
        result("Human", metric("bleu_4", 100.0), kind="human"),
        result("net", metric("bleu_4", 2.91), provenance="reported", model={"source": "A & B"}),
    ]


def hostile() -> list[Result]:
    return [
        result(name, metric("bleu_4", i - 2.0, 0.5, signature=name), example_set=name)
        for i, name in enumerate(HOSTILE)
    ]


def test_csv_holds_every_number_in_full() -> None:
    found = list(csv.DictReader(io.StringIO(render_csv(rows()), newline="")))
    assert tuple(found[0]) == COLUMNS
    assert len(found) == 7
    alpha = next(r for r in found if (r["model"], r["metric"]) == ("alpha", "bleu_4"))
    assert (alpha["value"], alpha["low"], alpha["high"]) == ("3.0", "2.8", "3.2")
    assert (alpha["kind"], alpha["signature"], alpha["n"]) == ("model", "bleu_4|v1", "5255")
    human = next(r for r in found if r["model"] == "Human")
    assert (human["low"], human["high"]) == ("", "")


def test_csv_starts_no_formula_but_keeps_negative_numbers() -> None:
    found = list(csv.DictReader(io.StringIO(render_csv(hostile()), newline="")))
    assert len(found) == len(HOSTILE)
    for row in found:
        for name, value in row.items():
            if name not in ("value", "low", "high"):
                assert not value.startswith(("=", "+", "-", "@", "\t", "\r")), (name, value)
    assert {row["value"] for row in found} >= {"-2.0", "0.0", "6.0"}
    assert any(row["model"] == 'quote " comma, \r\n line' for row in found)


def bodies(text: str) -> list[list[list[str]]]:
    """The tabulars of a LaTeX text as cells, by a reader that knows escapes and nothing else."""
    found = []
    for table in re.findall(r"\\toprule\n(.*?)\\bottomrule", text, re.DOTALL):
        lines = [line for line in table.splitlines() if line and line != r"\midrule"]
        assert all(line.endswith(r" \\") for line in lines)
        found.append([re.split(r"(?<!\\)&", line.removesuffix(r" \\")) for line in lines])
    return found


def balanced(text: str) -> bool:
    plain = re.sub(r"\\[\\{}]", "", text)
    depth = 0
    for character in plain:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0


def test_latex_is_bold_only_where_no_other_can_be_as_good() -> None:
    (cells,) = bodies(render_latex(build_board(rows(), reported=())))
    by_name = {line[0].strip(): [cell.strip() for cell in line[1:]] for line in cells}
    assert by_name["Model"] == [r"BLEU-4 $\uparrow$", r"ROUGE-L $\uparrow$"]
    assert by_name["alpha"][0] == r"\textbf{3.00} {\scriptsize[2.80, 3.20]}"
    assert by_name["alpha"][1] == r"12.00 {\scriptsize[11.50, 12.50]}"  # beta may be as good
    assert "textbf" not in "".join(by_name["beta"] + by_name["Constant"] + by_name["Human"])
    assert by_name["Constant"][1] == "--"
    assert by_name[r"net (A \& B)"][0] == "2.91"
    assert [line[0].strip() for line in cells] == [
        "Model", "alpha", "beta", "Constant", "Human", r"net (A \& B)",
    ]  # fmt: skip


def test_latex_escapes_whatever_a_model_is_called() -> None:
    text = render_latex(build_board(hostile(), title=HOSTILE[7] + "\n\\evil"))
    (cells,) = bodies(text)
    assert {len(line) for line in cells} == {2} and len(cells) == 1 + len(HOSTILE)
    assert balanced("\n".join(line for line in text.splitlines() if line[:1] != "%"))
    live = [line for line in text.splitlines() if not line.startswith("%")]
    commands = set(re.findall(r"\\([a-zA-Z]+)", "\n".join(live)))
    assert not commands & {"input", "evil", "href", "write"}
    assert sum(r"\end{table}" in line for line in live) == 1
    assert escape("50% of_it") == r"50\% of\_it"


def test_latex_takes_columns_by_name_and_names_those_it_lacks() -> None:
    board = build_board(rows())
    (cells,) = bodies(render_latex(board, metrics=["rouge_l"]))
    assert {len(line) for line in cells} == {2}
    with pytest.raises(InputError, match="no table has the metric blue; there are bleu_4, rouge_l"):
        render_latex(board, metrics=["blue"])


def test_badges_are_inert_pictures_under_safe_names() -> None:
    found = dict(render_badges(build_board([*rows(), *hostile()])))
    assert len(found) == 2 + len(HOSTILE)  # neither floors nor people nor papers
    for name, svg in found.items():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+\.svg", name) and not name.startswith("."), name
        parts = {part.tag.rpartition("}")[2] for part in ET.fromstring(svg).iter()}
        assert parts == {"svg", "title", "rect", "path", "g", "text"}
    alpha = next(svg for name, svg in found.items() if name.startswith("alpha"))
    texts = [t.text for t in ET.fromstring(alpha).iter() if t.tag.endswith("text")]
    assert texts == ["ed/test · BLEU-4", "3.00 [2.80, 3.20]"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for made in rows()[:4]:
        write_result(tmp_path / "runs" / str(made.model["name"]) / "result.json", made)
    return tmp_path / "runs"


@pytest.mark.parametrize("form", ["csv", "json", "markdown", "latex"])
def test_the_command_prints_or_writes_the_same(runs: Path, tmp_path: Path, form: str) -> None:
    said = CliRunner().invoke(app, ["export", str(runs), "-f", form])
    assert said.exit_code == 0, said.output
    target = tmp_path / "out" / "board"
    wrote = CliRunner().invoke(app, ["export", str(runs), "-f", form, "-o", str(target)])
    assert wrote.exit_code == 0, wrote.output
    assert target.read_bytes() == said.stdout_bytes
    assert "alpha" in target.read_text()
    if form == "json":
        assert json.loads(target.read_text())["schema"] == "empathy-bench/board/1"


def test_the_command_writes_badges_and_refuses_what_it_cannot(runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "badges"
    done = CliRunner().invoke(app, ["export", str(runs), "-f", "badges", "-o", str(folder)])
    assert done.exit_code == 0, done.output
    assert len(list(folder.glob("*.svg"))) == 2
    for wrong, said in (
        (["--task", "ed_emotoin"], "there are ed_response"),
        (["--task", "esconv_*"], "no results of it"),
        (["--metrics", "bleu_4"], "columns of latex"),
    ):
        with pytest.raises(InputError, match=said):
            CliRunner().invoke(app, ["export", str(runs), *wrong], catch_exceptions=False)
