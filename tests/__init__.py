"""The tree of tests is the tree of source."""
