"""The kinds of resources, one a module: typed inputs, and what create, update, read and delete do."""
