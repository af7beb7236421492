"""Request and reply models, and parsing of bodies."""
