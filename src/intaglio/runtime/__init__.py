"""Running a packed program: `engine.py` (the interface), `native.py` (the C++ core), `reference` (the specification).

Nothing is imported here: the native core and numpy load when an engine is made. torch never loads.
"""
