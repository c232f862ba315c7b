"""Coverage-guided fuzzing of all that reads what a stranger wrote.

A target is a function of bytes that raises where a law does not hold. Nothing in it needs a fuzzer: the
suite replays the corpus through the targets, and `make fuzz` lets atheris look for more.
"""
