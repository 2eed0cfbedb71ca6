"""Previews every stack for a pull request, and keeps one comment with all previews on it. Deploys nothing."""
