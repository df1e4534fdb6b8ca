"""The units of the attention accelerator as NumPy computes them, bit for bit."""
