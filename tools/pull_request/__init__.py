"""What a pull request is told: each stack previewed, and one comment over all of them, edited in place."""
