"""Hardware of designs whose bounds are registers: loaded loop nests, registers, the top level."""
