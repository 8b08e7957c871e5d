"""The names of Lamina and of JAX that a file may contain. No other name of theirs is looked up.

A class or function is named by the public module that exports it, ``lamina.layers:Conv2D``, so that
a file stays readable when a definition moves to another module.

A name is listed here if it is safe to use with any arguments that a file contains: the class or
function computes, and does not read or write files, print, set an option, or allocate memory by a
single number. There is one list for each kind, so that a function is never used as a class.
"""

from __future__ import annotations

__all__ = [
    "ARITHMETIC",
    "CONFIGURED",
    "DATA",
    "ENTRIES",
    "FUNCTIONS",
    "INNER",
    "LAYERS",
    "OPTIMIZERS",
]


def _named(modules: dict[str, str]) -> frozenset[str]:
    """Names of the form ``module:name``."""
    return frozenset(
        f"{module}:{name}" for module, names in modules.items() for name in names.split()
    )


LAYERS = _named(
    {
        "lamina": "Layer",
        "lamina.compat.keras.applications.convnext": "LayerScale",
        "lamina.compat.tf.keras.layers": "Layer",
        "lamina.compat.tf.keras.models": "Model",
        "lamina.layers": (
            "Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D "
            "AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D "
            "AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention AugMix "
            "AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D "
            "BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate "
            "ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D "
            "Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Cropping1D "
            "Cropping2D Cropping3D CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization "
            "Dot Dropout ELU EinsumDense Embedding Ensemble Equalization Flatten GRU GRUCell "
            "GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D "
            "GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D "
            "GroupNormalization GroupedQueryAttention HashedCrossing Hashing Identity "
            "IntegerLookup LSTM LSTMCell Lambda LayerNormalization LeakyReLU Masking "
            "MaxNumBoundingBoxes MaxPooling1D MaxPooling2D MaxPooling3D Maximum MelSpectrogram "
            "Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute Pipeline "
            "RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration "
            "RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing "
            "RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert "
            "RandomPerspective RandomPosterization RandomRotation RandomSaturation "
            "RandomSharpness RandomShear RandomTranslation RandomZoom ReLU Remat RepeatVector "
            "Rescaling Reshape Residual Resizing ReversibleEmbedding RotaryEmbedding "
            "STFTSpectrogram SeparableConv1D SeparableConv2D SimpleRNN SimpleRNNCell Softmax "
            "Solarization SpatialDropout1D SpatialDropout2D SpatialDropout3D "
            "SpectralNormalization Stack StackedRNNCells StringLookup Subtract TextVectorization "
            "TimeDistributed TransformerDecoderBlock TransformerEncoderBlock UnitNormalization "
            "UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D"
        ),
        "lamina.models": "ArrayFunction Functional Model Operation Sequential",
        "lamina.seq2seq": (
            "AttentionDecoder BahdanauAttention DotAttention Encoder Seq2Seq Transformer "
            "TransformerDecoder TransformerEncoder Translating"
        ),
    }
)
"""Classes of layers and models."""

DATA = _named(
    {
        "lamina.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
        "lamina.losses": (
            "BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy "
            "CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge "
            "Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError "
            "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson "
            "SparseCategoricalCrossentropy SquaredHinge Tversky"
        ),
        "lamina.metrics": (
            "AUC Accuracy BinaryAccuracy BinaryCrossentropy CategoricalAccuracy "
            "CategoricalCrossentropy CategoricalHinge ConcordanceCorrelation CosineSimilarity "
            "FBetaScore FalseNegatives FalsePositives Hinge IoU KLDivergence LogCoshError "
            "MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError "
            "MeanSquaredLogarithmicError PearsonCorrelation Poisson Precision R2Score Recall "
            "SparseCategoricalAccuracy SparseCategoricalCrossentropy "
            "SparseTopKCategoricalAccuracy SquaredHinge TopKCategoricalAccuracy TrueNegatives "
            "TruePositives"
        ),
        "lamina.models": "Graph Ref Step",
        "lamina.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    }
)
"""Dataclasses and named tuples that are arguments of layers."""

CONFIGURED = frozenset(name for name in DATA if not name.startswith("lamina.models:")) | _named(
    {
        "lamina.compat.tf.keras.optimizers": (
            "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon "
            "Nadam RMSprop SGD ScheduleFreeAdamW"
        ),
        "lamina.compat.tf.keras.schedules": (
            "CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay "
            "PiecewiseConstantDecay PolynomialDecay"
        ),
        "lamina.initializers": (
            "Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal "
            "LecunUniform Ones Orthogonal RandomNormal RandomUniform STFT TruncatedNormal "
            "VarianceScaling Zeros"
        ),
        "lamina.losses": "FunctionLoss",
        "lamina.quantizers": (
            "AbsMaxQuantizer Int4QuantizationConfig Int8QuantizationConfig Quantizer"
        ),
        "lamina.metrics": (
            "AutoAccuracy AutoCrossentropy BinaryIoU F1Score FunctionMetric LossMetric Mean "
            "MeanIoU OneHotIoU OneHotMeanIoU Perplexity PrecisionAtRecall RecallAtPrecision "
            "RootMeanSquaredError SensitivityAtSpecificity SpecificityAtSensitivity Sum"
        ),
    }
)
"""Losses, metrics, initializers, regularizers, constraints, optimizers and schedules of configs."""

OPTIMIZERS = _named(
    {
        "lamina.compat.tf.keras.optimizers": (
            "Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion LossScaleOptimizer Muon "
            "Nadam RMSprop SGD ScheduleFreeAdamW"
        )
    }
)
"""Functions that make optimizers from a config."""

FUNCTIONS = _named(
    {
        "lamina.activations": (
            "celu elu exponential gelu glu hard_shrink hard_sigmoid "
            "hard_sigmoid_keras2 hard_silu hard_tanh "
            "leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu "
            "soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax "
            "squareplus tanh tanh_shrink threshold"
        ),
        "lamina.compat.tf": "clip_by_value expand_dims identity reshape squeeze transpose",
        "lamina.compat.tf.nn": (
            "elu gelu l2_normalize leaky_relu log_sigmoid log_softmax relu relu6 selu sigmoid "
            "silu softmax softplus softsign tanh"
        ),
        "lamina.losses": (
            "binary_crossentropy binary_focal_crossentropy categorical_crossentropy "
            "categorical_focal_crossentropy categorical_generalized_cross_entropy "
            "categorical_hinge circle cosine_similarity ctc dice hinge huber kl_divergence "
            "log_cosh mean_absolute_error mean_absolute_percentage_error mean_squared_error "
            "mean_squared_logarithmic_error poisson sparse_categorical_crossentropy "
            "squared_hinge tversky"
        ),
        "lamina.metrics": (
            "accuracy binary_accuracy categorical_accuracy concordance_correlation "
            "pearson_correlation sparse_categorical_accuracy sparse_top_k_categorical_accuracy "
            "top_k_categorical_accuracy"
        ),
    }
)
"""Functions of arrays."""

ARITHMETIC = _named(
    {
        "jax.nn": (
            "celu elu gelu glu hard_sigmoid hard_silu hard_tanh identity leaky_relu log1mexp "
            "log_sigmoid log_softmax logmeanexp logsumexp mish relu relu6 selu sigmoid silu "
            "soft_sign softmax softplus sparse_plus sparse_sigmoid squareplus standardize tanh"
        ),
        "jax.numpy": (
            "abs absolute acos acosh add all amax amin angle any arccos arccosh arcsin arcsinh "
            "arctan arctan2 arctanh argmax argmin argsort asin asinh atan atan2 atanh cbrt ceil "
            "clip conj conjugate copysign cos cosh cumprod cumsum deg2rad degrees divide dot "
            "equal exp exp2 expand_dims expm1 fabs flip float_power floor floor_divide fmax fmin "
            "fmod greater greater_equal heaviside hypot imag isfinite isinf isnan less less_equal "
            "log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or "
            "logical_xor matmul max maximum mean min minimum mod moveaxis multiply nan_to_num "
            "negative not_equal positive pow power prod rad2deg radians ravel real reciprocal "
            "remainder reshape rint sign signbit sin sinc sinh sort sqrt square squeeze std "
            "subtract sum swapaxes tan tanh transpose true_divide trunc var vdot where"
        ),
    }
)
"""Functions of JAX, by the modules that export them; JAX defines them elsewhere."""

ENTRIES = _named({"lamina.seq2seq:Translating": "generate sample score search train_loss"})
"""Methods of Lamina's classes, besides `call`, by which a build may enter a layer."""

INNER = {
    "lamina.models:ArrayFunction": "lamina.models.array_functions.array_function",
    "lamina.models:Graph": "lamina.models.graph",
    "lamina.models:Operation": "lamina.models.symbol",
    "lamina.models:Ref": "lamina.models.graph",
    "lamina.models:Step": "lamina.models.graph",
}
"""The modules that define the listed classes which their public module does not export."""
