"""Models on eight devices, which a process of its own pretends to have."""

from collections.abc import Iterator

import pytest

from tests.devices import Run, process_with_devices

PRELUDE = """
    import contextlib, copy, math, pickle, tempfile, warnings
    from pathlib import Path
    import jax, jax.numpy as jnp, numpy as np
    import lamina
    from jax.sharding import PartitionSpec as P
    from lamina import layers, losses
    from lamina.distribute import Placement
    from lamina.errors import InputError

    mesh = jax.make_mesh((2, 4), ("data", "model"))
    PLACEMENTS = {
        "data_parallel": Placement.data_parallel(),
        "fully_sharded": Placement.fully_sharded(),
        "tensor_parallel": Placement.tensor_parallel(mesh),
        "auto": Placement.auto(mesh),
        "rules": Placement(mesh, [("**.kernel", P(None, "model")), ("**.bias", P("data"))]),
    }
    RNG = np.random.default_rng(0)

    class Decoder(lamina.Model):
        def __init__(self):
            super().__init__()
            self.embed = layers.Embedding(64, 32)
            self.blocks = [layers.TransformerDecoderBlock(64, 8)]
            self.out = layers.Dense(64)

        def call(self, ids):
            x = self.embed(ids)
            for block in self.blocks:
                x = block(x)
            return self.out(x)

    def mlp():
        return lamina.Sequential([
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.1),
            layers.BatchNormalization(),
            layers.Dense(16),
        ])

    def drawn():
        normal = jax.nn.initializers.normal()
        return lamina.Sequential([
            layers.Dense(64, kernel_initializer="he_normal", bias_initializer="normal"),
            layers.Dense(64, kernel_initializer="orthogonal"),
            layers.Dense(64, kernel_initializer="identity", dtype="mixed_bfloat16"),
            layers.Dense(64, kernel_initializer=lambda *given: normal(*given)),
            layers.Stack(lambda: layers.Dense(64), 8),
            layers.Stack(lambda: layers.Dense(64, kernel_initializer="orthogonal"), 4),
        ])

    def equal(model, other):
        assert model.values().keys() == other.values().keys()
        for path, value in model.values().items():
            np.testing.assert_array_equal(other.values()[path], value, err_msg=path)

    def shardings(model):
        return {
            path: str(value.sharding.devices_indices_map(value.shape))
            for path, value in model.values().items()
        }
"""


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Runs programs in one process with eight devices, and returns what they print."""
    with process_with_devices(8, PRELUDE) as ask:
        yield ask


def test_initial_values_are_those_of_one_device(run: Run) -> None:
    run("""
        lamina.set_seed(1)
        expected = drawn()
        expected.build((None, 64))
        for name, placement in PLACEMENTS.items():
            if name == "rules":
                placement = Placement(mesh, [
                    ("layers.4.block.kernel", P("data", None, "model")),
                    ("layers.5.block.kernel", P("model", "data")),
                    ("**.kernel", P("data", "model")),
                    ("layers.*.bias", P(("data", "model"))),
                ])
            lamina.set_seed(1)
            model = drawn()
            model.build((None, 64), placement=placement)
            equal(expected, model)
            assert all(v.value.sharding.mesh == placement.mesh for v in model.variables)
    """)


def test_every_part_of_a_weight_is_drawn_as_the_whole(run: Run) -> None:
    run("""
        from lamina.core.initial import blocks
        from lamina.core.initial.blocks import sharded

        blocks._CHUNK = 7  # parts of rows, and rows of which no device needs a part
        made = []
        for shape in (8,), (3, 8), (8, 3), (2, 4, 8), (4, 1, 8), (8, 8), (1, 8, 2), (0, 8), ():
            whole = np.arange(math.prod(shape), dtype="float32").reshape(shape)
            for names in (), ("data",), ("model",), (("data", "model"),), (None, "model"), (
                "data", "model"), (None, None, "model"), ("data", None, "model"):
                parts = [math.prod(mesh.shape[n] for n in ([e] if isinstance(e, str) else e or ()))
                         for e in names]
                if len(names) > len(shape) or any(n % k for n, k in zip(shape, parts)):
                    continue
                place = jax.sharding.NamedSharding(mesh, P(*names))
                elements = lambda start, stop: whole.reshape(-1)[start:stop]
                found = sharded(shape, "float32", place, elements)
                assert found.sharding == place
                np.testing.assert_array_equal(found, whole)
                made.append(names)
        assert len(made) > 25
    """)


def test_neighbouring_parts_are_drawn_as_one(run: Run) -> None:
    run("""
        from lamina.core.initial import blocks

        whole, before = np.arange(32 * 16, dtype="float32").reshape(32, 16), blocks._JOINED
        place = jax.sharding.NamedSharding(mesh, P(("data", "model")))
        for most, stops in (before, [512]), (128, [128, 256, 384, 512]), (1, range(64, 513, 64)):
            blocks._JOINED, asked = most, []

            def elements(start, stop):
                asked.append(stop)
                return whole.reshape(-1)[start:stop]

            found = blocks.sharded(whole.shape, "float32", place, elements)
            np.testing.assert_array_equal(found, whole)
            assert asked == list(stops)
        blocks._JOINED = before
    """)


def test_files_are_read_in_parts(run: Run) -> None:
    run("""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            expected = Decoder()
            expected.build(lamina.Spec((None, 8), "int32"))
            expected.save_weights(path)
            for placement in PLACEMENTS.values():
                model = Decoder()
                model.build(lamina.Spec((None, 8), "int32"), placement=placement)
                placed = shardings(model)
                model.load_weights(path)  # the arrays stay where they are
                assert shardings(model) == placed
                equal(expected, model)
                with placement:
                    unbuilt = Decoder()
                    unbuilt.load_weights(path)
                assert shardings(unbuilt) == placed
                equal(expected, unbuilt)
            net = mlp()
            net.build((None, 8))
            net.save(Path(folder) / "whole.lamina")
            for placement in (PLACEMENTS["fully_sharded"], PLACEMENTS["auto"]):
                model = lamina.load(Path(folder) / "whole.lamina", placement=placement)
                equal(net, model)
                assert model.layers[0].kernel.value.sharding.mesh == placement.mesh
    """)


def test_a_built_model_is_moved(run: Run) -> None:
    run("""
        model = mlp()
        model.build((None, 8))
        before = {path: np.asarray(value) for path, value in model.values().items()}
        model.build((None, 8), placement=PLACEMENTS["fully_sharded"])
        assert model.layers[0].kernel.value.sharding.spec == P(None, "data")
        for path, value in model.values().items():
            np.testing.assert_array_equal(value, before[path])
        kernel = model.layers[0].kernel
        kernel.assign(np.zeros((8, 64)))  # assigned values are divided likewise
        assert kernel.value.sharding.spec == P(None, "data")
        twin = copy.deepcopy(model)
        assert twin.layers[0].kernel.value.sharding.spec == P(None, "data")
        equal(model, pickle.loads(pickle.dumps(model)))
    """)


MOVES = """
    x, y = RNG.normal(size=(48, 8)).astype("float32"), RNG.normal(size=(48, 16))
    three = jax.sharding.Mesh(np.array(jax.devices()[:3]), ("data",))
    here, there = Placement.fully_sharded(), Placement.data_parallel(three)

    def net():
        lamina.set_seed(1)
        model = lamina.Sequential([layers.Dense(64, activation="tanh"), layers.Dense(16)])
        model.compile("adam", "mse", learning_rate=0.05)
        return model

    def placed(placement):
        model = net()
        model.build((None, 8), placement=placement)
        return model

    def places(model):
        nodes = [layer._lamina for layer in (model, *model.layers)]
        meshes = {getattr(v.value.sharding, "mesh", None) for v in model.variables}
        [found] = {node.placement for node in nodes}
        assert meshes == {None if found is None else found.mesh}
        return found
"""


def test_steps_of_ones_own_are_those_of_one_device(run: Run) -> None:
    run("""
        class Own(lamina.Model):
            def __init__(self):
                super().__init__()
                self.hidden, self.norm = layers.Dense(16, "tanh"), layers.BatchNormalization()
                self.out = layers.Dense(8)

            def call(self, inputs, training=False):
                return self.out(self.norm(self.hidden(inputs), training=training))

        class Loss(Own):
            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                return super().compute_loss(x, y, y_pred, sample_weight)

        class Step(Own):
            def train_step(self, state, data):
                trainable, others, optimizer, kept = state
                x, y = data

                def loss_of(trainable):
                    out, after = self.stateless_call(trainable, others, x, training=True)
                    return jnp.mean((y - out) ** 2), after

                gradient = jax.value_and_grad(loss_of, has_aux=True)
                (loss, others), gradients = gradient(trainable)
                new = self.optimizer.stateless_apply(optimizer, gradients, trainable)
                return {"loss": loss}, (new[0], others, new[1], kept)

        x = RNG.normal(size=(48, 8)).astype("float32")

        def trained(kind, placement):
            lamina.set_seed(0)
            with placement or contextlib.nullcontext():
                model = kind()
                model.compile("adam", "mse")
                options = dict(batch_size=16, shuffle=False, verbose=0)
                model.fit(x, x, **options)
                model.optimizer.learning_rate = 0.01
                loss = model.fit(x, x, **options).history["loss"]
            states = model.optimizer.variables
            return [*loss, int(model.optimizer.iterations), *map(jnp.sum, model.weights)], states

        for kind in (Loss, Step):
            expected, _ = trained(kind, None)
            found, states = trained(kind, Placement.fully_sharded())
            np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-4)
            assert {one.value.sharding.num_devices for one in states} == {8}
            assert not all(one.value.sharding.is_fully_replicated for one in states)
    """)


def test_a_move_keeps_the_state_of_training(run: Run) -> None:
    run(
        MOVES
        + """
    def trained(first, move):
        model = placed(first)
        options = dict(batch_size=24, shuffle=False, verbose=0)
        model.fit(x, y, epochs=2, **options)
        model.optimizer.learning_rate = 0.001
        move(model)
        loss = model.fit(x, y, **options).history["loss"]
        return [*loss, float(model.optimizer.learning_rate), model.trainer.wait()], model

    def evaluate(model):
        with there:
            model.evaluate(x, y, verbose=0)

    expected, _ = trained(None, lambda model: None)
    for first, move, last in [
        (None, lambda model: model.build((None, 8), placement=here), here),
        (here, evaluate, there),
    ]:
        found, model = trained(first, move)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert places(model) is last

    model = placed(here)
    model.fit(x, y, verbose=0)
    program = model.trainer.prepare(lambda: (x, y))[0]
    with Placement.fully_sharded() as equal_one:
        assert equal_one == here and hash(equal_one) == hash(here) and equal_one != there
        model.train_on_batch(x, y)
    assert model.trainer.prepare(lambda: (x, y))[0] is program  # no move
    """
    )


def test_what_is_trained_in_a_block_is_moved(run: Run) -> None:
    run(
        MOVES
        + """
    for use in (
        lambda model: model.fit(x, y, verbose=0),
        lambda model: model.predict(x, verbose=0),
        lambda model: model.train_on_batch(x, y),
    ):
        for model in (placed(here), placed(None)):
            for _ in range(2):  # calls that were seen before, and calls that were not
                with there:
                    use(model)
                assert places(model) == there
            use(model)
    model = placed(None)
    trainer = lamina.Trainer(model, "adam", "mse")
    trainer.step((x, y))
    with here:
        trainer.step((x, y))
    assert places(model) == here and trainer.wait() == 2
    model = placed(here)
    with there:
        for size in 16, 16, 3:
            model(x[:size])
            model.layers[0](x[:size])
    assert places(model) == here  # a call moves nothing
    """
    )


def test_new_layers_get_the_placement_of_the_others(run: Run) -> None:
    run(
        MOVES
        + """
    model = placed(here)
    model.fit(x, y, verbose=0)
    model.add(layers.Dense(16))
    model.fit(x, y, verbose=0)
    other = layers.Dense(8)
    other.build((None, 16))
    model.add(other)
    model(x)
    model.predict(x, verbose=0)
    assert places(model) == here
    around = lamina.Sequential([placed(here), layers.Dense(8)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        around(x)
    assert places(around) == here
    model.layers[0].build((None, 8), placement=there)
    model.compile("adam", "mse")
    for use in (
        lambda: model(x),
        lambda: model.predict(x, verbose=0),
        lambda: model.fit(x, x, verbose=0),
    ):
        try:
            use()
        except InputError as error:
            assert "The layers of Sequential have different placements" in str(error), error
            assert "model.build(spec, placement=placement)" in str(error), error
        else:
            raise AssertionError
    model.build((None, 8), placement=here)
    model.fit(x, x, verbose=0)
    assert places(model) == here
    """
    )


TRAINING = """
    def trained(make, x, y, placement, **options):
        lamina.set_seed(1)
        model = make()
        with contextlib.nullcontext() if placement is None else placement:
            loss = losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(options.pop("optimizer", "adam"), loss, metrics=["accuracy"])
            history = model.fit(x, y, batch_size=32, verbose=0, **options).history
        evaluated = model.evaluate(x[:100], y[:100], verbose=0)
        return model, {**history, "evaluated": evaluated}, model.predict(x[:100], verbose=0)

    def compare(make, x, y, placements, **options):
        _, expected, outputs = trained(make, x, y, None, **options)
        for placement in placements:
            model, found, predicted = trained(make, x, y, placement, **options)
            for name, values in expected.items():
                np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)
            np.testing.assert_allclose(predicted, outputs, rtol=1e-2, atol=5e-3)
            fresh = make()
            spec = lamina.Spec((None, *x.shape[1:]), x.dtype)
            fresh.build(spec, placement=placement)
            assert shardings(fresh) == shardings(model)
"""


def test_training_gives_the_losses_of_one_device(run: Run) -> None:
    run(
        TRAINING
        + """
    x, y = RNG.normal(size=(320, 8)).astype("float32"), RNG.integers(0, 16, 320)
    names = "data_parallel", "fully_sharded", "rules"
    compare(mlp, x, y, [PLACEMENTS[name] for name in names], epochs=5)  # 50 steps
    """
    )


def test_a_transformer_gives_the_losses_of_one_device(run: Run) -> None:
    run(
        TRAINING
        + """
    x, y = RNG.integers(0, 64, (320, 8)).astype("int32"), RNG.integers(0, 64, (320, 8))
    auto = Placement.auto(mesh, [("out.kernel", (None, "model"))])
    placements = [auto]
    compare(Decoder, x, y, placements, epochs=5)
    """
    )


def test_a_translator_gives_the_losses_of_one_device(run: Run) -> None:
    run("""
        from lamina.seq2seq import Seq2Seq

        source, target = RNG.integers(1, 20, (320, 8)), RNG.integers(1, 16, (320, 6))

        def trained(placement):
            lamina.set_seed(1)
            model = Seq2Seq(20, 16, embedding=8, units=8)
            with contextlib.nullcontext() if placement is None else placement:
                model.compile("adam")
                return model.fit(source, target, batch_size=32, epochs=5, verbose=0).history

        expected, found = trained(None), trained(PLACEMENTS["fully_sharded"])
        for key, values in expected.items():
            np.testing.assert_allclose(found[key], values, rtol=1e-5, atol=1e-6, err_msg=key)
    """)


def test_all_of_training_may_be_in_one_block(run: Run) -> None:
    run("""
        x, y = RNG.normal(size=(40, 8)).astype("float32"), RNG.normal(size=(40, 16))
        with PLACEMENTS["fully_sharded"] as placement:
            model = mlp()
            model.compile("adam", "mse", metrics=["mae"])
            model.fit(x, y, validation_data=(x[:9], y[:9]), verbose=0, epochs=2)
            model.evaluate(x, y, verbose=0)
            model.predict(x, verbose=0)
            model.train_on_batch(x[:8], y[:8])
            model.trainable = False
            model(x)
        assert all(v.value.sharding.mesh == placement.mesh for v in model.variables)
    """)


def test_a_batch_that_cannot_be_divided_is_told_and_counts_right(run: Run) -> None:
    printed = run("""
        x, y = RNG.normal(size=(30, 8)).astype("float32"), RNG.normal(size=(30, 16))

        def trained(size, placement):
            lamina.set_seed(1)
            model = mlp()
            model.build((None, 8), placement=placement)
            model.compile("sgd", "mse")
            with warnings.catch_warnings(record=True) as found:
                warnings.simplefilter("always")
                history = model.fit(x, y, batch_size=size, shuffle=False, verbose=0).history
            print(*[str(one.message).partition("\\n")[0] for one in found])
            return history["loss"]

        trained(16, PLACEMENTS["fully_sharded"])  # the last batch of 14 is no reason to warn
        found = trained(15, PLACEMENTS["fully_sharded"])
        lamina.set_seed(1)
        model = mlp()
        model.compile("sgd", "mse")
        expected = model.fit(x, y, batch_size=15, shuffle=False, verbose=0).history["loss"]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    """)
    assert printed.splitlines() == [
        "",
        "Batches are not divided: each device computes all examples.",
    ]


def test_the_state_of_the_optimizer_is_divided_as_the_weights(run: Run) -> None:
    run("""
        trainer = lamina.Trainer(mlp(), "adam", "mse")
        with PLACEMENTS["fully_sharded"]:
            trainer.step((np.ones((16, 8), "float32"), np.ones((16, 16), "float32")))
        carry = trainer._loan.carry
        specs = [leaf.sharding.spec for leaf in carry.optimizer]
        assert specs.count(P(None, "data")) == 2 and specs.count(P("data")) == 10, specs
        weights = {array.sharding.spec for array in carry.trainable}
        assert weights <= set(specs)
    """)


def test_rematerialized_layers_give_the_same_numbers(run: Run) -> None:
    run("""
        x = RNG.integers(0, 64, (8, 8)).astype("int32")
        counts, found = [], []
        for patterns in (), ("blocks.*",):
            lamina.set_seed(1)
            model = Decoder()
            placement = Placement.tensor_parallel(mesh, remat=patterns)
            model.build(lamina.Spec((None, 8), "int32"), placement=placement)

            def loss(values):
                return model.apply(values, x, training=True, rng=jax.random.key(0))[0].var()

            program = jax.make_jaxpr(jax.grad(loss))(model.values())
            counts.append(str(program).count("remat"))
            found.append(jax.jit(jax.grad(loss))(model.values()))
        assert counts[0] == 0 < counts[1]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *found)
    """)


def test_activations_are_divided_where_a_layer_says_so(run: Run) -> None:
    run("""
        class Net(lamina.Layer):
            def __init__(self):
                super().__init__()
                self.up = layers.Dense(8)

            def call(self, x):
                y = self.constrain(self.up(x), "data", "model")
                self.constrain(jnp.ones((3, 3)), "data", None)  # 3 rows: replicated
                return y

        net = Net()
        net.build((None, 4), placement=Placement(mesh, [("**.kernel", P(None, "model"))]))
        compiled = lamina.jit(net)
        assert compiled(np.ones((4, 4), "float32")).sharding.spec == P("data", "model")
        assert compiled(np.ones((3, 4), "float32")).shape == (3, 8)
        np.testing.assert_allclose(net(np.ones((4, 4))), compiled(np.ones((4, 4))), rtol=1e-6)
    """)


def test_bad_placements_are_errors_before_anything_is_allocated(run: Run) -> None:
    printed = run("""
        def fails(placement):
            model = mlp()
            try:
                model.build((None, 8), placement=placement())
            except InputError as error:
                print(str(error).partition("\\n")[0])
            assert not model.built and not model.variables

        fails(lambda: Placement(mesh, [("**.kernl", P("data"))]))
        fails(lambda: Placement(mesh, [("**.kernel", P(None, "model", "data"))]))
        fails(lambda: Placement(mesh, [("layers.0.kernel", P("data")), ("**.kernel", P("x"))]))
        fails(lambda: Placement(mesh, [("**.kernel", P("model", "model"))]))
        fails(lambda: Placement(jax.make_mesh((7,), ("data",), devices=jax.devices()[:7]),
                                [("**.kernel", P(None, "data"))]))
        fails(lambda: Placement(mesh, remat=["layer.*"]))
        fails(lambda: Placement(mesh, batch="rows"))
        fails(lambda: Placement(8))
        fails(lambda: Placement.tensor_parallel(jax.make_mesh((8,), ("data",))))
    """)
    assert printed.splitlines() == [
        "The rule '**.kernl' of the placement matches nothing.",
        "The rule '**.kernel' has more axes than 'layers.0.kernel'.",
        "The rule '**.kernel' does not fit the mesh.",
        "The rule '**.kernel' does not fit the mesh.",
        "The placement does not divide the weights evenly; nothing was allocated.",
        "The pattern of remat 'layer.*' of the placement matches nothing.",
        "The mesh has no axis 'rows' for the batch.",
        "A placement needs a mesh of devices.",
        "Tensor parallelism needs an axis of the mesh that does not divide the batch.",
    ]
