"""The charts of a report, one subject a module. Pages and tables are one folder up."""
