"""Google Cloud's REST APIs with the user's credentials: preflight and janitor. Resources are in components/gke/."""
