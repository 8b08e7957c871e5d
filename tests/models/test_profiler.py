"""Profiling: what XLA counts for each layer, and the page that tells it; no test looks at times."""

import json

import numpy as np
import pytest

from lamina import Sequential, layers
from lamina.errors import InputError
from lamina.reports import Cost, Profile

X = np.ones((8, 4), "float32")


def test_each_layer_is_told_with_its_parameters_operations_and_bytes(capsys):
    twin = Sequential([layers.Dense(6, use_bias=False)])
    model = Sequential([layers.Dense(6, use_bias=False), twin, twin])
    found = model.profile(X, repeats=2)
    assert [cost.path for cost in found.costs] == [
        "",
        "layers.0",
        "layers.1",
        "layers.1.layers.0",
    ]
    first, shared = found["layers.0"], found["layers.1.layers.0"]
    assert (first.kind, first.params, first.flops) == ("Dense", 24, 2 * 8 * 4 * 6)
    assert first.bytes >= 4 * (8 * 4 + 4 * 6 + 8 * 6)
    assert (shared.calls, shared.params, shared.flops) == (2, 36, 2 * 8 * 6 * 6)
    whole = found[""]
    assert whole.params == 60 and whole.flops >= first.flops + 2 * shared.flops
    assert all(cost.seconds > 0 for cost in found.costs)
    assert [cost.path for cost in found.costs if cost.leaf] == ["layers.0", "layers.1.layers.0"]
    printed = capsys.readouterr().out
    assert printed.rstrip("\n") == str(found) and "FLOPs" in printed
    assert json.loads(found.to_json())[1]["flops"] == first.flops


def test_layers_in_a_loop_and_inputs_of_whole_numbers_are_profiled_too(capsys):
    model = Sequential([layers.Embedding(5, 3), layers.TimeDistributed(layers.Dense(2))])
    found = model.profile(np.zeros((2, 4), "int32"), repeats=1)
    assert found["layers.1.layer"].params == 8 and found["layers.0"].params == 15


def test_the_page_is_a_table_and_a_bar_for_each_layer_with_none_below():
    page = str(
        Profile(
            (
                Cost("", "Net", 1, 1_234, 2e6, 512.0, 3e-3, False),
                Cost("a", "Dense", 2, 1_000, 1.5e6, 256.0, 1e-3, True),
                Cost("long", "Dense", 1, 234, 5e5, 256.0, 5e-5, True),
            )
        )
    )
    assert page == (
        "layer   class   calls   params   FLOPs   bytes      time\n"
        "--------------------------------------------------------\n"
        "(all)   Net         1    1,234     2 M   512 B    3.0 ms\n"
        "a       Dense       2    1,000   1.5 M   256 B    1.0 ms\n"
        "long    Dense       1      234   500 k   256 B   50.0 us\n"
        "\n"
        "a     ######################################## 2.0 ms\n"
        "long  # 50.0 us"
    )


def test_repeats_are_counted_from_one():
    with pytest.raises(InputError, match="repeats"):
        Sequential([layers.Dense(2)]).profile(X, repeats=0)
