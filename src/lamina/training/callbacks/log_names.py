"""The names of the logs of `fit`, as far as they are known before training."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["LogNames"]


@dataclass(frozen=True)
class LogNames:
    """The names of the logs that a callback receives.

    Attributes:
        batch: of the logs of a batch.
        rate: of the logs of an epoch that callbacks of Lamina add: the learning rate, or none.
        validation: of the logs of a validation, with ``val_``; empty if there is none.
        always_validates: whether each epoch has a validation, if any has.
        are_traced: whether the outputs are known, so that no other logs are possible.
        custom_loss: whether the loss may have further logs.
        may_be_added: whether earlier callbacks may add logs to those of an epoch.
    """

    batch: tuple[str, ...]
    rate: tuple[str, ...]
    validation: tuple[str, ...]
    always_validates: bool
    are_traced: bool
    custom_loss: bool
    may_be_added: bool = False

    @property
    def epoch(self) -> tuple[str, ...]:
        """The names of the logs of an epoch with validation."""
        return *self.batch, *self.rate, *self.validation

    def exclude(self, name: str, of_batch: bool = False) -> bool:
        """Return whether there is certainly no log of a name.

        Args:
            name: of a log.
            of_batch: whether the logs of a batch are meant, rather than those of an epoch.
        """
        if name in (self.batch if of_batch else self.epoch):
            return False
        if self.may_be_added and not of_batch:
            return False
        own = name.removeprefix("val_") if self.validation else name
        unnumbered = re.sub(r"_\d+$", "", own)  # of several logs of one name
        of_output = unnumbered in self.batch or any(
            unnumbered.endswith(f"_{one}") for one in self.batch
        )
        return self.are_traced or not (self.custom_loss or of_output)
