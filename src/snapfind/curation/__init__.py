"""What is wrong with a catalog and what would mend it; smaller and larger sets to learn from."""
