"""Mistakes that pyright refuses, each with its rule; a comment without a mistake is an error."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from lamina import Layer, Sequential, Variable, layers

layers.Dense("three")  # pyright: ignore[reportArgumentType]
layers.Dense(unts=3)  # pyright: ignore[reportCallIssue]
layers.Dense(3, unts=4)  # pyright: ignore[reportCallIssue]
layers.Dense(3, kernel_regularizr="l2")  # pyright: ignore[reportCallIssue]
layers.Dense(3, trainable="no")  # pyright: ignore[reportArgumentType]
layers.Dense()  # pyright: ignore[reportCallIssue]
layers.Conv2D(8, 3, kernel_regularizr="l2")  # pyright: ignore[reportCallIssue]
layers.LSTM(8, kernel_regularizr="l2")  # pyright: ignore[reportCallIssue]
layers.MultiHeadAttention(2, 8, kernel_regularizr="l2")  # pyright: ignore[reportCallIssue]
layers.BatchNormalization(gama_regularizer="l2")  # pyright: ignore[reportCallIssue]
layers.Embedding(10, 3, embedding_regularizer="l2")  # pyright: ignore[reportCallIssue]
layers.Dropout(0.5, rat=0.5)  # pyright: ignore[reportCallIssue]
layers.Add(nme="sum")  # pyright: ignore[reportCallIssue]
Layer(nme="layer")  # pyright: ignore[reportCallIssue]
Sequential(layers.Dense(3))  # pyright: ignore[reportArgumentType]

dense = layers.Dense(3)
value = dense.variabels  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
dense.autocast = dense.autocat  # pyright: ignore[reportAttributeAccessIssue]
dense.trainable = "no"  # pyright: ignore[reportAttributeAccessIssue]

variable = Variable((2, 3), "zeros")
value = variable.shpae  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
variable.men()  # pyright: ignore[reportAttributeAccessIssue]
value = variable + "one"  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
