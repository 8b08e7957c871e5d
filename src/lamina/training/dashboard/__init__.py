"""The page that shows runs of training, and the logs behind it."""
