"""Those that are measured, a module each: what to start in the client's process, and what makes it send all it has.

A module gives `PACKAGES`, whose versions the report names, and `start(sink)`, which begins to instrument, sends to that
address, and gives the function that flushes. What it needs is pinned in `requirements/bench`, in a file of its name.
"""
