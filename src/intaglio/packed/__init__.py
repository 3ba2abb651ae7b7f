"""The packed model: the integer program and its file. No torch here."""
