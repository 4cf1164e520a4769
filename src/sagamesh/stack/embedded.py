"""The stack of one project, from a held lock to the last process stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from sagamesh.app import App
from sagamesh.engine_log import log_through_python
from sagamesh.errors import SagameshError
from sagamesh.stack.autoscale import ScaleOptions, autoscale
from sagamesh.stack.leftovers import reap
from sagamesh.stack.part import Part, Timing
from sagamesh.stack.place import Place
from sagamesh.stack.plan import SERVER, PortOptions, plan, port_requests
from sagamesh.stack.ports import LOOPBACK, assign
from sagamesh.stack.process import ProcessId
from sagamesh.stack.readiness import Engine
from sagamesh.stack.restart import forget_request, restarts_when_asked
from sagamesh.stack.state import Phase, PoolScale, Restart, StackState, forget, load, save
from sagamesh.stack.supervisor import Supervisor

__all__ = ["Embedded", "Interrupted"]

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The stack was told to stop before it was ready. `number` is the signal's."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"{signal.Signals(number).name} before it was ready")


class Embedded:
    """Runs a stack in this process, whose main thread it needs. The caller holds the place's lock.

    - `observe`: shown the state after every change. When it raises OSError (a closed terminal), the stack stops.
    """

    def __init__(self, place: Place, *, observe: Callable[[StackState], None], timing: Timing | None = None) -> None:
        self._place = place
        self._observe = observe
        self._timing = timing or Timing()
        self._state = StackState(supervisor=ProcessId.of(os.getpid()), root=place.root, folder=place.folder)
        self._broken: OSError | None = None
        self._signal = 0
        self._scale: ScaleOptions | None = None

    def run_app(
        self,
        app: App,
        options: PortOptions,
        *,
        inline: bool = False,
        scale: ScaleOptions | None = None,
        reference: str = "",
    ) -> None:
        """Run the server, the helpers and the pools of an app until told to stop by SIGINT, SIGTERM or SIGHUP.

        - `inline`: all pools in one process, which also hosts tasks inline.
        - `scale`: how each pool is scaled; None for one process each.
        - `reference`: the app as `module:name`, for those who ask what runs here.

        Raises:
            PortTaken, InvalidInput, UnknownName, DefinitionError: before anything is started.
            StackFailed: when a part does not become ready; everything is stopped by then.
            Interrupted: when told to stop before everything is ready.
            OSError: when the state cannot be written or shown any more; everything is stopped by then.
        """

        def layers() -> Sequence[Sequence[Part]]:
            ports = assign(port_requests(app, options))
            self._state.address = f"{LOOPBACK}:{ports[SERVER]}"
            self._state.web = f"http://{LOOPBACK}:{ports['web']}"
            return plan(app, self._place, ports, inline=inline, probed=scale is not None)

        self._scale = scale
        self._state.inline = inline
        self._state.app = reference
        self.run(layers)

    def run(self, layers: Callable[[], Sequence[Sequence[Part]]]) -> None:
        """As `run_app`, for any parts; `layers` makes them once what an earlier supervisor left is gone."""
        previous = load(self._place)
        if previous is not None:
            reap(previous.leftovers, self._timing)
        forget_request(self._place)
        save(self._place, self._state)
        try:
            log_through_python()
            asyncio.run(self._run(layers()))
        except Interrupted:
            forget(self._place)
            raise
        except (SagameshError, OSError) as error:
            if self._broken is not None:
                with suppress(OSError):  # the disk that took no state may not let go of it either
                    forget(self._place)
                raise
            self._state.phase = Phase.FAILED
            self._state.error = str(error)
            save(self._place, self._state)
            raise
        forget(self._place)

    async def _run(self, layers: Sequence[Sequence[Part]]) -> None:
        stop = asyncio.Event()
        supervisor = Supervisor(layers, changed=lambda: self._changed(supervisor, stop), timing=self._timing)
        self._listen(stop, supervisor)
        try:
            await _unless(stop, supervisor.start())
            if stop.is_set():
                self._raise_broken()
                raise Interrupted(self._signal)
            self._enter(Phase.READY, supervisor, stop)
            await _unless(stop, self._serve(supervisor, stop))
        finally:
            self._enter(Phase.STOPPING, supervisor, stop)
            await supervisor.stop()
        self._raise_broken()

    async def _serve(self, supervisor: Supervisor, stop: asyncio.Event) -> None:
        """Keep everything running, and do what is asked for meanwhile."""

        def tell(restart: Restart) -> None:
            self._state.restart = restart
            self._changed(supervisor, stop)

        def tell_scale(scale: PoolScale) -> None:
            self._state.scales = [*(each for each in self._state.scales if each.pool != scale.pool), scale]
            self._changed(supervisor, stop)

        work: list[Coroutine[Any, Any, None]] = [
            supervisor.watch(),
            restarts_when_asked(self._place, supervisor, tell),
        ]
        if self._scale is not None:
            engine = Engine(self._state.address)
            work += [autoscale(pool, engine, self._scale, tell_scale) for pool in supervisor.pools.values()]
        tasks = [asyncio.create_task(each) for each in work]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _listen(self, stop: asyncio.Event, supervisor: Supervisor) -> None:
        def told(number: int) -> None:
            if self._signal:
                supervisor.hurry()
            self._signal = number
            stop.set()

        for number in _STOP_SIGNALS:
            # Whoever started this process with a signal ignored (nohup, a shell's background job) meant it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, told, number)

    def _enter(self, phase: Phase, supervisor: Supervisor, stop: asyncio.Event) -> None:
        self._state.phase = phase
        self._changed(supervisor, stop)

    def _changed(self, supervisor: Supervisor, stop: asyncio.Event) -> None:
        self._state.parts = supervisor.parts
        if self._broken is not None:
            return
        try:
            save(self._place, self._state)
            self._observe(self._state)
        except OSError as error:
            # Not raised here: the way to a stop in order leads through here as well.
            self._broken = error
            stop.set()

    def _raise_broken(self) -> None:
        if self._broken is not None:
            raise self._broken


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it is done or `stop` is set. What it raises is raised here."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
