"""A judge protocol as a scorer of `mlflow.genai.evaluate`, for those who evaluate there.

    with mlflow_scorer("ed-absolute", "openai:URL#NAME", answers=Path("answers")) as scorer:
        mlflow.genai.evaluate(data=rows, scorers=[scorer])

A row's `inputs` hold `context`, the turns' texts with the speaker's first, and `outputs` the reply.
Each criterion becomes a Feedback with the judge as its source; a failure is an error there, never a
value. MLflow's own judges (`make_judge`) know no sealed verdicts, no orders and no panel: what is
meant for a board goes through `judge run`, which also asks many questions at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.judges.questions import Form, Question
    from harness.judges.verdicts import Verdict

__all__ = ["mlflow_scorer"]


@contextmanager
def mlflow_scorer(
    protocol: str,
    judge: str,
    *,
    answers: Path,
    form: Form = "json",
    max_tokens: int = 256,
    seed: int = 1234,
) -> Iterator[Any]:
    """An MLflow `Scorer` of an absolute protocol; answers are kept in the folder `answers`.

    Raises:
        InputError: the protocol is one of pairs or traces.
        ModelError: the judge cannot be loaded or reached.
    """
    from mlflow.genai.scorers import scorer

    from harness.clients import Asker, Cache, Purse, client_name, load_client
    from harness.judges.protocols import get_protocol
    from harness.judges.questions import Asking
    from harness.judges.running import ask_judge

    found = get_protocol(protocol)
    if found.kind != "absolute" or found.shows != "reply":
        raise InputError(f"{protocol}: a scorer sees one reply; choose ed-absolute or esconv")
    asking = Asking(protocol=found, form=form, max_tokens=max_tokens, seed=seed)
    client, one_at_a_time = load_client(judge), Lock()
    with Cache(answers) as cache:
        asker = Asker(
            name=client_name(judge),
            client=client,
            cache=cache,
            purse=Purse(client, None),
            max_tokens=max_tokens,
            seed=seed,
        )

        def score(inputs: Mapping[str, Any], outputs: Any) -> list[Any]:
            question = _question(inputs, outputs)
            # MLflow scores in threads; a client and its store are of one.
            with one_at_a_time:
                verdicts = ask_judge(asker, [question], asking)
            return [_feedback(verdict) for verdict in verdicts]

        yield scorer(score, name=found.name)


def _question(inputs: Mapping[str, Any], outputs: object) -> Question:
    from harness.dialogue import Example, Turn
    from harness.judges.questions import Question, Shown

    context = inputs.get("context")
    texts = [context] if isinstance(context, str) else context
    fits = isinstance(texts, Sequence) and texts and all(isinstance(t, str) for t in texts)
    if not fits or not isinstance(outputs, str):
        raise InputError('needs inputs {"context": [text, …]} and outputs as text')
    assert isinstance(texts, Sequence)
    turns = tuple(
        Turn(number, "listener" if number % 2 else "speaker", text)
        for number, text in enumerate(texts)
    )
    example = Example(id="row", dialogue_id="row", context=turns, reference="")
    return Question(example, (Shown("outputs", outputs),))


def _feedback(verdict: Verdict) -> Any:
    from mlflow.entities import AssessmentError, AssessmentSource, Feedback

    from harness.judges.verdicts import Grade

    assert isinstance(verdict, Grade)
    known: dict[str, Any] = {
        "name": verdict.criterion,
        "source": AssessmentSource("LLM_JUDGE", verdict.judge),
    }
    if verdict.failure:
        return Feedback(error=AssessmentError(verdict.failure, verdict.reason), **known)
    mass = {} if verdict.mass is None else {"metadata": {"mass": f"{verdict.mass:.4f}"}}
    return Feedback(value=verdict.value, rationale=verdict.reason, **known, **mass)
