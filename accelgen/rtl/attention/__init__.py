"""The hardware of the attention accelerator."""
