"""The workshop of representations: methods that train in PyTorch and leave artifacts for the shop floor."""
