"""Ending a program that has used the engine."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine
from typing import Any, NoReturn

__all__ = ["run"]


def run(main: Coroutine[Any, Any, object]) -> NoReturn:
    """Run a program's coroutine and end the process: with 0, or with 1 and the traceback of what it raised.

    As `asyncio.run`, but without the interpreter's own exit, during which the engine's threads were seen to abort the
    process although everything had been done.
    """
    code = 0
    try:
        asyncio.run(main)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
