"""The model export and the embedded server that speaks TensorFlow Serving's API."""
