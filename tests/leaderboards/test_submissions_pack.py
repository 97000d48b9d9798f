"""`leaderboard submit`: whole or not at all, the same bytes every time, never another content."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from submitted import NAME, REVISION, card, card_fields, own_reply, run, submission
from typer.testing import CliRunner

from harness.errors import InputError
from leaderboards.command import app
from leaderboards.submissions.card import read_card
from leaderboards.submissions.pack import pack, write_archive
from leaderboards.submissions.validate import Options, validate

QUICK = Options(data="sample", rescore=False)


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_command_packs_the_layout_and_what_it_packs_is_valid(tmp_path: Path) -> None:
    folder = run(tmp_path / "runs")
    (tmp_path / "card.json").write_text(json.dumps(card_fields()))
    command = ["submit", str(folder), "--model-card", str(tmp_path / "card.json"),
               "-o", str(tmp_path / "store"), "--archive", str(tmp_path / "s.tar.gz")]  # fmt: skip
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert names(tmp_path / "store") == [
        f"{NAME}/{REVISION}/card.json",
        f"{NAME}/{REVISION}/ed_response/predictions.jsonl",
        f"{NAME}/{REVISION}/ed_response/protocol.json",
        f"{NAME}/{REVISION}/manifest.json",
    ]
    kept = tmp_path / "store" / NAME / REVISION
    sent = (folder / "predictions.jsonl").read_bytes()
    assert (kept / "ed_response/predictions.jsonl").read_bytes() == sent
    for path in (tmp_path / "store", kept.parent, kept, tmp_path / "s.tar.gz"):
        report = validate([path], QUICK)
        assert report.ok, report.findings
        assert report.submissions == 1


def test_the_same_submission_again_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    again = pack([tmp_path / f"runs-{NAME}-{REVISION}"], card(tmp_path), tmp_path / "store")
    assert not again.new
    other = run(tmp_path / "other", lambda i, e: own_reply(i, e) + " and more")
    with pytest.raises(InputError, match=r"other content \(ed_response/predictions.jsonl\)"):
        pack([other], card(tmp_path), tmp_path / "store")
    with pytest.raises(InputError, match=r"other content \(card.json\)"):
        pack([tmp_path / f"runs-{NAME}-{REVISION}"], card(tmp_path, family="x"), tmp_path / "store")
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
    assert [path.name for path in folder.parent.iterdir()] == [REVISION]


def test_two_runs_of_one_task_and_files_without_header_are_refused(tmp_path: Path) -> None:
    run(tmp_path / "a"), run(tmp_path / "b")
    with pytest.raises(InputError, match="a revision of their own"):
        pack([tmp_path / "a", tmp_path / "b"], card(tmp_path), tmp_path / "store")
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"id": "x", "response": "y"}\n')
    with pytest.raises(InputError, match="has no header"):
        pack([plain], card(tmp_path), tmp_path / "store")
    assert not names(tmp_path / "store")


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_archives_of_equal_submissions_are_equal_bytes(tmp_path: Path, ending: str) -> None:
    archives = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        folder = submission(tmp_path / place)
        for number, path in enumerate(sorted(folder.rglob("*"))):
            os.utime(path, (number * 1e8, number * 1e8 + len(place)))
        archives.append(tmp_path / f"{place}.{ending}")
        write_archive(folder, archives[-1])
    assert archives[0].read_bytes() == archives[1].read_bytes()
    if ending == "zip":
        found = zipfile.ZipFile(archives[0]).namelist()
    else:
        with tarfile.open(archives[0]) as tar:
            found = tar.getnames()
    assert found == [f"{NAME}/{REVISION}/{name}" for name in names(folder)]


def test_an_archive_of_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder = run(tmp_path / "runs")
    card(tmp_path)
    command = ["submit", str(folder), "--model-card", str(tmp_path / "card.json"),
               "-o", str(tmp_path / "store"), "--archive", "s.rar"]  # fmt: skip
    ran = CliRunner().invoke(app, command)
    assert isinstance(ran.exception, InputError)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_kill_between_files_leaves_no_submission(tmp_path: Path, written: int) -> None:
    run(tmp_path / "runs")
    card(tmp_path)
    code = f"""
import os, signal
from pathlib import Path
from leaderboards.submissions import pack
from leaderboards.submissions.card import read_card
write, done = pack._write, []
def stop(path, data):
    write(path, data)
    done.append(path)
    if len(done) == {written}:
        os.kill(os.getpid(), signal.SIGKILL)
pack._write = stop
pack.pack([Path("runs")], read_card(Path("card.json")), Path("store"))
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "store" / NAME / REVISION).exists()
    packed = pack([tmp_path / "runs"], read_card(tmp_path / "card.json"), tmp_path / "store")
    assert packed.new
    report = validate([tmp_path / "store"], QUICK)
    assert report.ok and report.submissions == 1
    assert [f.code for f in report.findings].count("left-over") == 1


YAML = """\
name: my-lab__warm-7b
revision: 2026-11-20
parameters: 7_241_732_096
family: mistral   # a comment
training_data: [EmpatheticDialogues train, our own]
ed_test_seen: no
esconv_test_seen: Unknown
license: apache-2.0
link: https://example.org/warm-7b
contact: somebody@example.org
claims:
  ed_response: {bleu_4: 2.31}
"""


def test_a_yaml_card_reads_as_its_author_meant(tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_text(YAML)
    card = read_card(tmp_path / "card.yaml")
    # YAML 1.1 takes the first for a date and the second for a truth value.
    assert (card.revision, card.ed_test_seen) == ("2026-11-20", "no")
    assert (card.parameters, card.esconv_test_seen) == (7_241_732_096, "unknown")
    assert card.training_data == ("EmpatheticDialogues train", "our own")
    assert card.licence == "apache-2.0" and card.claims == {"ed_response": {"bleu_4": 2.31}}
    assert card.title == "my-lab/warm-7b"
    (tmp_path / "card.json").write_text(json.dumps(card.to_json()))
    assert read_card(tmp_path / "card.json") == card


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "warm-7b", "<organisation>__<model>"),
        ("name", "../../etc__x", "<organisation>__<model>"),
        ("name", "<script>alert(1)</script>__x", "<organisation>__<model>"),
        ("revision", "a/b", "letters, digits"),
        ("revision", "..", "letters, digits"),
        ("family", "=HYPERLINK(1)", "formula"),
        ("contact", "@cmd", "formula"),
        ("notes", "  +1", "formula"),
        ("training_data", ["-2+3"], "formula"),
        ("family", "a\nb", "one line"),
        ("family", "\u202egnp", "control characters"),
        ("family", "x" * 3000, "2,000"),
        ("link", "javascript:alert(1)", "https://"),
        ("parameters", -1, "whole number"),
        ("parameters", True, "whole number"),
        ("parameters", "9" * 5000, "whole number"),
        ("training_data", [], "data sets"),
        ("training_data", [["x"]], "text"),
        ("ed_test_seen", "maybe", "yes, no or unknown"),
        ("ed_test_seen", ..., "is missing"),
        ("claims", {"ed_response": 3}, "task: "),
        ("claims", {"ed_response": {"bleu_4": "much"}}, "not a number"),
        ("parametres", 3, "did you mean 'parameters'"),
    ],
)
def test_a_wrong_field_is_named_with_its_fix(
    tmp_path: Path, field: str, value: object, says: str
) -> None:
    with pytest.raises(InputError, match=field) as error:
        card(tmp_path, **{field: value})
    assert says in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["a: &a [x]\nb: *a\n", "!!python/object/apply:os.system ['true']", "a: 1\na: 2\n", "[" * 20_000,
     "- x", "", "a: [", "\x00", '{"a": 1, "a": 2}', '{"a": NaN}'],
)  # fmt: skip
def test_odd_card_files_are_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(InputError, match=r"card\.yaml"):
        read_card(tmp_path / "card.yaml")


def test_the_documented_card_and_workflow_are_what_they_say(tmp_path: Path) -> None:
    import yaml

    text = (Path(__file__).parents[2] / "docs" / "submissions.md").read_text()
    template, workflow = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "card.yaml").write_text(template)
    assert read_card(tmp_path / "card.yaml").name == NAME
    steps = yaml.safe_load(workflow)["jobs"]["validate"]["steps"]
    said = " ".join(step.get("run", "") for step in steps)
    assert "empathy-bench leaderboard validate submissions/" in said
