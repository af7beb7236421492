"""What is wrong with a catalogue and what would mend it; smaller and larger sets to learn from."""
