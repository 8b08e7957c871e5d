"""The application: dates as people write them into ISO dates, on the public API alone."""
