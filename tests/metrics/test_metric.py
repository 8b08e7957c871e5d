"""Metrics that hold their state: those of Lamina, and classes written for Keras."""

import copy
import pickle

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import lamina
from lamina import Sequential, layers, metrics
from lamina.errors import InputError, TraceError

random = np.random.default_rng(0)
BATCHES = [
    (random.integers(0, 2, (8, 3)).astype("float32"), random.uniform(size=(8, 3)).astype("float32"))
    for _ in range(3)
]


@pytest.mark.parametrize(
    "name",
    ["BinaryAccuracy", "MeanSquaredError", "AUC", "Precision", "F1Score", "CosineSimilarity"],
)
def test_a_held_state_gives_the_numbers_of_keras(name):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for labels, outputs in BATCHES:
        ours.update_state(labels, outputs)
        theirs.update_state(labels, outputs)
        np.testing.assert_allclose(ours.result(), theirs.result(), rtol=2e-5)
    ours.reset_state()
    theirs.reset_state()
    np.testing.assert_allclose(ours(*BATCHES[0]), theirs(*BATCHES[0]), rtol=2e-5)


def test_a_mean_takes_weights_in_the_second_place():
    ours, theirs = metrics.Mean(), keras.metrics.Mean()
    for mean in (ours, theirs):
        mean.update_state([1.0, 3.0], [1.0, 0.25])
        mean.update_state(7.0)
    np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-6)


def counting(package):
    """A metric as a Keras program writes it."""

    class Positives(package.metrics.Metric):
        def __init__(self, name="positives"):
            super().__init__(name=name)
            self.found = self.add_weight(shape=(3,), initializer="zeros", name="found")
            self.batches = self.add_variable(shape=(), initializer="zeros", name="batches")

        def update_state(self, y_true, y_pred, sample_weight=None):
            weights = 1.0 if sample_weight is None else jnp.asarray(sample_weight)[:, None]
            hits = jnp.where(jnp.asarray(y_pred) > 0.5, jnp.asarray(y_true), 0.0) * weights
            self.found.assign(jnp.add(jnp.asarray(self.found), hits.sum(0)))
            self.batches.assign_add(1.0)

        def result(self):
            return jnp.sum(jnp.asarray(self.found)) / jnp.asarray(self.batches)

    return Positives()


def test_a_class_written_for_keras_gives_its_numbers():
    ours, theirs = counting(lamina), counting(keras)
    for labels, outputs in BATCHES:
        ours.update_state(labels, outputs, sample_weight=np.arange(8.0, dtype="float32"))
        theirs.update_state(labels, outputs, sample_weight=np.arange(8.0, dtype="float32"))
    np.testing.assert_allclose(ours.result(), theirs.result(), rtol=1e-6)
    assert [v.shape for v in ours.variables] == [(3,), ()]
    ours.reset_state()
    assert ours.found.numpy().tolist() == [0, 0, 0]


def test_a_class_written_for_keras_is_compiled_into_fit():
    x, y = BATCHES[0]
    model = Sequential([layers.Dense(3, "sigmoid")])
    metric = counting(lamina)
    model.compile("sgd", "mse", weighted_metrics=[metric], learning_rate=0.0)
    found = model.fit(x, y, batch_size=2, epochs=2, verbose=0, sample_weight=np.ones(8, "float32"))
    outputs = np.asarray(model(x))
    expected = np.where(outputs > 0.5, y, 0).sum() / 4
    np.testing.assert_allclose(found.history["positives"], [expected] * 2, rtol=1e-6)


def test_an_update_of_a_subclass_counts_in_fit():
    class Doubled(metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(2 * jnp.abs(y_true - y_pred).mean(-1), sample_weight)

    x, y = BATCHES[0]
    model = Sequential([layers.Dense(3, kernel_initializer="zeros")])
    model.compile("sgd", "mae", metrics=[Doubled(name="doubled")])
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["doubled"], 2 * found["loss"], rtol=1e-6)


def test_pure_functions_leave_the_held_state():
    for metric in (metrics.BinaryAccuracy(), counting(lamina)):
        metric.update_state(*BATCHES[0])
        before = float(metric.result())

        @jax.jit
        def total(labels, outputs, metric=metric):
            values = metric.stateless_reset_state()
            return metric.stateless_update_state(values, labels, outputs)

        values = total(*BATCHES[1])
        fresh = copy.deepcopy(metric)
        fresh.reset_state()
        fresh.update_state(*BATCHES[1])
        np.testing.assert_allclose(metric.stateless_result(values), fresh.result(), rtol=1e-6)
        assert float(metric.result()) == before
        with pytest.raises(InputError, match="arrays"):
            metric.stateless_result(values[1:])


def test_a_copy_has_the_state_and_does_not_share_it():
    mean = metrics.Mean()
    mean.update_state([1.0, 3.0])
    for twin in (copy.deepcopy(mean), pickle.loads(pickle.dumps(mean))):
        twin.update_state([11.0])
        assert (twin.result(), mean.result()) == (5, 2)


def test_a_traced_value_is_not_kept():
    mean = metrics.Mean()
    with pytest.raises(TraceError):
        jax.jit(mean.update_state)(1.0)

    class InLoop(metrics.Mean):
        def update_state(self, values, sample_weight=None):
            jax.lax.map(super().update_state, values)

    with pytest.raises(TraceError, match="scan"):
        InLoop().stateless_update_state([0.0, 0.0], jnp.ones(2))
    assert mean.result() == 0


def test_a_variable_of_a_metric_is_an_array_in_functions_of_jax():
    metric = counting(lamina)
    assert jnp.maximum(metric.found, 2.0).tolist() == [2, 2, 2]
    assert jax.tree.leaves(metric.variables)[1].tolist() == 0


def scored(package):
    class Score(package.metrics.Metric):
        """The harmonic mean of two other metrics that it holds."""

        def __init__(self, name="score", **options):
            super().__init__(name=name, **options)
            self.parts = {"precision": package.metrics.Precision()}
            self.recall = package.metrics.Recall()

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.parts["precision"].update_state(y_true, y_pred, sample_weight)
            self.recall.update_state(y_true, y_pred, sample_weight)

        def result(self):
            precision, recall = self.parts["precision"].result(), self.recall.result()
            return 2 * precision * recall / (precision + recall + 1e-6)

        def reset_state(self):
            self.parts["precision"].reset_state()
            self.recall.reset_state()

    return Score()


def test_a_metric_may_hold_metrics():
    ours, theirs = scored(lamina), scored(keras)
    for labels, outputs in BATCHES:
        ours.update_state(labels, outputs)
        theirs.update_state(labels, outputs)
    np.testing.assert_allclose(ours.result(), theirs.result(), rtol=2e-5)
    assert len(ours.variables) == len(theirs.variables) == 4
    ours.reset_state()
    assert ours.result() == 0.0
    model = Sequential([layers.Dense(3, "sigmoid")])
    model.compile(optimizer="sgd", loss="mse", metrics=[ours], learning_rate=0.0)
    labels, outputs = BATCHES[0]
    logs = model.fit(outputs, labels, epochs=2, shuffle=False, verbose=0).history["score"]
    ours.update_state(labels, model.predict(outputs, verbose=0))
    np.testing.assert_allclose(logs, [ours.result()] * 2, rtol=1e-5)


def test_accumulators_have_the_names_of_keras():
    for name in ("Precision", "Recall", "Mean", "Sum", "TruePositives"):
        ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
        names = [one.name for one in theirs.variables]
        assert [one.name for one in ours.variables] == names
        for name in names:
            assert getattr(ours, name).size == np.size(getattr(theirs, name))
    with pytest.raises(AttributeError, match="no attribute 'negatives'"):
        _ = metrics.Precision().negatives


@pytest.mark.parametrize("name", ["AUC", "F1Score", "Precision", "Mean"])
def test_a_metric_without_data_has_a_result(name):
    assert np.isfinite(getattr(metrics, name)().result())


def test_lists_of_numbers_are_labels_and_predictions():
    labels, outputs = [[1, 0], [0, 1]], [[0.9, 0.1], [0.8, 0.2]]
    np.testing.assert_allclose(
        metrics.F1Score()(labels, outputs), keras.metrics.F1Score()(labels, outputs), rtol=1e-5
    )


def test_counts_of_many_pixels_do_not_stop_at_the_precision_of_floats():
    iou = metrics.MeanIoU(num_classes=2)
    before = 2.0**24
    iou.total_cm.assign([[before, 0], [0, before]])
    iou.update_state(np.zeros(1000, int), np.zeros(1000, int))
    assert iou.total_cm.numpy()[0, 0] == before + 1000
