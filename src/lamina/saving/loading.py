"""One file going into one tree."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from lamina.core.build import carry_out
from lamina.core.lock import LOCK
from lamina.core.node import Tracked
from lamina.core.passes import Request
from lamina.core.tracing import outside_traces
from lamina.core.tracking import Tree, join, walk
from lamina.core.variable import Variable, store
from lamina.errors import BuildError, FileFormatError, TraceError, explain
from lamina.saving.files import Entry, TensorFile
from lamina.saving.making import Maker
from lamina.saving.matching import Match, Wanted, cast, match, misfit, renaming
from lamina.saving.metadata import parse
from lamina.saving.replay import lacks, no_specs, planned, request_of
from lamina.saving.rollback import all_or_nothing

__all__ = ["Loading"]


class Loading:
    """Builds what is not built, with the file's values, and gives the rest new values.

    Args:
        root: of the tree.
        file: open.
        rename: the tree's names by the file's.

    Raises:
        InputError: `rename` does not fit the file.
    """

    def __init__(
        self, root: Tracked, file: TensorFile, rename: Mapping[str, str] | None = None
    ) -> None:
        stored = parse(file.metadata, file.path)
        entries = file.entries(stored.dtypes)
        new_name = renaming(rename, [*entries, *stored.aliases])
        self.root = root
        self.file = file
        self.entries: dict[str, Entry] = {new_name(name): e for name, e in entries.items()}
        self.metadata = stored.renamed(new_name)

    def run(self) -> None:
        """Do it all, or nothing.

        Raises:
            FileFormatError: the file does not fit; the error lists every entry that does not.
        """
        with LOCK:
            had = [variable for _, variable in walk(self.root).variables.values() if variable.built]
            try:
                with all_or_nothing(self.root):
                    self._build()
                    self._assign(had)
            except MisfitError as problem:
                found = self._whole_misfit(problem.found)
                name, made_at = type(self.root).__name__, self.root._lamina.made_at
                raise misfit(self.file.path, name, found, made_at) from None

    def read(self, name: str, variable: Variable, path: str) -> np.ndarray:
        """The array of an entry, as a variable takes it."""
        return cast(self._read(name), variable.weight_dtype, path)

    def _read(self, name: str) -> np.ndarray:
        return self.file.read(self.entries[name])

    # Building what is not built.

    def _build(self) -> None:
        builds = self.metadata.builds
        if not builds and not any(v.built for _, v in walk(self.root).variables.values()):
            raise no_specs(self.file.path, type(self.root).__name__)
        maker = Maker()
        maker.trust(self.root)
        try:
            layers, missing = self._state()
            for build in builds:
                layer = layers.get(build.path)
                if layer is None:
                    continue
                built = layer._lamina.built
                if built is None or lacks(build.path, missing):
                    request = request_of(layer, build, maker, self.file.path)
                    self._carry_out(build.path, request)
                    layers, missing = self._state()
                elif layer is self.root and build.specs is not None:
                    built.entries.setdefault(build.method, maker.arguments(build.specs))
        except (BuildError, TraceError) as error:
            error.add_note(f"while it was built from the specs in {self.file.path!r}")
            raise
        except (MisfitError, FileFormatError, OSError, MemoryError):
            raise
        except Exception as error:
            found = self._match(walk(self.root))
            if self.root._lamina.built is not None and not found.fits:
                raise MisfitError(found) from error
            raise self._bad_specs(error) from error

    def _state(self) -> tuple[dict[str, Tracked], list[str]]:
        """The layers by path, and the entries for which there is no variable yet."""
        tree = walk(self.root)
        there = {path for path, variable in tree.variables.values() if variable.built}
        there |= set(tree.all_aliases())
        return dict(tree.layers.values()), [name for name in self.entries if name not in there]

    def _carry_out(self, prefix: str, request: Request) -> None:
        def source(tree: Tree) -> Mapping[str, np.ndarray]:
            new = {join(prefix, p): _wanted(v) for p, v in tree.variables.values() if not v.built}
            found = match(new, {}, self.entries, self.metadata.aliases)
            if found.missing or found.differing:
                raise MisfitError(self._match(walk(self.root)))
            return _Values(self, prefix, tree, found)

        reads = carry_out(request, source=source)
        plans = request.root._lamina.plans
        plans.append((request.method, request.training, request.specs, reads))

    # Giving the rest new values.

    def _assign(self, variables: list[Variable]) -> None:
        """Check the whole tree, and give the variables that had a value a new one."""
        tree = walk(self.root)
        found = self._match(tree)
        for name, path in found.doubtful.items():
            if not np.array_equal(self._read(name), self._read(found.sources[path])):
                found.unexpected[name] = self.entries[name]
        if not found.fits:
            raise MisfitError(found)
        arrays: list[Any] = []
        for variable in variables:
            path = tree.variables[id(variable)][0]
            array = self.read(found.sources[path], variable, path)
            sharding = variable.stored().sharding
            arrays.append(outside_traces(partial(jax.device_put, array, sharding)))
        store(variables, arrays)

    def _match(self, tree: Tree) -> Match:
        wanted = {path: _wanted(variable) for path, variable in tree.variables.values()}
        return match(wanted, tree.all_aliases(), self.entries, self.metadata.aliases)

    def _whole_misfit(self, found: Match) -> Match:
        """All that does not fit: a build that fails has not seen what later ones would make."""
        tree = walk(self.root)
        if self.root._lamina.built is not None:
            return found
        with contextlib.suppress(Exception):
            wanted = planned(self.root, self.metadata, self.entries, self.file.path).weights
            return match(wanted, tree.all_aliases(), self.entries, self.metadata.aliases)
        return found

    def _bad_specs(self, error: Exception) -> FileFormatError:
        entered = self.metadata.builds[0].method
        name = type(self.root).__name__
        return FileFormatError(
            explain(
                f"{name} cannot be built from the specs in {self.file.path!r}.",
                where=f"{name} was made at {self.root._lamina.made_at}",
                expected=f"a {entered} that takes the same inputs; nothing was changed",
                received=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
                remedy="Give the file of this model, or build(...) the model before load_weights.",
            )
        )


class MisfitError(Exception):
    """What does not fit, on its way to the error that lists it."""

    def __init__(self, found: Match) -> None:
        super().__init__()
        self.found = found


class _Values(Mapping[str, np.ndarray]):
    """The arrays for the variables of one build, read when they are asked for."""

    def __init__(self, loading: Loading, prefix: str, tree: Tree, found: Match) -> None:
        self._loading = loading
        self._prefix = prefix
        self._variables = tree.by_path()
        self._found = found

    def __getitem__(self, path: str) -> np.ndarray:
        full = join(self._prefix, path)
        return self._loading.read(self._found.sources[full], self._variables[path], full)

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


def _wanted(variable: Variable) -> Wanted:
    return variable.shape, variable.weight_dtype
