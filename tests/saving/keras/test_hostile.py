"""Files that are damaged, or made to run code, to read other files or to fill the memory."""

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
import pytest

import lamina
from lamina import Sequential, layers
from lamina.core.building import trials
from lamina.core.building.abstract_trace import run_pass
from lamina.errors import FileFormatError
from tests.saving.watched import nothing_runs

h5py = pytest.importorskip("h5py")
keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The members of a plain model of Keras."""
    path = tmp_path_factory.mktemp("plain") / "model.keras"
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first")])
    model.save(path)
    lamina.load(path)  # imports what loading needs
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def refused(path, match):
    with nothing_runs(path.parent), pytest.raises(FileFormatError, match=match):
        lamina.load(path)


def with_config(plain, change):
    config = json.loads(plain["config.json"])
    change(config)
    return {**plain, "config.json": json.dumps(config)}


def with_weights(plain, change):
    data = io.BytesIO(plain["model.weights.h5"])
    with h5py.File(data, "a") as file:
        change(file)
    return {**plain, "model.weights.h5": data.getvalue()}


def dense_of(config):
    return config["config"]["layers"][1]


GADGET = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
CLASS = {"module": "subprocess", "class_name": "Popen", "config": {"args": "x"}}
LAMBDA = {"class_name": "__lambda__", "config": {"code": "4wAAAA==", "defaults": None}}


def array(dtype):
    return {"class_name": "__numpy__", "config": {"value": [1], "dtype": dtype}}


def keras_layer(kind, **config):
    return {"module": "keras.layers", "class_name": kind, "config": config}


CONFIGS = {
    "a function of a module": (
        lambda c: dense_of(c)["config"].update(activation=GADGET),
        "the function 'system'",
    ),
    "a builtin": (
        lambda c: dense_of(c)["config"].update(
            activation={"module": "builtins", "class_name": "function", "config": "exec"}
        ),
        "the function 'exec'",
    ),
    "a class of a module": (lambda c: c["config"]["layers"].append(CLASS), "the class 'Popen'"),
    "a class as an option": (
        lambda c: dense_of(c)["config"].update(kernel_initializer=CLASS),
        "the class 'Popen'",
    ),
    "code as an activation": (
        lambda c: dense_of(c)["config"].update(activation=LAMBDA),
        "the code of a lambda",
    ),
    "a function of Keras that reads files": (
        lambda c: dense_of(c)["config"].update(
            activation={**GADGET, "module": "keras.utils", "config": "get_file"}
        ),
        "the function 'get_file'",
    ),
    "a layer that loads a SavedModel": (
        lambda c: c["config"]["layers"].append(
            {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}}
        ),
        "the class 'TFSMLayer'",
    ),
    "a layer that unpickles": (
        lambda c: c["config"]["layers"].append(
            {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}}
        ),
        "the class 'TorchModuleWrapper'",
    ),
    "more units than arrays": (
        lambda c: dense_of(c)["config"].update(units=10**12),
        "differs:    layers.0.kernel",
    ),
    "more layers than arrays": (
        lambda c: c["config"]["layers"].extend([c["config"]["layers"][0]] * 10_000),
        "larger model than its arrays",
    ),
    "more calls than arrays": (
        lambda c: dense_of(c).update(inbound_nodes=[{"args": [], "kwargs": {}}] * 2000),
        "larger model than its arrays",
    ),
    "more values than arrays": (
        lambda c: c["config"]["layers"].append(
            keras_layer("Discretization", bin_boundaries=list(range(300_000)))
        ),
        "300,0.. values",
    ),
    "indices for unknown tokens without end": (
        lambda c: c["config"]["layers"].append(
            keras_layer("IntegerLookup", vocabulary=[1], num_oov_indices=10**9)
        ),
        "too many numbers",
    ),
    "an element of two gigabytes": (
        lambda c: dense_of(c)["config"].update(activation=array("V2147483647")),
        "not valid|cannot be",
    ),
    "a dtype with a shape": (
        lambda c: dense_of(c)["config"].update(activation=array("(1000,1000,1000)f8")),
        "not valid|cannot be",
    ),
    "filters without end": (
        lambda c: c["config"]["layers"].append(
            keras_layer("MelSpectrogram", fft_length=10**6, num_mel_bins=10**6)
        ),
        "too many numbers",
    ),
    "an empty config": (lambda c: c.update(config=None), "unexpected|has no layers"),
    "no config": (lambda c: c.pop("config"), "no model|not valid|cannot be loaded"),
    "a list in place of a model": (lambda c: c.update(config=[1, 2]), "not valid|cannot be loaded"),
    "the shape of an input as text": (
        lambda c: c["config"]["layers"][0]["config"].update(batch_shape="abcd"),
        "not valid|cannot be loaded",
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_that_names_what_must_not_run_is_refused(name, plain, tmp_path):
    change, match = CONFIGS[name]
    refused(written(tmp_path / "m.keras", with_config(plain, change)), match)


def test_few_sizes_are_tried_for_a_model_that_fails_for_all(plain, tmp_path, monkeypatch):
    passes = []

    def counted(*arguments):
        passes.append(arguments)
        return run_pass(*arguments)

    def change(config):
        config["config"]["layers"].insert(1, keras_layer("Reshape", target_shape=[7, 10**9, -1]))

    monkeypatch.setattr(trials, "run_pass", counted)
    refused(written(tmp_path / "m.keras", with_config(plain, change)), "cannot be loaded")
    assert 2 <= len(passes) <= 100


def test_all_that_is_not_available_is_listed_at_once(plain, tmp_path):
    def change(config):
        dense_of(config)["config"].update(activation=GADGET)
        config["config"]["layers"].append(CLASS)

    with pytest.raises(FileFormatError) as error:
        lamina.load(written(tmp_path / "m.keras", with_config(plain, change)))
    assert "'system' of 'os', in Dense 'first'" in str(error.value)
    assert "'Popen' of 'subprocess'" in str(error.value)


def replace(file, **options):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", **options)


def link(file, target):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = target


def packed_by_a_plugin(file):
    """Name a filter that would be loaded from a library."""
    space = h5py.h5s.create_simple((4, 3))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((4, 3))
    plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    group = file["layers/dense/vars"]
    del group["0"]
    h5py.h5d.create(group.id, b"0", h5py.h5t.IEEE_F32LE, space, plist)


WEIGHTS = {
    "a link to a file": (lambda f: link(f, h5py.ExternalLink("/etc/x.h5", "/a")), "a link"),
    "a soft link": (lambda f: link(f, h5py.SoftLink("/layers/dense/vars/1")), "a link"),
    "a hard link": (lambda f: link(f, f["layers/dense/vars/1"]), "stored twice"),
    "values in another file": (
        lambda f: replace(f, shape=(4, 3), dtype="f4", external=[("/etc/passwd", 0, 48)]),
        "in another file",
    ),
    "a bomb": (
        lambda f: replace(f, shape=(1 << 20, 1 << 18), dtype="f4", chunks=(1024, 1024)),
        "of which 0 are stored",
    ),
    "chunks that are larger than their array": (
        lambda f: replace(
            f,
            data=np.zeros((4, 3), "f4"),
            chunks=(9000, 9000),
            maxshape=(None, None),
            compression="gzip",
        ),
        "in chunks of",
    ),
    "many empty groups": (
        lambda f: [f.create_group(f"layers/x{number}") for number in range(5000)],
        "too many groups",
    ),
    "objects": (
        lambda f: replace(f, data=np.array(["x"], object), dtype=h5py.string_dtype()),
        "dtype",
    ),
    "references": (lambda f: replace(f, shape=(1,), dtype=h5py.ref_dtype), "dtype"),
    "compound": (lambda f: replace(f, shape=(1,), dtype=[("a", "f4")]), "dtype"),
    "a plugin": (packed_by_a_plugin, "a filter"),
    "another shape": (lambda f: replace(f, data=np.zeros((3, 4), "f4")), "differs"),
    "integers": (lambda f: replace(f, data=np.zeros((4, 3), "i4")), "differs"),
    "too many": (
        lambda f: f["layers/dense/vars"].create_dataset("2", data=np.zeros(3)),
        "unexpected: layers/dense/vars/2",
    ),
    "a layer too many": (
        lambda f: f.create_dataset("layers/dense_1/vars/0", data=np.zeros(3)),
        "unexpected: layers/dense_1/vars/0",
    ),
    "too few": (lambda f: f["layers/dense/vars"].pop("1"), "missing:    layers.0.bias"),
    "a group that holds itself": (lambda f: link(f, f["layers"]), "stored twice"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_are_not_plain_arrays_of_the_model_are_refused(name, plain, tmp_path):
    change, match = WEIGHTS[name]
    refused(written(tmp_path / "m.keras", with_weights(plain, change)), match)


def test_a_name_outside_of_the_archive_is_refused(plain, tmp_path):
    for name in ("../x", "/etc/x", "assets/../../x", "a\\..\\x", "C:/x"):
        refused(written(tmp_path / "m.keras", {**plain, name: "x"}), "outside of the archive")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(plain, tmp_path):
    path = written(tmp_path / "m.keras", plain)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", plain["config.json"])
    refused(path, "two members named 'config.json'")


def test_a_text_of_too_many_bytes_is_refused(plain, tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (17 << 20))
        archive.writestr("model.weights.h5", plain["model.weights.h5"])
    refused(path, "more than 16,777,216")


def test_json_of_too_many_objects_is_refused(plain, tmp_path):
    for text, match in (
        ("[" + "[]," * 300_000 + "0]", "lists"),
        ("[" + "0," * 2_100_000, "values"),
    ):
        refused(written(tmp_path / "m.keras", {**plain, "config.json": text}), match)


def test_weights_that_are_packed_to_almost_nothing_are_not_unpacked(plain, tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", plain["config.json"])
        archive.writestr("model.weights.h5", plain["model.weights.h5"] + bytes(140 << 20))
    refused(path, "'model.weights.h5' of .* bytes, which are packed")


def test_data_that_cannot_be_unpacked_is_refused(plain, tmp_path):
    """Members that say that they are packed, and are not."""
    path = written(tmp_path / "m.keras", plain)
    whole = path.read_bytes()
    for name in plain:
        central = whole.rindex(b"PK\x01\x02", 0, whole.rindex(name.encode()))
        path.write_bytes(whole[: central + 10] + b"\x08" + whole[central + 11 :])
        refused(path, "not a complete model of Keras")


def test_names_in_errors_are_of_one_line_and_not_long(plain, tmp_path):
    def change(file):
        file["layers"].create_dataset("a\n  remedy: b" + "c" * 50_000, data=np.zeros(3))

    path = written(tmp_path / "m.keras", with_weights(plain, change))
    with pytest.raises(FileFormatError, match=r"unexpected: layers/a\\n  remedy: bcc") as error:
        lamina.load(path)
    assert len(str(error.value)) < 2000


def test_an_option_with_a_long_name_is_refused_without_looking_for_similar_names(plain, tmp_path):
    def change(config):
        dense_of(config)["config"]["u" * 1_000_000] = 1

    refused(written(tmp_path / "m.keras", with_config(plain, change)), "Dense has no argument")


def test_deep_and_broken_json_is_refused(plain, tmp_path):
    for text in ("[" * 100_000, '{"a": NaN}', "{", "\xff", '{"a": 1, "a": 2}'):
        data = text.encode("latin-1")
        refused(written(tmp_path / "m.keras", {**plain, "config.json": data}), "config.json")


def test_pickled_weights_are_never_opened(plain, tmp_path):
    members = {name: data for name, data in plain.items() if name != "model.weights.h5"}
    refused(written(tmp_path / "m.keras", {**members, "model.weights.npz": b"x"}), "pickled")


def test_a_file_that_is_cut_off_is_refused(plain, tmp_path):
    path = written(tmp_path / "m.keras", plain)
    whole = path.read_bytes()
    for size in (4, 30, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        refused(path, "not a")
    weights = plain["model.weights.h5"]
    for size in (0, 8, 600, len(weights) // 2, len(weights) - 1):
        refused(written(path, {**plain, "model.weights.h5": weights[:size]}), "HDF5|missing")


def test_shards_beside_the_index_alone_are_read(tmp_path):
    model = Sequential([lamina.Input((4,)), layers.Dense(3)])
    path = tmp_path / "m.weights.json"
    for name in ("../m.h5", "/etc/passwd", "a/b.h5", "", "..", 3, "missing.h5"):
        path.write_text(json.dumps({"weight_map": {"/layers/dense/vars": name}}))
        with pytest.raises(FileFormatError, match=r"file name|no file"):
            model.load_weights(path)
    os.symlink("/etc/hostname", tmp_path / "link.h5")
    path.write_text(json.dumps({"weight_map": {"/layers/dense/vars": "link.h5"}}))
    with pytest.raises(FileFormatError, match="no file"):
        model.load_weights(path)


def test_folders_of_tensorflow_are_refused(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(FileFormatError, match="SavedModel of TensorFlow"):
        lamina.load(tmp_path)


def test_without_h5py_the_error_names_the_extra(plain, tmp_path):
    path = written(tmp_path / "m.keras", plain)
    code = (
        "import sys; sys.modules['h5py'] = None\nimport lamina\n"
        f"try: lamina.load({str(path)!r})\nexcept ImportError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'lamina[keras]'" in found.stdout


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells the peak there")
def test_the_hostile_files_of_others_are_refused_in_little_memory(files):
    """All in one process, with a bound on its memory."""
    code = """
import glob, os, sys
import lamina
from lamina.errors import LaminaError
model = lamina.Sequential([lamina.Input((4,)), lamina.layers.Dense(2)])
for path in sorted(glob.glob(sys.argv[1] + "/*")):
    try:
        model.load_weights(path) if path.endswith(".weights.json") else lamina.load(path)
        print("LOADED", path)
    except LaminaError as error:
        print("refused", path)
with open("/proc/self/status") as status:  # the peak of getrusage counts the parent's
    print("MB", next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM")))
"""
    canary = os.path.join(tempfile.gettempdir(), "keras_canary_ran")
    assert not os.path.exists(canary)
    command = [sys.executable, "-c", code, str(files / "hostile")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100).stdout
    assert "LOADED" not in found, found
    assert found.count("refused") == len(os.listdir(files / "hostile"))
    assert int(found.split("MB")[1]) < 1024
    assert not os.path.exists(canary)
