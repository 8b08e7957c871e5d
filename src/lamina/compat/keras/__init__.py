"""The names of Keras 3 for programs that were written for it, on Lamina."""
