"""What is written for verl and accelerate, against their own schemas and loaders."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from harness.errors import InputError
from stride_ed.rewards import reward
from stride_ed.scale_out.export import export_verl
from stride_ed.scale_out.launch import VERL, ppo_overrides, sft_overrides
from stride_ed.training.data import lessons
from stride_ed.training.variants import FULL, find_variant
from tests.stride_ed.test_rewards_table import GOLD, TABLE
from tests.stride_ed.training_work import cli, make_work


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_work(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def exported(work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verl") / "out"
    done = cli("stride", "export-verl", work, "--data", "sample", "--mix", "0.5", "-o", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def verl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """verl's own sources; nothing of it is installed or run."""
    folder = tmp_path_factory.mktemp("verl-source")
    got = subprocess.run(
        [sys.executable, "-m", "pip", "download", f"verl=={VERL}", "--no-deps", "-q", "-d", folder],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    wheels = list(folder.glob("*.whl"))
    if got.returncode or not wheels:
        pytest.skip(f"verl {VERL} cannot be fetched here")
    zipfile.ZipFile(wheels[0]).extractall(folder)
    return folder / "verl"


def test_the_data_are_those_of_our_own_training(exported: Path, work: Path) -> None:
    learnt = lessons(work, "sample", FULL, mix=0.5, seed=0)
    rows = pq.read_table(exported / "ppo_train.parquet").to_pylist()
    assert [row["extra_info"]["id"] for row in rows] == [e.id for e, _ in learnt.traced]
    for row, (example, trace) in zip(rows, learnt.traced, strict=True):
        # The released preprocessing drops the strategy and cuts gold out of the annotation.
        assert row["extra_info"]["strategy"] == trace.strategy
        assert row["extra_info"]["emotion"] == example.emotion
    talks = pq.read_table(exported / "sft_train.parquet").to_pylist()
    assert len(talks) == len(learnt.traced) + len(learnt.plain)
    assert all(talk["messages"][-1]["role"] == "assistant" for talk in talks)
    held = pq.read_table(exported / "ppo_valid.parquet").to_pylist()
    dialogues = [{row["extra_info"]["id"].rsplit("/", 1)[0] for row in x} for x in (rows, held)]
    assert dialogues[1] and not dialogues[0] & dialogues[1]


LOADED = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("custom_module_1", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)  # as verl does: without a place in sys.modules
for text in json.load(sys.stdin):
    gold = {"id": "x", "emotion": "sad", "strategy": "Reflection of Feelings"}
    print(json.dumps(module.compute_score("ed/train", text, "", gold)))
try:
    module.compute_score("ed/train", "", "", {"id": "x", "emotion": "sad"})
except KeyError as error:
    print(json.dumps(str(error)))
"""


def test_the_reward_file_rewards_alike_where_nothing_of_ours_is_installed(exported: Path) -> None:
    texts = [text for text, _, _ in TABLE.values()]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOADED, str(exported / "reward.py")],
        input=json.dumps(texts), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *found, refused = map(json.loads, done.stdout.splitlines())
    for text, row in zip(texts, found, strict=True):
        ours = reward(text, **GOLD)
        assert row == {
            "score": ours.total, "format": ours.format, "emotion": ours.emotion,
            "strategy": ours.strategy,
        }  # fmt: skip
    assert "extra_info has no 'strategy' for x" in refused


def test_a_variant_is_rewarded_for_what_it_writes(work: Path, tmp_path: Path) -> None:
    variant = find_variant("without-strategy")
    learnt = lessons(work, "sample", variant, mix=0, seed=0)
    export_verl(learnt, tmp_path, variant=variant, base="b", gpus=4)
    assert "REWARDED = ('emotion',)" in (tmp_path / "reward.py").read_text()
    row = pq.read_table(tmp_path / "ppo_train.parquet").to_pylist()[0]
    assert "<Strategy>" not in row["prompt"][0]["content"]
    with pytest.raises(InputError, match="without-cot has no PPO"):
        export_verl(learnt, tmp_path, variant=find_variant("without-cot"), base="b", gpus=4)
    with pytest.raises(InputError, match="--gpus must divide"):
        export_verl(learnt, tmp_path, variant=FULL, base="b", gpus=3)


def composed(config: Path, name: str) -> dict[str, Any]:
    """A Hydra configuration with its defaults list followed, as far as keys go."""
    raw = yaml.safe_load((config / f"{name}.yaml").read_text())
    found: dict[str, Any] = {}
    for entry in raw.pop("defaults", []):
        if entry == "_self_" or not isinstance(entry, dict | str):
            continue
        group, choice = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        source, _, target = str(group).partition("@")
        folder = (config / source).resolve()
        choice = str(choice).replace("${model_engine}", "dp")
        if not (folder / f"{choice}.yaml").is_file():
            continue
        place = found
        for key in filter(None, target.split(".")):
            place = place.setdefault(key, {})
        merge(place, composed(folder, choice))
    merge(found, raw)
    return found


def merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("sft_trainer_engine", sft_overrides("b", gpus=4)),
        ("ppo_trainer", ppo_overrides(gpus=4)),
    ],
)
def test_every_override_is_a_key_of_verls_configuration(
    verl: Path, name: str, overrides: dict[str, Any]
) -> None:
    known = composed(verl / "trainer" / "config", name)
    for key in overrides:
        place: Any = known
        for part in key.split("."):
            assert isinstance(place, dict) and part in place, key
            place = place[part]
    text = (verl / "trainer" / f"{'sft_trainer' if 'sft' in name else 'main_ppo'}.py").read_text()
    assert f'config_name="{name}"' in text


def test_verl_calls_what_the_data_set_overrides(verl: Path) -> None:
    tree = ast.parse((verl / "utils" / "dataset" / "multiturn_sft_dataset.py").read_text())
    method = next(
        node for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "_process_single_message"
    )  # fmt: skip
    assert [a.arg for a in method.args.args][:4] == ["self", "index", "message", "full_message"]
    returned = next(node for node in method.body if isinstance(node, ast.Return))
    assert ast.unparse(returned) == "return (input_ids, loss_mask, attention_mask, inputs)"


def test_only_the_last_turn_is_learnt(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Base:
        def _process_single_message(self, index: int, message: Any, *_: Any) -> Any:
            loss = torch.ones(3) * (message["role"] == "assistant")
            return torch.arange(3), loss, torch.ones(3), {}

    fake = ModuleType("verl.utils.dataset.multiturn_sft_dataset")
    fake.MultiTurnSFTDataset = Base  # type: ignore[attr-defined]
    for name in ("verl", "verl.utils", "verl.utils.dataset"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    space: dict[str, Any] = {}
    exec(compile((exported / "last_turn.py").read_text(), "last_turn.py", "exec"), space)
    talk = [{"role": role} for role in ("system", "user", "assistant", "user", "assistant")]
    made = space["LastTurnDataset"]()
    learnt = [
        float(made._process_single_message(n, message, talk)[1].sum())
        for n, message in enumerate(talk)
    ]
    assert learnt == [0, 0, 0, 0, 3]


def test_the_scripts_are_what_a_shell_would_run(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "python3").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    without = subprocess.run([exported / "ppo.sh"], env=path, capture_output=True, text=True,
                             check=False)  # fmt: skip
    assert without.returncode != 0 and "folder of the SFT model" in without.stderr
    done = subprocess.run(
        [exported / "ppo.sh", "trainer.total_epochs=1"], env=path | {"MODEL": "/a b/model"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    words = done.stdout.splitlines()
    assert words[:2] == ["-m", "verl.trainer.main_ppo"]
    assert "actor_rollout_ref.model.path=/a b/model" in words
    assert "actor_rollout_ref.actor.optim.lr=1e-06" in words
    assert words[-1] == "trainer.total_epochs=1"


def test_accelerate_reads_the_launch_files(tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    done = cli("stride", "launch-files", "-o", tmp_path / "launch")
    assert done.returncode == 0, done.stderr
    found = {p.stem: load_config_from_file(str(p)) for p in (tmp_path / "launch").iterdir()}
    assert sorted(found) == ["ddp", "deepspeed_zero3", "fsdp2"]
    assert found["fsdp2"].fsdp_config["fsdp_version"] == 2
    assert found["deepspeed_zero3"].deepspeed_config["zero_stage"] == 3
    assert all(config.num_processes in (4, 8) for config in found.values())
