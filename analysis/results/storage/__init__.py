"""The files of a results store, in a folder or a bucket: written once, and verified when they are read."""
