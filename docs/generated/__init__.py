"""Tables that are made from the code while the documentation is built."""
