"""`keras.utils`, `keras.backend`, `keras.config`, `keras.saving` and `keras.tree`."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import wave
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from lamina.compat import keras as ours
from lamina.compat.keras.utils.batches import Batches
from lamina.errors import InputError

_random = np.random.default_rng(0)


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras")


def _image(path: Path, height: int = 5, width: int = 7) -> np.ndarray:
    x = _random.integers(0, 256, (height, width, 3)).astype("uint8")
    ours.utils.save_img(path, x, scale=False)
    return x


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_mode": "grayscale"},
        {"color_mode": "rgba"},
        {"target_size": (3, 4)},
        {"target_size": (3, 4), "interpolation": "bilinear"},
        {"target_size": (3, 3), "interpolation": "lanczos", "keep_aspect_ratio": True},
    ],
)
def test_images_are_read_as_in_keras(keras: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "image.png"
    x = _image(path)
    own, theirs = ours.utils.load_img(path, **options), keras.utils.load_img(path, **options)
    wanted = keras.utils.img_to_array(theirs)
    np.testing.assert_array_equal(ours.utils.img_to_array(own), wanted)
    if not options:
        np.testing.assert_array_equal(wanted, x)


def test_arrays_become_images_and_come_back(keras: Any, tmp_path: Path) -> None:
    for channels in (1, 3, 4):
        x = _random.normal(size=(4, 5, channels)).astype("float32")
        for layout in ("channels_last", "channels_first"):
            given = x.transpose(2, 0, 1) if layout == "channels_first" else x
            own = ours.utils.array_to_img(given, layout)
            theirs = keras.utils.array_to_img(given, layout)
            assert own.mode == theirs.mode
            np.testing.assert_array_equal(np.asarray(own), np.asarray(theirs))
            back = ours.utils.img_to_array(own, layout)
            np.testing.assert_array_equal(back, keras.utils.img_to_array(theirs, layout))
    big = _random.uniform(0, 255, (6, 8, 3)).astype("float32")
    for size in ((3, 3), (9, 4)):
        wanted = keras.preprocessing.image.smart_resize(big, size)
        np.testing.assert_allclose(
            ours.preprocessing.image.smart_resize(big, size), wanted, rtol=1e-4, atol=1e-3
        )
    with pytest.raises(InputError, match="no image"):
        ours.utils.array_to_img(np.ones((2, 2)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, count in (("cats", 4), ("dogs", 3)):
        (tmp_path / name).mkdir()
        for number in range(count):
            _image(tmp_path / name / f"{number}.png", 5 + number, 7)
            (tmp_path / name / f"{number}.txt").write_text(f"{name} {number}")
    return tmp_path


def test_images_of_a_folder(keras: Any, folder: Path) -> None:
    data = ours.utils.image_dataset_from_directory(
        folder, image_size=(4, 6), batch_size=3, shuffle=False, verbose=False
    )
    assert data.class_names == ["cats", "dogs"] and len(data) == 3
    images, labels = zip(*data, strict=True)
    assert [one.shape for one in images] == [(3, 4, 6, 3), (3, 4, 6, 3), (1, 4, 6, 3)]
    assert np.concatenate(labels).tolist() == [0] * 4 + [1] * 3
    x = keras.utils.img_to_array(keras.utils.load_img(data.file_paths[1]))
    wanted = keras.ops.image.resize(x, (4, 6))
    np.testing.assert_allclose(images[0][1], wanted, rtol=1e-4, atol=1e-3)
    for mode, shape in (("categorical", (7, 2)), ("binary", (7, 1))):
        batches = ours.utils.image_dataset_from_directory(
            folder, label_mode=mode, image_size=(4, 6), verbose=False
        )
        assert batches[0][1].shape == shape and batches[0][1].dtype == np.float32
    alone = ours.utils.image_dataset_from_directory(
        folder, labels=None, image_size=(4, 6), verbose=False, color_mode="grayscale"
    )
    assert alone[0].shape == (7, 4, 6, 1)


def test_a_model_is_trained_on_a_folder(folder: Path) -> None:
    training, validation = ours.utils.image_dataset_from_directory(
        folder, image_size=(4, 6), validation_split=0.3, subset="both", seed=1, verbose=False
    )
    assert not {*training.file_paths} & {*validation.file_paths}
    assert len(training.file_paths) + len(validation.file_paths) == 7
    model = ours.Sequential(
        [ours.layers.Rescaling(1 / 255), ours.layers.Flatten(), ours.layers.Dense(2)]
    )
    loss = ours.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    history = model.fit(training, validation_data=validation, epochs=2, verbose=0)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_parts_of_a_split_fit_together(folder: Path) -> None:
    options: dict[str, Any] = {"validation_split": 0.3, "seed": 3, "verbose": False}
    parts = [
        ours.utils.text_dataset_from_directory(folder, subset=subset, **options)
        for subset in ("training", "validation")
    ]
    found = [path for part in parts for path in part.file_paths]
    assert sorted(found) == sorted(map(str, folder.glob("*/*.txt")))
    for text, label in zip(*parts[1][0], strict=True):
        assert text.startswith(("cats", "dogs")[label])
    with pytest.raises(InputError, match="share no file"):
        ours.utils.text_dataset_from_directory(folder, subset="training", validation_split=0.3)
    with pytest.raises(InputError, match="cannot read the data"):
        ours.utils.text_dataset_from_directory(folder / "none")
    with pytest.raises(InputError, match="invalid label_mode"):
        ours.utils.text_dataset_from_directory(folder, label_mode="one_hot")


def _sound(path: Path, samples: np.ndarray, width: int = 2, rate: int = 8000) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())


def test_sounds_of_a_folder(tmp_path: Path) -> None:
    ramp = np.arange(-6, 6, dtype="<i2")[:, None] * 1000
    for name, length in (("low", 12), ("high", 8)):
        (tmp_path / name).mkdir()
        _sound(tmp_path / name / "0.wav", ramp[:length])
    options: dict[str, Any] = {"shuffle": False, "verbose": False}
    data = ours.utils.audio_dataset_from_directory(tmp_path, **options)
    sounds, labels = data[0]
    assert sounds.shape == (2, 12, 1) and sounds.dtype == np.float32
    assert data.class_names == ["high", "low"] and labels.tolist() == [0, 1]
    np.testing.assert_array_equal(sounds[1], ramp / 2**15)
    np.testing.assert_array_equal(sounds[0, :, 0], [*ramp[:8, 0] / 2**15, 0, 0, 0, 0])
    cut = ours.utils.audio_dataset_from_directory(
        tmp_path, output_sequence_length=10, sampling_rate=16000, label_mode=None, **options
    )
    assert cut[0].shape == (2, 20, 1)
    np.testing.assert_allclose(cut[0][1, :12:2], sounds[1, :6], atol=0.02)
    single = ours.utils.audio_dataset_from_directory(tmp_path, batch_size=None, **options)
    assert [sound.shape for sound, _ in single] == [(8, 1), (12, 1)]


def test_sounds_of_other_sizes(tmp_path: Path) -> None:
    wanted = np.array([[-1, 0.5], [0, -0.25]], "float32")
    for width, scale in ((1, 2**7), (2, 2**15), (4, 2**31)):
        whole = (wanted * scale + (scale if width == 1 else 0)).astype("int64")
        _sound(
            tmp_path / f"{width}.wav", whole.astype(f"<{'u' if width == 1 else 'i'}{width}"), width
        )
    whole = (wanted * 2**31).astype("<i4").view("uint8").reshape(2, 2, 4)
    _sound(tmp_path / "3.wav", np.ascontiguousarray(whole[..., 1:]), 3)
    options: dict[str, Any] = {"labels": None, "shuffle": False, "verbose": False}
    data = ours.utils.audio_dataset_from_directory(tmp_path, **options)
    np.testing.assert_array_equal(data[0], np.stack([wanted] * 4))
    with pytest.raises(InputError, match="ragged"):
        ours.utils.audio_dataset_from_directory(tmp_path, ragged=True)
    with pytest.raises(InputError, match="sampling_rate"):
        ours.utils.audio_dataset_from_directory(tmp_path, sampling_rate=0)
    (tmp_path / "1.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match="WAV file"):
        ours.utils.audio_dataset_from_directory(tmp_path, **options)[0]


def test_batches_are_mapped_taken_and_shuffled(folder: Path) -> None:
    data = ours.utils.text_dataset_from_directory(folder, batch_size=2, seed=0, verbose=False)
    first = [text for batch, _ in data for text in batch]
    second = [text for batch, _ in data for text in batch]
    assert first != second and sorted(first) == sorted(second)
    lengths = data.map(lambda texts, labels: np.array([len(one) for one in texts]))
    assert {one for batch in lengths for one in batch.tolist()} == {6}
    assert len(data.take(3)) == 3 and len(data.skip(3)) == 1
    assert data.cache().prefetch(1) is data


def test_single_elements_become_batches() -> None:
    arrays = {"x": np.arange(10) * 1.0}, np.arange(10)
    left, right = ours.utils.split_dataset(arrays, left_size=0.7)
    changed = left.map(lambda x, y: (x["x"] + np.zeros(2), {"y": y}))
    x, y = changed[3]
    assert x.tolist() == [3, 3] and y == {"y": 3}
    batches = changed.skip(1).batch(4)
    assert [one.shape for one, _ in batches] == [(4, 2), (2, 2)]
    assert batches[1][1]["y"].tolist() == [5, 6]
    assert len(left.batch(4, drop_remainder=True)) == 1
    assert [int(y) for _, y in batches.unbatch().map(lambda x, y: (x, y["y"]))] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    mixed = right.batch(2).shuffle(100, seed=0)
    found = [np.concatenate([y for _, y in mixed]).tolist() for _ in range(4)]
    assert sorted(found[0]) == [7, 8, 9] and len({tuple(one) for one in found}) > 1
    model = ours.Sequential([ours.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(changed.map(lambda x, y: (x, y["y"] * 1.0)).shuffle(9).batch(4), verbose=0)


def test_batches_are_regrouped() -> None:
    data = Batches(lambda rows: (rows, -rows), np.arange(10), 4)
    assert [x.tolist() for x, _ in data.rebatch(3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert len(data.rebatch(3, drop_remainder=True)) == 3
    assert [int(x) for x, _ in data.unbatch().skip(8)] == [8, 9]
    shuffled = data.unbatch().shuffle(10, seed=0)
    passes = [[int(x) for x, _ in shuffled] for _ in range(2)]
    assert passes[0] != passes[1] and [sorted(one) for one in passes] == [list(range(10))] * 2
    both = data.take(1).concatenate(data.skip(2)).repeat(2)
    assert [y.tolist() for _, y in both] == [[0, -1, -2, -3], [-8, -9]] * 2
    assert data.cardinality().numpy() == 3 == len(data.take(-1))
    with pytest.raises(InputError, match="without an end"):
        data.repeat()
    with pytest.raises(AttributeError, match="A data set has no filter"):
        _ = data.filter


def test_batches_of_one_order_do_not_change_each_other() -> None:
    data = Batches(lambda rows: rows, np.arange(6), 2, shuffle=True, seed=0).unbatch()
    mapped = data.map(lambda row: row)
    for _ in range(3):
        pairs = zip(iter(data), iter(mapped), strict=True)
        one, other = zip(*pairs, strict=True)
        assert sorted(map(int, one)) == sorted(map(int, other)) == list(range(6))


def test_arrays_of_data_sets_are_read_like_tensors() -> None:
    [(images, labels)] = ours.utils.split_dataset((np.ones((2, 3)), np.array([4, 5])), left_size=2)[
        0
    ].batch(2)
    assert type(images.numpy()) is np.ndarray and images[0].numpy().tolist() == [1, 1, 1]
    assert labels[1].numpy() == 5 and {5: "found"}[labels[1]] == "found"
    assert f"{images[0, 0]:.1f}" == "1.0" and jnp.asarray(images).shape == (2, 3)


@pytest.mark.parametrize(
    ("options", "windows", "targets"),
    [
        ({}, [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6], [5, 6, 7]], range(6)),
        ({"sequence_stride": 2}, [[0, 1, 2], [2, 3, 4], [4, 5, 6]], [0, 2, 4]),
        ({"sampling_rate": 2}, [[0, 2, 4], [1, 3, 5], [2, 4, 6], [3, 5, 7]], range(4)),
        ({"start_index": 2, "end_index": 6}, [[2, 3, 4], [3, 4, 5]], [2, 3]),
    ],
)
def test_windows_of_series(options: Any, windows: Any, targets: Any) -> None:
    data = ours.utils.timeseries_dataset_from_array(np.arange(8), np.arange(8) * 10, 3, **options)
    [(x, y)] = data
    assert x.tolist() == windows and y.tolist() == [10 * one for one in targets]
    with pytest.raises(InputError, match="invalid sampling_rate"):
        ours.utils.timeseries_dataset_from_array(np.arange(8), None, 3, sampling_rate=0)


def test_data_are_split() -> None:
    x, y = np.arange(10), np.arange(10) * 2
    left, right = ours.utils.split_dataset((x, y), left_size=0.6)
    assert (len(left), len(right)) == (6, 4)
    assert [tuple(map(int, pair)) for pair in right] == [(6, 12), (7, 14), (8, 16), (9, 18)]
    left, right = ours.utils.split_dataset(x, right_size=3, shuffle=True, seed=1)
    assert sorted([*map(int, left), *map(int, right)]) == x.tolist() and len(right) == 3
    with pytest.raises(InputError, match="do not fit"):
        ours.utils.split_dataset(x, left_size=8, right_size=4)


def _archive(path: Path, name: str) -> None:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, "text")
        return
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.size = 4
        archive.addfile(info, io.BytesIO(b"text"))


def test_files_are_fetched_checked_and_kept(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("one")
    options: dict[str, Any] = {"origin": source.as_uri(), "cache_dir": str(tmp_path / "cache")}
    found = Path(ours.utils.get_file(**options))
    assert found == tmp_path / "cache" / "datasets" / "source.txt" and found.read_text() == "one"
    source.write_text("two")
    assert Path(ours.utils.get_file(**options)).read_text() == "one"
    digest = hashlib.sha256(b"two").hexdigest()
    assert Path(ours.utils.get_file(**options, file_hash=digest)).read_text() == "two"
    with pytest.raises(InputError, match="not the expected one"):
        ours.utils.get_file("other.txt", **options, md5_hash="0" * 32)
    assert not (tmp_path / "cache" / "datasets" / "other.txt").exists()
    with pytest.raises(InputError, match="no name"):
        ours.utils.get_file("../escaped.txt", **options)


@pytest.mark.parametrize("name", ["data.zip", "data.tar.gz"])
def test_archives_are_extracted_as_in_keras(keras: Any, tmp_path: Path, name: str) -> None:
    _archive(tmp_path / name, "inner/file.txt")
    paths = []
    for library in (ours, keras):
        for fname in (None, name):
            cache = f"{library.__name__}-{fname}"
            (tmp_path / cache).mkdir()
            found = library.utils.get_file(
                fname,
                origin=(tmp_path / name).as_uri(),
                extract=True,
                cache_dir=str(tmp_path / cache),
            )
            assert (Path(found) / "inner" / "file.txt").read_text() == "text"
            paths.append(Path(found).relative_to(tmp_path / cache))
    assert paths[:2] == paths[2:]


def test_a_name_that_leads_out_of_the_folder_is_not_extracted(tmp_path: Path) -> None:
    _archive(tmp_path / "data.tar.gz", "../../escaped.txt")
    with pytest.raises(tarfile.TarError):
        ours.utils.get_file(
            origin=(tmp_path / "data.tar.gz").as_uri(), untar=True, cache_dir=str(tmp_path)
        )
    assert not list(tmp_path.rglob("escaped.txt"))


def test_arrays_are_normalized_as_in_keras(keras: Any) -> None:
    x = _random.normal(size=(3, 4)).astype("float32")
    x[1] = 0
    for options in ({"axis": 1}, {"order": 1}):  # Keras divides along the last axis for axis=0
        np.testing.assert_allclose(
            ours.utils.normalize(x, **options), keras.utils.normalize(x, **options), rtol=1e-6
        )
    np.testing.assert_allclose(
        ours.utils.normalize(jnp.asarray(x)), keras.utils.normalize(jnp.asarray(x)), rtol=1e-6
    )


def test_parts_of_a_batch(keras: Any) -> None:
    for given in ((1,), (1, 2), (1, 2, 3), ([1, 2],)):
        packed = ours.utils.pack_x_y_sample_weight(*given)
        assert packed == keras.utils.pack_x_y_sample_weight(*given)
        unpacked = ours.utils.unpack_x_y_sample_weight(packed)
        assert unpacked == keras.utils.unpack_x_y_sample_weight(packed)
    with pytest.raises(InputError, match="too many parts"):
        ours.utils.unpack_x_y_sample_weight((1, 2, 3, 4))


def test_a_progress_bar_shows_means(keras: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for module in (ours, keras):
        bar = module.utils.Progbar(5, interval=0, stateful_metrics=["step"])
        bar.update(1, [("loss", 1.0), ("step", 1)])
        bar.add(3, [("loss", 5.0), ("step", 4)])
        assert "loss: 4.0000 - step: 4.0000" in capsys.readouterr().out
        bar.add(1, [("loss", 7.0), ("step", 5)])
        shown = capsys.readouterr().out
        assert "5/5" in shown and "loss: 7.0000 - step: 5.0000\n" in shown
    with pytest.raises(InputError, match="both kinds"):
        ours.utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_settings_are_those_of_keras(keras: Any) -> None:
    found: list[Any] = []
    for module in (ours, keras):
        config = module.utils.Config(b=1, a=2)
        config.c = 3
        config["d"] = 4
        shown = [repr(config), list(config), config.as_dict(), config.to_json(), "a" in config]
        config.freeze()
        with pytest.raises(ValueError, match="frozen"):
            config.a = 1
        config.unfreeze()
        del config["d"]
        config.update({"e": 5})
        with pytest.raises(AttributeError):
            _ = config.f
        found.append([*shown, config.pop("e"), config.get("z", 6), config.frozen, len(config)])
    assert found[0] == found[1]


def test_registered_classes_are_found_in_files(tmp_path: Path) -> None:
    @ours.saving.register_keras_serializable("mine")
    class Double(ours.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    assert ours.saving.get_registered_name(Double) == "mine>Double"
    assert ours.saving.get_registered_object("mine>Double") is Double
    model = ours.Sequential([ours.Input((3,)), Double()])
    config = ours.saving.serialize_keras_object(model)
    assert ours.saving.deserialize_keras_object(config)(jnp.ones((1, 3))).tolist() == [[2] * 3]
    for name in ("model.keras", "model.lamina"):
        model.save(tmp_path / name)
        for load in (ours.saving.load_model, ours.models.load_model):
            assert load(tmp_path / name)(jnp.ones((1, 3))).tolist() == [[2, 2, 2]]
    again = ours.models.model_from_json(model.to_json())
    assert again(jnp.ones((1, 3))).tolist() == [[2, 2, 2]]
    with ours.saving.custom_object_scope({"Other": Double}):
        assert ours.saving.get_custom_objects()["Other"] is Double
    assert "Other" not in ours.saving.get_custom_objects()


def test_settings_and_dtypes_are_those_of_keras(keras: Any) -> None:
    for name in ("backend", "epsilon", "floatx", "image_data_format"):
        assert getattr(ours.backend, name)() == getattr(keras.backend, name)()
    for dtypes in (("int32", "float16"), ("int8", int), ("float16", float), ("uint8", "int8")):
        assert ours.backend.result_type(*dtypes) == keras.backend.result_type(*dtypes)
    for dtype in (None, "bfloat16", np.float32, jnp.int32, float, bool):
        assert ours.backend.standardize_dtype(dtype) == keras.backend.standardize_dtype(dtype)
    assert ours.backend.is_float_dtype("bfloat16") and not ours.backend.is_int_dtype("float32")
    assert ours.backend.is_keras_tensor(ours.Input((3,)))
    first = ours.backend.get_uid("a"), ours.backend.get_uid("a"), ours.backend.get_uid("b")
    assert first == (1, 2, 1)
    ours.backend.clear_session()
    assert ours.backend.get_uid("a") == 1
    for change in ("set_floatx('float16')", "set_image_data_format('channels_first')"):
        name, _, value = change[:-1].partition("(")
        with pytest.raises(InputError, match="cannot be changed"):
            getattr(ours.config, name)(value.strip("'"))
    ours.config.set_floatx("float32")


def test_policies(keras: Any) -> None:
    policy = ours.DTypePolicy("mixed_bfloat16")
    theirs = keras.DTypePolicy("mixed_bfloat16")
    assert policy.compute_dtype == theirs.compute_dtype
    assert policy.variable_dtype == theirs.variable_dtype
    assert ours.dtype_policies.deserialize(ours.dtype_policies.serialize(policy)) == policy
    loss, metric = ours.losses.MeanSquaredError(dtype=policy), ours.metrics.Mean(dtype=policy)
    assert loss.dtype == metric.dtype == "bfloat16"
    layer = ours.layers.Dense(2, dtype=policy)
    assert layer(jnp.ones((1, 3))).dtype == jnp.bfloat16
    ours.mixed_precision.set_global_policy(policy)
    try:
        assert ours.mixed_precision.global_policy() == policy
        assert ours.layers.Dense(2)(jnp.ones((1, 3))).dtype == jnp.bfloat16
    finally:
        ours.mixed_precision.set_global_policy("float32")


class _Pair(NamedTuple):
    x: Any
    y: Any


TREES: list[Any] = [
    _Pair(1, [2]),
    1,
    None,
    [],
    [1, (2, None)],
    {"b": [1], "a": {"c": 2}},
    ((),),
    [[1, 2], [3]],
]


@pytest.mark.parametrize("tree", TREES)
def test_trees_are_those_of_keras(keras: Any, tree: Any) -> None:
    own, theirs = ours.tree, keras.tree
    assert own.is_nested(tree) == theirs.is_nested(tree)
    assert own.flatten(tree) == theirs.flatten(tree)
    assert own.flatten_with_path(tree) == theirs.flatten_with_path(tree)
    assert own.map_structure(str, tree) == theirs.map_structure(str, tree)
    flat = list(range(len(own.flatten(tree))))
    assert own.pack_sequence_as(tree, flat) == theirs.pack_sequence_as(tree, flat)
    assert own.lists_to_tuples(tree) == theirs.lists_to_tuples(tree)

    def negated(value: Any) -> Any:
        return -value if isinstance(value, int) else None

    for order in (True, False):
        wanted = theirs.traverse(negated, tree, top_down=order)
        assert own.traverse(negated, tree, top_down=order) == wanted
    with pytest.raises(ValueError, match="differ"):
        own.assert_same_structure(tree, [tree, 1])


def test_variables_scopes_and_devices() -> None:
    first, second = (ours.Variable("glorot_uniform", shape=(2, 3)) for _ in range(2))
    assert not np.array_equal(first, second)
    v = ours.Variable("ones", shape=(2, 3), dtype="float32")
    assert v.value.tolist() == [[1] * 3] * 2
    with ours.name_scope("block"), ours.device("cpu:0"):
        assert ours.ops.ones((2,)).shape == (2,)
    assert ours.remat(lambda x: x * 2)(3.0) == 6
    layer = ours.remat(ours.layers.Dense(2))
    assert layer(jnp.ones((1, 3))).shape == (1, 2)
    assert ours.version() == ours.__version__


def test_a_model_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("igraph")
    model = ours.Sequential([ours.Input((3,)), ours.layers.Dense(2)])
    ours.utils.plot_model(model, tmp_path / "model.png", show_shapes=True)
    assert (tmp_path / "model.png").stat().st_size > 1000


def test_it_is_imported_only_when_asked_for() -> None:
    code = "import sys, lamina, lamina.training; print('lamina.compat' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class _Scaled(ours.layers.Layer):
    """A layer whose config holds another layer, as an object."""

    def __init__(self, dense: Any = None, **options: Any) -> None:
        super().__init__(**options)
        given = ours.saving.deserialize_keras_object(dense)
        self.dense = ours.layers.Dense(2) if given is None else given

    def call(self, inputs: Any) -> Any:
        return 2 * self.dense(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dense": self.dense}


def test_a_config_may_hold_a_layer(tmp_path: Path) -> None:
    inputs = ours.Input((3,))
    model = ours.Model(inputs, _Scaled()(inputs))
    known = {"_Scaled": _Scaled}
    model.save(tmp_path / "model.keras")
    again = ours.models.load_model(tmp_path / "model.keras", custom_objects=known)
    x = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(again(x), model(x))
    made = ours.models.model_from_json(model.to_json(), custom_objects=known)
    assert made.layers[-1].dense.units == 2


def test_names_are_imported_by_a_star() -> None:
    for name in ("layers", "models", "ops", "applications", "utils"):
        found: dict[str, Any] = {}
        exec(f"from lamina.compat.keras.{name} import *", found)
        module = getattr(ours, name)
        assert {one for one in dir(module) if not one.startswith("_")} <= set(found)


def test_applications_are_imported_one_by_one() -> None:
    code = (
        "import sys; from lamina.compat import keras; keras.applications.VGG16; "
        "print([n for n in ('nasnet', 'convnext', 'resnet')"
        " if f'lamina.compat.keras.applications.{n}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match=r"Did you mean keras\.applications\.ResNet50"):
        _ = ours.applications.ResNet18


def test_serialize_takes_the_arguments_of_keras() -> None:
    for module, name, thing, kind in (
        ("activations", "activation", ours.activations.relu, "relu"),
        ("constraints", "constraint", ours.constraints.NonNeg(), "NonNeg"),
        ("initializers", "initializer", ours.initializers.Zeros(), "Zeros"),
        ("layers", "layer", ours.layers.Flatten(), "Flatten"),
        ("losses", "loss", ours.losses.Huber(), "Huber"),
        ("metrics", "metric", ours.metrics.Mean(), "Mean"),
        ("regularizers", "regularizer", ours.regularizers.L2(), "L2"),
    ):
        found = getattr(ours, module).serialize(**{name: thing})
        assert found == kind or found["class_name"] == kind
    for legacy in (ours.legacy.saving, ours.utils.legacy):
        made = legacy.serialize_keras_object(instance=ours.layers.Dense(3))
        assert legacy.deserialize_keras_object(made, printable_module_name="layer").units == 3
        assert legacy.deserialize_keras_object("f", {"f": len}) is len


def doubled(x: Any) -> Any:
    return 2 * x


class Scaled(ours.layers.Layer):
    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return self.factor * inputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def test_registered_classes_are_found_everywhere(tmp_path: Path) -> None:
    register = ours.saving.register_keras_serializable
    register("first")(doubled)
    register("first")(Scaled)
    x = np.ones((2, 3), "float32")
    layers = [ours.layers.Dense(2, activation=doubled), Scaled(3.0)]
    model = ours.Sequential([ours.Input((3,)), *layers])
    found = ours.layers.serialize(model.layers[1])
    assert found["registered_name"] == "first>Scaled"
    assert ours.layers.deserialize(found).factor == 3.0
    again = ours.Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(again(x), model(x))
    assert ours.models.model_from_json(model.to_json()).layers[1].factor == 3.0
    for ending in ("keras", "lamina"):
        path = tmp_path / f"model.{ending}"
        ours.models.save_model(model, path)
        np.testing.assert_allclose(ours.models.load_model(path)(x), model(x))
    with pytest.raises(InputError, match="no folders"):
        ours.saving.save_model(model, tmp_path / "m.keras", zipped=False)
    with ours.saving.custom_object_scope({"Other": Scaled}):
        made = ours.layers.deserialize({"class_name": "Other", "config": {"factor": 2.0}})
        assert made.factor == 2.0

    @register("second", "Scaled")
    class Other(Scaled): ...

    found["registered_name"] = "second>Scaled"
    assert type(ours.layers.deserialize(found)) is Other
    for name in ("first>doubled", "first>Scaled", "second>Scaled"):
        del ours.saving.get_custom_objects()[name]


def test_dtypes_have_the_names_of_keras(keras: Any) -> None:
    for dtype in (None, int, "int", float, "string", str, "bfloat16", np.dtype("int64"), bool):
        for name in ("standardize_dtype", "is_int_dtype", "is_float_dtype"):
            own, theirs = getattr(ours.backend, name)(dtype), getattr(keras.backend, name)(dtype)
            assert own == theirs, (name, dtype)


def test_results_have_the_form_of_keras(keras: Any) -> None:
    integers = (_random.uniform(size=(5, 6, 3)) * 255).astype("uint8")
    for name, args in (
        ("utils.normalize", (np.array([1, 2, 3]),)),
        ("utils.to_categorical", (jnp.array([[0], [1]]), 3)),
        ("utils.to_categorical", (np.array([[0], [1]]), 3)),
        ("preprocessing.image.smart_resize", (integers, (4, 4))),
    ):
        own: Any = ours
        theirs = keras
        for part in name.split("."):
            own, theirs = getattr(own, part), getattr(theirs, part)
        found, wanted = own(*args), theirs(*args)
        assert found.dtype == wanted.dtype and type(found) is type(wanted), name
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
    with pytest.raises(InputError, match="different shapes"):
        ours.utils.pad_sequences([[[1, 2]], [[3], [5]]])


def test_dicts_keep_the_order_of_their_keys(keras: Any) -> None:
    structure = {"b": [1, {"z": 2, "c": (3,)}], "a": 4}
    for module in (ours, keras):
        tree = module.tree
        for made in (
            tree.map_structure(lambda x: x, structure),
            tree.map_structure_up_to(structure, lambda x: x, structure),
            tree.pack_sequence_as(structure, [4, 1, 3, 2]),
            tree.traverse(lambda x: None, structure),
        ):
            assert repr(made) == repr(structure)


def test_functions_of_the_old_backend_say_what_serves_instead() -> None:
    for name, instead in (("mean", r"keras\.ops\.mean"), ("int_shape", r"x\.shape")):
        with pytest.raises(AttributeError, match=f"Use {instead}"):
            getattr(ours.backend, name)
