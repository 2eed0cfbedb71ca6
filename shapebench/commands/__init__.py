"""One module per command: `cli` reads the options, these modules do the work and print the result."""
