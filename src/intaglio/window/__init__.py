"""The window (extra ``app``): a page on this machine's loopback address for enlarging, comparing and quantizing.

What a person can ask for is in `intaglio.app`; here are the page (`assets`), what it asks (`routes.py`), who may ask
(`guard.py`), what is under way (`jobs.py`), and where files lie (`folder.py`).
"""
