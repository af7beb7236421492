"""Encoders in other forms: a shop's own model as an artifact (PyTorch, once), and what answers in 8 bits (onnx)."""
