"""Small interactions with a structure that a recommender can find."""

import numpy as np
import pytest

from sluice.recommenders.interactions import Interactions


@pytest.fixture
def interactions() -> Interactions:
    """40 users of two tastes over 12 items: even users take mostly the first six, odd ones the others."""
    generator = np.random.default_rng(0)
    users, items = [], []
    for user in range(40):
        for item in range(12):
            mine = (item < 6) == (user % 2 == 0)
            if generator.random() < (0.7 if mine else 0.1):
                users.append(user)
                items.append(100 + item)
    return Interactions.from_ids(users, items).by_popularity()
