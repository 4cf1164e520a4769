"""The dashboards: what each panel shows, and by which query.

Figures of the mesh are the same in every process that hosts tasks, so their maximum is taken; counters of processes are
added up. What is no name of Sagamesh's own (`process_*`) is taken from worker processes only.
"""

from __future__ import annotations

from typing import Final

from grafana.board import Board, Panel

__all__ = ["BOARDS"]


def _worker(metric: str) -> str:
    return f'({metric}{{namespace=~"$namespace"}} and on (job, instance) sagamesh_worker_ready)'


def _share(what: str, of: str, by: str) -> str:
    """A share of a rate, for those only that have any."""
    part = f"sum by ({by}) (rate({what}[$__rate_interval]))"
    return f"{part} / (sum by ({by}) (rate({of}[$__rate_interval])) > 0)"


def _quantile(quantile: float, histogram: str, by: str, chosen: str) -> str:
    rate = f"rate({histogram}_bucket{{{chosen}}}[$__rate_interval])"
    return f"histogram_quantile({quantile}, sum by (le, {by}) ({rate}))"


_ALL: Final = 'namespace=~"$namespace"'
_CHOSEN: Final = f'{_ALL}, agent_id=~"$agent"'

_WAIT: Final = Panel(
    "Wait for a worker, 95 %",
    "How long calls that were taken had waited in their queue; one in twenty waited longer.",
    _quantile(0.95, "temporal_activity_schedule_to_start_latency", "task_queue", _ALL),
    "s",
    "{{task_queue}}",
)

HEALTH: Final = Board(
    "sagamesh-health",
    "health",
    "Who is there, who is ready, and whether calls succeed.",
    (
        Panel(
            "Workers that answer",
            "Worker processes whose metrics Prometheus could read.",
            f"count(sagamesh_worker_ready{{{_ALL}}})",
            "short",
            kind="number",
        ),
        Panel(
            "Workers not ready",
            "Those of them that take no work, or lack something that they need; /readyz of each says what.",
            f"count(sagamesh_worker_ready{{{_ALL}}}) - sum(sagamesh_worker_ready{{{_ALL}}})",
            "short",
            kind="number",
            warn=1,
        ),
        Panel(
            "Capabilities without a worker",
            "Capabilities that no process takes calls of. Calls to them wait.",
            f"count(max by (capability) (orchestrator_active_agents{{{_ALL}}})) - "
            f"count(max by (capability) (orchestrator_active_agents{{{_ALL}}}) > 0)",
            "short",
            kind="number",
            alarm=1,
        ),
        Panel(
            "Age of the mesh's figures",
            "How long ago a process that hosts tasks read the figures of the mesh from the server. Old figures are not "
            "shown at all.",
            f"max(sagamesh_mesh_reading_age_seconds{{{_ALL}}})",
            "s",
            kind="number",
            warn=60,
            alarm=300,
        ),
        Panel(
            "Ready workers",
            "Worker processes of each pool that are ready.",
            f"sum by (pool) (sagamesh_worker_ready{{{_ALL}}})",
            "short",
            "{{pool}}",
        ),
        Panel(
            "Active agents",
            "Worker processes that take calls of each capability, as the server sees them.",
            f"max by (capability) (orchestrator_active_agents{{{_ALL}}})",
            "short",
            "{{capability}}",
        ),
        Panel(
            "Attempts by outcome",
            "How attempts of calls ended. Declined is a final answer of an agent, failed may be tried again; refused "
            "was not made, because a breaker was open.",
            f"sum by (status) (rate(agent_tasks_total{{{_ALL}}}[$__rate_interval]))",
            "ops",
            "{{status}}",
        ),
        Panel(
            "Share of failed attempts",
            "Of each agent that is called at all.",
            _share(f'agent_tasks_total{{{_ALL}, status="failed"}}', f"agent_tasks_total{{{_ALL}}}", "agent_id"),
            "percentunit",
            "{{agent_id}}",
            warn=0.05,
            alarm=0.25,
        ),
        Panel(
            "Answers of the Temporal server, 95 %",
            "How long the server took to answer workers; one request in twenty took longer. Without the requests that "
            "wait for work.",
            _quantile(0.95, "temporal_request_latency", "operation", _ALL),
            "s",
            "{{operation}}",
        ),
    ),
)

CPU: Final = Board(
    "sagamesh-cpu",
    "CPU",
    "What worker processes use of the CPU that they may use.",
    (
        Panel(
            "CPU by agent",
            "The busiest process of each agent, in percent of its container's limit, or of the machine. Agents that "
            "share a process share its figure.",
            f"max by (agent_id) (system_cpu_usage{{{_CHOSEN}}})",
            "percent",
            "{{agent_id}}",
            warn=70,
            alarm=85,
        ),
        Panel(
            "CPU by process",
            "Every worker process, in percent of what it may use.",
            f"max by (pool, instance) (system_cpu_usage{{{_CHOSEN}}})",
            "percent",
            "{{pool}} {{instance}}",
            warn=70,
            alarm=85,
        ),
        Panel(
            "CPUs in use",
            "CPU seconds a second of all processes of a pool together: how many CPUs it keeps busy.",
            f"sum by (pool) (rate(process_cpu_seconds_total{{{_ALL}}}[$__rate_interval]) "
            "and on (job, instance) sagamesh_worker_ready)",
            "short",
            "{{pool}}",
        ),
        Panel(
            "CPU an attempt",
            "CPU seconds that a pool spends on one attempt of a call; it tells a slower agent from a busier one.",
            f"sum by (pool) (rate(process_cpu_seconds_total{{{_ALL}}}[$__rate_interval]) "
            "and on (job, instance) sagamesh_worker_ready) / "
            f"(sum by (pool) (rate(agent_tasks_total{{{_ALL}}}[$__rate_interval])) > 0)",
            "s",
            "{{pool}}",
        ),
    ),
)

MEMORY: Final = Board(
    "sagamesh-memory",
    "memory",
    "What worker processes use of the memory that they may use, and whether it grows.",
    (
        Panel(
            "Memory by agent",
            "The largest process of each agent, in percent of its container's limit, or of the machine's memory.",
            f"max by (agent_id) (system_memory_usage{{{_CHOSEN}}})",
            "percent",
            "{{agent_id}}",
            warn=70,
            alarm=85,
        ),
        Panel(
            "Memory by process",
            "Resident memory of every worker process.",
            f"max by (pool, instance) {_worker('process_resident_memory_bytes')}",
            "bytes",
            "{{pool}} {{instance}}",
        ),
        Panel(
            "Growth in an hour",
            "By how much the memory of a process would grow in an hour if it went on as in the last one. Right after a "
            "start it says nothing.",
            f"max by (pool) (deriv(process_resident_memory_bytes{{{_ALL}}}[1h]) "
            "and on (job, instance) sagamesh_worker_ready) * 3600",
            "bytes",
            "{{pool}}",
        ),
        Panel(
            "Tasks kept in memory",
            "Tasks that processes hold ready to go on; others are replayed from their history first.",
            f"sum by (task_queue) (temporal_sticky_cache_size{{{_ALL}}})",
            "short",
            "{{task_queue}}",
        ),
        Panel(
            "Open files",
            "Files and connections of every worker process.",
            f"max by (pool, instance) {_worker('process_open_fds')}",
            "short",
            "{{pool}} {{instance}}",
        ),
    ),
)

COMMUNICATION: Final = Board(
    "sagamesh-communication",
    "communication",
    "Calls between tasks and agents: how many, how long, with which outcome.",
    (
        Panel(
            "Messages received",
            "Calls, offers and news of offers that reached each agent.",
            f"sum by (agent_id) (rate(agent_messages_received_total{{{_CHOSEN}}}[$__rate_interval]))",
            "ops",
            "{{agent_id}}",
        ),
        Panel(
            "Messages sent",
            "Answers and failures that each agent sent.",
            f"sum by (agent_id) (rate(agent_messages_sent_total{{{_CHOSEN}}}[$__rate_interval]))",
            "ops",
            "{{agent_id}}",
        ),
        Panel(
            "Attempts by capability",
            "Attempts that ended, of each capability.",
            f"sum by (task_type) (rate(agent_tasks_total{{{_CHOSEN}}}[$__rate_interval]))",
            "ops",
            "{{task_type}}",
        ),
        Panel(
            "Attempts that did not succeed",
            "Of each capability, by how they ended.",
            "sum by (task_type, status) "
            f'(rate(agent_tasks_total{{{_CHOSEN}, status!="completed"}}[$__rate_interval])) > 0',
            "ops",
            "{{task_type}} {{status}}",
        ),
        Panel(
            "Duration, half of the attempts",
            "How long attempts took in their worker; half took longer.",
            _quantile(0.5, "agent_task_duration_seconds", "task_type", _CHOSEN),
            "s",
            "{{task_type}}",
        ),
        Panel(
            "Duration, 95 %",
            "How long attempts took in their worker; one in twenty took longer.",
            _quantile(0.95, "agent_task_duration_seconds", "task_type", _CHOSEN),
            "s",
            "{{task_type}}",
        ),
        _WAIT,
        Panel(
            "Requests to the Temporal server",
            "What workers ask of the server; without the requests that wait for work.",
            f"sum by (operation) (rate(temporal_request{{{_ALL}}}[$__rate_interval]))",
            "reqps",
            "{{operation}}",
        ),
    ),
)

BACKLOG: Final = Board(
    "sagamesh-backlog",
    "backlog",
    "What waits for a worker, and who could take it.",
    (
        Panel(
            "Waiting",
            "Calls and tasks that wait for a worker, in all queues.",
            f"max(orchestrator_queue_size{{{_ALL}}})",
            "short",
            kind="number",
        ),
        Panel(
            "Longest wait",
            "How long the first in any queue has waited.",
            f"max(sagamesh_queue_backlog_age_seconds{{{_ALL}}})",
            "s",
            kind="number",
            warn=30,
            alarm=300,
        ),
        Panel(
            "Backlog",
            "Calls or tasks that wait for a worker in each queue.",
            f"max by (queue, kind) (sagamesh_queue_backlog{{{_ALL}}})",
            "short",
            "{{queue}} ({{kind}})",
        ),
        Panel(
            "Age of the backlog",
            "How long the first in each queue has waited.",
            f"max by (queue, kind) (sagamesh_queue_backlog_age_seconds{{{_ALL}}})",
            "s",
            "{{queue}} ({{kind}})",
        ),
        Panel(
            "Slots in use",
            "Calls and tasks that workers are at work on, in each queue.",
            f"sum by (task_queue, worker_type) (temporal_worker_task_slots_used{{{_ALL}}})",
            "short",
            "{{task_queue}} {{worker_type}}",
        ),
        Panel(
            "Share of slots in use",
            "Of the slots for calls. All in use and a backlog: more workers are needed; none in use and a backlog: the "
            "queue is held, by a breaker or a limit. Says nothing where slots follow CPU and memory.",
            f'sum by (task_queue) (temporal_worker_task_slots_used{{{_ALL}, worker_type="ActivityWorker"}}) / '
            f'(sum by (task_queue) (temporal_worker_task_slots_used{{{_ALL}, worker_type="ActivityWorker"}}) + '
            f'sum by (task_queue) (temporal_worker_task_slots_available{{{_ALL}, worker_type="ActivityWorker"}}) > 0)',
            "percentunit",
            "{{task_queue}}",
            warn=0.7,
            alarm=0.95,
        ),
        Panel(
            "Pollers",
            "Open questions for work, by queue and kind. A process whose slots are all in use asks for none.",
            f"sum by (task_queue, poller_type) (temporal_num_pollers{{{_ALL}}})",
            "short",
            "{{task_queue}} {{poller_type}}",
        ),
        _WAIT,
    ),
)

SAGAS: Final = Board(
    "sagamesh-sagas",
    "sagas",
    "Tasks: how many run, how they end, and which wait for a person.",
    (
        Panel(
            "Open tasks",
            "Tasks that have not ended.",
            f"sum(max by (task_type) (sagamesh_tasks_open{{{_ALL}}}))",
            "short",
            kind="number",
        ),
        Panel(
            "Need an operator",
            "Tasks whose compensation has failed and waits for somebody to decide: sagamesh list --needs-operator.",
            f"sum(max by (task_type) (sagamesh_tasks_need_operator{{{_ALL}}}))",
            "short",
            kind="number",
            alarm=1,
        ),
        Panel(
            "Open tasks by type",
            "Tasks of each type that have not ended.",
            f"max by (task_type) (sagamesh_tasks_open{{{_ALL}}})",
            "short",
            "{{task_type}}",
        ),
        Panel(
            "Need an operator, by type",
            "Tasks of each type whose compensation waits for somebody to decide.",
            f"max by (task_type) (sagamesh_tasks_need_operator{{{_ALL}}})",
            "short",
            "{{task_type}}",
            alarm=1,
        ),
        Panel(
            "Completed",
            "Tasks that came to their result.",
            f"sum by (workflow_type) (rate(temporal_workflow_completed{{{_ALL}}}[$__rate_interval]))",
            "ops",
            "{{workflow_type}}",
        ),
        Panel(
            "Failed",
            "Tasks that ended with an error, their effects undone. A declined payment is one, too.",
            f"sum by (workflow_type) (rate(temporal_workflow_failed{{{_ALL}}}[$__rate_interval]))",
            "ops",
            "{{workflow_type}}",
        ),
        Panel(
            "From start to end, 95 %",
            "How long tasks took that ended; one in twenty took longer. The time that they waited for people counts.",
            _quantile(0.95, "temporal_workflow_endtoend_latency", "workflow_type", _ALL),
            "s",
            "{{workflow_type}}",
        ),
        Panel(
            "Failed attempts of steps",
            "Attempts of steps and their undoing that failed, by capability. Most are tried again.",
            f"sum by (activity_type) (rate(temporal_activity_execution_failed{{{_ALL}}}[$__rate_interval]))",
            "ops",
            "{{activity_type}}",
        ),
    ),
)

BREAKERS: Final = Board(
    "sagamesh-breakers",
    "breakers",
    "What is not called at the moment, and what that costs.",
    (
        Panel(
            "Open breakers",
            "Breakers that let nothing, or only a probe through, in any process.",
            f"sum(max by (agent, breaker) (sagamesh_breaker_open{{{_ALL}}}))",
            "short",
            kind="number",
            alarm=1,
        ),
        Panel(
            "Opened in the last hour",
            "How often processes opened a breaker.",
            f"sum(increase(sagamesh_breaker_trips_total{{{_ALL}}}[1h]))",
            "short",
            kind="number",
            warn=1,
        ),
        Panel(
            "Processes that do not call",
            "In how many processes each breaker is open.",
            f"sum by (agent, breaker) (sagamesh_breaker_open{{{_ALL}}})",
            "short",
            "{{agent}} {{breaker}}",
        ),
        Panel(
            "Trips",
            "How often processes opened each breaker.",
            f"sum by (agent, breaker) (increase(sagamesh_breaker_trips_total{{{_ALL}}}[$__rate_interval]))",
            "short",
            "{{agent}} {{breaker}}",
        ),
        Panel(
            "Refused calls",
            "Calls that were not made because a breaker was open. They wait, or fall back, and cost no attempt.",
            f"sum by (agent, breaker) (rate(sagamesh_breaker_refused_total{{{_ALL}}}[$__rate_interval]))",
            "ops",
            "{{agent}} {{breaker}}",
        ),
        Panel(
            "Failed attempts",
            "What breakers count, by capability.",
            f'sum by (task_type) (rate(agent_tasks_total{{{_ALL}, status="failed"}}[$__rate_interval]))',
            "ops",
            "{{task_type}}",
        ),
    ),
)

BOARDS: Final = (HEALTH, CPU, MEMORY, COMMUNICATION, BACKLOG, SAGAS, BREAKERS)
