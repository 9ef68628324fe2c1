"""The verbs of the command line: what may be typed here, what is done then in `runs`.

Nothing here imports what a verb needs, so that a wrong word is answered at once.
"""
