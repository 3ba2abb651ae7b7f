"""Use cases: what a person asks of intaglio, each one function with frozen arguments and results.

Nothing here prints or reads options. The command line, benchmarks, sweeps and other people's programs call these
functions; below them are the subpackages that do the work.
"""
