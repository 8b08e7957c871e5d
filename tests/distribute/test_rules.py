"""Patterns of paths, and rules that have them."""

import pytest
from jax.sharding import PartitionSpec as P

from lamina.distribute.rules import as_rules, check_patterns, first_match, matches
from lamina.errors import InputError


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("kernel", ["kernel"], ["a.kernel", "kernels"]),
        ("*.kernel", ["a.kernel"], ["kernel", "a.b.kernel"]),
        ("**.kernel", ["kernel", "a.kernel", "a.b.kernel"], ["a.kernel.b", "akernel"]),
        ("a.**", ["a.b", "a.b.c"], ["a", "ab", "b.a"]),
        ("a.**.kernel", ["a.kernel", "a.b.c.kernel"], ["kernel", "b.a.kernel"]),
        ("**.up_*.kernel", ["up_1.kernel", "x.up_2.kernel"], ["x.up.kernel"]),
        ("blocks.?.kernel", ["blocks.1.kernel"], ["blocks.12.kernel"]),
        ("**", ["a", "a.b"], []),
        ("a.b[0]", ["a.b[0]"], ["a.b0"]),
    ],
)
def test_patterns(pattern, yes, no):
    assert all(matches(pattern, path) for path in yes)
    assert not any(matches(pattern, path) for path in no)


def test_the_first_rule_wins():
    rules = as_rules([("**.up.kernel", P("model")), ("**.kernel", (None, "model")), ("**", None)])
    assert [first_match(rules, p).partition for p in ("up.kernel", "a.kernel", "a.bias")] == [
        P("model"),
        P(None, "model"),
        P(),
    ]
    assert first_match(rules[:2], "a.bias") is None


@pytest.mark.parametrize(
    "rule", ["**.kernel", ("**.kernel",), (1, P()), ("", P()), ("a", "data"), 3]
)
def test_what_is_no_rule_is_an_error(rule):
    with pytest.raises(InputError, match="not a pair of a pattern and a partition"):
        as_rules([rule])


def test_a_pattern_that_matches_nothing_is_an_error_with_the_nearest_path():
    with pytest.raises(InputError, match=r"'\*\*\.kernl'.*\n.*\n.*\n.*Did you mean 'up.kernel'"):
        check_patterns("rule", ["**.bias", "**.kernl"], ["up.kernel", "up.bias"])
