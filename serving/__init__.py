"""The model export, the embedded server, the command lines that start a server, and its wait for a model."""
