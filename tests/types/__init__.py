"""What type checkers say about the API; nothing in here runs."""
