"""The state of optimizers in files of Keras: Keras and Lamina go on in the same way."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import layers
from lamina.compat.tf.keras import optimizers as ours
from lamina.models.model_state import state_of
from lamina.saving import TrainingArrays
from lamina.saving.keras.arrays import StoredArray
from lamina.saving.keras.compilation import compile_arguments
from lamina.saving.keras.compilation_writing import compile_config
from lamina.saving.keras.legacy_compilation import legacy_compile_config
from lamina.saving.keras.loading import load as load_archive
from lamina.saving.keras.optimizer_state import read_state, trained_weights

keras = pytest.importorskip("keras")

MADE = Path(__file__).parents[4] / "shared/keras_files/made"
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 3)).astype("f"), RNG.normal(size=(16, 2)).astype("f")
START = [RNG.normal(size=size).astype("f") for size in ((3, 4), (4,), (4, 2), (2,))]
PATHS = [f"layers.{layer}.{name}" for layer in (0, 1) for name in ("kernel", "bias")]


def optimizers():
    """One optimizer of each class of Keras, with the options that add variables."""
    o = keras.optimizers
    schedule = o.schedules.CosineDecay(0.1, 20)
    many = {"use_ema": True, "gradient_accumulation_steps": 2, "clipnorm": 1.0}
    return {
        "adadelta": o.Adadelta(0.5),
        "adafactor": o.Adafactor(0.1),
        "adagrad": o.Adagrad(0.1),
        "adam": o.Adam(0.01),
        "adam_of_batches": o.Adam(schedule, amsgrad=True, weight_decay=0.01, **many),
        "adamax": o.Adamax(0.01),
        "adamw": o.AdamW(schedule, use_ema=True, ema_momentum=0.9),
        "ftrl": o.Ftrl(0.1, l1_regularization_strength=0.001, beta=0.1),
        "lamb": o.Lamb(0.01),
        "lion": o.Lion(0.01),
        "muon": o.Muon(0.01, weight_decay=None, adam_weight_decay=0.1),
        "nadam": o.Nadam(0.01),
        "rmsprop": o.RMSprop(0.01),
        "rmsprop_centered": o.RMSprop(0.01, momentum=0.9, centered=True),
        "schedule_free": o.ScheduleFreeAdamW(0.01, warmup_steps=4),
        "sgd": o.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
        "sgd_nesterov": o.SGD(0.1, momentum=0.9, nesterov=True, gradient_accumulation_steps=4),
        "scaled_adam": o.LossScaleOptimizer(o.Adam(0.01, use_ema=True)),
        "scaled_adafactor": o.LossScaleOptimizer(o.Adafactor(0.1), dynamic_growth_steps=2),
    }


def loss_of(weights):
    first, first_bias, second, second_bias = weights
    return jnp.mean(jnp.square(jnp.tanh(X @ first + first_bias) @ second + second_bias - Y))


def model_of_keras():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    for variable, value in zip(model.trainable_variables, START, strict=True):
        variable.assign(value)
    return model


@pytest.fixture(scope="module")
def model():
    made = lamina.Sequential([lamina.Input((3,)), layers.Dense(4), layers.Dense(2)])
    assert list(trained_weights(made)) == PATHS
    return made


@pytest.fixture(scope="module")
def runs():
    """For each optimizer its config, and the weights and variables after 0 to 7 steps."""
    variables = model_of_keras().trainable_variables
    made = optimizers()
    for optimizer in made.values():
        optimizer.build(variables)

    def run(optimizer):
        def step(carry, _):
            weights, state = carry
            gradients = jax.grad(loss_of)(weights)
            if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                gradients = [gradient * state[3] for gradient in gradients]
            after = optimizer.stateless_apply(state, gradients, weights)
            after = tuple(
                [a.astype(b.dtype) for a, b in zip(new, old, strict=True)]
                for new, old in zip(after, (weights, state), strict=True)
            )
            return after, carry

        state = [jnp.asarray(variable.value) for variable in optimizer.variables]
        return jax.lax.scan(step, ([jnp.asarray(one) for one in START], state), length=8)[1]

    found = jax.jit(lambda: {name: run(optimizer) for name, optimizer in made.items()})()
    configs = {
        name: json.loads(json.dumps(keras.saving.serialize_keras_object(optimizer)))
        for name, optimizer in made.items()
    }
    return configs, jax.tree.map(np.asarray, found)


def stored(array):
    array = np.asarray(array)
    return StoredArray(array.shape, array.dtype, lambda a, b: array.reshape(-1)[a:b])


def at(step, run):
    weights, state = run
    return [one[step] for one in weights], [one[step] for one in state]


def tree_of(optimizer, arrays, weights):
    shapes = jax.eval_shape(optimizer.init, dict(zip(PATHS, weights, strict=True)))
    leaves = jax.tree_util.tree_flatten_with_path(shapes)[0]
    names = [jax.tree_util.keystr(keys, simple=True, separator="/") for keys, _ in leaves]
    assert {f"optimizer/{name}" for name in names} | {"steps"} == set(arrays)
    values = [arrays[f"optimizer/{name}"] for name in names]
    for value, (_, leaf) in zip(values, leaves, strict=True):
        assert (value.shape, value.dtype) == (leaf.shape, leaf.dtype)
    return jax.tree.unflatten(jax.tree.structure(shapes), values)


def test_every_optimizer_continues_from_keras_and_back(model, runs):
    configs, kept = runs
    arguments = {n: compile_arguments({"optimizer": config}) for n, config in configs.items()}
    starts, states = {}, {}
    for name, run in kept.items():
        weights, variables = at(3, run)
        optimizer = arguments[name]["optimizer"]
        read = read_state(model, optimizer, list(map(stored, variables)), "a file")
        assert read is not None and read.arrays["steps"] == 3, name
        starts[name] = weights, tree_of(optimizer, read.arrays, weights)
        states[name] = read

    def go_on(name, weights, state):
        optimizer = arguments[name]["optimizer"]

        def step(_, carry):
            weights, state = carry
            gradients = dict(zip(PATHS, jax.grad(loss_of)(weights), strict=True))
            given = dict(zip(PATHS, weights, strict=True))
            updates, state = optimizer.update(gradients, state, given)
            weights = [weight + updates[p] for p, weight in zip(PATHS, weights, strict=True)]
            return weights, state

        return jax.lax.fori_loop(0, 4, step, (weights, state))

    ended = jax.jit(lambda all: {name: go_on(name, *one) for name, one in all.items()})(starts)
    for name, run in kept.items():
        weights, state = ended[name]
        expected, variables = at(7, run)
        for got, wanted in zip(weights, expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=2e-5, atol=2e-6, err_msg=name)
        leaves = jax.tree_util.tree_flatten_with_path(state)[0]
        arrays = {
            f"optimizer/{jax.tree_util.keystr(keys, simple=True, separator='/')}": leaf
            for keys, leaf in leaves
        }
        after = TrainingArrays({**arrays, "steps": np.int32(7)}, 0, 0)
        for state_of_keras, taken in ((at(3, run)[1], states[name]), (variables, after)):
            back = compile_config(model, {**arguments[name], "loss": "mse"}, taken)
            assert back is not None
            assert [one.dtype for one in back.variables] == [one.dtype for one in state_of_keras]
            for number, (got, wanted) in enumerate(
                zip(back.variables, state_of_keras, strict=True)
            ):
                np.testing.assert_allclose(
                    got, wanted, rtol=1e-4, atol=1e-6, err_msg=f"{name} {number}"
                )
        described = keras.saving.deserialize_keras_object(back.config["optimizer"])
        assert described.get_config().keys() == configs[name]["config"].keys()


@pytest.mark.skipif(not MADE.is_dir(), reason="the files of shared/keras_files are not there")
@pytest.mark.parametrize("name", ["adam", "adam_accum", "adamw_schedule_ema", "sgd_momentum"])
def test_fit_continues_where_keras_stopped(name):
    known = np.load(MADE / f"opt_{name}.ref.npz")
    model = load_archive(str(MADE / f"opt_{name}.keras"))
    data = known["train:x"], known["train:y"]
    logs = model.fit(*data, batch_size=32, shuffle=False, epochs=3, verbose=0).history
    np.testing.assert_allclose(logs["loss"], known["train:next_losses"], rtol=1e-5)


@pytest.mark.skipif(not MADE.is_dir(), reason="the files of shared/keras_files are not there")
def test_a_scaled_loss_continues():
    model = load_archive(str(MADE / "float16_mixed.keras"))
    state = state_of(model).compiled().state
    assert state is not None and state.arrays["optimizer/scale"] == 32768
    model.fit(np.ones((8, 6), "f"), np.ones((8, 3), "f"), verbose=0)
    after = state_of(model).compiled().state
    assert after.arrays["steps"] == state.arrays["steps"] + 1
    back = compile_config(model, state_of(model).compiled().arguments, after)
    assert len(back.variables) == 14 and back.variables[4] == after.arrays["steps"]


def test_variables_of_keras_follow_the_order_of_trainable_weights(tmp_path):
    k = keras.layers
    x = keras.Input((5, 4))
    inner_x = keras.Input((5, 4))
    dense = k.Dense(4)
    inner = keras.Model(inner_x, k.Add()([dense(inner_x), k.Dense(4)(k.Dense(4)(inner_x))]))
    stack = keras.Sequential([k.Dense(4), k.BatchNormalization(), k.Dense(4)])
    h = k.MultiHeadAttention(2, 2)(x, x)
    h = k.Bidirectional(k.GRU(2, return_sequences=True))(h)
    h = k.SeparableConv1D(4, 2, padding="same")(inner(stack(h)))
    source = keras.Model(x, k.LayerNormalization()(k.TimeDistributed(k.Dense(2))(h)))
    stack.layers[1].trainable = dense.trainable = False
    for variable in source.trainable_variables:
        variable.assign(RNG.normal(size=variable.shape))
    source.save(tmp_path / "model.keras")
    model = load_archive(str(tmp_path / "model.keras"))
    pairs = zip(source.trainable_variables, model.trainable_variables, strict=True)
    assert all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)


def test_an_optimizer_of_other_weights_starts_afresh(model):
    arguments = compile_arguments({"optimizer": "adam"})
    fresh = compile_config(model, arguments, None)
    variables = list(map(stored, fresh.variables))
    optimizer = arguments["optimizer"]
    assert read_state(model, optimizer, [], "a file") is None
    assert read_state(model, optimizer, variables[:2], "a file") is None  # not built in Keras
    wrong = [*variables[:3], stored(np.zeros((9, 9), "f")), *variables[4:]]
    negative = [stored(np.int32(-1)), *variables[1:]]
    for given, text in ((variables[:-1], "9 variables"), (wrong, "velocity of layers.0.kernel")):
        with pytest.warns(UserWarning, match=text):
            assert read_state(model, optimizer, given, "a file") is None
    with pytest.warns(UserWarning, match="number of steps"):
        assert read_state(model, optimizer, negative, "a file") is None


def test_tf_keras_stores_no_learning_rate(model):
    given = {"optimizer": ours.Adam(0.5)}
    variables = compile_config(model, given, None).variables
    stored_there = [stored(np.int64(7)), *map(stored, variables[2:])]
    read = read_state(model, given["optimizer"], stored_there, "a file").arrays
    assert (read["steps"], read["optimizer/hyperparams/learning_rate"]) == (7, 0.5)


def test_options_of_compile_are_options_of_the_optimizer_of_keras():
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(2)])
    given = ours.Adam(0.05, use_ema=True, amsgrad=True)
    model.compile(given, "mse", gradient_accumulation_steps=2, clipnorm=1, steps_per_execution=3)
    untrained = compile_config(model, state_of(model).compiled().arguments, None)
    model.fit(X, Y, batch_size=4, epochs=1, verbose=0)
    model.fit(X[:4], Y[:4], batch_size=4, epochs=1, verbose=0)
    compiled = state_of(model).compiled()
    made = compile_config(model, compiled.arguments, compiled.state)
    config = made.config["optimizer"]["config"]
    assert (config["clipnorm"], config["gradient_accumulation_steps"]) == (1.0, 2)
    assert config["learning_rate"] == np.float32(0.05) and config["use_ema"] is True
    assert made.config["steps_per_execution"] == 3
    source = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    source.compile_from_config(made.config)
    expected = [tuple(variable.shape) for variable in source.optimizer.variables]
    for variables in (made.variables, untrained.variables):
        assert [variable.shape for variable in variables] == expected
    assert (made.variables[0], untrained.variables[0]) == (5, 0)
    again = compile_arguments(made.config)["optimizer"]
    read = read_state(model, again, list(map(stored, made.variables)), "a file").arrays
    averages = {name: one for name, one in read.items() if "averages" in name or "nu_max" in name}
    kept = compiled.state.arrays
    for name, array in averages.items():
        end = "/".join(name.split("/")[-2:])
        np.testing.assert_array_equal(array, next(kept[n] for n in kept if n.endswith(end)))
    assert compile_config(model, {"optimizer": "adam", "learning_rate": 1}, None).variables[1] == 1


WEIGHTS = ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
OLD_NAMES = {
    "keras 2.0": ["iterations_1:0", *[f"Variable_{n}:0" for n in range(8)]],
    "tf 2": ["Adam/iter:0", *[f"Adam/{w}/{slot}:0" for slot in "mv" for w in WEIGHTS]],
    "tf 2.11": [
        "iteration:0",
        "learning_rate:0",
        *[f"Adam/{slot}/{w}:0" for w in WEIGHTS for slot in "mv"],
    ],
    "keras 3": [
        "adam/iteration",
        "adam/learning_rate",
        *[f"adam/{w.replace('/', '_')}_{s}" for w in WEIGHTS for s in ("momentum", "velocity")],
    ],
}


@pytest.mark.parametrize("version", OLD_NAMES)
def test_older_files_name_the_variables_in_their_own_ways(model, version):
    names = OLD_NAMES[version]
    is_interleaved = len(names) == 10
    slots = {(s, p): RNG.normal(size=w.shape).astype("f") for s in "mv" for p, w in _shapes(model)}
    order = sorted(slots, key=lambda key: PATHS.index(key[1])) if is_interleaved else slots
    head = [np.int64(12), np.float32(0.01)] if is_interleaved else [np.float32(12)]
    arrays = [*head, *(slots[key] for key in order)]
    training = {"optimizer_config": {"class_name": "Adam", "config": {"lr": 0.01, "decay": 0.0}}}
    optimizer = compile_arguments(legacy_compile_config(training))["optimizer"]
    read = read_state(model, optimizer, list(map(stored, arrays)), "a file", names).arrays
    assert read["steps"] == 12
    np.testing.assert_allclose(read["optimizer/hyperparams/learning_rate"], 0.01)
    for (slot, path), array in slots.items():
        field = {"m": "mu", "v": "nu"}[slot]
        np.testing.assert_array_equal(read[f"optimizer/inner_state/0/{field}/{path}"], array)


@pytest.mark.parametrize("name", ["training/Adam/Variable_{}:0", "param_{}"])
def test_numbered_variables_of_a_weight_of_one_element(name):
    model = lamina.Sequential([lamina.Input((3,)), layers.Dense(2), layers.Dense(1)])
    moments = {
        (s, p): RNG.normal(size=w.shape).astype("f") for s in "mv" for p, w in _shapes(model)
    }
    maxima = [np.zeros(1, "f")] * 4  # in the place of arrays that only amsgrad has
    arrays = [np.int64(12), *moments.values(), *maxima]
    first = "param_0" if name.startswith("param") else "Adam/iterations:0"
    names = [first, *(name.format(at) for at in range(1, len(arrays)))]
    training = {"optimizer_config": {"class_name": "Adam", "config": {"lr": 0.01}}}
    optimizer = compile_arguments(legacy_compile_config(training))["optimizer"]
    read = read_state(model, optimizer, list(map(stored, arrays)), "a file", names).arrays
    assert read["steps"] == 12
    for (slot, path), array in moments.items():
        field = {"m": "mu", "v": "nu"}[slot]
        np.testing.assert_array_equal(read[f"optimizer/inner_state/0/{field}/{path}"], array)


def test_the_decay_of_older_files_is_a_schedule():
    config = {"lr": 0.1, "decay": 0.5, "momentum": 0.9, "nesterov": False}
    training = {"optimizer_config": {"class_name": "SGD", "config": config}}
    optimizer = compile_arguments(legacy_compile_config(training))["optimizer"]
    assert float(optimizer.options["learning_rate"](4)) == pytest.approx(0.1 / 3)


def _shapes(model):
    return trained_weights(model).items()
