"""`doctor` on healthy and on broken surroundings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import doctor
from tests.conftest import Cli


@pytest.fixture(name="runs")
def one_run(cli: Cli, tmp_path: Path) -> Path:
    done = cli("run", "-m", "constant", "-t", "ed_response", "--data", "sample", "--limit", "5",
               "--mlflow", "off")  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tmp_path / "runs" / "ed_response" / "Constant-reply"


def findings(cli: Cli, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = cli("doctor", "--json", *arguments)
    return done.returncode, json.loads(done.stdout)


def wrong(found: list[dict[str, Any]], area: str) -> str:
    return " ".join(f"{f['said']} → {f['fix']}" for f in found
                    if f["area"] == area and f["state"] == "wrong")  # fmt: skip


def test_all_is_well(cli: Cli, runs: Path) -> None:
    code, found = findings(cli, "--data", "sample")
    assert code == 0 and not [f for f in found if f["state"] == "wrong"]
    assert {f["area"] for f in found} == {
        "python", "packages", "devices", "disk", "bundled model", "data", "MLflow", "runs",
        "environment",
    }  # fmt: skip
    assert any(f["said"] == "1 whole in runs" for f in found)
    assert cli("doctor", "--data", "sample").stdout.count("✓") >= 8


def test_changed_and_damaged_and_unfinished_runs_are_named(cli: Cli, runs: Path) -> None:
    predictions = runs / "predictions.jsonl"
    text = predictions.read_text(encoding="utf-8")
    predictions.write_text(text.replace("sorry", "glad"), encoding="utf-8")
    code, found = findings(cli, "--data", "sample")
    assert code == 1 and "made of another predictions.jsonl" in wrong(found, "runs")
    (runs / "result.json").write_text("{", encoding="utf-8")
    code, found = findings(cli, "--data", "sample")
    assert code == 1 and "result.json" in wrong(found, "runs")
    (runs / "result.json").unlink()
    lines = text.splitlines(keepends=True)
    predictions.write_text("".join(lines[:3]), encoding="utf-8")
    code, found = findings(cli, "--data", "sample")
    assert code == 0 and any("2 of 5 answers" in f["said"] for f in found)


def test_stores_data_and_folders_that_cannot_be_used(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    code, found = findings(
        cli, "--data", str(tmp_path / "nowhere"), "--mlflow", "http://127.0.0.1:9"
    )
    assert code == 1
    assert "no such folder" in wrong(found, "data") and "--data sample" in wrong(found, "data")
    assert "does not answer" in wrong(found, "MLflow")
    code, found = findings(cli, "--data", "sample", "--mlflow", f"sqlite:///{tmp_path}/file")
    assert code == 1 and "no SQLite database" in wrong(found, "MLflow")
    code, found = findings(cli, "--data", "sample", "-o", str(tmp_path / "file" / "runs"))
    assert code == 1 and wrong(found, "disk")


def test_keys_are_named_and_never_shown(cli: Cli) -> None:
    done = cli("doctor", "--data", "sample", env={"OPENAI_API_KEY": "sk-very-secret"})
    assert "OPENAI_API_KEY" in done.stdout and "secret" not in done.stdout + done.stderr


def test_packages_that_lack_or_are_too_old(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = ["numpy>=999", "no-such-package>=1", "torch>=1", "ray>=1; extra == 'ray'"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: asked)
    found = [f for f in doctor.examine(data="sample", output=tmp_path) if f.area == "packages"]
    assert [f.state for f in found] == ["wrong", "wrong", "good"]
    assert found[0].said.startswith("numpy ") and found[0].fix == "pip install 'numpy>=999'"
    assert found[1].said == "no-such-package is not installed"
    assert found[2].said == "1 of 3 as empathy-bench asks"


def test_a_check_that_breaks_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken() -> int:
        raise OSError("libtorch.so: cannot open")

    monkeypatch.setattr("torch.get_num_threads", broken)
    found = doctor.examine(data="sample", output=tmp_path)
    (device,) = [f for f in found if f.area == "devices"]
    assert device.state == "wrong" and "libtorch.so" in device.said
    assert found[-1].area == "environment"
