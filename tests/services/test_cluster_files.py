"""The files that start Ray clusters are valid by their schemas, require a token and publish no dashboard."""

import copy
import json
import re
import subprocess
from pathlib import Path
from zipfile import ZipFile

import kubernetes_validate
import pytest
import ray
import yaml
from jsonschema import Draft202012Validator, ValidationError
from moto import mock_aws
from ray._private.runtime_env.packaging import create_package
from ray.autoscaler._private.aws.config import bootstrap_aws
from ray.autoscaler._private.aws.node_provider import AWSNodeProvider
from ray.autoscaler._private.util import prepare_config, validate_config

CLUSTER = Path(__file__).parents[2] / "cluster"
KUBERNETES = "1.34"
# Git ignores these, and they may hold secrets.
IGNORED = {"secrets", "dist", "nodes.env", "__pycache__"}
TEXT_FILES = [
    path
    for path in sorted(CLUSTER.rglob("*"))
    if path.is_file() and path.suffix != ".py" and not IGNORED & set(path.relative_to(CLUSTER).parts)
]


def launcher(name):
    return yaml.safe_load((CLUSTER / name).read_text())


LAUNCHERS = ["on-premise.yaml", "aws.yaml"]


@pytest.mark.parametrize("name", LAUNCHERS)
def test_ray_accepts_the_launcher_file(name):
    prepared = prepare_config(launcher(name))
    validate_config(prepared)
    assert prepared["max_workers"] > 0


@pytest.mark.parametrize("name", LAUNCHERS)
def test_only_what_the_file_says_is_set_up(name):
    config = launcher(name)
    prepared = prepare_config(launcher(name))
    setup = config["setup_commands"]
    assert prepared["head_setup_commands"] == prepared["worker_setup_commands"] == setup


@pytest.mark.parametrize("name", LAUNCHERS)
def test_ray_refuses_a_misspelt_key_of_the_launcher_file(name):
    config = launcher(name)
    config["head_start_ray_command"] = config.pop("head_start_ray_commands")
    with pytest.raises(ValidationError, match="head_start_ray_command' was unexpected"):
        validate_config(prepare_config(config))


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_node_requires_the_token_and_the_dashboard_is_on_loopback(name):
    config = launcher(name)
    (head,) = [line for line in config["head_start_ray_commands"] if "ray start" in line]
    (worker,) = [line for line in config["worker_start_ray_commands"] if "ray start" in line]
    assert "ray start --head" in head
    assert "--dashboard-host=127.0.0.1 " in head
    for line in (head, worker):
        assert re.search(r"export RAY_AUTH_MODE=token\b.*ray start", line)
        subprocess.run(["bash", "-n"], input=line, text=True, check=True)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_environment_that_nodes_read_is_copied_to_them(name):
    config = launcher(name)
    (copied,) = [remote for remote, local in config["file_mounts"].items() if local == "cluster/nodes.env"]
    for line in [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]:
        assert f"set -a; . {copied}; set +a;" in line or "ray stop" in line


def test_aws_starts_gpu_workers_when_trials_need_them():
    config = prepare_config(launcher("aws.yaml"))
    gpu, head = config["available_node_types"]["gpu"], config["available_node_types"]["head"]
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, config["max_workers"])
    assert gpu["node_config"]["InstanceType"].startswith("g")
    assert head["resources"] == {"CPU": 0}
    assert all(disk["Ebs"]["Encrypted"] for disk in gpu["node_config"]["BlockDeviceMappings"])


def test_aws_knows_the_instances_and_only_ssh_is_open(tmp_path, monkeypatch):
    # Ray keeps the key that it makes in the home directory.
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "simulated")
    (tmp_path / ".ssh").mkdir()
    with mock_aws():
        config = AWSNodeProvider.fillout_available_node_types_resources(prepare_config(launcher("aws.yaml")))
        gpu = config["available_node_types"]["gpu"]
        assert gpu["resources"]["GPU"] == 1
        provider = AWSNodeProvider(bootstrap_aws(config)["provider"], config["cluster_name"])
        (group,) = [group for group in provider.ec2.security_groups.all() if "ray" in group.group_name]
        outside = [rule["FromPort"] for rule in group.ip_permissions if rule["IpRanges"]]
        assert outside == [22]
        assert len([rule for rule in group.ip_permissions if rule["UserIdGroupPairs"]]) == 1


def manifests(name):
    return list(yaml.safe_load_all((CLUSTER / "kuberay" / name).read_text()))


SCHEMA = Draft202012Validator(
    json.loads(Path(__file__).parents[1].joinpath("schemas").joinpath("kuberay.json").read_text())
)
(RAYCLUSTER,) = manifests("raycluster.yaml")
(RAYJOB,) = manifests("rayjob.yaml")


def pod_templates(manifest):
    """Return every pod template in a RayCluster or RayJob."""
    spec = manifest["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    submitter = [spec["submitterPodTemplate"]] if "submitterPodTemplate" in spec else []
    return [group["template"] for group in groups] + submitter


def check_pod(template):
    pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "ray"}, "template": template}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@pytest.mark.parametrize("manifest", [RAYCLUSTER, RAYJOB], ids=["RayCluster", "RayJob"])
def test_kuberay_accepts_the_manifest(manifest):
    SCHEMA.validate(manifest)
    for template in pod_templates(manifest):
        check_pod(template)


def test_kubernetes_accepts_the_shared_resources():
    kinds = []
    for manifest in manifests("shared.yaml"):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        kinds.append(manifest["kind"])
    assert kinds == ["PersistentVolumeClaim", "NetworkPolicy"]


def misspelt(manifest, *path):
    """Return a copy with the last key of a path misspelt."""
    changed = copy.deepcopy(manifest)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1] + "s"] = place.pop(path[-1])
    return changed


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "authOptions"),
        ("spec", "authOptions", "mode"),
        ("spec", "autoscalerOptions", "idleTimeoutSeconds"),
        ("spec", "headGroupSpec", "serviceType"),
        ("spec", "workerGroupSpecs", 0, "maxReplicas"),
    ],
)
def test_a_misspelt_key_of_kuberay_is_refused(path):
    with pytest.raises(ValidationError):
        SCHEMA.validate(misspelt(RAYCLUSTER, *path))


@pytest.mark.parametrize(
    "path",
    [("spec", "securityContext"), ("spec", "containers", 0, "envFrom"), ("spec", "containers", 0, "image")],
)
def test_a_misspelt_key_of_a_pod_is_refused(path):
    head = RAYCLUSTER["spec"]["headGroupSpec"]["template"]
    with pytest.raises(ValidationError):
        check_pod(misspelt(head, *path))


def test_the_job_runs_on_the_same_cluster():
    assert RAYJOB["spec"]["rayClusterSpec"] == RAYCLUSTER["spec"]


def test_ray_on_kubernetes_requires_the_token_and_stays_inside_the_cluster():
    spec = RAYCLUSTER["spec"]
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert "enableIngress" not in spec["headGroupSpec"]
    assert spec["rayVersion"] == ray.__version__
    (policy,) = [manifest for manifest in manifests("shared.yaml") if manifest["kind"] == "NetworkPolicy"]
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    labels = policy["spec"]["podSelector"]["matchLabels"]
    for template in pod_templates(RAYJOB):
        assert template["metadata"]["labels"] == labels


def test_pods_run_without_privileges():
    for template in pod_templates(RAYJOB):
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        (container,) = template["spec"]["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def test_workers_have_gpus_and_start_when_trials_need_them():
    (group,) = RAYCLUSTER["spec"]["workerGroupSpecs"]
    (container,) = group["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert RAYCLUSTER["spec"]["enableInTreeAutoscaling"] is True
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 4)
    assert RAYCLUSTER["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_a_job_does_not_upload_the_secrets_of_the_checkout(tmp_path):
    secrets = ["nodes.env", "services/secrets/postgres_password", "services/secrets/s3.json"]
    copied = [path.relative_to(CLUSTER) for path in [*TEXT_FILES, CLUSTER / ".gitignore"]]
    for path in {*map(str, copied), *secrets}:
        file = tmp_path / "checkout" / "cluster" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((CLUSTER / path).read_bytes() if path not in secrets else b"secret")
    package = tmp_path / "package.zip"
    create_package(str(tmp_path / "checkout"), package, include_gitignore=True)
    uploaded = ZipFile(package).namelist()
    assert "cluster/aws.yaml" in uploaded
    assert [path for path in uploaded if path.removeprefix("cluster/") in secrets] == []


def test_the_image_does_not_hold_the_secrets_of_the_checkout():
    left_out = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    assert left_out[0] == "*"
    last = max(index for index, line in enumerate(left_out) if line.startswith("!"))
    # The last rule that matches counts.
    assert {"cluster/nodes.env", "cluster/services/secrets"} <= set(left_out[last + 1 :])


def secret_values(text):
    """Return the values of variables that hold secrets, without references to other variables."""
    name = r"[A-Z_]*(?:PASSWORD|TOKEN|ACCESS_KEY|ACCESS_KEY_ID)"
    return re.findall(rf"""\b{name}["']?(?:=|:[ ]+|,?\s+value:[ ]*)["']?([^\s$"'].*)""", text)


@pytest.mark.parametrize(
    "text",
    [
        "export RAY_AUTH_TOKEN=abc",
        "#MLFLOW_TRACKING_PASSWORD=abc",
        "POSTGRES_PASSWORD: abc",
        '{"AWS_SECRET_ACCESS_KEY": "abc"}',
        "- name: RAY_AUTH_TOKEN\n  value: abc",
    ],
)
def test_a_secret_in_a_file_would_be_found(text):
    (value,) = secret_values(text)
    assert value.startswith("abc")


@pytest.mark.parametrize("path", TEXT_FILES, ids=[str(path.relative_to(CLUSTER)) for path in TEXT_FILES])
def test_no_file_has_a_secret(path):
    assert secret_values(path.read_text()) == []
