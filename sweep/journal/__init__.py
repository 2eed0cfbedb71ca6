"""The journal of a sweep: what it was asked for and every task, in one SQLite file, so that it can be resumed."""
