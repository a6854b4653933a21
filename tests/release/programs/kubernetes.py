"""The Kubernetes manifests as kubectl makes them, strictly validated, and as a restricted namespace and the
sidecar's own configuration want them.

Arguments: a copy of config/kubernetes with a client secret in it, for each variant the versions of Kubernetes
that it is for, and README.md, whose kustomization adds the sidecar to the deployment below, as variant "own".
"""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator.v1 import PodMonitor

HERE, VERSIONS, README = pathlib.Path(sys.argv[1]).resolve(), json.loads(sys.argv[2]), pathlib.Path(sys.argv[3])
KUBECTL = pathlib.Path(sys.executable).parent / "kubectl"

# A deployment that has everything with which an added sidecar could collide.
OWN = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop}}
spec:
  replicas: 3
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop, tier: front}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      initContainers:
        - name: migrate
          image: registry.example/shop:1
          securityContext: &restricted {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          volumeMounts: [{name: secrets, mountPath: /secrets}]
      containers:
        - name: shop
          image: registry.example/shop:1
          ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9100}]
          securityContext: *restricted
          volumeMounts: [{name: secrets, mountPath: /secrets}, {name: configuration, mountPath: /configuration}]
        - {name: proxy, image: "registry.example/proxy:1", securityContext: *restricted}
      volumes:
        - {name: secrets, secret: {secretName: shop}}
        - {name: configuration, configMap: {name: shop}}
"""


def built(directory):
    done = subprocess.run([KUBECTL, "kustomize", directory], stdout=subprocess.PIPE, check=True, text=True)
    return list(yaml.safe_load_all(done.stdout))


def built_as_readme_says():
    directory = HERE.parent / "own"
    directory.mkdir()
    (directory / "kubernetes").symlink_to(HERE)
    (directory / "deployment.yaml").write_text(OWN)
    shown = [text for text in re.findall(r"```yaml\n(.*?)```", README.read_text(), re.S) if "components:" in text]
    assert len(shown) == 1, "README.md has one kustomization with components"
    (directory / "kustomization.yaml").write_text(shown[0])
    return built(directory)


def of_kind(resources, kind):
    return [resource for resource in resources if resource["kind"] == kind]


def one(resources, kind, name=None):
    found = [resource for resource in of_kind(resources, kind) if name in (None, resource["metadata"]["name"])]
    assert len(found) == 1, (kind, name, len(found))
    return found[0]


def containers(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def is_restricted(name, pod):
    """The Pod Security Standard "restricted", as far as a pod can break it that is written by hand."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True, name
    assert security["seccompProfile"]["type"] == "RuntimeDefault", name
    for container in containers(pod):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, (name, container["name"])
        assert security["capabilities"] == {"drop": ["ALL"]}, (name, container["name"])
    allowed = {"configMap", "secret", "persistentVolumeClaim", "emptyDir", "projected"}
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= allowed, (name, volume)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name


def holds_together(resources):
    """What the parts of a deployment say of each other: volumes, ports, and the sidecar's configuration."""
    deployment = one(resources, "Deployment")
    template = deployment["spec"]["template"]
    pod = template["spec"]
    sidecar = next(container for container in containers(pod) if container["name"] == "webwork-sidecar")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert len(volumes) == len(pod["volumes"]), volumes
    mounted = {mount["mountPath"]: volumes[mount["name"]] for mount in sidecar["volumeMounts"]}
    configuration = one(resources, "ConfigMap", mounted["/etc/webwork-sidecar"]["configMap"]["name"])
    secret = one(resources, "Secret", mounted["/run/secrets/webwork-sidecar"]["secret"]["secretName"])
    assert "client_secret" in secret["data"]
    one(resources, "PersistentVolumeClaim",
        mounted["/var/lib/webwork-sidecar"]["persistentVolumeClaim"]["claimName"])
    settings = tomllib.loads(configuration["data"]["sidecar.toml"])
    assert settings["state"]["directory"].startswith("/var/lib/webwork-sidecar/"), settings
    ports = {port["name"]: port["containerPort"] for port in sidecar["ports"]}
    listening = {section: int(settings[section]["listen"][0].rsplit(":", 1)[1]) for section in ("health", "metrics")}
    assert ports == {"sidecar-health": listening["health"], "sidecar-metrics": listening["metrics"]}, ports
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert probe not in sidecar or sidecar[probe]["httpGet"]["port"] == "sidecar-health", probe
    # The grant belongs to one pod, and the sidecar's account reads and writes by the pod's group.
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}, deployment["spec"]["strategy"]
    assert pod["securityContext"]["fsGroup"] == sidecar["securityContext"]["runAsGroup"]
    return template, sidecar, ports


def selects(selector, labels):
    assert set(selector) == {"matchLabels"} and selector["matchLabels"], selector
    return selector["matchLabels"].items() <= labels.items()


def is_scraped(resources, template, ports):
    labels = template["metadata"]["labels"]
    policy = one(resources, "NetworkPolicy", "webwork-sidecar-metrics")["spec"]
    assert selects(policy["podSelector"], labels) and policy["policyTypes"] == ["Ingress"], policy
    (rule,) = policy["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": ports["sidecar-metrics"]}], rule
    assert all(set(peer) == {"namespaceSelector"} for peer in rule["from"]), rule
    monitor = one(resources, "PodMonitor")["spec"]
    assert selects(monitor["selector"], labels), monitor
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in ports and ports[endpoint["port"]] == ports["sidecar-metrics"], endpoint
    # Nothing says /metrics: it is the default path of both.
    assert endpoint.get("path", "/metrics") == "/metrics", endpoint


def is_only_added_to(template):
    """Everything of one's own deployment is there as before."""
    before = yaml.safe_load(OWN)["spec"]["template"]
    pod, own = template["spec"], before["spec"]
    added = pod["initContainers"][0]
    assert added["name"] == "webwork-sidecar" and added["restartPolicy"] == "Always", added["name"]
    assert added["image"].startswith("registry.example/webwork-sidecar:"), added["image"]
    assert pod["initContainers"][1:] == own["initContainers"]
    assert pod["containers"] == own["containers"]
    assert [volume for volume in pod["volumes"] if volume in own["volumes"]] == own["volumes"]
    assert len(pod["volumes"]) == len(own["volumes"]) + 3
    assert own["securityContext"].items() <= pod["securityContext"].items()
    assert before["metadata"]["labels"].items() <= template["metadata"]["labels"].items()


def validate(resource, versions):
    if resource["kind"] == "PodMonitor":
        # A field that the model does not know is not in what it writes.
        model = PodMonitor.model_validate(resource)
        assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == resource, resource
        return
    for version in versions:
        kubernetes_validate.validate(resource, version, strict=True)


for variant, versions in VERSIONS.items():
    if variant == "own":
        resources = built_as_readme_says()
    elif (HERE / variant / "kustomization.yaml").exists():
        resources = built(HERE / variant)
    else:
        files = sorted((HERE / variant).glob("*.yaml"))
        resources = [resource for file in files for resource in yaml.safe_load_all(file.read_text())]
    pods = [resource["spec"]["template"]["spec"] for resource in resources if "template" in resource.get("spec", {})]
    assert len(pods) == 1, variant
    is_restricted(variant, pods[0])
    if of_kind(resources, "Deployment"):
        template, sidecar, ports = holds_together(resources)
        if variant == "own":
            is_scraped(resources, template, ports)
            is_only_added_to(template)
    for resource in resources:
        validate(resource, versions)
    print(f"{variant}: {len(resources)} resources, Kubernetes {', '.join(versions)}")
