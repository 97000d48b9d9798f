"""The commands of `empathy-bench`, one module each; importing them costs nothing but typer."""
