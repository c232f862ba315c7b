"""Against servers that share no code with us."""
