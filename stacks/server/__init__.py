"""What a server is: which one, its image, its protocol, its variant, and the models that it can serve."""
