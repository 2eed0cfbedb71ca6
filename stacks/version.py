"""The project's version: what the embedded server reports and manifests record."""

VERSION = "0.1.0"
