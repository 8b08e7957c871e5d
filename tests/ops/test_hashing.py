"""Hashes: published test vectors, and calls in programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lamina.ops.hashing import crossed, farmhash64, farmhashes, hash_bins, integer_bins, siphash64

# Of Google's farmhash at every length where its code branches, for the bytes 0, 1, 2, ...
FARMHASH = {
    0: 11160318154034397263,
    1: 13718060045003475796,
    3: 10709908609026466970,
    4: 9421527712639018304,
    7: 11736591675260184225,
    8: 12491318377461660568,
    16: 1080060857502750420,
    17: 13526182118996909852,
    32: 1917831512995979081,
    33: 16750416167695635022,
    64: 17691551913807367243,
    65: 14313328211205373374,
    128: 2037963038260878803,
    129: 14883169112474847294,
    200: 525935771297148851,
}


@pytest.mark.parametrize(("size", "expected"), FARMHASH.items())
def test_farmhash(size, expected):
    assert farmhash64(bytes(range(size))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1footrue", -1541654101129638711),
        (b"2applefalse", 2794438866806483259),
        (b"3true", -4880158226897771312),
    ],
)
def test_farmhash_in_the_documentation_of_bigquery(text, expected):
    assert (farmhash64(text) - expected) % 2**64 == 0


def test_texts_of_all_sizes_are_hashed_at_once():
    rng = np.random.default_rng(0)
    texts = [rng.bytes(size) for size in [*range(70), 200, 0, 5, 64, 129]]
    np.testing.assert_array_equal(farmhashes(texts), [farmhash64(one) for one in texts])
    bins = hash_bins(np.array([*texts, None], object)[:-1], 1000, KEY)
    assert bins.tolist() == [siphash64(one, KEY) % 1000 for one in texts]
    assert farmhashes([]).shape == (0,)


KEY = (0x0706050403020100, 0x0F0E0D0C0B0A0908)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 0x726FDB47DD0E0E31), (1, 0x74F839C593DC67FD), (15, 0xA129CA6149BE45E5)],
)
def test_siphash_in_its_publication(size, expected):
    assert siphash64(bytes(range(size)), KEY) == expected


def test_bins_are_those_of_tensorflow():
    text = np.array([[b"A"], [b"B"], [b"C"], [b"D"], [b"E"]], object)
    assert hash_bins(text, 3).tolist() == [[1], [0], [1], [1], [2]]
    assert hash_bins(text, 3, (133, 137)).tolist() == [[1], [2], [1], [0], [2]]
    assert hash_bins(np.arange(5), 3, (133, 137)).tolist() == [1, 1, 2, 0, 1]
    pairs = [(b"A", 101), (b"B", 101), (b"A", 101), (b"B", 102), (b"A", 102)]
    features = farmhashes([a for a, _ in pairs]), np.uint64([b for _, b in pairs])
    assert (crossed(features) % 5).tolist() == [1, 4, 1, 1, 3]


def test_programs_hash_as_the_host_does():
    x = jnp.arange(-3, 9).reshape(3, 4)
    expected = hash_bins(np.asarray(x), 7)
    assert (integer_bins(x, 7) == expected).all()
    assert (jax.jit(lambda x: integer_bins(x, 7))(x) == expected).all()
    assert (jax.vmap(lambda x: integer_bins(x, 7))(x) == expected).all()
    slopes = jax.grad(lambda x: (x * integer_bins(x.astype(int), 7)).sum())(jnp.arange(3.0))
    assert (slopes == integer_bins(jnp.arange(3), 7)).all()
