"""From result files to board.html and board.md, through the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_results import metric, result
from typer.testing import CliRunner

from harness.errors import InputError
from harness.pages import embedded_json
from harness.results import write_result
from leaderboards.collect import collect
from leaderboards.command import app
from leaderboards.markdown import escape, render_markdown
from leaderboards.page import render_page, write_page
from leaderboards.table import build_board


def test_results_are_found_at_any_depth_and_once(tmp_path: Path) -> None:
    write_result(tmp_path / "runs/ed_response/a/result.json", result("a", metric("bleu_4", 1.0)))
    write_result(tmp_path / "copy/result.json", result("a", metric("bleu_4", 1.0)))
    write_result(tmp_path / "b.json", result("b", metric("bleu_4", 2.0)))
    found = collect([tmp_path, tmp_path / "b.json"])
    assert sorted(r.model["name"] for r in found) == ["a", "b"]


def _with(name: str, limit: str) -> str:
    text = json.dumps(result("a", metric("bleu_4", 1.0), limit=7).to_json())
    return text.replace('"name": "a"', f'"name": {name}').replace('"limit": 7', f'"limit": {limit}')


@pytest.mark.parametrize(
    "content",
    ["{", '{"schema": "other"}', "[]", "\x00", _with('"\\ud800"', "7"), _with('"a"', "NaN")],
)
def test_a_damaged_result_is_named_not_skipped(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(InputError, match=r"result\.json"):
        collect([tmp_path])


def test_no_results_say_what_writes_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="empathy-bench run"):
        collect([tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        collect([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="--mlflow"):
        collect([])


def test_the_command_writes_both_files(tmp_path: Path) -> None:
    write_result(tmp_path / "runs/result.json", result("Größe 😀", metric("bleu_4", 3.0, 0.2)))
    page = tmp_path / "out/board.html"
    command = ["build", str(tmp_path / "runs"), "-o", str(page), "--title", "Ours"]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert "### Reported by papers" in page.with_suffix(".md").read_text("utf-8")
    ran = CliRunner().invoke(app, [*command, "--no-reported"])
    assert ran.exit_code == 0, ran.output
    assert str(page) in ran.output
    assert "<h1>Ours</h1>" in page.read_text("utf-8")
    markdown = page.with_suffix(".md").read_text("utf-8")
    assert "| Größe 😀 | re-measured | 3.00 [2.80 to 3.20] | 5,255 |" in markdown


def test_a_page_named_like_its_markdown_is_refused(tmp_path: Path) -> None:
    write_result(tmp_path / "result.json", result("a", metric("bleu_4", 3.0)))
    target = tmp_path / "board.md"
    ran = CliRunner().invoke(app, ["build", str(tmp_path), "-o", str(target)])
    assert isinstance(ran.exception, InputError)
    assert not target.exists()


def test_equal_results_make_equal_pages() -> None:
    results = [result(n, metric("bleu_4", v, 0.1)) for n, v in (("a", 1.0), ("b", 2.0))]
    board = build_board(results)
    assert render_page(board, results) == render_page(build_board(results), results)


def test_a_lone_surrogate_can_be_written(tmp_path: Path) -> None:
    results = [result("a", metric("bleu_4", 1.0, note="broken \ud800"))]
    write_page(tmp_path / "b.html", build_board(results), results)
    assert "broken ?" in (tmp_path / "b.html").read_text("utf-8")


@pytest.mark.parametrize("text", ["</script>", "<!--", "<script>", "\u2028", "\u2029", "]]>", "&"])
def test_embedded_json_cannot_leave_its_element(text: str) -> None:
    encoded = embedded_json({"name": text})
    assert not set("<>&\u2028\u2029") & set(encoded)
    assert json.loads(encoded) == {"name": text}


def test_markdown_escapes_what_would_break_a_table() -> None:
    rows = [result("a|b\n| c | `d` <b> [x](javascript:1) *e*", metric("bleu_4", 1.0))]
    markdown = render_markdown(build_board(rows))
    (line,) = [line for line in markdown.splitlines() if "re-measured" in line]
    assert line.count("|") == 5
    assert r"a&#124;b &#124; c &#124; \`d\` &lt;b&gt; \[x\](javascript:1) \*e\*" in line


def test_markdown_keeps_warnings_reported_rows_and_marks() -> None:
    rows = [
        result("a", metric("bleu_4", 3.0, 0.2), size=9, example_set="ed/sample-test"),
        result("b", metric("bleu_4", 2.9, 0.2), size=9, example_set="ed/sample-test"),
        result("c", metric("bleu_4", 8.0), example_set="ed/sample-test", provenance="reported"),
    ]
    markdown = render_markdown(build_board(rows))
    assert "> **Warning:** Sample data." in markdown
    assert "3.00 [2.80 to 3.20] **best**" in markdown
    assert "2.90 [2.70 to 3.10] ≈ best" in markdown
    assert markdown.index("### Reported by papers") < markdown.index("| c |")


def test_escape_shows_markdown_literally() -> None:
    assert escape("_a_ # $x$ ~b~ &amp;") == r"\_a\_ \# \$x\$ \~b\~ &amp;amp;"


def test_importing_the_command_stays_light() -> None:
    import subprocess
    import sys

    code = (
        "import sys, leaderboards.command;"
        "print([m for m in ('jinja2', 'numpy', 'mlflow', 'leaderboards.page') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_board_of_some_tasks_is_chosen_by_a_pattern(tmp_path: Path) -> None:
    for task in ("ed_response", "ed_emotion", "esconv_response"):
        write_result(tmp_path / task / "result.json", result("a", metric("m", 1.0), task=task))
    page = tmp_path / "board.html"
    done = CliRunner().invoke(
        app, ["build", str(tmp_path), "--task", "ed_*", "--no-reported", "-o", str(page)]
    )
    assert done.exit_code == 0, done.output
    tables = json.loads(page.with_suffix(".json").read_text())["tables"]
    assert sorted(table["task"] for table in tables) == ["ed_emotion", "ed_response"]
