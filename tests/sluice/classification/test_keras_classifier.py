"""The Keras network as an estimator: what does not need Keras, and, slowly, what does."""

import importlib.util
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sluice.classification.columns import Column
from sluice.classification.keras_classifier import KerasClassifier, _keras
from sluice.classification.network import NetworkOptions
from sluice.errors import DependencyMissingError

needs_keras = pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="the extra keras is not installed")


@pytest.fixture
def without_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "keras" else found(name, *a))
    _keras.cache_clear()


@pytest.mark.usefixtures("without_keras")
def test_without_keras_training_says_what_to_install() -> None:
    """Before any work is done."""
    with pytest.raises(DependencyMissingError, match=r"'keras', which is not installed.*uv sync --extra keras"):
        NetworkOptions().estimator((Column("x"),), seed=0)


@pytest.mark.usefixtures("without_keras")
def test_without_keras_a_saved_network_loads_and_says_what_to_install() -> None:
    """Its pickle is arrays and settings, so that the one who asks it hears of Keras and not of a broken pickle."""
    network = KerasClassifier(units=(2,))
    network.classes_, network.n_features_in_ = np.array([0, 1]), 3
    network.weights_ = [np.ones((3, 2)), np.ones(2), np.ones((2, 1)), np.ones(1)]
    loaded = pickle.loads(pickle.dumps(network))
    with pytest.raises(DependencyMissingError, match="uv sync --extra keras"):
        loaded.predict_proba(np.zeros((1, 3)))


_FIT = """
import os, pickle, numpy as np
from sluice.classification.keras_classifier import KerasClassifier
before = dict(os.environ)
generator = np.random.default_rng(0)
x = generator.normal(size=(300, 3))
y = (x[:, 0] + x[:, 1] > 0).astype(int)
fitted = [KerasClassifier(units=(8,), l2=0.001, epochs=40, batch_rows=64, seed=3).fit(x, y) for _ in range(2)]
first, second = (network.predict_proba(x) for network in fitted)
assert np.array_equal(first, second), "equal seeds gave two networks"
assert first.shape == (300, 2) and np.allclose(first.sum(axis=1), 1)
assert (fitted[0].predict(x) == y).mean() > 0.9, (fitted[0].predict(x) == y).mean()
loaded = pickle.loads(pickle.dumps(fitted[0]))
assert np.array_equal(loaded.predict_proba(x), first)
assert np.allclose(loaded.predict_proba(x[:5]), first[:5], rtol=1e-5)
assert np.allclose(loaded.predict_proba(np.tile(x, (5, 1))), np.tile(first, (5, 1)), rtol=1e-5)
assert loaded.predict_proba(x[:0]).shape == (0, 2)
import keras
assert keras.backend.backend() == "jax"
changed = {name for name in ("KERAS_BACKEND", "KERAS_HOME") if os.environ.get(name) != before.get(name)}
assert not changed, changed
"""


@needs_keras
@pytest.mark.slow
def test_a_network_learns_is_reproducible_and_leaves_no_trace(tmp_path: Path) -> None:
    """On JAX without anybody setting it; equal seeds give equal networks; environment and home stay as they were."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KERAS_")} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", _FIT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".keras").exists()
