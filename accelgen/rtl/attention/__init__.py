"""The attention accelerator: array, softmax lanes, buffers, scheduler."""
