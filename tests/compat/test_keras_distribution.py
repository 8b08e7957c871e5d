"""`keras.distribution`: the same training on eight devices and on one, and layouts by names."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from lamina.compat.keras import distribution as ours
from lamina.errors import InputError
from tests.devices import Run, process_with_devices

PRELUDE = """
    import numpy as np
    import lamina
    from lamina.compat import keras

    d = keras.distribution
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")

    def model():
        lamina.set_seed(0)
        made = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(4)]
        )
        made.compile("sgd", "mse")
        return made

    def losses(made):
        history = made.fit(x, x, batch_size=8, epochs=2, shuffle=False, verbose=0)
        return history.history["loss"]

    def specs(made):
        return [tuple(one.value.sharding.spec) for one in made.weights]
"""


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with process_with_devices(8, PRELUDE) as made:
        yield made


def test_models_are_distributed(run: Run) -> None:
    run("""
        wanted = losses(model())
        mesh = d.DeviceMesh((2, 4), ["batch", "model"])
        layouts = d.LayoutMap(mesh)
        layouts[".*dense/kernel"] = (None, "model")
        layouts["dense_1/kernel"] = ("model", None)
        parallel = d.ModelParallel(layout_map=layouts)
        d.set_distribution(parallel)
        made = model()
        assert specs(made) == [(None, "model"), (), ("model", None), ()], specs(made)
        np.testing.assert_allclose(losses(made), wanted, rtol=1e-5)
        with d.DataParallel().scope():
            assert d.distribution().num_model_replicas == 8
            made = model()
            assert specs(made) == [()] * 4
            np.testing.assert_allclose(losses(made), wanted, rtol=1e-5)
        assert d.distribution() is parallel and parallel.num_model_replicas == 2
        d.set_distribution(None)
        assert len(model().weights[0].value.devices()) == 1
        layout = d.TensorLayout(("batch", None), mesh)
        assert tuple(d.distribute_tensor(x, layout).sharding.spec) == ("batch", None)
        variable = keras.Variable(x, layout=layout)
        assert tuple(variable.value.sharding.spec) == ("batch", None)
        assert d.get_device_count() == len(d.list_devices("cpu")) == 8
    """)


def test_keys_that_match_nothing_are_named(run: Run) -> None:
    run("""
        import warnings
        layouts = d.LayoutMap(d.DeviceMesh((8,), ["model"]))
        layouts["conv.*"] = (None, "model")
        with warnings.catch_warnings(record=True) as found, d.ModelParallel(
            layout_map=layouts
        ).scope():
            warnings.simplefilter("always")
            model()
        assert any("conv.*" in str(one.message) for one in found)
    """)


def test_layouts_are_found_as_in_keras(keras: Any) -> None:
    found: list[Any] = []
    for module in (ours, keras.distribution):
        mesh = module.DeviceMesh((4, 2), ["batch", "model"], [f"cpu:{n}" for n in range(8)])
        layouts = module.LayoutMap(mesh)
        layouts[".*dense.*kernel"] = (None, "model")
        layouts["dense_2/bias"] = ("model",)
        paths = ("a/dense_1/kernel", "dense_2/bias", "conv/kernel")
        found.append(
            (
                mesh.shape,
                mesh.devices.tolist(),
                [None if layouts[path] is None else layouts[path].axes for path in paths],
                list(layouts),
                len(layouts),
            )
        )
    assert found[0] == found[1]


def test_wrong_layouts_are_errors() -> None:
    mesh = ours.DeviceMesh((2,), ["model"], ["cpu:0", "cpu:1000"])
    with pytest.raises(InputError, match="not there"):
        _ = mesh.backend_mesh
    with pytest.raises(InputError, match="does not fit"):
        ours.DeviceMesh((4, 2), ["batch"], ["cpu:0"])
    with pytest.raises(InputError, match="cannot have this mesh"):
        ours.TensorLayout(("batch",), mesh)
    with pytest.raises(InputError, match="no mesh"):
        _ = ours.TensorLayout(("batch",)).backend_layout
    layouts = ours.LayoutMap(mesh)
    layouts["a.*"] = ("model",)
    layouts[".*b"] = ("model",)
    with pytest.raises(InputError, match="several keys"):
        _ = layouts["ab"]
    with pytest.raises(InputError, match="cannot be set"):
        layouts["a.*"] = ("model",)
    with pytest.raises(InputError, match="no layouts"):
        ours.ModelParallel()
