import jax.numpy as jnp

from lamina import Model, layers
from lamina.plots.flow import IN, OUT, flow
from lamina.reports.examination import examine
from tests.plots.planned import Call, X, chain, residual


def test_a_chain() -> None:
    graph = flow(chain(["a", "b"]))[0]
    assert graph.vertices == [IN, 1, 2, OUT]
    assert graph.edges == [(IN, 1), (1, 2), (2, OUT)]


def test_a_skip_connection_of_a_layer_with_two_inputs_has_no_join() -> None:
    calls = [*chain(["a", "b"]), Call("add", 0, (1, 2), (3,), inputs=[X, X])]
    calls[0].results = (3,)
    assert flow(calls)[0].edges == [(IN, 1), (1, 2), (1, 3), (2, 3), (3, OUT)]


def test_array_operations_that_combine_outputs_are_a_join() -> None:
    calls = [*chain(["a", "b"]), Call("c", 0, (1, 2), (3,))]
    calls[0].results = (3,)
    edges = [(IN, 1), (1, 2), (1, "join 0"), (2, "join 0"), ("join 0", 3), (3, OUT)]
    assert flow(calls)[0].edges == edges


def test_a_residual_stream_is_a_chain_of_joins() -> None:
    graph = flow(residual(4))[0]
    assert graph.edges == [
        (IN, 1),
        (IN, "join 0"),
        (1, "join 0"),
        ("join 0", 2),
        ("join 0", "join 1"),
        (2, "join 1"),
        ("join 1", 3),
        ("join 1", "join 2"),
        (3, "join 2"),
        ("join 2", 4),
        ("join 2", "join 3"),
        (4, "join 3"),
        ("join 3", OUT),
    ]
    assert len(flow(residual(2000))[0].edges) == 6001  # not the square of the number of layers


def test_each_input_of_the_root_is_an_end() -> None:
    calls = [
        Call("", -1, (), (3,), inputs=[X, X, X]),
        Call("a", 0, (0,), (1,), (0,)),
        Call("b", 0, (0,), (2,), (1,)),
        Call("c", 0, (1, 2), (3,), inputs=[X, X]),
    ]
    graph = flow(calls)[0]
    assert graph.vertices == ["in 0", "in 1", "in 2", 1, 2, 3, OUT]  # one is not used
    assert graph.edges == [("in 0", 1), ("in 1", 2), (1, 3), (2, 3), (3, OUT)]
    calls[0].results = (0, 3)  # some input reaches the outputs: it is unknown which
    assert flow(calls)[0].edges[:2] == [(IN, 1), (IN, 2)]


def test_calls_in_loops_stand_alone() -> None:
    calls = [Call("", -1, (), (1,)), Call("rnn", 0, (0,)), Call("rnn.cell", 1)]
    assert flow(calls)[1].vertices == [2] and flow(calls)[1].edges == []


def test_the_flow_of_a_plan() -> None:
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (layers.Dense(4) for _ in range(3))

        def call(self, left, right):
            x = jnp.tanh(self.a(left) + self.b(right))
            return self.c(x) * x

    graph = flow(examine(Net(), (None, 4), (None, 4)).calls)[0]
    assert graph.edges == [
        ("in 0", 1),
        ("in 1", 2),
        (1, "join 0"),
        (2, "join 0"),
        ("join 0", 3),
        ("join 0", "join 1"),
        (3, "join 1"),
        ("join 1", OUT),
    ]
