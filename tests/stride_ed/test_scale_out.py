"""What is written for verl and accelerate, against their own schemas and loaders."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from harness.errors import InputError
from stride_ed.rewards import reward
from stride_ed.scale_out.export import export_verl
from stride_ed.scale_out.launch import (
    GPUS,
    SFT_PAPER,
    VERL,
    grpo_overrides,
    ppo_overrides,
    sft_overrides,
)
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
    """verl's own sources, as installed or as fetched; nothing of it is run."""
    installed = importlib.util.find_spec("verl")
    if installed is not None and installed.origin and version("verl") == VERL:
        return Path(installed.origin).parent
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
        ("ppo_trainer", grpo_overrides(gpus=4)),
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


@pytest.mark.parametrize("gpus", [1, 2, 4, 8, 16])
def test_each_gpus_share_of_a_batch_is_a_multiple_of_what_it_takes_at_once(gpus: int) -> None:
    # verl's prepare_micro_batches asserts it.
    sft, ppo = sft_overrides("b", gpus=gpus), ppo_overrides(gpus=gpus)
    assert 16 // gpus % int(sft["data.micro_batch_size_per_gpu"]) == 0  # type: ignore[arg-type]
    micro = [int(x) for key, x in ppo.items() if "micro" in key]  # type: ignore[arg-type]
    assert len(micro) == 4 and all(64 // gpus % size == 0 for size in micro)


def test_the_papers_values_are_launched_on_the_papers_gpus() -> None:
    # PAPER.md 4 and the released scripts, by their meaning.
    sft, ppo = sft_overrides("b", gpus=GPUS), ppo_overrides(gpus=GPUS)
    assert {key.split(".")[-1]: x for key, x in sft.items() if key in SFT_PAPER} == {
        "train_batch_size": 16, "micro_batch_size_per_gpu": 4, "max_length": 2048, "lr": 1e-4,
        "total_epochs": 1, "save_freq": 143, "n_gpus_per_node": 4,
    }  # fmt: skip
    assert ppo["actor_rollout_ref.actor.optim.lr"] == 1e-6 and ppo["critic.optim.lr"] == 1e-5
    assert ppo["algorithm.adv_estimator"] == "gae" and ppo["algorithm.kl_ctrl.kl_coef"] == 0.001
    assert ppo["data.train_batch_size"] == 64 == ppo["actor_rollout_ref.actor.ppo_mini_batch_size"]
    assert ppo["data.max_prompt_length"] == 1024 == ppo["data.max_response_length"]
    assert ppo["trainer.total_epochs"] == 2 and ppo["trainer.critic_warmup"] == 0


def test_the_recipes_hold_what_the_scripts_say(exported: Path) -> None:
    for name, overrides in [
        ("sft", sft_overrides("deepseek-ai/deepseek-llm-7b-chat", gpus=4)),
        ("ppo", ppo_overrides(gpus=4)),
        ("grpo", grpo_overrides(gpus=4)),
    ]:
        recipe = yaml.safe_load((exported / f"{name}.yaml").read_text())
        for key, wanted in overrides.items():
            found: Any = recipe
            for part in key.split("."):
                found = found[part]
            if isinstance(wanted, str):
                wanted = wanted.replace("$PWD", "${oc.env:PWD}").replace(
                    "$MODEL", "${oc.env:MODEL}"
                )
            assert found == (list(wanted) if isinstance(wanted, tuple) else wanted), key
    text = (exported / "ppo.yaml").read_text()
    assert "kl_coef: 0.001  # paper" in text and "use_kl_in_reward: true\n" in text


def test_a_set_that_fills_no_batch_is_warned_of(exported: Path) -> None:
    # 30 examples: verl would drop the only PPO batch, of 64, and learn nothing in silence.
    warnings = json.loads((exported / "export.json").read_text())["warnings"]
    assert any("PPO would learn nothing" in warning for warning in warnings)
    assert "PPO would learn nothing" in (exported / "README.md").read_text()


def test_verl_calls_what_the_data_set_overrides(verl: Path) -> None:
    tree = ast.parse((verl / "utils" / "dataset" / "multiturn_sft_dataset.py").read_text())
    method = next(
        node for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "_process_single_message"
    )  # fmt: skip
    assert [a.arg for a in method.args.args][:4] == ["self", "index", "message", "full_message"]
    returned = next(node for node in method.body if isinstance(node, ast.Return))
    assert ast.unparse(returned) == "return (input_ids, loss_mask, attention_mask, inputs)"


@pytest.fixture
def last_turn(exported: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """last_turn.py's class over a stand-in for verl's, which cuts as verl does without padding."""

    class Base:
        def __init__(self, talk: Any, max_length: int) -> None:
            self.pad_mode, self.max_length, self.talk = "no_padding", max_length, talk

        def _process_single_message(self, index: int, message: Any, *_: Any) -> Any:
            loss = torch.ones(3) * (message["role"] == "assistant")
            return torch.arange(3) + 10 * index, loss, torch.ones(3), {}

        def __getitem__(self, item: int) -> Any:
            made = [
                self._process_single_message(n, message, self.talk)
                for n, message in enumerate(self.talk)
            ]
            ids, loss = torch.cat([x[0] for x in made]), torch.cat([x[1] for x in made])
            places = torch.arange(len(ids))
            return {
                "input_ids": ids[: self.max_length], "loss_mask": loss[: self.max_length],
                "position_ids": places[: self.max_length],
            }  # fmt: skip

    fake = ModuleType("verl.utils.dataset.multiturn_sft_dataset")
    fake.MultiTurnSFTDataset = Base  # type: ignore[attr-defined]
    for name in ("verl", "verl.utils", "verl.utils.dataset"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    space: dict[str, Any] = {}
    exec(compile((exported / "last_turn.py").read_text(), "last_turn.py", "exec"), space)
    return space["LastTurnDataset"]


TALK = [{"role": role} for role in ("system", "user", "assistant", "user", "assistant")]


def test_only_the_last_turn_is_learnt(last_turn: Any) -> None:
    row = last_turn(TALK, 2048)[0]
    assert row["loss_mask"].tolist() == [0.0] * 12 + [1.0] * 3
    assert row["input_ids"].tolist() == [10 * n + k for n in range(5) for k in range(3)]


def test_a_row_that_is_too_long_keeps_the_turn_it_teaches(last_turn: Any) -> None:
    row = last_turn(TALK, 4)[0]
    assert row["input_ids"].tolist() == [32, 40, 41, 42]
    assert row["loss_mask"].tolist() == [0, 1, 1, 1]
    assert row["position_ids"].tolist() == [0, 1, 2, 3]


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
    # Quoted for Hydra, to which = and , would mean something.
    assert "actor_rollout_ref.model.path='/a b/model'" in words
    assert f"reward.custom_reward_function.path='{exported}/reward.py'" in words
    assert "actor_rollout_ref.actor.optim.lr=1e-06" in words
    assert words[-1] == "trainer.total_epochs=1"


def test_accelerate_reads_the_launch_files(tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    done = cli("stride", "launch-files", "-o", tmp_path / "launch")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "launch").glob("*.yaml"))
    found = {path.stem: load_config_from_file(str(path)) for path in files}
    assert sorted(found) == ["ddp", "deepspeed_zero3", "fsdp2"]
    assert found["fsdp2"].fsdp_config["fsdp_version"] == 2
    assert found["deepspeed_zero3"].deepspeed_config["zero_stage"] == 3
    assert all(config.num_processes in (4, 8) for config in found.values())
    # Keys of these sections become options of `accelerate launch`; it drops others in silence.
    known = {action.dest for action in launch_command_parser()._actions}
    for path in files:
        raw = yaml.safe_load(path.read_text())
        sections = [raw.get("fsdp_config", {}), raw.get("deepspeed_config", {})]
        assert {key for section in sections for key in section} <= known, path.name


def test_transformers_fills_in_what_zero3_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.utils.deepspeed import HfDeepSpeedConfig
    from transformers.integrations import deepspeed

    # DeepSpeed is not installed: its version is not asked for, and the base class is given.
    monkeypatch.setattr(deepspeed, "dep_version_check", lambda name: None)
    bases = (deepspeed.HfTrainerDeepSpeedConfig,)
    if HfDeepSpeedConfig not in bases[0].__mro__:
        bases += (HfDeepSpeedConfig,)
    path = Path("stride_ed/scale_out/configs/zero3.json")
    config = type("Config", bases, {})(str(Path(__file__).parents[2] / path))
    args = SimpleNamespace(
        world_size=8, per_device_train_batch_size=2, gradient_accumulation_steps=1,
        max_grad_norm=1.0, learning_rate=1e-4, adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8,
        weight_decay=0.0, fp16=False, fp16_full_eval=False, bf16=True, bf16_full_eval=False,
        save_on_each_node=False, get_warmup_steps=lambda steps: 0,
    )  # fmt: skip
    config.trainer_config_process(args)
    config.trainer_config_finalize(
        args, SimpleNamespace(config=SimpleNamespace(hidden_size=4096)), 9
    )
    assert config.config["train_batch_size"] == 16 and config.is_zero3()
    assert config.config["zero_optimization"]["reduce_bucket_size"] == 4096**2
    assert "auto" not in json.dumps(config.config)


# FSDP through accelerate is silently DDP on CPUs, so that the plugin of fsdp2.yaml's settings is
# asked for its policy, and torch's own fully_shard applies it.
SHARDED = """
import sys, torch, torch.distributed as dist, yaml
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from accelerate.utils import FullyShardedDataParallelPlugin
from transformers import LlamaConfig, LlamaForCausalLM

dist.init_process_group("gloo")
rank = dist.get_rank()
raw = yaml.safe_load(open(sys.argv[1]))["fsdp_config"]
plugin = FullyShardedDataParallelPlugin(
    fsdp_version=raw["fsdp_version"],
    auto_wrap_policy=raw["fsdp_auto_wrap_policy"],
    reshard_after_forward=raw["fsdp_reshard_after_forward"],
    state_dict_type=raw["fsdp_state_dict_type"],
)

def tiny():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=False))

whole, parts = tiny(), tiny()
plugin.set_auto_wrap_policy(parts)
wrapped = [m for m in parts.modules() if plugin.auto_wrap_policy(m, recurse=False, nonwrapped_numel=0)]
assert [type(m).__name__ for m in wrapped] == ["LlamaDecoderLayer"] * 2, wrapped
mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
for module in [*wrapped, parts]:
    fully_shard(module, mesh=mesh, reshard_after_forward=plugin.reshard_after_forward)
assert all(isinstance(p, DTensor) for p in parts.parameters())
held = sum(p.to_local().numel() for p in parts.parameters())
assert held * 2 == sum(p.numel() for p in whole.parameters()), held

rows = torch.arange(32).view(4, 8)
for model, seen in ((whole, rows), (parts, rows[2 * rank : 2 * rank + 2])):
    rule = torch.optim.SGD(model.parameters(), lr=0.1)
    model(input_ids=seen, labels=seen).loss.backward()
    rule.step()
for (name, one), two in zip(whole.named_parameters(), parts.parameters(), strict=True):
    assert torch.allclose(one, two.full_tensor(), atol=1e-6), name
open(f"{sys.argv[2]}/{rank}.sharded", "x").close()
dist.destroy_process_group()
"""


def test_fsdp2_shards_and_steps_as_one_process_does(tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "stride_ed/scale_out/configs/fsdp2.yaml"
    program = tmp_path / "sharded.py"
    program.write_text(SHARDED)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
         program, config, tmp_path],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path.stem for path in tmp_path.glob("*.sharded")} == {"0", "1"}
