"""The best items for one user, in microseconds: what a service asks for."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sluice.recommenders.scorer import Scorer

# So many maxima narrow a catalogue down to a handful of candidates; more take longer to look at than they save.
_MAXIMA = 256


class Ranking(NamedTuple):
    """Attributes:
    positions: of items, shape (found,), best first.
    scores: float32, shape (found,).
    """

    positions: NDArray[np.int64]
    scores: NDArray[np.float32]


def highest(scores: NDArray[np.float32], k: int) -> Ranking:
    """The k highest of ``scores``, fewer where the rest are -inf. Of equal ones the first comes first."""
    bound = _bound(scores, k)
    candidates = (scores >= bound if bound > -np.inf else scores > -np.inf).nonzero()[0]
    values = scores[candidates]
    order = (-values).argsort(kind="stable")[:k]
    return Ranking(candidates[order], values[order])


def _bound(scores: NDArray[np.float32], k: int) -> float:
    """A score that at least k reach, and few more: the k-th highest among the maxima of parts of ``scores``.

    One pass at the speed of memory, where `numpy.partition` takes ten times as long.
    """
    size = len(scores)
    if k >= size:
        return -np.inf
    if 2 * k > _MAXIMA or size < 2 * _MAXIMA:
        return float(np.partition(scores, size - k)[size - k])
    maxima = np.maximum.reduce(scores[: size // _MAXIMA * _MAXIMA].reshape(-1, _MAXIMA), axis=0)
    maxima.partition(_MAXIMA - k)
    return float(maxima[_MAXIMA - k])


def rank(
    scorer: Scorer,
    fallback: NDArray[np.float32],
    user: int,
    history: NDArray[np.int32],
    k: int,
    excluded: NDArray[np.int64] | None = None,
    penalty: NDArray[np.float32] | None = None,
) -> Ranking:
    """The k best items that are not in the history.

    Args:
        fallback: a score from 0 to 1 for each item of the catalogue. It ranks where the scorer has nothing to say, and
            fills a list that would be too short, after all that are scored.
        user: position among those that the scorer was fitted on, -1 for somebody else; not looked at without a history.
        history: positions of items.
        excluded: positions of further items that must not come.
        penalty: added to the items' scores, shape (items,): 0, or -inf for what must not come.
    """
    seen = history if excluded is None else np.concatenate([history, excluded])
    if not len(history):
        return highest(_hide(fallback.copy(), seen, penalty), k)
    scores = scorer.score(user, history) if user >= 0 else scorer.score_history(history)
    scored = len(scores)
    best = highest(_hide(scores, seen[seen < scored], None if penalty is None else penalty[:scored]), k)
    if len(best.scores) and best.scores[0] == 0 and not scores[np.isfinite(scores)].any():
        return highest(_hide(fallback.copy(), seen, penalty), k)
    if len(best.scores) == k or scored == len(fallback):
        return best
    below = best.scores[-1] - 1 if len(best.scores) else np.float32(0)
    rest = fallback[scored:] + below
    more = highest(
        _hide(rest, seen[seen >= scored] - scored, None if penalty is None else penalty[scored:]), k - len(best.scores)
    )
    return Ranking(
        np.concatenate([best.positions, more.positions + scored]), np.concatenate([best.scores, more.scores])
    )


def _hide(
    scores: NDArray[np.float32], seen: NDArray[np.signedinteger], penalty: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    scores[seen] = -np.inf
    if penalty is not None:
        scores += penalty
    return scores
