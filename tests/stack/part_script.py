"""A part of a stack under test. It writes down when it starts and stops, and behaves as its mode says.

    python part_script.py NAME FOLDER MODE

plain: ready at once, stops when asked to. stubborn: ignores SIGTERM. gives-up: ends before it is ready, and says why.
never: runs, but is never ready. brief: is ready, then ends by itself once its state was seen. held: ready once the file
`go` exists. busy: once it is asked to stop, it goes on until the file `go` exists. once: is ready in its first life
only. parent: has a stubborn child. becomes: executes another program, which is plain.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

name, folder, mode = sys.argv[1], Path(sys.argv[2]), sys.argv[3]


if mode == "becomes":
    os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, name, str(folder), "plain"])  # noqa: S606


def note(what: str) -> None:
    with (folder / "events").open("a") as events:
        events.write(f"{what} {name} {os.getpid()}\n")


def stop(*_: object) -> None:
    while mode == "busy" and not (folder / "go").exists():
        time.sleep(0.02)
    note("stop")
    os._exit(0)


signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else stop)
note("start")
if mode == "gives-up":
    print("no database is configured", flush=True)
    sys.exit(3)
if mode == "parent":
    subprocess.Popen([sys.executable, "-I", "-S", __file__, f"{name}-child", str(folder), "stubborn"])
while mode == "held" and not (folder / "go").exists():
    time.sleep(0.02)
lives = sum(line.startswith(f"start {name} ") for line in (folder / "events").read_text().splitlines())
if mode != "never" and not (mode == "once" and lives > 1):
    (folder / f"{name}.ready").write_text(str(os.getpid()))
    print("here I am", flush=True)
while mode == "brief" and not (folder / f"{name}.seen.{os.getpid()}").exists():
    time.sleep(0.01)
while mode != "brief":
    signal.pause()
