"""One component for each platform: everything that a stack declares there, put together from the other folders."""
