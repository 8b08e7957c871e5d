"""Loading a file into a tree of layers."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from lamina.core.base.jax_internals import outside_traces
from lamina.core.base.load_limits import ALLOWANCE, Allowance, allowing
from lamina.core.base.lock import LOCK
from lamina.core.building.request import Request
from lamina.core.building.transaction import all_or_nothing, carry_out
from lamina.core.initial.blocks import sharded
from lamina.core.tree.node import Tracked
from lamina.core.tree.variable import Variable, store
from lamina.core.tree.walk import Tree, join, walk
from lamina.errors import BuildError, FileFormatError, explain
from lamina.saving.build_inputs import decoded_inputs
from lamina.saving.build_methods import check_entry
from lamina.saving.builds import Missing, missing_specs, planned, quantization_of_file, request_of
from lamina.saving.files import TensorFile
from lamina.saving.header import Entry
from lamina.saving.load_errors import MismatchError, UnbuildableError
from lamina.saving.lookup import Names
from lamina.saving.matching import Match, Wanted, cast, match, mismatch_error, skipped
from lamina.saving.metadata import Build, parse, weight_entries
from lamina.saving.renaming import renaming
from lamina.saving.stored_arrays import StoredArrays

__all__ = ["Loading"]

_MOST_IDLE = 64  # the most builds that make no missing weight
_MOST_WALKED = 10_000_000  # the most layers and weights to walk over, summed over the builds
_MOST_ALIASES = 1_000_000
_COMPARED = 1 << 20  # elements that are compared at a time


class Loading:
    """Builds unbuilt layers with the values of a file, and assigns new values to the others.

    Args:
        root: the root of the tree.
        file: the open file, or arrays that are read together.
        rename: names in the tree by names in the file; None (default) for no renaming.
        whole: the lookup of classes if the tree was made from the file too; None (default) if not.
        partial: whether to load only the weights that match, and to list the others in a warning.

    Raises:
        InputError: `rename` does not match the file.
        FileFormatError: the file is damaged.
    """

    def __init__(
        self,
        root: Tracked,
        file: TensorFile | StoredArrays,
        rename: Mapping[str, str] | None = None,
        whole: Names | None = None,
        partial: bool = False,
    ) -> None:
        stored = parse(file.metadata, file.path)
        entries = weight_entries(file.entries(stored.dtypes), stored)
        new_name = renaming(rename, [*entries, *stored.aliases])
        self.root = root
        self.file = file
        self.entries: dict[str, Entry] = {new_name(name): e for name, e in entries.items()}
        self.metadata = stored.renamed(new_name)
        self._whole = whole
        self._partial = partial
        self._walked = 0

    def run(self) -> None:
        """Load the whole file, or leave the tree unchanged.

        Raises:
            FileFormatError: the file does not match; the error lists every mismatch.
        """
        allowance = ALLOWANCE.get() if self._whole else None
        if allowance is None:
            arrays = len(self.entries) + len(self.metadata.aliases)
            allowance = Allowance(self.file.path, arrays + len(walk(self.root).layers), None)
        with allowing(allowance):
            self._run()

    def _run(self) -> None:
        with LOCK:
            had = [variable for _, variable in walk(self.root).variables.values() if variable.built]
            try:
                with all_or_nothing(self.root):
                    self._build()
                    if self._partial or isinstance(self.file, StoredArrays):
                        had = list(walk(self.root).by_path().values())
                    self._assign(had)
            except MismatchError as problem:
                found = self._whole_mismatch(problem.found)
                name, made_at = type(self.root).__name__, self.root._lamina.made_at
                raise mismatch_error(self.file.path, name, found, made_at) from None

    def _build(self) -> None:
        builds = self.metadata.builds
        if not builds and not any(v.built for _, v in walk(self.root).variables.values()):
            raise missing_specs(self.file.path, type(self.root).__name__)
        try:
            self._build_all(builds)
        except FileFormatError:
            raise
        except BuildError as error:
            problem = UnbuildableError(str(error))
            for text in getattr(error, "__notes__", ()):
                problem.add_note(text)
            problem.add_note(f"while it was built from the specs in {self.file.path!r}")
            raise problem from error
        except (MismatchError, OSError):
            raise
        except Exception as error:
            found = self._match(walk(self.root))
            if self.root._lamina.built is not None and not found.fits:
                raise MismatchError(found) from error
            raise self._bad_specs(error) from error

    def _build_all(self, builds: list[Build]) -> None:
        idle = 0
        layers, missing = self._state()
        for build in builds:
            layer = layers.get(build.path)
            if layer is None:
                continue
            check_entry(layer, build.method, build.path, self.file.path)
            built = layer._lamina.built
            if built is None or missing.at(build.path):
                request = request_of(layer, build, self.file.path, self._whole)
                self._carry_out(build.path, request)
                before = len(missing.names)
                layers, missing = self._state()
                idle += len(missing.names) == before
                if idle > _MOST_IDLE:
                    raise MismatchError(self._match(walk(self.root)))
            elif layer is self.root and build.specs is not None:
                specs = decoded_inputs(build.specs, classes=self._whole)
                built.entries.setdefault(build.method, specs)

    def _state(self) -> tuple[dict[str, Tracked], Missing]:
        """The layers by path, and the entries without a variable."""
        tree = walk(self.root)
        self._walked += len(tree.layers) + len(tree.variables)
        if self._walked > _MOST_WALKED or tree.count_aliases() > _MOST_ALIASES:
            raise self._too_much()
        there = {path for path, variable in tree.variables.values() if variable.built}
        there |= set(tree.all_aliases())
        return dict(tree.layers.values()), Missing(n for n in self.entries if n not in there)

    def _carry_out(self, prefix: str, request: Request) -> None:
        def source(tree: Tree) -> _Values:
            unbuilt = {join(prefix, p): v for p, v in tree.variables.values() if not v.built}
            new = self._wanted(unbuilt)
            found = match(new, {}, self.entries, self.metadata.aliases)
            if found.missing or found.differing:
                raise MismatchError(self._match(walk(self.root)))
            self._check_room(walk(self.root))
            return _Values(self, prefix, tree, found)

        with quantization_of_file(self.metadata, prefix):
            drawn = None if self._partial else source
            reads, exact = carry_out(request, source=drawn, prefix=prefix)
        if exact:
            plans = request.root._lamina.plans
            plans.add(request.method, request.training, request.specs, reads)

    def _assign(self, variables: list[Variable]) -> None:
        """Check the whole tree, and assign new values to variables that had one."""
        tree = walk(self.root)
        found = self._match(tree)
        for name, path in found.doubtful.items():
            if not self._are_equal(name, found.sources[path]):
                found.unexpected[name] = self.entries[name]
        if self._partial:
            found.sources = {p: n for p, n in found.sources.items() if p not in found.differing}
        elif not found.fits:
            raise MismatchError(found)
        self._check_room(tree)
        loaded = [v for v in variables if tree.variables[id(v)][0] in found.sources]
        paths = [tree.variables[id(variable)][0] for variable in loaded]
        arrays = self._read([(p, found.sources[p], v) for p, v in zip(paths, loaded, strict=True)])
        store(loaded, arrays)
        if not found.fits:
            made_at = self.root._lamina.made_at
            text = skipped(self.file.path, type(self.root).__name__, found, made_at)
            warnings.warn(text, UserWarning, stacklevel=6)

    def _read(self, wanted: list[tuple[str, str, Variable]]) -> list[jax.Array]:
        """Read arrays in the dtypes of their variables, and onto their devices.

        Args:
            wanted: the path of each variable, the name of its entry, and the variable.
        """
        places = [variable.stored().sharding for _, _, variable in wanted]
        stored: Mapping[str, Any] = {}
        if isinstance(self.file, StoredArrays):
            by_name = {name: place for (_, name, _), place in zip(wanted, places, strict=True)}
            stored = outside_traces(partial(self.file.read_together, by_name))
        arrays: list[jax.Array] = []
        for (path, name, variable), place in zip(wanted, places, strict=True):
            if name in stored:
                array = cast(stored[name], variable.weight_dtype, path)
                arrays.append(outside_traces(partial(jax.device_put, array, place)))
            else:
                arrays.append(outside_traces(partial(self._placed, path, name, variable, place)))
        return arrays

    def _placed(self, path: str, name: str, variable: Variable, place: Any) -> jax.Array:
        """Read an array of the file to devices, the part of each device by itself."""
        dtype, entry = variable.weight_dtype, self.entries[name]

        def part(start: int, stop: int) -> np.ndarray:
            return cast(self.file.read_part(entry, start, stop), dtype, path)

        if place.num_devices == 1:
            return jax.device_put(part(0, entry.size).reshape(entry.shape), place)
        return sharded(variable.shape, dtype, place, part)

    def _are_equal(self, name: str, other: str) -> bool:
        """Return whether two arrays are known to be equal; those of a file are read in parts."""
        if isinstance(self.file, StoredArrays):
            return False
        one, two = self.entries[name], self.entries[other]
        ends = [(n, min(n + _COMPARED, one.size)) for n in range(0, one.size, _COMPARED)]
        read = self.file.read_part
        return one.shape == two.shape and all(
            np.array_equal(read(one, *part), read(two, *part)) for part in ends
        )

    def _check_room(self, tree: Tree) -> None:
        """Check that a tree made from the file has no more elements than the file."""
        if self._whole is None:
            return
        there = sum(entry.size for entry in self.entries.values())
        asked = sum(v.size for _, v in tree.variables.values() if v.is_weight)
        if asked > there:
            raise self._too_much()

    def _match(self, tree: Tree) -> Match:
        wanted = self._wanted(tree.by_path())
        found = match(wanted, tree.all_aliases(), self.entries, self.metadata.aliases)
        for path, variable in tree.variables.values():
            if not variable.is_weight:  # of another batch size
                found.unexpected.pop(path, None)
        return found

    def _wanted(self, variables: Mapping[str, Variable]) -> dict[str, Wanted]:
        """What the file must hold: all weights, and of the states those that it holds and fit."""
        return {
            path: (variable.shape, variable.weight_dtype)
            for path, variable in variables.items()
            if variable.is_weight
            or (path in self.entries and self.entries[path].shape == variable.shape)
        }

    def _whole_mismatch(self, found: Match) -> Match:
        """All mismatches: a build that fails does not know what later ones would make."""
        tree = walk(self.root)
        if self.root._lamina.built is not None:
            return found
        with contextlib.suppress(Exception):
            file, classes = self.file.path, self._whole
            wanted = planned(self.root, self.metadata, self.entries, file, classes).weights
            return match(wanted, tree.all_aliases(), self.entries, self.metadata.aliases)
        return found

    def _too_much(self) -> FileFormatError:
        return FileFormatError(
            explain(
                f"{self.file.path!r} describes a larger model than its arrays can fill.",
                where=f"{type(self.root).__name__} was made at {self.root._lamina.made_at}",
                expected="weights, shared weights and builds in proportion to the arrays",
                received="many more",
                remedy="Make and build the model in code, and call load_weights on it.",
            )
        )

    def _bad_specs(self, error: Exception) -> FileFormatError:
        entered = self.metadata.builds[0].method
        name = type(self.root).__name__
        return FileFormatError(
            explain(
                f"{name} cannot be built from the specs in {self.file.path!r}.",
                where=f"{name} was made at {self.root._lamina.made_at}",
                expected=f"a {entered} method with the same inputs; nothing was changed",
                received=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
                remedy="Pass the file of this model, or call build(...) before load_weights.",
            )
        )


class _Values:
    """The values of the variables of one build, read from the file when they are needed."""

    def __init__(self, loading: Loading, prefix: str, tree: Tree, found: Match) -> None:
        self._loading = loading
        self._prefix = prefix
        self._variables = tree.by_path()
        self._found = found

    def __contains__(self, path: object) -> bool:
        return join(self._prefix, str(path)) in self._found.sources

    def read(self, path: str, start: int, stop: int) -> np.ndarray:
        """Read a range of the elements of an array, in the dtype of its variable."""
        full = join(self._prefix, path)
        loading, name = self._loading, self._found.sources[full]
        part = loading.file.read_part(loading.entries[name], start, stop)
        return cast(part, self._variables[path].weight_dtype, full)
