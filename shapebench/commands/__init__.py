"""One module per command, in a folder by what it is about: it does the work and prints the result.

Options are read one folder up.
"""
