"""Google Cloud as the user's own credentials see it: what a stack lacks before it is made, and what one left behind."""
