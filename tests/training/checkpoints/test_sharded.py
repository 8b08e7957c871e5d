"""Checkpoints of models on several devices: written in parts, and read onto any others."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.devices import Run, process_with_devices

pytest.importorskip("orbax.checkpoint", reason="needs pip install 'lamina[distributed]'")

PRELUDE = """
    import contextlib, functools, json, os, shutil, signal, sys, time, warnings
    from pathlib import Path
    import jax, numpy as np, optax
    import lamina
    from jax.sharding import PartitionSpec as P
    from lamina import Trainer, layers, losses
    from lamina.distribute import Placement
    from lamina.errors import FileFormatError, InputError, LaminaError
    from lamina.training import Callback, callbacks

    mesh = jax.make_mesh((2, 4), ("data", "model"))
    four = jax.make_mesh((4,), ("data",), devices=jax.devices()[4:])
    BOTH = Placement(mesh, [("**.kernel", P("data", "model"))])
    TENSORS = Placement.tensor_parallel(mesh)
    FOUR = Placement.fully_sharded(four)
    RNG = np.random.default_rng(0)
    X, Y = RNG.normal(size=(128, 8)).astype("float32"), RNG.integers(0, 8, 128)
    BATCHES = [(X[at : at + 16], Y[at : at + 16]) for at in range(0, 128, 16)]
    LOSS = losses.SparseCategoricalCrossentropy(from_logits=True)
    NOISY = optax.chain(optax.add_noise(0.1, 0.55, 0), optax.sgd(1e-2, 0.9))

    def network(units=16):
        lamina.set_seed(1)
        return lamina.Sequential([
            layers.Dense(units, activation="relu"),
            layers.Dropout(0.1),
            layers.BatchNormalization(),
            layers.Dense(8),
        ])

    def placed(placement, units=16):
        model = network(units)
        with placement or contextlib.nullcontext():
            model.build((None, 8))
        return model

    def steps(trainer, batches):
        return [float(trainer.step(batch)["loss"]) for batch in batches]

    def fitted(placement, **options):
        model = network()
        model.compile("adam", LOSS, ["accuracy"])
        with placement or contextlib.nullcontext():
            return model, model.fit(X, Y, batch_size=16, epochs=4, verbose=0, **options).history

    @functools.cache
    def started():
        return Trainer(placed(BOTH), "adam", LOSS)

    def saved(directory, count=1):
        for number in range(count):
            steps(started(), BATCHES[number : number + 1])
            started().save(directory)
        return started()

    class Own(Callback):
        state = None

        def get_state(self):
            state = {"whole": np.arange(3), "wide": np.int64(1 << 40)}
            return state | {"empty": np.zeros((0, 3))}

        def set_state(self, state):
            self.state = state

    def told():
        return [callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True), Own()]

    def values(model):
        return {path: np.array(value) for path, value in model.values().items()}

    def equal(left, right):
        assert left.keys() == right.keys()
        for path in left:
            np.testing.assert_array_equal(left[path], right[path], err_msg=path)
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs programs in one process with eight devices, and returns what they print."""
    with process_with_devices(8, PRELUDE) as ask:
        yield ask


def test_training_goes_on_on_other_devices(run: Run, tmp_path: Path) -> None:
    run(f"""
        sharded, whole = [Path({str(tmp_path)!r}, name) for name in ("sharded", "whole")]
        trainer = Trainer(placed(None), NOISY, LOSS, ["accuracy"])
        expected = steps(trainer, BATCHES[:4])
        trainer.save(whole)
        expected += steps(trainer, BATCHES[4:])
        before = Trainer(placed(BOTH), NOISY, LOSS, ["accuracy"])
        np.testing.assert_allclose(steps(before, BATCHES[:4]), expected[:4], atol=1e-5)
        before.save(sharded)
        cases = (sharded, None, False), (sharded, FOUR, False), (whole, TENSORS, True)
        for directory, after, built in cases:
            model = placed(after) if built else network()
            with after or contextlib.nullcontext():
                again = Trainer.restore(directory, model, NOISY, LOSS, ["accuracy"])
            assert again.wait() == 4 and model._lamina.placement is after
            np.testing.assert_allclose(steps(again, BATCHES[4:]), expected[4:], atol=1e-5)
            for log, value in again.logs().items():
                np.testing.assert_allclose(value, trainer.logs()[log], atol=1e-5)
    """)


def test_no_whole_array_is_written_or_read(run: Run, tmp_path: Path) -> None:
    run(f"""
        directory = Path({str(tmp_path)!r})
        trainer = saved(directory)
        moment = "optimizer/inner_state/0/mu/layers.0.kernel"
        folder = directory / "checkpoint-000001"
        assert sorted(os.listdir(folder)) == ["arrays", "checkpoint.json"]
        kept = json.loads((folder / "arrays" / "_METADATA").read_text())["tree_metadata"]
        written = {{
            "/".join(one["key"] for one in entry["key_metadata"]):
                entry["value_metadata"]["write_shape"]
            for entry in kept.values()
        }}
        for name in "weights/layers.0.kernel", f"training/{{moment}}":
            assert written[name] == [4, 4]
        model = network()
        with FOUR:
            again = Trainer.restore(directory, model, "adam", LOSS)
        read = again._loan.pending_arrays[moment]
        assert read.sharding == model.layers[0].kernel.value.sharding
        assert read.sharding.shard_shape(read.shape) == (8, 4)
        equal(values(trainer.model), values(model))
    """)


def test_what_does_not_fit_changes_nothing(run: Run, tmp_path: Path) -> None:
    run(f"""
        directory = Path({str(tmp_path)!r})
        saved(directory)
        for placement in (BOTH, None):
            model = placed(placement, units=24)
            trainer = Trainer(model, "adam", LOSS)
            steps(trainer, BATCHES[:2])
            before = values(model)
            try:
                trainer.resume(directory)
            except FileFormatError as error:
                assert "layers.0.kernel, expected (8, 24)" in str(error), error
            else:
                raise AssertionError
            equal(values(model), before)
            assert trainer.wait() == 2
            steps(trainer, BATCHES[:1])
            assert trainer.wait() == 3
        unbuilt = network(24)
        try:
            with BOTH:
                Trainer.restore(directory, unbuilt, "adam", LOSS)
        except FileFormatError as error:
            assert "layers.0.kernel, expected (8, 24)" in str(error), error
        assert not unbuilt.built and unbuilt._lamina.placement is None
        model = placed(BOTH)
        before = values(model)
        try:
            Trainer.restore(directory, model, "sgd", LOSS)
        except FileFormatError as error:
            assert "another optimizer" in str(error)
        else:
            raise AssertionError
        equal(values(model), before)
    """)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run: Run, tmp_path: Path) -> None:
    run(f"""
        directory = Path({str(tmp_path)!r})
        saved(directory, count=2)
        newest = directory / "checkpoint-000002"
        names = [p.relative_to(newest) for p in sorted(newest.rglob("*")) if p.is_file()]
        assert len(names) > 4
        shutil.copytree(newest, directory / "whole")

        def cut(path):
            path.write_bytes(path.read_bytes()[:-1])

        def flip(path):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)

        def replace(path):
            path.unlink()
            os.mkfifo(path)

        model = placed(BOTH)
        for name in names:
            for damage in (flip, cut, os.unlink, replace)[:: 1 if name == names[-1] else 3]:
                shutil.rmtree(newest)
                shutil.copytree(directory / "whole", newest)
                damage(newest / name)
                trainer = Trainer(model, "adam", LOSS)
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    trainer.resume(directory)
                assert "checkpoint-000002 is damaged" in str(caught[0].message), (name, damage)
                assert trainer.wait() == started().wait() - 1
    """)


def test_the_index_is_checked(run: Run, tmp_path: Path) -> None:
    run(f"""
        from hashlib import sha256
        from lamina.training.checkpoints import contents

        directory = Path({str(tmp_path)!r})
        saved(directory)
        path = directory / "checkpoint-000001" / "checkpoint.json"
        whole = json.loads(path.read_text())["index"]
        first = next(iter(whole["files"]))
        changes = {{
            "no files": lambda index: index.update(files={{}}) or index["shapes"].clear(),
            "a file above": lambda index: index["files"].update({{"../x": index["files"][first]}}),
            "no shapes": lambda index: index.pop("shapes"),
            "a shape as text": lambda index: index["shapes"].update({{"training/steps": "()"}}),
            "sizes below 0": lambda index: index["shapes"].update({{"training/steps": [-1]}}),
            "steps of two": lambda index: index["shapes"].update({{"training/steps": [2]}}),
            "no steps": lambda index: [
                index[name].pop("training/steps") for name in ("shapes", "dtypes")
            ],
            "one dtype less": lambda index: index["dtypes"].pop("training/steps"),
            "an odd dtype": lambda index: index["dtypes"].update({{"training/steps": "O"}}),
            "no metadata": lambda index: index.pop("metadata"),
            "metadata of text": lambda index: index.update(metadata={{"lamina": "x"}}),
            "another version": lambda index: index.update(version=3),
            "the other version": lambda index: index.update(version=1),
            "no seed": lambda index: index["about"].pop("seed"),
        }}
        contents.read(path.parent)
        for name, change in changes.items():
            index = json.loads(json.dumps(whole))
            change(index)
            digest = sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
            path.write_text(json.dumps({{"sha256": digest, "index": index}}))
            try:
                contents.read(path.parent)
            except Exception:
                continue
            raise AssertionError(name)
    """)


def test_a_full_disk_loses_nothing(run: Run, tmp_path: Path) -> None:
    run(f"""
        import resource

        directory = Path({str(tmp_path)!r})
        trainer = saved(directory)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for most in 100, 500:  # bytes: Orbax and TensorStore name errors in two ways
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
            try:
                trainer.save(directory)
            except OSError as error:
                assert "File too large" in str(error) and "Free disk space" in str(error), error
            else:
                raise AssertionError
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert os.listdir(directory) == ["checkpoint-000001"]
        assert trainer.save(directory, keep=1).name == "checkpoint-000002"
        assert os.listdir(directory) == ["checkpoint-000002"]
    """)


def test_an_interrupted_save_leaves_nothing(run: Run, tmp_path: Path) -> None:
    run(f"""
        directory = Path({str(tmp_path)!r})
        trainer = saved(directory)
        before = signal.signal(signal.SIGALRM, signal.default_int_handler)
        for delay in 0.01, 0.04:
            signal.setitimer(signal.ITIMER_REAL, delay)
            try:
                for _ in range(100):
                    trainer.save(directory)
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError
            assert not [name for name in os.listdir(directory) if name.startswith(".c")]
        signal.signal(signal.SIGALRM, before)
        trainer.save(directory)
    """)


def test_a_killed_run_goes_on_on_other_devices(run: Run, tmp_path: Path) -> None:
    killed, rest = tmp_path / "killed", [tmp_path / "four", tmp_path / "one"]
    with process_with_devices(8, PRELUDE) as ask, pytest.raises(json.JSONDecodeError):
        ask(f"""
            class Kill(Callback):
                def on_train_batch_end(self, batch, logs=None):
                    while any(name.endswith(".tmp") for name in os.listdir({str(killed)!r})):
                        time.sleep(0.01)  # so that no checkpoint is left out
                    self.steps = getattr(self, "steps", 0) + 1
                    if self.steps >= 22 and len(os.listdir({str(killed)!r})) > 2:
                        os.kill(os.getpid(), signal.SIGKILL)

            options = {{"checkpoint_dir": {str(killed)!r}, "checkpoint_every": 3}}
            fitted(BOTH, callbacks=[*told(), Kill()], **options)
        """)
    assert any(name.startswith("checkpoint-") for name in os.listdir(killed))
    run(f"""
        model, expected = fitted(None, callbacks=told())
        for placement, folder in zip((FOUR, None), {list(map(str, rest))}):
            shutil.copytree({str(killed)!r}, folder)
            stopping, own = told()
            options = {{"callbacks": [stopping, own], "checkpoint_dir": folder, "resume": True}}
            again, history = fitted(placement, **options)
            for name, logs in expected.items():
                np.testing.assert_allclose(history[name], logs, atol=1e-5)
            for path, value in model.values().items():
                np.testing.assert_allclose(again.values()[path], value, atol=1e-5)
            assert stopping.best == min(history["loss"]) and len(history["loss"]) == 4
            assert own.state["wide"] == 1 << 40 and own.state["empty"].shape == (0, 3)
            assert own.state["whole"].tolist() == [0, 1, 2]
    """)


def test_without_orbax_the_command_is_named_before_the_first_step(run: Run, tmp_path: Path) -> None:
    run(f"""
        directory = Path({str(tmp_path)!r})
        saved(directory / "there")
        model = placed(BOTH)
        before = values(model)
        found = {{name: sys.modules[name] for name in sys.modules if name.startswith("orbax")}}
        sys.modules |= dict.fromkeys(found)
        asks = [
            lambda: started().save(directory / "new"),
            lambda: Trainer(model, "adam", LOSS).resume(directory / "there"),
            lambda: fitted(BOTH, checkpoint_dir=directory / "new"),
        ]
        for ask in asks:
            try:
                ask()
            except LaminaError as error:
                assert "pip install 'lamina[distributed]'" in str(error), error
            else:
                raise AssertionError
        sys.modules |= found
        equal(values(model), before)
        assert not [n for n in os.listdir(directory / "new") if not n.startswith(".")]
    """)
