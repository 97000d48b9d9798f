"""How fast the command line answers, as ratios against lm-eval's in the same run.

    python benchmarks/cli.py

CPU seconds (user + system) of a fresh process, the best of five.
"""

from __future__ import annotations

import resource
import subprocess
import sys

REPEATS = 5
COMMANDS = {
    "empathy-bench --help": ["-m", "harness.cli", "--help"],
    "empathy-bench list tasks": ["-m", "harness.cli", "list", "tasks"],
    "empathy-bench list metrics": ["-m", "harness.cli", "list", "metrics"],
    "empathy-bench list models": ["-m", "harness.cli", "list", "models"],
    "lm-eval --help": ["-m", "lm_eval", "--help"],
    "lm-eval ls tasks": ["-m", "lm_eval", "ls", "tasks"],
}
REFERENCE = {"--help": "lm-eval --help", "list": "lm-eval ls tasks"}


def cpu_seconds(arguments: list[str], repeats: int) -> float:
    """The least CPU time of `repeats` runs of `python <arguments>`."""
    best = float("inf")
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, spent)
    return best


def main() -> None:
    """Measure every command and print seconds and ratios."""
    measured = {
        name: cpu_seconds(arguments, 1 if name.startswith("lm-eval") else REPEATS)
        for name, arguments in COMMANDS.items()
    }
    for name, seconds in measured.items():
        ratio = ""
        if name.startswith("empathy-bench"):
            reference = REFERENCE[name.split()[1]]
            ratio = f"   {measured[reference] / seconds:.0f}× quicker than {reference}"
        print(f"{name:<28} {seconds:6.2f} s{ratio}")


if __name__ == "__main__":
    main()
