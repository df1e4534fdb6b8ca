"""The numbers inside the accelerator, bit for bit: what the hardware is compared with."""
