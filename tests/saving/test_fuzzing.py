"""Files changed at random load, or end in a clear error; `make fuzz` reads thousands of them."""

import pytest

from lamina.errors import FileFormatError
from tests.fuzz.loaders import LOADERS, attempt

COUNT = 40


@pytest.fixture(scope="module", params=LOADERS)
def loader(request, tmp_path_factory):
    good = tmp_path_factory.mktemp("good") / "file"
    LOADERS[request.param].make(good)
    return LOADERS[request.param], good


@pytest.fixture(scope="module")
def found(loader):
    """The errors of changed files by the seeds of the changes."""
    return {seed: attempt(*loader, seed) for seed in range(COUNT)}


def test_a_good_file_loads(loader) -> None:
    loader[0].read(loader[1])


def test_changed_files(found) -> None:
    others = {
        seed: error
        for seed, error in found.items()
        if not isinstance(error, FileFormatError | OSError | None)
    }
    assert others == {}
    refused = [error for error in found.values() if error is not None]
    assert COUNT // 2 < len(refused) < COUNT
    assert all("remedy:" in str(error) for error in refused)


def test_the_same_seed_makes_the_same_file(loader, found) -> None:
    for seed in (1, 2, 3):
        assert str(attempt(*loader, seed)) == str(found[seed])
