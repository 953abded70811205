"""The evaluation of a version as one document: its metrics, and what a person looks at to judge it.

The flow evaluate writes it onto the version's MLflow run, as ``evaluation/evaluation.json``. It is made of the metrics
and of what the use case's step ``artifacts`` gives under names that are known here:

- ``labels``: {true, predicted} and perhaps {probability}, lists of the same length, a value a held-out row;
- ``confusion_matrix``: {classes, counts}, over all held-out rows; counted from the labels where it is not given;
- ``ranking``: [{k, metric: value, …}], a dictionary a length of the list;
- ``examples``: [{user_id, liked, items}], what some users would be recommended.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from sluice.errors import EvaluationNotFoundError
from sluice.models import ModelRegistry
from sluice.promotions import CHAMPION

DOCUMENT = "evaluation"
MOST_LABELS = 10_000
MOST_EXAMPLES = 20
# With more, a matrix shows nothing, and would be large.
MOST_CLASSES = 100

Label = bool | int | str
# A metric that is not defined, such as the precision of a model that never says yes, is null in JSON.
Scores = dict[str, float | None]
Ranking = dict[str, int | float | None]


class _Labels(BaseModel):
    true: list[Label]
    predicted: list[Label]
    probability: list[float] | None = None

    @model_validator(mode="after")
    def _equally_long(self) -> "_Labels":
        if len({len(self.true), len(self.predicted), len(self.probability or self.true)}) > 1:
            raise ValueError("the lists differ in length")
        return self


class _Confusion(BaseModel):
    classes: list[Label]
    counts: list[list[int]]

    @classmethod
    def of(cls, labels: _Labels) -> "_Confusion | None":
        """Counted; None for more classes than can be shown."""
        pairs = Counter(zip(labels.true, labels.predicted, strict=True))
        classes = sorted({*labels.true, *labels.predicted}, key=lambda label: (isinstance(label, str), label))
        if len(classes) > MOST_CLASSES:
            return None
        return cls(classes=classes, counts=[[pairs[true, said] for said in classes] for true in classes])


class Recommended(BaseModel):
    model_config = ConfigDict(frozen=True)

    item_id: int | str
    title: str | None = None
    score: float | None = None
    held_out: bool = Field(description="the user did choose it, in the rows that were kept from training")


class Example(BaseModel):
    """What one user would be recommended; ``liked`` are titles that the user is known to have liked most."""

    model_config = ConfigDict(frozen=True)

    user_id: int | str
    liked: list[str] = []
    items: list[Recommended]


class Evaluation(BaseModel):
    """What is null is not of this kind of model."""

    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    kind: Literal["classification", "ranking", "metrics"]
    table: str = Field(description="the version of the table whose held-out rows were asked")
    at: datetime
    metrics: Scores
    accuracy: float | None = None
    classes: list[Label] | None = None
    confusion_matrix: list[list[int]] | None = Field(
        None, description="over all held-out rows: a row a true class, a column a predicted one, as in classes"
    )
    rows: int | None = Field(None, description="held-out rows in all")
    labels: list[Label] | None = Field(None, description=f"the true ones of the first {MOST_LABELS} held-out rows")
    predictions: list[Label] | None = Field(None, description="the predicted ones of the same rows")
    probabilities: list[float] | None = None
    shown: int | None = Field(None, description="how many labels are here")
    most: int = Field(MOST_LABELS, description="how many labels there can be here")
    ranking: list[Ranking] | None = Field(None, description="the metrics at each length k of the list")
    examples: list[Example] | None = None

    @classmethod
    def of(
        cls, model: str, version: str, table: str, metrics: Mapping[str, float], given: Mapping[str, Any]
    ) -> "Evaluation":
        """Args:
        table: such as ``features/movies@3``.
        given: what the step ``artifacts`` gave, by name. What has another form than is known here is left out.
        """
        common: dict[str, Any] = {
            "model": model, "version": version, "table": table, "metrics": dict(metrics), "at": datetime.now(UTC),
        }  # fmt: skip
        labels = _read(_Labels, given.get("labels"))
        if labels is not None:
            return cls(kind="classification", **common, **_classification(metrics, labels, given))
        ranking = _read(list[Ranking], given.get("ranking"))
        examples = _read(list[Example], given.get("examples"))
        if ranking or examples:
            return cls(kind="ranking", **common, ranking=ranking, examples=examples and examples[:MOST_EXAMPLES])
        return cls(kind="metrics", **common)


def read_evaluation(registry: ModelRegistry, name: str, version: str | None = None) -> Evaluation:
    """The evaluation of a version, or of the champion.

    Raises:
        ModelNotFoundError: no such model or version, or it has no champion.
        EvaluationNotFoundError: nobody evaluated it here.
    """
    found = registry.get(name, alias=None if version else CHAMPION, version=version)
    content = registry.read_json(found, DOCUMENT)
    if content is None:
        raise EvaluationNotFoundError(name=name, version=found.version, problem="its run has none")
    try:
        return Evaluation.model_validate(content)
    except ValidationError as error:
        problem = f"what its run has under that name is something else ({error.errors()[0]['msg']})"
        raise EvaluationNotFoundError(name=name, version=found.version, problem=problem) from None


def _classification(metrics: Mapping[str, float], labels: _Labels, given: Mapping[str, Any]) -> dict[str, Any]:
    confusion = _read(_Confusion, given.get("confusion_matrix")) or _Confusion.of(labels)
    right = sum(true == said for true, said in zip(labels.true, labels.predicted, strict=True))
    return {
        "accuracy": metrics.get("accuracy", right / len(labels.true) if labels.true else None),
        "classes": confusion and confusion.classes,
        "confusion_matrix": confusion and confusion.counts,
        "rows": sum(map(sum, confusion.counts)) if confusion else len(labels.true),
        "labels": labels.true[:MOST_LABELS],
        "predictions": labels.predicted[:MOST_LABELS],
        "probabilities": labels.probability and labels.probability[:MOST_LABELS],
        "shown": min(len(labels.true), MOST_LABELS),
    }


def _read(form: Any, content: Any) -> Any:
    """The content in its form; None where there is none, or in another form: the name was the use case's choice."""
    if content is None:
        return None
    try:
        return TypeAdapter(form).validate_python(content)
    except ValidationError:
        return None
