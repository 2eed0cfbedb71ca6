"""Google Cloud's REST APIs with the user's credentials: the preflight before a stack exists, the janitor after it."""
