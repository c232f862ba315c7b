"""Who is alive, and who ends first: the socket's nursery, its session, and the two planes of a connection."""
