"""Python's collector of cycles while a build runs."""

import gc

import pytest

from lamina import Layer, layers


class Looking(Layer):
    """Notes whether the collector is on while its call is traced."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.seen, self.inner = fails, [], layers.Dense(2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.seen = [*self.seen, gc.isenabled()]
        if self.fails:
            raise ValueError("on purpose")

    def call(self, inputs):
        return self.inner(inputs)


def test_the_collector_rests_during_a_build_and_goes_on_after_it() -> None:
    layer = Looking()
    layer.build((None, 3))
    assert layer.seen
    assert not any(layer.seen)
    assert gc.isenabled()


def test_it_goes_on_after_a_build_that_fails() -> None:
    with pytest.raises(ValueError, match="on purpose"):
        Looking(fails=True).build((None, 3))
    assert gc.isenabled()


def test_it_stays_off_where_the_user_turned_it_off() -> None:
    gc.disable()
    try:
        Looking().build((None, 3))
        assert not gc.isenabled()
    finally:
        gc.enable()
