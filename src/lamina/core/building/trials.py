"""The search for trial sizes of unknown dims, for which a program can be traced.

The size of a dim is known only if it is the same for all sizes that the inputs may have, from 1 up.
Two traces are enough for most programs: one in which all unknown dims have the size 1, and one in
which they have the size 96. A dim that is limited from above, such as that of `x[:, -16:]`, differs
between them. If one of them fails, other sizes are tried.
"""

from __future__ import annotations

from collections.abc import Iterable

import jax

from lamina.core.base.load_limits import ALLOWANCE
from lamina.core.building import errors
from lamina.core.building.abstract_trace import Outcome, merge_outcomes, run_pass
from lamina.core.building.planner import Mismatch, Planner
from lamina.core.building.request import Request
from lamina.core.running.input_sizes import TooSmallError
from lamina.core.specs.signature import method_of
from lamina.core.specs.spec import Spec, map_specs
from lamina.core.specs.trial_sizes import KNOWN, TrialSizes
from lamina.errors import InputError, LaminaError

__all__ = ["run_passes"]

_FIRST = 96
_LARGE = (480, 840, 192, 64, 48)
"""Tried if the program fails at 96: with many divisors, or within the usual limits of lengths."""
_LARGER = (480, 4_800, 48_000, 480_000)
"""Tried if an input is too small at 96, or an output is empty."""
_OTHER_REST = 840
"""Tried if 1 and 96 give the same error: divided by 5, 19 or 95, both leave 1."""
_SMALL = (2, 3, 4, 8, 16, 32, 64, *(size for size in range(5, 64) if size not in (8, 16, 32)))
"""Tried if the program fails at 1, or at all large sizes."""
_COMMON = (
    *(72, 80, 84, 90, 98, 100, 112, 120, 125, 126, 128, 144, 150, 160, 168, 180, 196, 200, 210),
    *(224, 225, 240, 250, 252, 256, 288, 299, 300, 320, 336, 360, 384, 400, 420, 448, 500, 504),
    *(512, 576, 600, 625, 640, 720, 729, 750, 768, 784, 800, 900, 1000, 1024, 1280, 1500, 1536),
    *(2000, 2048, 2187, 2401, 2520, 3000, 3072, 3125, 4000, 4096),
)
_OTHER = (*_COMMON, *(size for size in range(65, 257) if size not in (*_COMMON, *_LARGE)))
"""Tried last: common lengths, multiples of small primes, and all others up to 256."""
_AGAIN = (48, 2, 480)
"""Tried if two traces call other layers, or differ in the ranks of arrays."""
_BY_SIZE = (TypeError, ValueError, LookupError, ArithmeticError, AssertionError)
_NOT_BY_SIZE = (LaminaError, jax.errors.JAXTypeError)
"""Kinds of errors that may depend on the sizes of inputs, with exceptions."""
_JUMPS = 4
_CHEAP, _MOST_CALLS, _MOST_TRACES = 100, 3_000, 600
_FEW_SMALL, _FEW_CALLS, _FEW_TRACES, _LEAST_TRACES = 7, 300, 100, 10
"""The limits for a model that a file describes: as many of the small sizes before all others, then
these calls or traces, but at least the last number of traces."""


def run_passes(request: Request) -> Outcome:
    """Trace the call of a request: once if all dims are known, else with two or more trial sizes.

    Dims of inputs and outputs that differ between the traces are unknown. The tree stays changed by
    the last trace, until the planner's `undo` or `apply`.
    """
    inputs = request.inputs
    method_of(type(request.root), request.method).bind(inputs.args, inputs.kwargs)
    if all(spec.known for spec in request.specs.leaves()):
        return run_pass(request, Planner(request.root, KNOWN, split=request.split))
    return _Search(request).run()


class _Search:
    """Traces of one request with different trial sizes.

    Attributes:
        last: the outcome of the last successful trace.
        done: the sizes of the successful traces.
        tried: the sizes of all traces.
        only_batch: whether all unknown dims are first axes.
        several: whether some unknown dims are first axes, and others are not.
        failures: the errors of the first traces, by size.
        error: the error of the last trace; None if it was successful.
        settled: whether the last two successful traces agree on the calls and the ranks of arrays.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        leaves = list(request.specs.leaves())
        self.names = tuple(dict.fromkeys(d for s in leaves for d in s.shape if isinstance(d, str)))
        first = [spec.shape[0] for spec in leaves if spec.shape]
        self.batch_names = tuple(name for name in self.names if name in first)
        rest = [dim for spec in leaves for dim in spec.shape[1:] if not isinstance(dim, int)]
        self.only_batch = all(dim in self.batch_names for dim in rest)
        self.several = any(not isinstance(dim, int) for dim in first) and not self.only_batch
        self.last: Outcome | None = None
        self.done: list[TrialSizes] = []
        self.tried: list[TrialSizes] = []
        self.failures: list[tuple[TrialSizes, Exception]] = []
        self.error: Exception | None = None
        self.settled = True
        self._mismatches: list[Mismatch | None] = []
        self._exact = True
        self._calls = 0
        allowance = ALLOWANCE.get()
        self._few = allowance is not None and allowance.described
        self._small = _SMALL[:_FEW_SMALL] if self._few else _SMALL

    def run(self) -> Outcome:
        """Return the outcome of the last trace.

        Raises:
            Exception: no size suits, or a weight depends on an unknown dim.
        """
        small = self._attempt(self._sizes(1))
        large = self._attempt(TrialSizes(_FIRST, self.names, spread=True))
        if not (small and large):
            self._search(small, large)
        for size in _AGAIN:
            if not self.settled:
                self._attempt(self._sizes(size))
        self._fill()
        assert self.last is not None
        if self.error is not None:
            self._attempt(self.done[-1], again=True)
        self.last.exact = self._exact
        return self.last

    def _sizes(self, size: int, batch: int | None = None) -> TrialSizes:
        return TrialSizes(size, self.names, batch=batch, batch_names=self.batch_names)

    def _attempt(self, sizes: TrialSizes, again: bool = False) -> bool:
        """Trace with some sizes, and return whether that was successful."""
        if sizes in self.tried and not again:
            return False
        if self.last is not None and self.error is None:
            self.last.planner.undo()
        self.tried.append(sizes)
        request, earlier = self.request, None if self.last is None else self.last.planner
        earlier_mismatch = next((found for found in self._mismatches if found), None)
        planner = Planner(
            request.root, sizes, earlier, earlier_mismatch, request.split, request.believe
        )
        try:
            outcome = run_pass(request, planner)
        except Exception as error:
            self._failed(sizes, planner, error)
            return False
        self.error = None
        if self.last is not None:
            try:
                names = sizes.names_after(self.done)
                self.settled = merge_outcomes(self.last, outcome, names)
            except BaseException:
                planner.undo()
                raise
        self._exact = self._exact and not planner.believed
        self._calls += len(planner.calls)
        if request.recorded and self.last is not None:
            outcome.earlier = self.last.earlier or self.last
        self.last = outcome
        self.done.append(sizes)
        return True

    def _failed(self, sizes: TrialSizes, planner: Planner, error: Exception) -> None:
        """Record a failure, or raise it if it does not depend on the sizes."""
        too_small = isinstance(error, TooSmallError)
        by_size = isinstance(error, _BY_SIZE) and not isinstance(error, _NOT_BY_SIZE)
        if not by_size and not isinstance(error, InputError):
            raise error
        if planner.stuck and not too_small:
            raise error
        self._calls += 1 + len(planner.calls)
        self._exact = self._exact and too_small
        self.error = error
        if len(self.failures) < 2:
            self._mismatches.append(planner.mismatch)
            self.failures.append((sizes, error))

    def _spent(self) -> bool:
        traces = len(self.tried)
        if self._few:
            many = self._calls >= _FEW_CALLS and traces >= _LEAST_TRACES
            return many or traces >= _FEW_TRACES
        return traces >= _MOST_TRACES or self._calls >= _MOST_CALLS

    # The search for sizes that suit.

    def _search(self, small: bool, large: bool) -> None:
        """Find two sizes that suit, or one if there are no two.

        Raises:
            Exception: no size suits.
        """
        if len(self.failures) == 2 and (self.request.split or self._is_hopeless()):
            raise self.failures[-1][1]
        if not large:
            too_small = isinstance(self.failures[-1][1], TooSmallError)
            large = self._until(_LARGER if too_small else _LARGE)
        if not small:
            self._smallest(self.done[-1].nameless if large else max(_SMALL) + 1)
        every = (*self._small, *_LARGE, *_OTHER, *_SMALL)
        if len(self.done) < 2 and self._until(every) and len(self.done) < 2:
            self._until(every)
        if self.several:
            self._apart()
        if not self.done:
            raise errors.no_size(self.request.specs, self.tried, self.failures[-1][1])

    def _until(self, sizes: Iterable[int], batch: int | None = None) -> bool:
        """Trace with each size until a trace is successful, and return whether one was."""
        return any(not self._spent() and self._attempt(self._sizes(s, batch)) for s in sizes)

    def _smallest(self, below: int) -> None:
        """Trace with small sizes until a trace is successful.

        If an input is too small, so are all smaller sizes: the least size that suits is searched
        for by the number of elements that lack, then at growing steps.
        """
        size, least, jumps = 1, 1, 0
        self.error = self.failures[0][1]
        pending = list(self._small)
        while not self._spent():
            if isinstance(self.error, TooSmallError):
                least = max(least, size + self.error.lacking)
                jumps += 1
                if jumps > _JUMPS:
                    self._gallop(least, below)
                    return
                pending.insert(0, least)
            size = next((one for one in pending if least <= one < below), 0)
            if size == 0:
                return
            pending.remove(size)
            if self._attempt(self._sizes(size)):
                return

    def _gallop(self, least: int, below: int) -> None:
        """Trace with sizes from `least` at growing steps, then with those between, if it is cheap.

        Traces that fail early are cheaper than successful ones.
        """
        size, step = least, 1
        while size < below and not self._attempt(self._sizes(size)):
            if not isinstance(self.error, TooSmallError) or self._spent():
                return
            least = size + self.error.lacking
            size, step = max(least, size + step), step * 2
        below = min(size, below)
        while least < below and self._calls < _CHEAP:
            size = (least + below) // 2
            if self._attempt(self._sizes(size)):
                below = size
            elif isinstance(self.error, TooSmallError):
                least = size + self.error.lacking
            else:
                return

    def _apart(self) -> None:
        """Trace with different sizes of the first axis and of other axes, if that is needed."""
        some = (1, _FIRST, *self._small, *_LARGE)
        if not self.done and self._until(some, batch=2):
            self._until(some, batch=2)
        if len(self.done) == 1:
            size = self.done[0].nameless
            for other, batch in ((size, 1), (size, 2), (size, 96), (1, size), (96, size)):
                if len(self.done) == 1:
                    self._attempt(self._sizes(other, batch))

    def _is_hopeless(self) -> bool:
        """Return whether both failures are the same, so that they do not depend on the sizes."""
        (small, first), (large, second) = self.failures
        if all(self._mismatches):
            one, other = (found[1] for found in self._mismatches if found)
            if one.shapes == other.shapes:
                return True
        if type(first) is not type(second):
            return False
        if isinstance(first, LaminaError) and self.only_batch:
            pair = str(small.nameless), str(large.nameless)
            return errors.differ_only_in(str(first), str(second), pair)
        if str(first) != str(second) or isinstance(first, LaminaError):
            return str(first) == str(second)
        same = isinstance(first, TypeError | ValueError | LookupError | OverflowError)
        if not same or errors.is_raised_by_user(first):
            return False
        if not isinstance(first, ValueError):
            return True
        return not self._attempt(self._sizes(_OTHER_REST)) and str(self.error) == str(first)

    def _fill(self) -> None:
        """Trace with other sizes while an output is empty for all sizes."""
        for size in (*_LARGER[:2], *_SMALL):
            if self.last is None or self._spent() or not _has_empty(self.last):
                return
            self._attempt(self._sizes(size))


def _has_empty(outcome: Outcome) -> bool:
    """Return whether a layer has an output with an axis of size 0."""
    found: list[bool] = []

    def check(spec: Spec) -> None:
        if 0 in spec.shape:
            found.append(True)

    for call in outcome.calls:
        map_specs(check, call.outputs)
    return bool(found)
