"""What a fresh machine needs. Standard library only, as it runs before anything is installed."""
