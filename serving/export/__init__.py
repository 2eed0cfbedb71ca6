"""Exports Keras ResNet50 as the SavedModel that every stack serves. Nothing here serves it."""
