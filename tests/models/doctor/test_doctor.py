"""The doctor finds what is planted, and nothing in models that are sound."""

import pytest

import lamina
from tests.models.doctor.faulty_models import FAULTY
from tests.models.doctor.sound_models import SOUND


@pytest.mark.parametrize("name", FAULTY)
def test_a_planted_fault_is_the_only_finding(name) -> None:
    code, path, severity, make, specs, named = FAULTY[name]
    found = lamina.doctor(make(), *specs, **named)
    assert [(one.code, one.severity) for one in found] == [(code, severity)], str(found)
    (one,) = found
    assert severity == "error" or one.path == path
    assert "faulty_models.py:" in one.where
    assert one.remedy
    assert one.code in str(found)


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_in_a_sound_model(name) -> None:
    make, specs, named = SOUND[name]
    found = lamina.doctor(make(), *specs, **named)
    assert not found, str(found)
    assert not any("could not be run" in note for note in found.notes), found.notes
