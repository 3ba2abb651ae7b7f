"""Every step on what comes with the package: embedded weights, drawn pictures. No network, no other files.

`run.py` does it, `pictures.py` draws, `sheet.py` composes the comparison; `intaglio demo` shows it.
"""
