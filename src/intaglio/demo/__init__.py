"""The whole road on what the package brings along: embedded weights, drawn pictures. No network, no other files.

`run.py` does it, `pictures.py` draws, `sheet.py` composes the comparison; `intaglio demo` shows it.
"""
