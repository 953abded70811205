"""What families tell, as a test reads it."""

from collections.abc import Iterable

from prometheus_client import Metric

Labels = tuple[str, ...]


def values(families: Iterable[Metric]) -> dict[tuple[str, Labels], float]:
    """By a sample's name and its labels' values, in the order of the labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }
