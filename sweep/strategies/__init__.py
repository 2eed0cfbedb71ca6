"""The strategies of a sweep. They decide from its runs alone: no clock, no file, no stack."""
