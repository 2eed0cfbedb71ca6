"""Deploy-time: one component or resource a file, composed by the program."""
