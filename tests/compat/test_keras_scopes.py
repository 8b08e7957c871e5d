"""Names of the module `keras` itself, of `keras.config`, and callbacks that send logs."""

import http.server
import json
import os
import threading
from typing import Any
from urllib.parse import parse_qs

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.errors import InputError

_x = np.ones((4, 3), "float32")


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def test_functions_are_graphs(keras: Any) -> None:
    def made(module: Any) -> Any:
        a = module.KerasTensor((None, 3))
        b = module.KerasTensor(shape=(None, 3), dtype="float32", name="b")
        return module.Function([a, b], module.ops.sigmoid(a - 2 * b))

    function = made(ours)
    np.testing.assert_allclose(function([_x, 2 * _x]), made(keras)([_x, 2 * _x]), rtol=1e-6)
    assert isinstance(function, ours.Function) and isinstance(function, ours.Operation)
    assert isinstance(function.inputs[0] + 1, ours.KerasTensor)
    assert not isinstance(_x, ours.KerasTensor)


def test_source_inputs() -> None:
    a, b = ours.Input((3,)), ours.Input((3,))
    both = ours.layers.Dense(2)(ours.ops.concatenate([a, b * 2], axis=-1))
    assert ours.utils.get_source_inputs(both + both) == [a, b]
    assert ours.utils.get_source_inputs(a) == [a]
    assert ours.utils.get_source_inputs(3) == 3


def test_variables_are_instances() -> None:
    variable = ours.Variable("ones", shape=(2,), layout=None)
    assert isinstance(variable, ours.Variable)
    layer = ours.layers.Dense(2)
    layer.build((None, 3))
    assert isinstance(layer.kernel, ours.Variable)


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        ({}, True, True),
        ({"mode": "activations"}, True, False),
        ({"mode": "list_of_layers", "layer_names": ["b"]}, False, True),
        ({"mode": None}, False, False),
    ],
)
def test_layers_of_a_scope_are_rematerialized(
    options: dict[str, Any], first: bool, second: bool
) -> None:
    def gradients(scope: Any) -> Any:
        with scope:
            layers = [
                ours.layers.Dense(2, "tanh", kernel_initializer="ones", name="a"),
                ours.layers.LayerNormalization(name="b"),
            ]
        model = ours.Sequential([ours.Input((3,)), *layers])

        def loss(values: Any) -> Any:
            return model.apply(values, _x, training=True)[0].sum()

        return jax.make_jaxpr(jax.grad(loss))(model.values()), jax.grad(loss)(model.values())

    program, values = gradients(ours.RematScope(**options))
    plain, wanted = gradients(ours.RematScope(None))
    for text, count in ((program, first + second), (plain, 0)):
        assert str(text).count("differentiated=True") == count
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), values, wanted)


def test_a_scope_has_a_known_mode() -> None:
    with pytest.raises(InputError, match="mode"):
        ours.RematScope("some")


def test_settings_that_cannot_change_say_so() -> None:
    config = ours.config
    config.set_backend("jax")
    config.set_max_epochs(None)
    config.enable_unsafe_deserialization()
    assert config.max_epochs() is None and not config.is_nnx_enabled()
    config.disable_traceback_filtering()
    assert not config.is_traceback_filtering_enabled()
    config.enable_traceback_filtering()
    for setting, value in (
        ("backend", "torch"),
        ("max_epochs", 1),
        ("max_steps_per_epoch", 1),
    ):
        with pytest.raises(InputError, match=f"{setting} cannot be changed"):
            getattr(config, f"set_{setting}")(value)


def test_pictures_are_bytes() -> None:
    pytest.importorskip("igraph")
    model = ours.Sequential([ours.layers.Dense(2)])
    model.build((None, 3))
    dot = ours.utils.model_to_dot(model, show_shapes=True)
    assert dot.create_png().startswith(b"\x89PNG") and b"<svg" in dot.create(format="svg")


@pytest.mark.parametrize("as_json", [True, False])
def test_logs_are_sent(as_json: bool) -> None:
    received: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            received.append((self.path, self.headers["X-Run"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    monitor = ours.callbacks.RemoteMonitor(
        f"http://127.0.0.1:{server.server_port}", headers={"X-Run": "1"}, send_as_json=as_json
    )
    monitor.on_epoch_end(2, {"loss": np.float32(0.5), "accuracy": 1.0})
    thread.join()
    server.server_close()
    path, header, body = received[0]
    text = body if as_json else parse_qs(body)["data"][0]
    assert (path, header) == ("/publish/epoch/end/", "1")
    assert json.loads(text) == {"epoch": 2, "loss": 0.5, "accuracy": 1.0}
    with pytest.warns(UserWarning, match="did not take the logs"):
        monitor.on_epoch_end(0, {"loss": jnp.ones(())})
    with pytest.raises(InputError, match="address of HTTP"):
        ours.callbacks.RemoteMonitor("file:/etc")


def test_the_progress_bar_has_the_verbosity_of_fit(capsys: pytest.CaptureFixture[str]) -> None:
    model = ours.Sequential([ours.layers.Dense(1)])
    model.compile("sgd", "mse")
    for verbose, count in ((0, 0), (2, 1)):
        logger = ours.callbacks.ProgbarLogger()
        model.fit(_x, _x[:, :1], verbose=verbose, callbacks=[logger])
        assert capsys.readouterr().out.count("loss") == count


def test_variables_are_compared_by_their_elements(keras: Any) -> None:
    found: list[Any] = []
    for module in (ours, keras):
        count, x = module.Variable(3), module.Variable([1.0, 2.0])
        other = np.array([1.0, 3.0], "float32")
        compared = (
            count == 3,
            count != 3,
            count == 3,
            x == 1.0,
            x == other,
            other == x,
            x != other,
        )
        found.append([np.asarray(one).tolist() for one in compared])
    assert found[0] == found[1]
    x, y = ours.Variable([1.0]), ours.Variable([1.0])
    assert x in [y, x] and x != y and (x is None) == (x == None) and {x: 1}[x] == 1  # noqa: E711


def test_a_stateless_scope_changes_nothing(keras: Any) -> None:
    x = np.arange(12.0, dtype="float32").reshape(4, 3)
    found: list[Any] = []
    for module in (ours, keras):
        norm = module.layers.BatchNormalization(momentum=0.5)
        dense = module.layers.Dense(2, kernel_initializer="ones")
        dense.build((None, 3))
        norm.build((None, 2))

        def run(kernel: Any, module: Any = module, dense: Any = dense, norm: Any = norm) -> Any:
            with module.StatelessScope([(dense.kernel, kernel)]) as scope:
                outputs = norm(dense(x), training=True)
            return outputs, scope.get_current_value(norm.moving_mean)

        doubled = 2 * np.ones((3, 2), "float32")
        found.append([np.asarray(one) for one in (*run(doubled), *jax.jit(run)(doubled))])
        found[-1] += [np.asarray(norm.moving_mean.value), np.asarray(dense.kernel.value)]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="does not fit"):
        ours.StatelessScope([(ours.Variable([1.0]), [1.0, 2.0])])


def test_a_stateless_scope_builds_layers_and_has_their_losses() -> None:
    dense = ours.layers.Dense(2, activity_regularizer="l2", kernel_initializer="ones")
    with ours.StatelessScope() as scope:
        outputs = dense(np.ones((1, 3), "float32"))
        dense.bias.assign([1.0, 2.0])
    np.testing.assert_allclose(outputs, [[3.0, 3.0]])
    np.testing.assert_allclose(scope.losses, [0.01 * 18], rtol=1e-6)
    assert scope.get_current_value(dense.bias).tolist() == [1.0, 2.0]
    assert dense.bias.numpy().tolist() == [0.0, 0.0]
