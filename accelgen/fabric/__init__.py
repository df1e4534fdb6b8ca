"""The fabric: what stands where, how it is connected, and where tensors live."""
