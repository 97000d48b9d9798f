"""What published systems said, read straight from their repositories' files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from harness.metrics.contract import Scored

# system → (file below outputs/ed, key of its replies, key of the references)
SYSTEMS = {
    "TRS": ("moel_repo.txt", "trs", "ref"),
    "Multi-TRS": ("moel_repo.txt", "trs+multitask", "ref"),
    "MoEL": ("moel_repo.txt", "MOE", "ref"),
    "MIME greedy": ("mime_repo.txt", "Greedy", "Ref"),
    "MIME beam": ("mime_repo.txt", "Beam", "Ref"),
    "MIME top-k": ("mime_repo.txt", "Topk", "Ref"),
    "EmpDG-repo TRS": ("empdg_repo/Transformer.txt", "Pred", "Ref"),
    "EmoPrepend": ("empdg_repo/EmoPrepend.txt", "Pred", "Ref"),
    "EmpDG-repo MoEL": ("empdg_repo/MoEL.txt", "Greedy", "Ref"),
    "EmpDG": ("empdg_repo/EmpDG.txt", "Pred", "Ref"),
}


@cache
def replies(data: Path, system: str) -> tuple[Scored, ...]:
    """The replies of one system; the 5,255 ones carry their conversation as cluster."""
    file, key, reference = SYSTEMS[system]
    lines = (data / "outputs" / "ed" / file).read_text(encoding="utf-8").split("\n")
    said = [line[len(key) + 1 :] for line in lines if line.startswith(f"{key}:")]
    meant = [line[len(reference) + 1 :] for line in lines if line.startswith(f"{reference}:")]
    index = (data / "ed" / "moel5255_index.tsv").read_text(encoding="utf-8").splitlines()[1:]
    dialogues = [line.split("\t")[1] for line in index]
    if len(said) != len(dialogues):
        dialogues = [str(number) for number in range(len(said))]
    return tuple(
        Scored(id=str(i), cluster=dialogue, response=hyp, reference=ref, file_reference=ref)
        for i, (dialogue, hyp, ref) in enumerate(zip(dialogues, said, meant, strict=True))
    )
