"""PyTorch: a shop's own model, read as its library reads it, becomes an artifact that serves without PyTorch."""
