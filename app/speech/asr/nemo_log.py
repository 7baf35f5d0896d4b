"""Keeps NeMo's notes out of what commands print: it tells on standard output, where `--json` answers, what it loads."""

import logging


def quieten() -> None:
    """Lets only errors of NeMo and of its telemetry through; imports NeMo's logging, so it costs what torch costs."""
    logging.getLogger("nv_one_logger").setLevel(logging.ERROR)  # before the import: it warns then that it is off
    from nemo.utils import logging as notes

    notes.setLevel(logging.ERROR)
