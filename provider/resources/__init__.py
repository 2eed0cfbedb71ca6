"""The kinds of resources, one a module: typed inputs, create, update, read, delete. Runs and processes are beside."""
