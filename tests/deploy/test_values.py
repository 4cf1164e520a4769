"""What the chart makes of values: the right objects, or a refusal that names the value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagamesh.inline import inline_queue
from tests.support.charts import CHART, Chart, Refused
from tests.support.kinds import problems

AGENT: dict[str, Any] = {"name": "stock", "kind": "agent", "queues": ["stock", "stock/warehouse"]}
TASKS = {"name": "orders", "kind": "tasks", "queues": ["orders"]}
KEDA = {"scaling": {"mode": "keda"}}
TLS = {"tls": {"enabled": True, "caSecret": "theirs"}}
STEP = {"rampPercentage": 10, "pauseDuration": "5m"}
MOUNT = {"name": "data", "mountPath": "/data"}


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == kind}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicaCount": 3}, ["replicaCount is gone", "defaults.scaling.replicas"]),
        ({"autoscaling": {"enabled": True}}, ["autoscaling is gone", "pools.<name>.scaling"]),
        ({"versioned": {"gate": {"workflowType": "Canary"}}}, ["versioned.gate is gone", "pools.<name>.gate"]),
        ({"pools": {"payment": {"gate": {"workflowType": "Canary"}}}}, ["pools.payment.gate", "host no tasks"]),
        ({"pools": {"orders": {"gate": {"input": {}}}}}, ["/pools/orders/gate", "workflowType"]),
        ({"pools": {"payment": {"inline": True}}}, ["pools.payment.inline", "no pool of tasks", "`serves`"]),
        ({"agents": [{**AGENT, "queueSlots": {"stock": 0}}]}, ["/agents/0/queueSlots/stock", "minimum"]),
        ({"temporal": {"adress": "x:1"}}, ["/temporal", "adress"]),
        ({"temporal": {"address": "nowhere"}}, ["/temporal/address", "nowhere"]),
        ({"agents": [{**AGENT, "kind": "actor"}]}, ["/agents/0/kind", "'agent', 'tasks'"]),
        ({"agents": [{"name": "stock", "kind": "agent"}]}, ["/agents/0", "queues"]),
        ({"defaults": {"scaling": {"mode": "vpa"}}}, ["/defaults/scaling/mode", "'fixed', 'hpa', 'keda'"]),
        ({"defaults": {"scaling": {"minReplicas": 0}}}, ["/defaults/scaling/minReplicas", "minimum"]),
        # Helm prints larger numbers as 1e+06, which Kubernetes and KEDA do not read.
        (
            {"defaults": {"scaling": {"keda": {"targetQueueSize": 1_000_000}}}},
            ["/defaults/scaling/keda/targetQueueSize", "maximum"],
        ),
        ({"defaults": {"resources": {"limits": None}}}, ["/defaults/resources", "limits"]),
        ({"defaults": {"env": {"SAGAMESH_PAYMENT_KEY": "sk"}}}, ["env.SAGAMESH_PAYMENT_KEY", "envFrom"]),
        ({"defaults": {"env": {"TEMPORAL_ADDRESS": "x:1"}}}, ["env.TEMPORAL_ADDRESS", "set by the chart"]),
        ({"pools": {"orders": {"replicas": 3}}}, ["/pools/orders", "replicas"]),
        ({"pools": {"order": {"slots": 3}}}, ["pools: order is none of `agents`", "accounts", "orders"]),
        ({"pools": {"orders": {"scaling": {"mode": "hpa", "minReplicas": 11}}}}, ["orders", "minReplicas (11)"]),
        (
            {"pools": {"orders": {"scaling": {"mode": "keda", "keda": {"runningTasksOf": "orders"}}}}},
            ["orders", "stopWhenIdle", "busySlots.prometheus"],
        ),
        ({"image": {"tag": "latest"}}, ["image.tag", "latest"]),
        ({"temporal": {"tls": {"clientSecret": "c"}}}, ["temporal.tls.enabled is false"]),
        (
            {"temporal": {"tls": {"enabled": True, "clientSecret": "c"}, "apiKey": {"secret": "k"}}},
            ["either apiKey.secret or tls.clientSecret"],
        ),
        (
            {"evaluationServer": {"enabled": True}, "temporal": {"tls": {"enabled": True}}},
            ["evaluationServer", "temporal.tls"],
        ),
        ({"istio": {"enabled": True}}, ["istio.service"]),
        ({"serviceAccount": {"create": False}}, ["serviceAccount.name"]),
        ({"agents": [{**AGENT, "name": "a.b"}, {**AGENT, "name": "a-b"}]}, ["a.b and a-b", "shop-sagamesh-a-b"]),
        ({"agents": [{**AGENT, "name": "x" * 60}]}, ["63 characters", "fullnameOverride"]),
        # Neither KEDA nor the worker controller knows TLS without a client certificate or an API key.
        (
            {"defaults": KEDA, "temporal": {"tls": {"enabled": True}}},
            ["accounts: scaling.mode keda", "plain text", "tls.clientSecret or temporal.apiKey.secret"],
        ),
        ({"pools": {"orders": KEDA}, "temporal": TLS}, ["orders: scaling.mode keda", "temporal.tls.caSecret"]),
        (
            {"versioned": {"enabled": True}, "temporal": TLS},
            ["temporal.tls: versioned.enabled", "plain text", "tls.clientSecret or temporal.apiKey.secret"],
        ),
        ({"monitoring": {"interval": "5s"}}, ["monitoring.interval: 5s", "10s"]),
        ({"monitoring": {"interval": "0s"}}, ["monitoring.interval: 0s", "10s"]),
        ({"monitoring": {"interval": "30s1m"}}, ["/monitoring/interval", "30s1m"]),
        ({"monitoring": {"interval": ""}}, ["/monitoring/interval"]),
        (
            {"versioned": {"steps": [STEP, {**STEP, "rampPercentage": 20, "pauseDuration": "29s"}]}},
            ["versioned.steps[1].pauseDuration: 29s", "30s"],
        ),
        (
            {"versioned": {"steps": [STEP, {**STEP, "rampPercentage": 5}]}},
            ["versioned.steps[1].rampPercentage: 5 is not more than the 10"],
        ),
        ({"versioned": {"steps": [STEP, STEP]}}, ["versioned.steps[1].rampPercentage: 10 is not more than the 10"]),
        ({"versioned": {"steps": [{**STEP, "rampPercentage": n} for n in range(1, 22)]}}, ["/versioned/steps", "20"]),
        *(
            ({"image": {"repository": repository}}, ["/image/repository", repository])
            for repository in ("my shop", "Shop", "shop:1.2", "registry:5000/shop:1.2", "shop@sha256", "shop/", "/shop")
        ),
        ({"image": {"repository": ""}}, ["/image/repository"]),
        ({"image": {"tag": "1.2@sha256"}}, ["/image/tag", "1.2@sha256"]),
        ({"image": {"digest": "sha256:abc"}}, ["/image/digest", "sha256:abc"]),
        ({"image": {"digest": "a" * 64}}, ["/image/digest"]),
        ({"defaults": {"tolerations": [{"key": "spot", "opperator": "Exists"}]}}, ["tolerations/0", "opperator"]),
        ({"defaults": {"tolerations": [{"operator": "exists"}]}}, ["tolerations/0/operator", "'Exists'"]),
        ({"pools": {"orders": {"affinity": {"nodeAfinity": {}}}}}, ["/pools/orders/affinity", "nodeAfinity"]),
        ({"defaults": {"affinity": {"nodeAffinity": {"required": {}}}}}, ["affinity/nodeAffinity", "required"]),
        ({"defaults": {"volumes": [{"name": "data", "emptydir": {}}]}}, ["/defaults/volumes/0", "emptydir"]),
        ({"defaults": {"volumes": [{"name": "data"}]}}, ["/defaults/volumes/0", "2"]),
        ({"defaults": {"volumes": [{"name": "tmp", "emptyDir": {}}]}}, ["accounts: volumes", "tmp already"]),
        ({"defaults": {"volumeMounts": [{**MOUNT, "readonly": True}]}}, ["/defaults/volumeMounts/0", "readonly"]),
        ({"pools": {"orders": {"volumeMounts": [MOUNT]}}}, ["orders: volumeMounts: data is none", "(tmp)"]),
        ({"networkPolicy": {"temporal": [{"ipblock": {}}]}}, ["/networkPolicy/temporal/0", "ipblock"]),
        ({"networkPolicy": {"dns": [{"podSelector": {"labels": {}}}]}}, ["/networkPolicy/dns/0/podSelector", "labels"]),
        ({"networkPolicy": {"scrapers": [{"ipBlock": {"cidr": "anywhere"}}]}}, ["scrapers/0/ipBlock/cidr", "anywhere"]),
        (
            {"defaults": {"egress": [{"ports": [{"port": 443}], "to": [{"podselector": {}}]}]}},
            ["/defaults/egress/0/to/0", "podselector"],
        ),
        (
            {"pools": {"orders": {"resources": {"requests": {"cpu": 2}}}}},
            ["orders: resources.requests.cpu (2) is more than resources.limits.cpu (1)"],
        ),
        (
            {"defaults": {"resources": {"limits": {"memory": "319Mi"}}}},
            ["accounts: resources.requests.memory (320Mi)", "resources.limits.memory (319Mi)"],
        ),
        ({"fullnameOverride": "My_Shop"}, ["/fullnameOverride", "My_Shop"]),
        ({"fullnameOverride": "shop-"}, ["/fullnameOverride", "shop-"]),
        ({"nameOverride": "my shop"}, ["/nameOverride", "my shop"]),
        ({"temporal": {"address": "temporal:65536"}}, ["/temporal/address", "temporal:65536"]),
        ({"temporal": {"address": "temporal:0"}}, ["/temporal/address", "temporal:0"]),
        ({"pools": {"orders": {"serves": ["orders", "stok"]}}}, ["orders: serves: stok is none of", "accounts"]),
        ({"defaults": {"env": {"LOG-LEVEL": "x"}}}, ["/defaults/env", "LOG-LEVEL"]),
        ({"defaults": {"env": {"2ND": "x"}}}, ["/defaults/env", "2ND"]),
        *(
            ({"defaults": {"env": {name: "x"}}}, [f"env.{name} may hold a secret", "envFrom as secretRef"])
            for name in ("OTEL_EXPORTER_OTLP_HEADERS", "STRIPE_APIKEY", "AUTH_TOKEN_2", "db_password", "SECRET", "DSN")
        ),
        *(
            ({"pools": {"orders": {"env": {"CACHE": url}}}}, ["orders: env.CACHE is a URL with a pass", "secretRef"])
            for url in ("redis://:pw@cache:6379/0", "postgresql+asyncpg://shop:p%40w@db/shop", "see http://a:b@c")
        ),
    ],
)
def test_a_wrong_value_is_refused_by_its_path(chart: Chart, values: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        chart.render(values=values)
    message = str(refused.value)
    assert [word for word in said if word not in message] == [], message


@pytest.mark.parametrize(
    "values",
    [
        {"monitoring": {"interval": "10s"}},
        {"monitoring": {"interval": "1m30s"}},
        {"versioned": {"steps": [{**STEP, "pauseDuration": "30s"}, {"rampPercentage": 11, "pauseDuration": "1h30m"}]}},
        *(
            {"image": {"repository": repository}}
            for repository in ("shop", "registry.example.org:5000/team/shop", "a.b/c_d/e--f", "localhost:5000/shop-1.2")
        ),
        {"temporal": {"address": "temporal:65535"}},
        {"defaults": {"env": {"SAGAMESH_MAX_TOKENS": 9, "TLS_KEY_FILE": "/k", "URL": "http://host:80/a:b@c?d=e:f@g"}}},
        {"defaults": {"resources": {"requests": {"cpu": "1000m", "memory": "500M"}, "limits": {"cpu": 1}}}},
        {"defaults": {"resources": {"requests": {"cpu": 0.5}, "limits": {"cpu": "0.5", "memory": "1Ti"}}}},
        {"defaults": {"volumes": [{"name": "data", "emptyDir": {}}], "volumeMounts": [MOUNT]}},
        {"defaults": {"volumeMounts": [{"name": "tmp", "mountPath": "/var/cache", "subPath": "cache"}]}},
        {"temporal": TLS, "defaults": {"scaling": {"mode": "hpa"}}},
        {
            "defaults": {
                "tolerations": [{"key": "spot", "effect": "NoExecute", "tolerationSeconds": 60}],
                "affinity": {
                    "podAntiAffinity": {
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {"weight": 1, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
                        ]
                    },
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]
                        }
                    },
                },
            },
            "networkPolicy": {
                "temporal": [
                    {"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8:1::/48"]}},
                    {"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a"]}]}},
                ]
            },
        },
    ],
)
def test_what_only_looks_wrong_is_taken(chart: Chart, values: dict[str, Any]) -> None:
    assert [list(problems(each)) for each in chart.render(values=values) if each["kind"] == "Deployment"] == [[]] * 5


def test_a_digest_is_pulled_instead_of_the_tag(chart: Chart) -> None:
    digest = f"sha256:{'0a' * 32}"
    image = {"repository": "registry.example.org/shop", "tag": "1.2", "digest": digest}
    spec = of_kind(chart.render(values={"agents": [AGENT], "image": image}), "Deployment")["shop-sagamesh-stock"]
    assert spec["template"]["spec"]["containers"][0]["image"] == f"registry.example.org/shop@{digest}"


def test_a_pool_goes_before_its_agent_and_that_before_the_defaults(chart: Chart) -> None:
    objects = chart.render(
        values={
            "defaults": {"slots": 5, "logLevel": "DEBUG", "resources": {"limits": {"cpu": "2"}}},
            "agents": [{**AGENT, "slots": 6, "graceSeconds": 60}],
            "pools": {"stock": {"slots": 7, "resources": {"limits": {"memory": "1Gi"}}}},
        }
    )
    container = of_kind(objects, "Deployment")["shop-sagamesh-stock"]["template"]["spec"]["containers"][0]
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert (variables["SAGAMESH_SLOTS"], variables["SAGAMESH_GRACE"], variables["SAGAMESH_LOG_LEVEL"]) == (
        "7",
        "60",
        "DEBUG",
    )
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}


def test_a_scaler_of_cpu_and_memory(chart: Chart) -> None:
    objects = chart.render(values={"agents": [AGENT], "defaults": {"scaling": {"mode": "hpa"}}})
    spec = of_kind(objects, "HorizontalPodAutoscaler")["shop-sagamesh-stock"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    targets = {each["resource"]["name"]: each["resource"]["target"]["averageUtilization"] for each in spec["metrics"]}
    assert targets == {"cpu": 70, "memory": 80}
    # Kubernetes would set the number back to it at every upgrade.
    assert "replicas" not in of_kind(objects, "Deployment")["shop-sagamesh-stock"]


def test_keda_looks_at_the_kind_of_work_that_each_queue_has(chart: Chart) -> None:
    objects = chart.render(values={"agents": [AGENT, TASKS], "defaults": KEDA})
    looks = {
        name: [(each["metadata"]["taskQueue"], each["metadata"]["queueTypes"]) for each in spec["triggers"]]
        for name, spec in of_kind(objects, "ScaledObject").items()
    }
    assert looks == {
        "shop-sagamesh-stock": [("stock", "activity"), ("stock/warehouse", "activity")],
        "shop-sagamesh-orders": [("orders", "workflow")],
    }
    assert of_kind(objects, "TriggerAuthentication") == {}


def test_keda_stops_the_last_workers_only_where_it_is_told_to_and_not_amid_tasks(chart: Chart) -> None:
    asked = {"scaling": {"mode": "keda", "keda": {"stopWhenIdle": True, "runningTasksOf": "orders"}}}
    idle = of_kind(chart.render(values={"agents": [AGENT], "defaults": asked}), "ScaledObject")["shop-sagamesh-stock"]
    assert (idle["idleReplicaCount"], idle["minReplicaCount"]) == (0, 2)
    counts = {
        (each["metadata"]["includeRunningWorkflowCount"], each["metadata"]["workflowTaskQueueForCount"])
        for each in idle["triggers"]
    }
    assert counts == {("true", "orders")}
    usual = of_kind(chart.render(values={"agents": [AGENT], "defaults": KEDA}), "ScaledObject")["shop-sagamesh-stock"]
    assert "idleReplicaCount" not in usual


def test_keda_counts_the_calls_that_run_against_the_slots_of_their_queue(chart: Chart) -> None:
    busy = {"scaling": {"mode": "keda", "keda": {"busySlots": {"prometheus": "http://prometheus:9090"}}}}
    agent = {**AGENT, "queues": [*AGENT["queues"], "stock/robot"], "queueSlots": {"stock/robot": 4}}
    objects = chart.render(values={"agents": [agent], "defaults": {**busy, "slots": 20}})
    counted = [
        (trigger["metadata"]["query"], trigger["metadata"]["threshold"])
        for trigger in of_kind(objects, "ScaledObject")["shop-sagamesh-stock"]["triggers"]
        if trigger["type"] == "prometheus"
    ]
    labels = 'namespace="shop",pool="stock",task_queue="%s",worker_type="ActivityWorker"'
    assert counted == [
        (f"sum(temporal_worker_task_slots_used{{{labels % queue}}})", threshold)
        for queue, threshold in (("stock", "14"), ("stock/warehouse", "14"), ("stock/robot", "2"))  # 70 %
    ]
    objects = chart.render(values={"agents": [AGENT], "defaults": busy, "versioned": {"enabled": True}})
    template = of_kind(objects, "WorkerResourceTemplate")["shop-sagamesh-stock"]["template"]
    # A name that the controller fills in: each version has a scaler, and each counts its own calls only.
    assert 'build_id="{{temporal_worker_build_id}}"' in template["spec"]["triggers"][-1]["metadata"]["query"]


@pytest.mark.parametrize(
    ("temporal", "parameters"),
    [
        ({"tls": {"enabled": True}, "apiKey": {"secret": "key"}}, {"apiKey": "key/api-key"}),
        (
            {"tls": {"enabled": True, "clientSecret": "mine", "caSecret": "theirs"}},
            {"cert": "mine/tls.crt", "key": "mine/tls.key", "ca": "theirs/ca.crt"},
        ),
    ],
)
def test_keda_and_workers_show_the_server_the_same_secrets(
    chart: Chart, temporal: dict[str, Any], parameters: dict[str, str]
) -> None:
    objects = chart.render(values={"agents": [AGENT], "defaults": KEDA, "temporal": temporal})
    ((name, shown),) = of_kind(objects, "TriggerAuthentication").items()
    assert {each["parameter"]: f"{each['name']}/{each['key']}" for each in shown["secretTargetRef"]} == parameters
    for trigger in of_kind(objects, "ScaledObject")["shop-sagamesh-stock"]["triggers"]:
        assert "enableTLS" not in trigger["metadata"]  # KEDA knows no such field
        assert trigger["authenticationRef"] == {"name": name}
    pod = of_kind(objects, "Deployment")["shop-sagamesh-stock"]["template"]["spec"]
    secrets = {each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each} | {
        each["valueFrom"]["secretKeyRef"]["name"] for each in pod["containers"][0]["env"] if "valueFrom" in each
    }
    assert secrets == {value.partition("/")[0] for value in parameters.values()}
    assert {"name": "TEMPORAL_TLS", "value": "true"} in pod["containers"][0]["env"]


def test_the_controller_connects_its_own_versions(chart: Chart) -> None:
    temporal = {"address": "t.example:7233", "tls": {"enabled": True, "clientSecret": "mine", "caSecret": "theirs"}}
    objects = chart.render(
        values={"agents": [AGENT, TASKS], "defaults": KEDA, "temporal": temporal, "versioned": {"enabled": True}}
    )
    assert {each["kind"] for each in objects} >= {"Connection", "WorkerDeployment", "WorkerResourceTemplate"}
    assert not {each["kind"] for each in objects} & {"Deployment", "ScaledObject"}
    spec = of_kind(objects, "WorkerDeployment")["shop-sagamesh-stock"]
    injected = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TEMPORAL_TLS_CLIENT_CERT_PATH"}
    assert not injected & {each["name"] for each in spec["template"]["spec"]["containers"][0]["env"]}
    trigger = of_kind(objects, "WorkerResourceTemplate")["shop-sagamesh-stock"]["template"]["spec"]["triggers"][0]
    # Empty is what the controller fills in for each version.
    assert [trigger["metadata"][name] for name in ("namespace", "workerDeploymentName", "workerDeploymentBuildId")] == [
        "",
        "",
        "",
    ]


def test_the_mesh_policy_of_inbound_traffic(chart: Chart) -> None:
    objects = chart.render(CHART / "ci" / "istio-values.yaml")
    priority = of_kind(objects, "VirtualService")["gateway"]["http"][0]
    assert (priority["name"], priority["timeout"]) == ("priority", "10s")
    assert (priority["retries"]["attempts"], priority["retries"]["perTryTimeout"]) == (3, "3s")
    assert of_kind(objects, "DestinationRule")["gateway"]["trafficPolicy"]["outlierDetection"] == {
        "consecutive5xxErrors": 5,
        "interval": "30s",
        "baseEjectionTime": "30s",
        "maxEjectionPercent": 50,
        "minHealthPercent": 30,
    }
    assert of_kind(objects, "PeerAuthentication")["gateway"]["mtls"] == {"mode": "STRICT"}


def test_every_agent_has_an_alert_for_being_down(chart: Chart) -> None:
    objects = chart.render(values={"monitoring": {"rules": {"enabled": True}, "podMonitor": {"enabled": True}}})
    ((_, spec),) = of_kind(objects, "PrometheusRule").items()
    down = [each for each in spec["groups"][0]["rules"] if each["alert"] == "AgentDown"]
    assert {each["labels"]["agent"] for each in down} == {"accounts", "inventory", "payment", "notification", "orders"}
    assert {(each["for"], each["labels"]["severity"]) for each in down} == {("1m", "critical")}
    ((_, monitor),) = of_kind(objects, "PodMonitor").items()
    assert [each["interval"] for each in monitor["podMetricsEndpoints"]] == ["30s"]


def test_a_dashboard_comes_as_it_is(chart: Chart, tmp_path: Path) -> None:
    mine = chart.copy(tmp_path / "chart")
    # Grafana's own braces are none of Helm's.
    dashboard = '{\n  "title": "Health",\n  "legendFormat": "{{agent_id}}"\n}\n'
    (tmp_path / "chart" / "dashboards").mkdir(exist_ok=True)
    (tmp_path / "chart" / "dashboards" / "of-a-test.json").write_text(dashboard, encoding="utf-8")
    objects = mine.render(values={"monitoring": {"dashboards": {"enabled": True}}})
    (found,) = [each for each in objects if each["metadata"]["name"] == "shop-sagamesh-of-a-test"]
    assert found["data"] == {"of-a-test.json": dashboard}
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert list(problems(found)) == []


def test_an_evaluation_server_is_what_the_pools_then_use(chart: Chart) -> None:
    objects = chart.render(CHART / "ci" / "evaluation-values.yaml")
    pod = of_kind(objects, "Deployment")["shop-sagamesh-orders"]["template"]["spec"]["containers"][0]
    address = next(each["value"] for each in pod["env"] if each["name"] == "TEMPORAL_ADDRESS")
    assert address == "shop-sagamesh-temporal.shop.svc:7233"
    assert "shop-sagamesh-temporal" in of_kind(objects, "Service")


@pytest.mark.parametrize("strategy", ["Manual", "AllAtOnce", "Progressive"])
def test_a_version_takes_over_as_the_values_say(chart: Chart, strategy: str) -> None:
    other = {"name": "routing", "kind": "tasks", "queues": ["routing"]}
    gate = {"workflowType": "Canary", "input": {"to": "ada"}}
    objects = chart.render(
        values={
            "agents": [AGENT, TASKS, other],
            "pools": {"orders": {"gate": gate}},
            "versioned": {"enabled": True, "strategy": strategy},
        }
    )
    rollouts = {name: spec["rollout"] for name, spec in of_kind(objects, "WorkerDeployment").items()}
    progressive = strategy == "Progressive"
    for rollout in rollouts.values():
        assert rollout["strategy"] == strategy
        assert [step["rampPercentage"] for step in rollout.get("steps", [])] == ([10, 50] if progressive else [])
    # Where its task is not hosted, it would wait for ever.
    assert {name: spec["gate"] for name, spec in rollouts.items() if "gate" in spec} == {"shop-sagamesh-orders": gate}


def test_a_rollout_has_the_new_worker_poll_before_the_old_one_stops(chart: Chart) -> None:
    spec = of_kind(chart.render(values={"agents": [AGENT]}), "Deployment")["shop-sagamesh-stock"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    # Spread where there is room; a pool of three on two nodes still starts.
    spread = spec["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert {each["whenUnsatisfiable"] for each in spread} == {"ScheduleAnyway"}


def test_a_process_that_hosts_tasks_inline_serves_their_agents(chart: Chart) -> None:
    inline = {"orders": {"serves": ["orders", "stock"], "inline": True}}
    objects = chart.render(values={"agents": [AGENT, TASKS], "pools": inline})
    container = of_kind(objects, "Deployment")["shop-sagamesh-orders"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["sagamesh", "worker"]
    assert container["args"] == ["orders", "stock", "--inline"]


def test_keda_looks_where_tasks_that_run_inline_wait(chart: Chart) -> None:
    other = {"name": "routing", "kind": "tasks", "queues": ["routing"]}
    busy = {"busySlots": {"prometheus": "http://prometheus:9090"}}
    inline = {"inline": True, "serves": ["orders", "stock", "routing"], "scaling": {"mode": "keda", "keda": busy}}
    objects = chart.render(values={"agents": [AGENT, TASKS, other], "pools": {"orders": inline, "routing": KEDA}})
    looks = {
        name: [
            (each["metadata"]["taskQueue"], each["metadata"]["queueTypes"])
            for each in spec["triggers"]
            if each["type"] == "temporal"
        ]
        for name, spec in of_kind(objects, "ScaledObject").items()
    }
    assert looks == {
        "shop-sagamesh-orders": [
            ("orders", "workflow"),
            (inline_queue("orders"), "workflow,activity"),
            (inline_queue("routing"), "workflow,activity"),
        ],
        "shop-sagamesh-routing": [("routing", "workflow")],
    }
    counted = [
        each["metadata"].get("query", "")
        for each in of_kind(objects, "ScaledObject")["shop-sagamesh-orders"]["triggers"]
    ]
    assert any(f'task_queue="{inline_queue("orders")}"' in query for query in counted)
