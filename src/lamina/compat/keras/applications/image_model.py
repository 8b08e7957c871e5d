"""The two ends of an image classifier: its input, and its head with the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import Any, NamedTuple, cast

from lamina import Input, Model, layers
from lamina.compat.keras.applications.imagenet_files import cached_file
from lamina.errors import InputError, explain
from lamina.models.symbol import Symbol

__all__ = [
    "DOWNLOADS",
    "Constructor",
    "Ends",
    "Weights",
    "check_trained",
    "constructor",
    "correct_padding",
    "divisible",
    "head",
    "image_input",
    "image_model",
    "pooled",
]

DOWNLOADS = "https://storage.googleapis.com/tensorflow/keras-applications"
"""Where the weights of Keras are published."""

Weights = str | PathLike[str] | None
Constructor = Callable[..., Model]


class Ends(NamedTuple):
    """The options that all architectures have.

    Attributes:
        include_top: whether the model ends with a classifier.
        weights: `"imagenet"`, None for new weights, or the path of a file of weights.
        input_tensor: a symbolic input, or a symbolic value that depends on one; None: a new one.
        input_shape: (height, width, channels); None: that of the architecture.
        pooling: without a top: None, `"avg"` or `"max"`.
        classes: the number of classes.
        classifier_activation: the activation of the classifier; None for logits.
        name: the name of the model; None: the architecture's.
    """

    include_top: bool = True
    weights: Weights = "imagenet"
    input_tensor: Any = None
    input_shape: Sequence[int | None] | None = None
    pooling: str | None = None
    classes: int = 1000
    classifier_activation: Any = "softmax"
    name: str | None = None


def constructor(
    name: str, body: Callable[[Any, Ends], Any], weights_url: str, size: int, smallest: int = 32
) -> Constructor:
    """A function that makes one architecture, with the arguments that most have in Keras.

    Args:
        name: the default name of the model.
        body: from the symbolic input and the options, the symbolic output, with its head.
        weights_url: the URL of the weights, with the field `notop`, which is `"_notop"` for those
            without a classifier.
        size: the default height and width.
        smallest: the smallest height and width.
    """
    default = name

    def make(
        include_top: bool = True,
        weights: Weights = "imagenet",
        input_tensor: Any = None,
        input_shape: Sequence[int | None] | None = None,
        pooling: str | None = None,
        classes: int = 1000,
        classifier_activation: Any = "softmax",
        name: str = default,
    ) -> Model:
        """Make the model.

        Args:
            include_top: bool, whether it ends with a classifier; True by default.
            weights: ``"imagenet"`` (default), the weights of Keras, from Keras's cache; None for
                new weights; or the path of a file of Lamina or Keras.
            input_tensor: a symbolic input or value; None (default) for a new input.
            input_shape: (height, width, channels); None (default) for the architecture's.
            pooling: None (default), ``"avg"`` or ``"max"``: the pooling over the image without a
                classifier.
            classes: positive int, the number of classes; 1000 by default.
            classifier_activation: of the classifier; ``"softmax"`` by default, None for logits.
            name: the name of the model.

        Returns:
            A functional model.

        Raises:
            InputError: the options contradict each other, or the weights of ImageNet are not in
                Keras's cache.
        """
        ends = Ends(
            include_top,
            weights,
            input_tensor,
            input_shape,
            pooling,
            classes,
            classifier_activation,
            name,
        )
        inputs, x = image_input(ends, size, smallest)
        url = weights_url.format(notop="" if include_top else "_notop")
        return image_model(ends, inputs, body(x, ends), url)

    return make


def image_input(
    ends: Ends,
    size: int,
    smallest: int = 32,
    *,
    sizes: Sequence[int] = (),
    open_top: bool = False,
    open_body: bool = True,
) -> tuple[Any, Any]:
    """The inputs of the model, and the symbolic images that its first layer takes.

    Args:
        ends: the options.
        size: the default height and width.
        smallest: the smallest height and width.
        sizes: other sizes for which there are trained classifiers. Default: none.
        open_top: whether a classifier works with images of unknown size. Default False.
        open_body: whether the default size is unknown without a classifier. Default True.

    Raises:
        InputError: options contradict each other.
    """
    _check(ends)
    shape = _shape(ends, size, smallest, open_top, open_body)
    if ends.include_top and not open_top and shape[0] == shape[1]:
        check_trained(ends.weights, "the height of input_shape", shape[0], (size, *sizes))
    elif ends.include_top and not open_top:
        check_trained(ends.weights, "input_shape", shape, ((size, size, 3),))
    if ends.input_tensor is None:
        inputs = Input(shape)
        return inputs, inputs
    return _sources(ends.input_tensor), ends.input_tensor


def image_model(ends: Ends, inputs: Any, outputs: Any, url: str, file: str | None = None) -> Model:
    """The functional model, with its weights.

    Args:
        ends: the options.
        inputs: the symbolic inputs.
        outputs: the symbolic output.
        url: where its weights of ImageNet are published.
        file: the name of that file in Keras's cache. Default None: the last part of the URL.

    Raises:
        InputError: the weights of ImageNet are not in Keras's cache.
        FileFormatError: the file of weights is damaged, or of another model.
    """
    path = cached_file(url, file) if ends.weights == "imagenet" else ends.weights
    model = Model(inputs, outputs, name=ends.name)
    if path is not None:
        model.load_weights(path)
    return model


def head(
    x: Any,
    ends: Ends,
    average: str | None = "avg_pool",
    maximum: str | None = None,
    *,
    without_top: str | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> Any:
    """The classifier, or the pooling without it.

    Args:
        x: the symbolic features.
        ends: the options.
        average: the name of the average pooling before the classifier.
        maximum: the name of the maximum pooling without a classifier. Default None: a new one.
        without_top: the name of the average pooling without a classifier. Default: a new one.
        dropout: the rate of the dropout before the classifier. Default 0: none.
        **options: of the classifier, a `Dense`.
    """
    if not ends.include_top:
        return pooled(x, ends, without_top, maximum)
    x = layers.GlobalAveragePooling2D(name=average)(x)
    if dropout > 0:
        x = layers.Dropout(dropout, name="top_dropout")(x)
    activation = ends.classifier_activation
    dense = layers.Dense(ends.classes, activation=activation, name="predictions", **options)
    return dense(x)


def pooled(x: Any, ends: Ends, average: str | None = None, maximum: str | None = None) -> Any:
    """The features, with the pooling that a model without a classifier was asked for."""
    if ends.pooling == "avg":
        return layers.GlobalAveragePooling2D(name=average)(x)
    if ends.pooling == "max":
        return layers.GlobalMaxPooling2D(name=maximum)(x)
    return x


def check_trained(weights: Weights, option: str, value: Any, known: Iterable[Any]) -> None:
    """Raise an `InputError` if there are no weights of ImageNet for the value of an option."""
    values = tuple(known)
    if weights == "imagenet" and value not in values:
        raise _mistake(
            f"There are no weights of ImageNet for this value of {option}.",
            ", ".join(map(str, values)),
            str(value),
            "Pass one of those, or weights=None.",
        )


def correct_padding(x: Any, kernel: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The padding with which a valid convolution of stride 2 equals one of TensorFlow's `same`.

    Args:
        x: the symbolic images; an axis of unknown size counts as even.
        kernel: the size of the kernel.
    """
    half = kernel // 2
    before = [half if (size or 0) % 2 else half - 1 for size in x.shape[1:3]]
    return (before[0], half), (before[1], half)


def divisible(channels: float, divisor: int = 8) -> int:
    """The number of channels, as a multiple of `divisor` that is at least 90% of it.

    >>> divisible(19.2), divisible(3)
    (24, 8)
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def _check(ends: Ends) -> None:
    trained, top = ends.weights == "imagenet", ends.include_top
    if trained and top and ends.classes != 1000:
        raise _mistake(
            "The classifier trained on ImageNet has 1000 classes.",
            "classes=1000",
            f"classes={ends.classes}",
            "Pass include_top=False for another number of classes, and add a classifier.",
        )
    if trained and top and ends.classifier_activation not in (None, "softmax"):
        raise _mistake(
            "The classifier trained on ImageNet has the activation softmax, or none.",
            "classifier_activation 'softmax' or None",
            repr(ends.classifier_activation),
            "Pass one of those.",
        )
    if ends.pooling not in (None, "avg", "max"):
        raise _mistake(
            "Unknown pooling.", "None, 'avg' or 'max'", repr(ends.pooling), "Pass one of those."
        )


def _shape(
    ends: Ends, size: int, smallest: int, open_top: bool, open_body: bool
) -> tuple[int | None, ...]:
    """The shape of one image."""
    trained = ends.weights == "imagenet"
    given = ends.input_shape
    if given is None and ends.input_tensor is not None:
        given = ends.input_tensor.shape[1:]
    if given is None:
        fixed = not open_top and (ends.include_top or not open_body)
        return (size, size, 3) if fixed else (None, None, 3)
    shape = tuple(given)
    if len(shape) != 3:
        raise _mistake(
            "input_shape is not the shape of one image.",
            "(height, width, channels)",
            str(shape),
            "Pass three numbers.",
        )
    if trained and shape[2] != 3:
        raise _mistake(
            "Models trained on ImageNet take 3 channels.",
            "3 channels",
            f"input_shape={shape}",
            "Pass weights=None for other channels.",
        )
    if any(side is not None and side < smallest for side in shape[:2]):
        raise _mistake(
            "The images are too small for this architecture.",
            f"a height and width of at least {smallest}",
            f"input_shape={shape}",
            "Pass larger images.",
        )
    if ends.include_top and not open_top and None in shape:
        raise _mistake(
            "A model with a classifier needs images of a known size.",
            "a known height and width",
            f"input_shape={shape}",
            "Pass the size, or include_top=False.",
        )
    return shape


def _sources(tensor: Any) -> Any:
    """The symbolic inputs that a symbolic value depends on: one, or a list."""
    found: dict[int, Any] = {}
    open_values, seen = [tensor], set[int]()
    while open_values:
        value = open_values.pop()
        if isinstance(value, list | tuple):
            open_values.extend(reversed(cast("list[Any]", value)))
        elif isinstance(value, dict):
            open_values.extend(cast("dict[str, Any]", value).values())
        elif isinstance(value, Symbol) and id(value) not in seen:
            seen.add(id(value))
            if value.call is None:
                found[id(value)] = value
            else:
                open_values.extend((value.call.kwargs, value.call.args))
    if not found:
        raise _mistake(
            "input_tensor is not symbolic.",
            "an Input, or the output of a layer on one",
            type(tensor).__name__,
            "Pass lamina.Input(shape), and call the model on arrays.",
        )
    inputs = list(found.values())
    return inputs[0] if len(inputs) == 1 else inputs


def _mistake(symptom: str, expected: str, received: str, remedy: str) -> InputError:
    return InputError(explain(symptom, expected=expected, received=received, remedy=remedy))
