"""Plan-time facts: stack files, the settings they are parsed into, and names, shapes and quotas that follow from them.

Nothing here creates a resource or opens a connection; what does belongs in components/, provider/ or google_cloud/.
"""
