"""The examples behind a board: what every model answered, beside each other."""
