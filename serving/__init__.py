"""The model export, the embedded server with TensorFlow Serving's API, and the command lines that start a server."""
