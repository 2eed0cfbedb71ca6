"""Before and after runs: stack files and models, what is installed, what Google Cloud allows and what is left there."""
