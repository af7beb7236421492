"""APIs of other products, for moving without changing clients."""
