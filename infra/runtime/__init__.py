"""Functions that the compiler copies into generated modules, which stand alone."""
