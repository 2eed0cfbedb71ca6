"""One kind of resource a module: what the plugin creates, updates, reads and deletes."""
