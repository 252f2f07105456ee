"""The rendered objects: valid, without privileges, with matching labels."""

import json
import pathlib
import re
import subprocess
import tomllib

import helm_python
import kubernetes_validate

from checks import check
from rendered import CHART, VALUES, container, of_kind, pod, render, rendered, workload

NODE = pathlib.Path(__file__).resolve().parent / "node"
# The oldest supported version (Chart.yaml), and the newest with schemas.
KUBERNETES = ["1.30", kubernetes_validate.latest_version()]
CUSTOM = {"ServiceMonitor", "PrometheusRule", "GRPCRoute", "HTTPRoute"}
PORTS = {"grpc": 50051, "rest": 8080, "admin": 9090}


@check
def helm_lint_finds_nothing(_):
    for name, values in VALUES.items():
        found = helm_python.lint(CHART, values, strict=True)
        # The only recommendation (severity 1) is an icon.
        warnings = [each for each in found["messages"] if each["severity"] > 1]
        assert not warnings and not found["errors"], (name, found)


@check
def kubernetes_schemas_accept_every_object(_):
    seen = set()
    for name in VALUES:
        for each in rendered(name):
            seen.add(each["kind"])
            if each["kind"] not in CUSTOM:
                for version in KUBERNETES:
                    kubernetes_validate.validate(each, version, strict=True)
    kinds = "Deployment StatefulSet Service ConfigMap ServiceAccount NetworkPolicy Pod Ingress"
    kinds += " PodDisruptionBudget HorizontalPodAutoscaler CronJob PersistentVolumeClaim"
    assert seen == set(kinds.split()) | CUSTOM, seen


@check
def definitions_of_custom_resources_accept_every_object(_):
    objects = [each for name in VALUES for each in rendered(name) if each["kind"] in CUSTOM]
    assert {each["kind"] for each in objects} == CUSTOM
    for each, errors in zip(objects, custom_errors(objects)):
        assert not errors, (each["kind"], errors)


@check
def definitions_of_custom_resources_reject_unknown_and_wrong_fields(_):
    (monitor,) = of_kind(rendered("everything"), "ServiceMonitor")
    unknown, wrong = json.loads(json.dumps([monitor, monitor]))
    unknown["spec"]["endpoints"][0]["intervall"] = "30s"
    wrong["spec"]["endpoints"][0]["interval"] = "often"
    assert all(custom_errors([unknown, wrong]))


@check
def no_container_has_privileges(_):
    for name in VALUES:
        objects = rendered(name)
        pods = [pod(objects)] + [each["spec"] for each in of_kind(objects, "Pod")]
        pods += [job_pod(each)["spec"] for each in of_kind(objects, "CronJob")]
        for spec in pods:
            of_pod = spec["securityContext"]
            assert of_pod["runAsNonRoot"] and of_pod["runAsUser"] > 0, of_pod
            assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}, of_pod
            assert spec["automountServiceAccountToken"] is False
            for each in spec["containers"]:
                own = each["securityContext"]
                assert own["readOnlyRootFilesystem"] and not own["allowPrivilegeEscalation"], own
                assert own["capabilities"] == {"drop": ["ALL"]}, own
                assert each["resources"]["requests"] and "memory" in each["resources"]["limits"]


@check
def selectors_match_the_pods_and_nothing_else(_):
    for name in VALUES:
        objects = rendered(name)
        labels = workload(objects)["spec"]["template"]["metadata"]["labels"]
        tests = [each["metadata"]["labels"] for each in of_kind(objects, "Pod")]
        tests += [job_pod(each)["metadata"]["labels"] for each in of_kind(objects, "CronJob")]
        selectors = [workload(objects)["spec"]["selector"]["matchLabels"]]
        selectors += [each["spec"]["selector"] for each in of_kind(objects, "Service")]
        for kind, key in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
            selectors += [each["spec"][key]["matchLabels"] for each in of_kind(objects, kind)]
        for selector in selectors:
            assert selector.items() <= labels.items(), (selector, labels)
            assert not any(selector.items() <= other.items() for other in tests), selector


@check
def monitors_and_scalers_name_objects_that_exist(_):
    objects = rendered("everything")
    (monitor,) = of_kind(objects, "ServiceMonitor")
    expected = monitor["spec"]["selector"]["matchLabels"].items()
    services = of_kind(objects, "Service")
    (admin,) = [each for each in services if expected <= each["metadata"]["labels"].items()]
    assert [port["name"] for port in admin["spec"]["ports"]] == ["admin"]
    (scaler,) = of_kind(objects, "HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", workload(objects)["metadata"]["name"])
    assert "replicas" not in workload(objects)["spec"], "the scaler's count would be overwritten"


@check
def services_and_probes_name_ports_of_the_container(_):
    for name in VALUES:
        objects = rendered(name)
        ports = {each["name"]: each["containerPort"] for each in container(objects)["ports"]}
        assert ports == PORTS, ports
        for service in of_kind(objects, "Service"):
            for port in service["spec"]["ports"]:
                assert port["targetPort"] in ports and port["appProtocol"], port
        probes = {kind: container(objects)[f"{kind}Probe"]["httpGet"] for kind in
                  ("startup", "liveness", "readiness")}
        assert all(probe["port"] == "admin" for probe in probes.values())
        assert [probe["path"] for probe in probes.values()] == ["/livez", "/livez", "/readyz"]


@check
def services_expose_the_admin_port_to_monitors_only(_):
    for name in VALUES:
        for service in of_kind(rendered(name), "Service"):
            names = [port["name"] for port in service["spec"]["ports"]]
            if "admin" in names:
                assert names == ["admin"] and service["spec"]["clusterIP"] == "None", service


@check
def services_declare_whether_the_listeners_use_tls(_):
    for name, expected in (
        ("defaults", {"kubernetes.io/h2c", "http"}),
        ("mtls", {"https"}),
        ("everything", {"grpc", "http"}),
    ):
        services = of_kind(rendered(name), "Service")
        ports = [port for each in services for port in each["spec"]["ports"]]
        found = {port["appProtocol"] for port in ports if port["name"] != "admin"}
        assert found == expected, (name, found)
    assert not of_kind(rendered("mtls"), "Pod"), "the client of helm test does not support TLS"


@check
def a_deployment_removes_a_pod_only_after_its_successor_is_ready(_):
    for name in ("defaults", "mtls", "everything"):
        deployment = workload(rendered(name))
        assert deployment["kind"] == "Deployment"
        rolling = deployment["spec"]["strategy"]["rollingUpdate"]
        assert rolling["maxUnavailable"] == 0 and rolling["maxSurge"], rolling
        assert not any("persistentVolumeClaim" in each for each in pod(rendered(name))["volumes"])


@check
def routes_and_ingresses_lead_to_ports_of_the_service(_):
    objects = rendered("everything")
    service = next(each for each in of_kind(objects, "Service") if each["spec"].get("clusterIP") != "None")
    names = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    for kind, port in (("GRPCRoute", "grpc"), ("HTTPRoute", "rest")):
        (route,) = of_kind(objects, kind)
        (rule,) = route["spec"]["rules"]
        (backend,) = rule["backendRefs"]
        assert backend == {"name": service["metadata"]["name"], "port": names[port]}, backend
    for ingress in of_kind(objects, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert backend["name"] == service["metadata"]["name"], backend
                assert ingress["metadata"]["name"].endswith(f"-{backend['port']['name']}"), ingress
    hosts = {rule["host"] for each in of_kind(objects, "Ingress") for rule in each["spec"]["rules"]}
    assert len(hosts) == 3, hosts
    node_ports = [port["nodePort"] for port in service["spec"]["ports"]]
    assert node_ports == [30443, 30080], node_ports
    assert not of_kind(rendered("defaults"), "Ingress") + of_kind(rendered("defaults"), "GRPCRoute")


@check
def a_budget_for_disruptions_has_one_limit(_):
    for name, expected in (("defaults", {"maxUnavailable": 1}), ("everything", {"minAvailable": "50%"})):
        (budget,) = of_kind(rendered(name), "PodDisruptionBudget")
        limits = {key: budget["spec"].get(key) for key in ("maxUnavailable", "minAvailable")}
        assert {key: value for key, value in limits.items() if value is not None} == expected, limits


@check
def own_containers_objects_and_handlers_are_added(_):
    objects = rendered("everything")
    assert [each["name"] for each in pod(objects)["initContainers"]] == ["wait"]
    assert [each["name"] for each in pod(objects)["containers"]] == ["samegate", "proxy"]
    assert set(container(objects)["lifecycle"]) == {"preStop", "postStart"}
    assert container(objects)["envFrom"], "of extraEnvFrom"
    (extra,) = [each for each in objects if each["metadata"]["name"] == "images-extra"]
    assert extra["data"] == {"chart": "samegate"}
    own = {"lifecycle": {"preStop": {"exec": {"command": ["/bin/wait"]}}}}
    assert container(list(render(own).values()))["lifecycle"] == own["lifecycle"]


@check
def replicas_follow_from_the_libraries_unless_they_are_given(_):
    for values, expected in (
        ({}, 2),
        ({"replicaCount": 5}, 5),
        ({"replicaCount": 0}, 0),
        (VALUES["embedded"], 1),
        (VALUES["embedded"] | {"replicaCount": 0}, 0),
    ):
        assert workload(list(render(values).values()))["spec"]["replicas"] == expected, values


@check
def an_embedded_library_is_one_pod_with_a_volume(_):
    objects = rendered("embedded")
    stateful = workload(objects)
    assert (stateful["kind"], stateful["spec"]["replicas"]) == ("StatefulSet", 1)
    headless = {each["metadata"]["name"] for each in of_kind(objects, "Service")
                if each["spec"].get("clusterIP") == "None"}
    assert stateful["spec"]["serviceName"] in headless
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert stateful["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"
    data = {each["name"]: each["mountPath"] for each in container(objects)["volumeMounts"]}
    assert data[claim["metadata"]["name"]] == "/var/lib/samegate"


@check
def an_existing_claim_is_used(_):
    values = VALUES["embedded"] | {"persistence": {"existingClaim": "images"}}
    objects = list(render(values).values())
    assert "volumeClaimTemplates" not in workload(objects)["spec"]
    claims = [each["persistentVolumeClaim"] for each in pod(objects)["volumes"]
              if "persistentVolumeClaim" in each]
    assert claims == [{"claimName": "images"}]


@check
def the_grace_period_is_the_sum_of_all_shutdown_phases(_):
    for name, parts in (
        ("defaults", (5, 3, 30, 10)),
        ("mtls", (5, 10, 60, 10)),
        ("everything", (5, 2, 45, 10)),
    ):
        assert pod(rendered(name))["terminationGracePeriodSeconds"] == sum(parts), name
        sleep = container(rendered(name))["lifecycle"]["preStop"]["sleep"]
        assert sleep == {"seconds": parts[0]}


@check
def the_memory_limit_is_the_bound_of_the_process(_):
    def limit(values):
        return container(list(render(values).values()))["resources"]["limits"]["memory"]

    # Bytes in flight, windows of bulk loads, a message for each tenant, the process itself.
    vendor = VALUES["mtls"] | {"config": {"auth": {"anonymous": True}}}
    assert limit(vendor) == f"{256 + 384 + 2 * 8 + 200}Mi", limit(vendor)
    # Decoded images, a join; pages, newest images and checked additions, 49 bytes for each of
    # 2,000,000 images.
    embedded = VALUES["embedded"]
    assert limit(embedded) == f"{256 + 384 + 8 + 200 + 1024 + 860 + 464 + 94}Mi", limit(embedded)
    limits = {
        "max_bytes_in_flight": "1GiB",
        "max_requests_in_flight": 80,
        "max_message_bytes": 16 << 20,
        "max_decoded_bytes": "524288KiB",
    }
    changed = embedded | {"config": {"limits": limits}, "memory": {"overheadMiB": 100}}
    assert limit(changed) == f"{1024 + 30 + 16 + 100 + 512 + 860 + 464 + 94}Mi", limit(changed)
    assert limit(embedded | {"resources": {"limits": {"memory": "3Gi"}}}) == "3Gi"


@check
def the_memory_limit_assumes_the_defaults_of_the_gateway(gateway):
    template = (CHART / "templates" / "_memory.tpl").read_text()
    assumed = dict(re.findall(r'\$limits\.(\w+) \| default "?(\w+)"?', template))
    defaults = tomllib.loads(gateway.run("config", "default").stdout)["limits"]
    assert len(assumed) == 4
    for key, value in assumed.items():
        assert str(defaults.get(key, value)) == value, key


@check
def egress_is_limited_to_the_required_destinations(_):
    ports = lambda rule: [port["port"] for port in rule["ports"]]
    for name, expected in (
        ("defaults", [[53, 53], [443]]),
        ("embedded", [[53, 53], [443]]),
        ("mtls", [[53, 53], [443], [4317], [6379]]),
        ("everything", [[53, 53], [443], [4317], [6379], [8443]]),
    ):
        (policy,) = of_kind(rendered(name), "NetworkPolicy")
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        egress = policy["spec"]["egress"]
        assert [ports(rule) for rule in egress] == expected, (name, egress)
        assert all(rule["to"] for rule in egress), "a rule without `to` allows every destination"
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
    (policy,) = of_kind(rendered("defaults"), "NetworkPolicy")
    assert private <= set(policy["spec"]["egress"][1]["to"][0]["ipBlock"]["except"])


@check
def the_admin_port_is_closed_unless_opened(_):
    for name, expected in (("defaults", 0), ("everything", 1), ("embedded", 1)):
        (policy,) = of_kind(rendered(name), "NetworkPolicy")
        ingress = policy["spec"]["ingress"]
        admin = [rule for rule in ingress if {"port": "admin"} in rule["ports"]]
        assert len(admin) == expected and all(rule["from"] for rule in admin), (name, ingress)


@check
def the_backup_job_may_call_the_admin_port_and_keeps_its_files(gateway):
    objects = rendered("embedded")
    (job,) = of_kind(objects, "CronJob")
    template = job_pod(job)
    (policy,) = of_kind(objects, "NetworkPolicy")
    (admin,) = [rule for rule in policy["spec"]["ingress"] if {"port": "admin"} in rule["ports"]]
    allowed = admin["from"][0]["podSelector"]["matchLabels"]
    assert allowed.items() <= template["metadata"]["labels"].items()
    (only,) = template["spec"]["containers"]
    services = {each["metadata"]["name"] for each in of_kind(objects, "Service")}
    assert only["args"][only["args"].index("--admin") + 1] in {f"http://{name}:9090" for name in services}
    (claim,) = of_kind(objects, "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    (volume,) = template["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    # The gateway knows the flags: only the host cannot be reached.
    done = gateway.run(*[arg if arg != "/backups" else "." for arg in only["args"]])
    assert done.returncode == 1 and "cannot reach" in done.stdout, done


@check
def there_is_no_backup_job_unless_asked_for(_):
    for name in ("defaults", "everything"):
        assert not of_kind(rendered(name), "CronJob")
        assert not of_kind(rendered(name), "PersistentVolumeClaim")


def job_pod(job):
    return job["spec"]["jobTemplate"]["spec"]["template"]


def custom_errors(objects):
    """Returns the errors of each object, by its definition."""
    command = ["node", str(NODE / "check.mjs")]
    done = subprocess.run(command, input=json.dumps(objects), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)
