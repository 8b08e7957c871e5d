"""Files of Keras: models, weights and optimizers, read without running anything in them."""
