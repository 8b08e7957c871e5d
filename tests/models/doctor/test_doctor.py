"""The doctor finds what is planted, and nothing in models that are sound."""

import json
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lamina
from lamina import Model, Sequential, layers
from lamina.core.tree.walk import walk
from lamina.errors import InputError, LaminaError
from tests.models.doctor.faulty_models import FAULTY
from tests.models.doctor.sound_models import SOUND


@pytest.mark.parametrize("name", FAULTY)
def test_a_planted_fault_is_the_only_finding(name) -> None:
    code, path, severity, make, specs, named = FAULTY[name]
    found = lamina.doctor(make(), *specs, **named)
    assert [(one.code, one.severity) for one in found] == [(code, severity)], str(found)
    (one,) = found
    assert severity == "error" or one.path == path
    assert "faulty_models.py:" in one.where
    assert one.remedy
    assert one.code in str(found)


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_in_a_sound_model(name) -> None:
    make, specs, named = SOUND[name]
    found = lamina.doctor(make(), *specs, **named)
    assert not found, str(found)
    assert not any("could not be run" in note for note in found.notes), found.notes


def test_at_least_as_many_models_as_promised() -> None:
    assert len(FAULTY) >= 24
    assert len(SOUND) >= 14


def state(model):
    values = {path: np.asarray(value) for path, value in model.values().items()}
    tree = walk(model)
    return values, {path: (id(layer), layer._lamina.built) for path, layer in tree.layers.values()}


@pytest.mark.parametrize("built", [False, True])
@pytest.mark.parametrize(
    "make", [SOUND["residual_network"][0], SOUND["variational_autoencoder"][0]]
)
def test_the_model_is_not_changed(make, built) -> None:
    shape = (None, 16, 16, 3) if make is SOUND["residual_network"][0] else (None, 12)
    model = make()
    if built:
        model.build(shape)
    before = state(model)
    lamina.set_seed(7)
    lamina.doctor(model, shape)
    after = state(model)
    assert before[1] == after[1]
    assert before[0].keys() == after[0].keys()
    assert all(np.array_equal(before[0][path], after[0][path]) for path in before[0])
    drawn = layers.Dense(3)
    drawn.build((None, 4))
    lamina.set_seed(7)
    again = layers.Dense(3)
    again.build((None, 4))
    assert np.array_equal(drawn.kernel.numpy(), again.kernel.numpy())


def test_a_compiled_model_trains_as_before() -> None:
    x = np.random.default_rng(0).normal(size=(64, 784)).astype("float32")
    losses = []
    for examined in (False, True):
        lamina.set_seed(0)
        model = SOUND["classifier"][0]()
        for _ in range(2):
            if examined:
                lamina.doctor(model, x)
            history = model.fit(x, np.arange(64) % 10, epochs=1, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0] == losses[1]


def test_a_built_model_needs_no_specs() -> None:
    model = Sequential([layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)])
    with pytest.raises(InputError):
        lamina.doctor(model)
    model.build((None, 3))
    assert [one.code for one in lamina.doctor(model)] == ["bias-before-normalization"]


def test_a_large_model_is_not_run() -> None:
    model = Sequential([layers.Dense(10_001, use_bias=False), layers.Dense(10_001)])
    model.spare = layers.Dense(3)
    found = lamina.doctor(model, (None, 10_001))
    assert [one.code for one in found] == ["unused-layer"]
    assert "200,050,003 weights and was not run" in found.notes[0]


def test_a_failed_build_still_lists_layers_that_are_not_tracked() -> None:
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.first, self.others = {layers.Dense(4)}, {layers.LSTM(4)}

        def call(self, x):
            (first,) = self.first
            return first(x)

    found = lamina.doctor(Net(), (None, 4))
    assert [one.code for one in found] == ["untracked"] * 2
    assert found.findings[1].path == "others"
    assert "cannot be built" in found.notes[0]


def test_the_text_of_an_error_of_the_build() -> None:
    model = Sequential([layers.Flatten(), layers.Dense(2)])
    with pytest.raises(LaminaError) as raised:
        model.build((None, None, 4))
    (found,) = lamina.doctor(model, (None, None, 4))
    for text in str(raised.value).splitlines()[2:-1]:
        assert text in found.message
    assert found.remedy in str(raised.value)


def test_float64() -> None:
    class Wide(Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return self.dense(x) + jnp.asarray(np.arange(2.0))

    with jax.enable_x64(True):
        found = lamina.doctor(Wide(), (None, 3))
    assert [one.code for one in found] == ["float64"]
    assert not lamina.doctor(Wide(), (None, 3))


def test_report() -> None:
    model = Sequential([layers.Dense(8), layers.BatchNormalization(), layers.Dense(1)])
    found = lamina.doctor(model, (None, 4))
    assert bool(found)
    assert len(found) == 1
    assert repr(found) == "Diagnosis(0 errors, 1 warning)"
    text = str(found)
    assert text.startswith("Sequential: 0 errors, 1 warning\n\nwarning bias-before-normalization")
    assert "line:     " in text
    assert "instead:  Pass use_bias=False." in text
    data = json.loads(found.to_json())
    assert data["findings"][0]["code"] == "bias-before-normalization"
    assert "<pre>Sequential" in found._repr_html_()
    assert not lamina.doctor(layers.Dense(1), (None, 4))


def test_a_model_that_cannot_be_copied_is_only_planned() -> None:
    model = Sequential([layers.Dense(8), layers.BatchNormalization()])
    model.spare, model.lock = layers.Dense(3), threading.Lock()
    found = lamina.doctor(model, (None, 4))
    assert [one.code for one in found] == ["unused-layer"]
    assert "A copy of the model could not be run" in found.notes[0]


def test_nothing_is_warned_or_printed(capsys, recwarn) -> None:
    _, _, _, make, specs, _ = FAULTY["lost_mask"]
    lamina.doctor(make(), *specs)
    assert capsys.readouterr().out == ""
    assert not recwarn.list


def test_layers_that_another_method_may_use_are_notes() -> None:
    make, specs, _ = SOUND["several_methods"]
    (note,) = lamina.doctor(make(), *specs).notes
    assert note == "Dense (projector) is not reached by call; Teacher.embed may use it."
    make, specs, _ = SOUND["adversarial_pair"]
    (note,) = lamina.doctor(make(), *specs).notes
    assert "(discriminator) is not reached by call; train_loss may use it." in note


def test_given_arrays_are_used() -> None:
    _, _, _, make, _, _ = FAULTY["logarithm_of_zero"]
    random = lamina.doctor(make(), (None, 3))
    assert not random
    assert "is not finite for random inputs" in random.notes[0]
    assert not lamina.doctor(make(), np.full((4, 3), 2.0, "float32"))
