"""What keeps the house in order: one direction of imports, true __all__, nothing unsafe."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("harness", "baselines", "stride_ed", "leaderboards")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    allowed = {room, "harness"}
    for module in imported(ast.parse(path.read_text())):
        top = module.split(".")[0]
        assert top not in ROOMS or top in allowed, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_unpickles_or_evaluates(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "pickle.load", "pickle.loads", "torch.load"}, (
                called
            )
            for keyword in node.keywords:
                unsafe = keyword.arg in {"allow_pickle", "trust_remote_code", "shell"}
                assert not unsafe or ast.unparse(keyword.value) == "False"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_all_names_what_is_there(path: Path) -> None:
    if "lm_eval_task" in path.name or path.name == "shared_prefix.py":
        pytest.skip("needs lm-eval's slow import")
    module = importlib.import_module(name_of(path))
    names = list(getattr(module, "__all__", []))
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(module, name), f"{module.__name__} has no {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400, "split it by meaning"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and "typer" not in text:
            assert (node.end_lineno or 0) - node.lineno <= 60, f"{node.name} is long"
