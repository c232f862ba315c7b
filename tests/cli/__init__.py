"""The command line, run as a function and as a program."""
