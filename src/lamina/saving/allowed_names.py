"""What a file may name of Lamina and of JAX. Nothing else of theirs is found, whatever its name.

A name is listed here if it may be used with any arguments that a file brings: what it names
computes, and neither reads, writes, prints, sets an option, nor makes room by a number. The lists
are apart, so that a function never stands where a class is asked for.
"""

from __future__ import annotations

__all__ = ["ARITHMETIC", "DATA", "ENTRIES", "FUNCTIONS", "LAYERS"]


def _named(modules: dict[str, str]) -> frozenset[str]:
    """Names of the form ``module:name``."""
    return frozenset(
        f"{module}:{name}" for module, names in modules.items() for name in names.split()
    )


LAYERS = _named(
    {
        "lamina.compat.tf.keras.layers": "Embedding Layer",
        "lamina.compat.tf.keras.models": "Model",
        "lamina.layer": "Layer",
        "lamina.layers.activation": "Activation ELU LeakyReLU PReLU ReLU Softmax",
        "lamina.layers.pooling.adaptive": (
            "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
            "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D"
        ),
        "lamina.layers.attention.dot_product": "AdditiveAttention Attention RotaryEmbedding",
        "lamina.layers.batch_normalization": "BatchNormalization",
        "lamina.layers.blocks": "Residual TransformerDecoderBlock TransformerEncoderBlock",
        "lamina.layers.convolution.convolution": "Conv1D Conv2D Conv3D",
        "lamina.layers.copies": "Ensemble Remat Stack",
        "lamina.layers.dense": "Dense",
        "lamina.layers.einsum_dense": "EinsumDense",
        "lamina.layers.embedding": "Embedding ReversibleEmbedding",
        "lamina.layers.pooling.global_pooling": (
            "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
            "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D"
        ),
        "lamina.layers.attention.grouped_query": "GroupedQueryAttention",
        "lamina.layers.concatenation": "Concatenate Dot",
        "lamina.layers.merging": "Add Average Maximum Minimum Multiply Subtract",
        "lamina.layers.attention.multi_head": "MultiHeadAttention",
        "lamina.layers.noise": "GaussianDropout GaussianNoise",
        "lamina.layers.normalization": "GroupNormalization LayerNormalization",
        "lamina.layers.functions": "Identity Lambda Masking",
        "lamina.layers.pooling.windowed": (
            "AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D "
            "MaxPooling3D"
        ),
        "lamina.layers.preprocessing": "CenterCrop Normalization Rescaling Resizing",
        "lamina.layers.recurrent.bidirectional": "Bidirectional",
        "lamina.layers.recurrent.conv_lstm": "ConvLSTM1D ConvLSTM2D ConvLSTM3D",
        "lamina.layers.recurrent.gru": "GRU GRUCell",
        "lamina.layers.recurrent.lstm": "LSTM LSTMCell",
        "lamina.layers.recurrent.rnn": "RNN",
        "lamina.layers.recurrent.simple_rnn": "SimpleRNN SimpleRNNCell",
        "lamina.layers.recurrent.stacked_cells": "StackedRNNCells",
        "lamina.layers.recurrent.time_distributed": "TimeDistributed",
        "lamina.layers.regularization": (
            "ActivityRegularization AlphaDropout Dropout SpatialDropout1D SpatialDropout2D "
            "SpatialDropout3D"
        ),
        "lamina.layers.reshaping": "Flatten Permute RepeatVector Reshape",
        "lamina.layers.resizing": (
            "Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D "
            "ZeroPadding1D ZeroPadding2D ZeroPadding3D"
        ),
        "lamina.layers.scaling": "RMSNormalization SpectralNormalization UnitNormalization",
        "lamina.layers.convolution.separable": (
            "DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D"
        ),
        "lamina.layers.convolution.transposed": "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
        "lamina.models.functional": "Functional",
        "lamina.models.model": "Model",
        "lamina.models.sequential": "Sequential",
        "lamina.models.symbol": "Operation",
        "lamina.seq2seq.attention": "BahdanauAttention DotAttention",
        "lamina.seq2seq.decoder": "AttentionDecoder",
        "lamina.seq2seq.encoder": "Encoder",
        "lamina.seq2seq.base": "Translating",
        "lamina.seq2seq.recurrent": "Seq2Seq",
        "lamina.seq2seq.transformer": "Transformer TransformerDecoder TransformerEncoder",
    }
)
"""Layers and models, by the modules that define them."""

DATA = _named(
    {
        "lamina.constraints": "MaxNorm MinMaxNorm NonNeg UnitNorm",
        "lamina.losses.classes": (
            "BinaryCrossentropy BinaryFocalCrossentropy CTC CategoricalCrossentropy "
            "CategoricalFocalCrossentropy CategoricalGeneralizedCrossEntropy CategoricalHinge "
            "Circle CosineSimilarity Dice Hinge Huber KLDivergence LogCosh MeanAbsoluteError "
            "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson "
            "SparseCategoricalCrossentropy SquaredHinge Tversky"
        ),
        "lamina.metrics.accuracy": (
            "Accuracy AutoAccuracy BinaryAccuracy CategoricalAccuracy SparseCategoricalAccuracy "
            "SparseTopKCategoricalAccuracy TopKCategoricalAccuracy"
        ),
        "lamina.metrics.confusion": (
            "FalseNegatives FalsePositives Precision Recall TrueNegatives TruePositives"
        ),
        "lamina.metrics.entropies": (
            "AutoCrossentropy BinaryCrossentropy CategoricalCrossentropy CategoricalHinge Hinge "
            "KLDivergence Poisson SparseCategoricalCrossentropy SquaredHinge"
        ),
        "lamina.metrics.language": "Perplexity",
        "lamina.metrics.metric": "Mean Sum",
        "lamina.metrics.overlap": "IoU",
        "lamina.metrics.regression": (
            "ConcordanceCorrelation CosineSimilarity LogCoshError MeanAbsoluteError "
            "MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError "
            "PearsonCorrelation R2Score RootMeanSquaredError"
        ),
        "lamina.metrics.scores": "FBetaScore",
        "lamina.metrics.thresholds": "AUC",
        "lamina.models.functional": "Graph Ref Step",
        "lamina.regularizers": "L1 L1L2 L2 OrthogonalRegularizer",
    }
)
"""Data classes and named tuples that are arguments of layers."""

FUNCTIONS = _named(
    {
        "lamina.activations.functions": (
            "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_tanh "
            "leaky_relu linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu "
            "soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax "
            "squareplus tanh tanh_shrink threshold"
        ),
        "lamina.compat.tf.elementwise": "clip_by_value",
        "lamina.compat.tf.nn": (
            "elu gelu l2_normalize leaky_relu log_sigmoid log_softmax relu relu6 selu sigmoid "
            "silu softmax softplus softsign tanh"
        ),
        "lamina.compat.tf.running": "identity",
        "lamina.compat.tf.shaping": "expand_dims reshape squeeze transpose",
        "lamina.losses.focal": (
            "binary_focal_crossentropy categorical_focal_crossentropy "
            "categorical_generalized_cross_entropy"
        ),
        "lamina.losses.functions": (
            "binary_crossentropy categorical_crossentropy categorical_hinge cosine_similarity "
            "hinge huber kl_divergence log_cosh mean_absolute_error "
            "mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error "
            "poisson sparse_categorical_crossentropy squared_hinge"
        ),
        "lamina.losses.overlap": "circle dice tversky",
        "lamina.losses.sequences": "ctc",
        "lamina.metrics.accuracy": (
            "accuracy binary_accuracy categorical_accuracy sparse_categorical_accuracy "
            "sparse_top_k_categorical_accuracy top_k_categorical_accuracy"
        ),
        "lamina.metrics.regression": "concordance_correlation pearson_correlation",
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
"""Functions of JAX, by the modules that have them under these names; JAX defines them elsewhere."""

ENTRIES = _named({"lamina.seq2seq.base:Translating": "generate sample score search train_loss"})
"""Methods of Lamina's own classes, beside `call`, by which a build may enter."""
