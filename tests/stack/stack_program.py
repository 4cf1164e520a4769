"""A supervisor of small scripts, as a program of its own: `python stack_program.py SPECIFICATION`.

The specification is JSON: the stack's `folder`, its `layers` of [name, kind, mode], and the `timing` that differs from
the usual one; in it also `drain` and `grace_of_parts`, those of each part.
"""

import json
import sys
from pathlib import Path

from sagamesh.cli.progress import Progress
from sagamesh.errors import SagameshError
from sagamesh.stack.embedded import Embedded, Interrupted
from sagamesh.stack.lock import Lock
from sagamesh.stack.part import Part, Timing
from sagamesh.stack.place import Place


def part(folder: Path, place: Place, drain: float, grace: float, name: str, kind: str, mode: str) -> Part:
    async def ready(pid: int) -> str | None:
        seen = folder / f"{name}.ready"
        if not seen.exists() or seen.read_text() != str(pid):
            return "it has not written its file"
        (folder / f"{name}.seen.{pid}").touch()
        return None

    script = str(Path(__file__).with_name("part_script.py"))
    return Part(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        command=(sys.executable, "-I", "-S", script, name, str(folder), mode),
        environment={},
        folder=folder,
        log=place.log(name),
        ready=ready,
        drain=drain,
        grace=grace,
    )


def main() -> int:
    wanted = json.loads(sys.argv[1])
    folder = Path(wanted["folder"])
    place = Place(root=folder, folder=folder / "stack")
    place.create()
    lock = Lock.take(place)
    if lock is None:
        print("another one runs")
        return 9
    drain = wanted["timing"].pop("drain", 13.0)
    grace = wanted["timing"].pop("grace_of_parts", 0.0)
    with lock:
        embedded = Embedded(place, observe=Progress().update, timing=Timing(**wanted["timing"]))
        try:
            embedded.run(
                lambda: [[part(folder, place, drain, grace, *entry) for entry in layer] for layer in wanted["layers"]]
            )
        except Interrupted as stopped:
            return 128 + stopped.number
        except BrokenPipeError:
            return 141
        except SagameshError as error:
            print(f"error: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
