from lamina import Layer, layers, metrics
from lamina.compat import tf


class Measured(Layer):
    def __init__(self, inner):
        super().__init__()
        self.error = tf.keras.metrics.MeanSquaredError(name="error")
        self.inner = inner

    def call(self, x):
        return self.inner(x)


def test_metrics_of_inner_layers_are_listed_after_those_of_the_layer():
    layer = Measured(Measured(layers.Dense(3)))
    layer.build((None, 2))
    assert layer.metrics == [layer.error, layer.inner.error]
    assert len(layer.metrics_variables) == 4
    assert len(layer.trainable_variables) == 2
    assert layer.non_trainable_variables == []


def test_metrics_in_containers_are_found_once():
    class Many(Layer):
        def __init__(self):
            super().__init__()
            self.mean = metrics.Mean()
            self.parts = {"one": [self.mean, metrics.Sum()], "kind": metrics.Mean}
            self.parts["self"] = self.parts

        def call(self, x):
            return x

    layer = Many()
    assert [metric.name for metric in layer.metrics] == ["mean", "sum"]
    assert len(layer.metrics_variables) == 3
    assert layers.Dense(1).metrics == []
