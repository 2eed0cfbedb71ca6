"""How a sweep decides from its runs. Pure: no clock, no file, no stack; what the conductor does with it is not here."""
