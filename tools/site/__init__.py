"""The course as a folder of pages that need no network, no server and no kernel: `run.py site`.

`states` keeps what the widgets of a chapter show, `source` turns the notebooks into what the
generator reads, `conf.py` sets the generator up, and `links` checks what came out.
"""
