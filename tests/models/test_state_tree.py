"""All arrays of a model in nested dicts."""

import jax
import numpy as np
import optax
import pytest

import lamina
from lamina import Input, Model, Sequential, layers
from lamina.errors import InputError, LaminaError, UnknownNameError

X = np.arange(12, dtype="float32").reshape(4, 3) / 12
Y = np.ones((4, 1), "float32")


def graph():
    lamina.set_seed(0)
    x = Input((3,))
    return Model(x, layers.Dense(1, name="out")(layers.BatchNormalization(name="norm")(x)))


def compiled(make=graph, optimizer="adam"):
    model = make()
    model.compile(optimizer, "mse", ["mae"])
    return model


def test_it_has_all_arrays_by_their_paths():
    model = compiled()
    tree = model.get_state_tree()
    assert tree["trainable_variables"].keys() == {"norm", "out"}
    np.testing.assert_array_equal(
        tree["trainable_variables"]["out"]["kernel"], model.get_layer("out").kernel.numpy()
    )
    assert tree["non_trainable_variables"]["norm"].keys() == {"moving_mean", "moving_variance"}
    assert tree["optimizer_variables"]["adam"]["iteration"] == 0
    assert tree["optimizer_variables"]["adam"]["learning_rate"] == np.float32(0.001)
    assert tree["metrics_variables"]["loss"] == {"total": 0, "count": 0}
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(tree))
    numpy = model.get_state_tree(value_format="numpy_array")
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(numpy))


def test_metrics_and_losses_are_totals_and_counts():
    x = Input((3,))
    model = Model(x, [layers.Dense(1, name=name)(x) for name in "ab"])
    model.compile("sgd", "mse", [["mae"], None])
    logs = model.fit(X, [Y, Y], verbose=0).history
    states = model.get_state_tree()["metrics_variables"]
    assert states.keys() == {"loss", "a_loss", "b_loss", "a_mae"}
    for name, state in states.items():
        assert state["total"] / state["count"] == pytest.approx(logs[name][0], rel=1e-5)


def test_training_goes_on_from_a_tree():
    model, other = compiled(), compiled()
    model.fit(X, Y, epochs=3, batch_size=2, verbose=0)
    tree = model.get_state_tree("numpy_array")
    other.train_on_batch(X, Y)
    other.set_state_tree(tree)
    again = other.get_state_tree("numpy_array")
    for part in ("trainable_variables", "non_trainable_variables", "optimizer_variables"):
        jax.tree.map(np.testing.assert_array_equal, tree[part], again[part])
    for one in (model, other):
        one.train_on_batch(X, Y)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_parts_may_be_left_out():
    model = compiled()
    kernel = model.get_layer("out").kernel.numpy()
    model.set_state_tree(
        {
            "trainable_variables": {"out": {"bias": [0.5]}},
            "optimizer_variables": {"adam": {"iteration": 0, "learning_rate": 1e-5}},
        }
    )
    assert model.get_layer("out").bias.numpy().tolist() == [0.5]
    np.testing.assert_array_equal(model.get_layer("out").kernel.numpy(), kernel)
    assert model.optimizer.learning_rate == pytest.approx(1e-5)


def test_optax_transformations_have_a_state_too():
    model = compiled(optimizer=optax.sgd(0.1, momentum=0.9))
    model.train_on_batch(X, Y)
    own = model.get_state_tree()["optimizer_variables"]["optimizer"]
    assert own["iteration"] == 1
    assert "learning_rate" not in own


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        ({"weights": {}}, UnknownNameError),
        ({"trainable_variables": {"no": 1.0}}, UnknownNameError),
        ({"trainable_variables": {"out": {"bias": [1.0, 2.0]}}}, InputError),
        ({"optimizer_variables": {"adam": {"iteration": 3}}}, InputError),
    ],
)
def test_trees_that_do_not_fit_are_errors(tree, kind):
    with pytest.raises(kind):
        compiled().set_state_tree(tree)


def test_bad_uses_are_errors():
    with pytest.raises(InputError, match="value_format"):
        compiled().get_state_tree("numpy")
    with pytest.raises(LaminaError, match="not compiled"):
        Sequential([Input((3,)), layers.Dense(1)]).get_state_tree()
