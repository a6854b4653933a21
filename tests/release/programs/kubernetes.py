"""The Kubernetes manifests as kustomize makes them, strictly validated, and as a restricted namespace and the
sidecar's own configuration want them.

Arguments: a copy of config/kubernetes with a client secret in it, and for each variant the versions of
Kubernetes that it is for. What kustomize does is done here in a few lines, because kustomize cannot be had
everywhere; where kubectl is, its result is compared.
"""

import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys

import jsonpatch
import kubernetes_validate
import yaml

HERE, VERSIONS = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])


def built(directory):
    """The resources of a kustomization, with the four things that ours use."""
    kustomization = yaml.safe_load((directory / "kustomization.yaml").read_text())
    resources = []
    for name in kustomization.get("resources", []):
        path = (directory / name).resolve()
        resources += built(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for kind, name in (("ConfigMap", "configMapGenerator"), ("Secret", "secretGenerator")):
        for generator in kustomization.get(name, []):
            data = {file: (directory / file).read_text() for file in generator["files"]}
            resource = {"apiVersion": "v1", "kind": kind, "metadata": {"name": generator["name"]}, "data": data}
            if kind == "Secret":
                resource["type"] = "Opaque"
                resource["data"] = {file: base64.b64encode(text.encode()).decode() for file, text in data.items()}
            resources.append(resource)
    for image in kustomization.get("images", []):
        for container in containers(resources):
            if container["image"].split(":")[0] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    for patch in kustomization.get("patches", []):
        target = patch["target"]
        for place, resource in enumerate(resources):
            if resource["kind"] == target["kind"] and resource["metadata"]["name"] == target["name"]:
                resources[place] = jsonpatch.apply_patch(resource, yaml.safe_load(patch["patch"]))
    return resources


def containers(resources):
    for resource in resources:
        pod = resource.get("spec", {}).get("template", {}).get("spec", {})
        yield from [*pod.get("initContainers", []), *pod.get("containers", [])]


def as_kubectl_builds_it(directory):
    done = subprocess.run(["kubectl", "kustomize", directory], stdout=subprocess.PIPE, check=True, text=True)
    # A name that follows what is in it is made by kustomize alone.
    return list(yaml.safe_load_all(re.sub(r"webwork-sidecar-[a-z0-9]{10}\b", "webwork-sidecar", done.stdout)))


def same(one, other):
    def ordered(resources):
        return sorted(json.dumps(resource, sort_keys=True) for resource in resources)

    return ordered(one) == ordered(other)


def is_restricted(name, pod):
    """The Pod Security Standard "restricted", as far as a pod can break it that is written by hand."""
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True, name
    assert security["seccompProfile"]["type"] == "RuntimeDefault", name
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, (name, container["name"])
        assert security["capabilities"] == {"drop": ["ALL"]}, (name, container["name"])
    allowed = {"configMap", "secret", "persistentVolumeClaim", "emptyDir", "projected"}
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= allowed, (name, volume)
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name


for variant, versions in VERSIONS.items():
    directory = HERE / variant
    if (directory / "kustomization.yaml").exists():
        resources = built(directory)
        if shutil.which("kubectl"):
            assert same(resources, as_kubectl_builds_it(directory)), f"kubectl builds {variant} otherwise"
    else:
        resources = [one for path in sorted(directory.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]
    pods = [resource["spec"]["template"]["spec"] for resource in resources if "template" in resource.get("spec", {})]
    assert len(pods) == 1, variant
    is_restricted(variant, pods[0])
    for version in versions:
        for resource in resources:
            kubernetes_validate.validate(resource, version, strict=True)
    print(f"{variant}: {len(resources)} resources, Kubernetes {', '.join(versions)}")
