"""Limits: rates, and who counts as one client."""

import doctest

import pytest

from lamina.translate import limits
from lamina.translate.limits import Rates, client_of


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(limits).attempted
    assert not doctest.testmod(limits).failed


def test_rates_forget_clients_that_are_gone() -> None:
    now = [0.0]
    rates = Rates(1, lambda: now[0])
    assert rates.wait("a") == 0
    assert rates.wait("a") == 60
    now[0] = 60.0
    assert rates.wait("a") == 0
    for number in range(1200):
        rates.wait(str(number))
    assert len(rates._left) <= 1000


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1", True),
    ],
)
def test_who_is_one_client(one, other, same) -> None:
    assert (client_of(one) == client_of(other)) is same
