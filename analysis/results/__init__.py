"""The results store, and everything read from one run of it. What several runs say together is statistics/."""
