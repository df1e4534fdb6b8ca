"""An attention accelerator: its sizes, its problems as integers, its cycles, its folder."""
