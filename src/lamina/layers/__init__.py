"""The layers, one family a file, under Keras's names."""

from lamina.core.specs.input_spec import InputSpec as InputSpec
from lamina.layer import Layer
from lamina.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from lamina.layers.attention.dot_product import AdditiveAttention, Attention, RotaryEmbedding
from lamina.layers.attention.grouped_query import GroupedQueryAttention, GroupQueryAttention
from lamina.layers.attention.multi_head import MultiHeadAttention
from lamina.layers.augmentation.affine import (
    RandomRotation,
    RandomShear,
    RandomTranslation,
    RandomZoom,
)
from lamina.layers.augmentation.boxes import MaxNumBoundingBoxes
from lamina.layers.augmentation.brightness import (
    AutoContrast,
    Equalization,
    RandomBrightness,
    RandomContrast,
)
from lamina.layers.augmentation.color import (
    RandomColorDegeneration,
    RandomGrayscale,
    RandomHue,
    RandomSaturation,
)
from lamina.layers.augmentation.color_jitter import RandomColorJitter
from lamina.layers.augmentation.crops import RandomCrop
from lamina.layers.augmentation.elastic import RandomElasticTransform
from lamina.layers.augmentation.erasing import RandomErasing
from lamina.layers.augmentation.filters import RandomGaussianBlur, RandomSharpness
from lamina.layers.augmentation.flips import RandomFlip
from lamina.layers.augmentation.local_contrast import ContrastLimitedAdaptiveHistogramEqualization
from lamina.layers.augmentation.mixing import CutMix, MixUp
from lamina.layers.augmentation.perspective import RandomPerspective
from lamina.layers.augmentation.pipeline import Pipeline
from lamina.layers.augmentation.policies import AugMix, RandAugment
from lamina.layers.augmentation.tones import RandomInvert, RandomPosterization, Solarization
from lamina.layers.batch_normalization import BatchNormalization
from lamina.layers.blocks import Residual, TransformerDecoderBlock, TransformerEncoderBlock
from lamina.layers.concatenation import Concatenate, Dot, concatenate, dot
from lamina.layers.convolution.convolution import (
    Conv1D,
    Conv2D,
    Conv3D,
    Convolution1D,
    Convolution2D,
    Convolution3D,
)
from lamina.layers.convolution.separable import (
    DepthwiseConv1D,
    DepthwiseConv2D,
    SeparableConv1D,
    SeparableConv2D,
    SeparableConvolution1D,
    SeparableConvolution2D,
)
from lamina.layers.convolution.transposed import (
    Conv1DTranspose,
    Conv2DTranspose,
    Conv3DTranspose,
    Convolution1DTranspose,
    Convolution2DTranspose,
    Convolution3DTranspose,
)
from lamina.layers.dense import Dense
from lamina.layers.einsum_dense import EinsumDense
from lamina.layers.embedding import Embedding, ReversibleEmbedding
from lamina.layers.functions import Identity, Lambda, Masking
from lamina.layers.images import CenterCrop, Resizing
from lamina.layers.merging import (
    Add,
    Average,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    maximum,
    minimum,
    multiply,
    subtract,
)
from lamina.layers.noise import GaussianDropout, GaussianNoise
from lamina.layers.normalization import GroupNormalization, LayerNormalization
from lamina.layers.pooling.adaptive import (
    AdaptiveAveragePooling1D,
    AdaptiveAveragePooling2D,
    AdaptiveAveragePooling3D,
    AdaptiveMaxPooling1D,
    AdaptiveMaxPooling2D,
    AdaptiveMaxPooling3D,
)
from lamina.layers.pooling.global_pooling import (
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalAvgPool3D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPool3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
)
from lamina.layers.pooling.windowed import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    AvgPool1D,
    AvgPool2D,
    AvgPool3D,
    MaxPool1D,
    MaxPool2D,
    MaxPool3D,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from lamina.layers.preprocessing.categories import CategoryEncoding, Discretization
from lamina.layers.preprocessing.hashing import HashedCrossing, Hashing
from lamina.layers.preprocessing.lookup import IntegerLookup, StringLookup
from lamina.layers.preprocessing.normalization import Normalization, Rescaling
from lamina.layers.preprocessing.spectrograms import MelSpectrogram, STFTSpectrogram
from lamina.layers.preprocessing.text import TextVectorization
from lamina.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    ConvLSTM1D,
    ConvLSTM2D,
    ConvLSTM3D,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
    TimeDistributed,
)
from lamina.layers.regularization import (
    ActivityRegularization,
    AlphaDropout,
    Dropout,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from lamina.layers.rematerialization import Remat
from lamina.layers.reshaping import (
    Flatten,
    Permute,
    RepeatVector,
    Reshape,
)
from lamina.layers.resizing import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from lamina.layers.scaling import RMSNormalization, SpectralNormalization, UnitNormalization
from lamina.layers.stack import Ensemble, Stack

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "AdaptiveAveragePooling1D",
    "AdaptiveAveragePooling2D",
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling1D",
    "AdaptiveMaxPooling2D",
    "AdaptiveMaxPooling3D",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "AugMix",
    "AutoContrast",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AveragePooling3D",
    "AvgPool1D",
    "AvgPool2D",
    "AvgPool3D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "CenterCrop",
    "Concatenate",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "ConvLSTM1D",
    "ConvLSTM2D",
    "ConvLSTM3D",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Convolution3D",
    "Convolution3DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Cropping3D",
    "CutMix",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "EinsumDense",
    "Embedding",
    "Ensemble",
    "Equalization",
    "Flatten",
    "GRUCell",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAveragePooling3D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalAvgPool3D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPool3D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GlobalMaxPooling3D",
    "GroupNormalization",
    "GroupQueryAttention",
    "GroupedQueryAttention",
    "HashedCrossing",
    "Hashing",
    "Identity",
    "IntegerLookup",
    "LSTMCell",
    "Lambda",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxNumBoundingBoxes",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPool3D",
    "MaxPooling1D",
    "MaxPooling2D",
    "MaxPooling3D",
    "Maximum",
    "MelSpectrogram",
    "Minimum",
    "MixUp",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "Pipeline",
    "RMSNormalization",
    "RandAugment",
    "RandomBrightness",
    "RandomColorDegeneration",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomElasticTransform",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomGrayscale",
    "RandomHue",
    "RandomInvert",
    "RandomPerspective",
    "RandomPosterization",
    "RandomRotation",
    "RandomSaturation",
    "RandomSharpness",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Remat",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "Residual",
    "Resizing",
    "ReversibleEmbedding",
    "RotaryEmbedding",
    "STFTSpectrogram",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "SimpleRNNCell",
    "Softmax",
    "Solarization",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "SpectralNormalization",
    "Stack",
    "StackedRNNCells",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "TransformerDecoderBlock",
    "TransformerEncoderBlock",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "UpSampling3D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "ZeroPadding3D",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "subtract",
]
