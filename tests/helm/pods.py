"""Pods of a rendered chart as processes of this machine: the commands, arguments, environment and
files that Kubernetes would give them, with addresses of 127.0.0.0/8 in the place of names."""

import os
import re
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import chart_secrets
from chart import find

START_SECONDS = 60


def eventually(what, condition, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def get(url, token=None, context=None):
    """Status and text of an answer; None and "" if there is none."""
    request = urllib.request.Request(url)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (urllib.error.URLError, OSError):
        return None, ""


class Pods:
    def __init__(self, documents, programs, directory):
        self.programs, self.directory = os.path.abspath(programs), directory
        # Of the process, so that two runs do not meet.
        pid = os.getpid()
        self.network = f"127.{pid // 200 % 200 + 10}.{pid % 200 + 10}."
        self.processes = {}
        self.served_by = 1  # the pod to which the clients' Service leads
        self.upgrade(documents)
        self.secrets = chart_secrets.make(
            self.spec["volumes"], [self.address(n) for n in range(1, 8)], f"{directory}/authorities")

    def upgrade(self, documents):
        """What the next starts are made of."""
        self.documents = documents
        self.node = find(documents, "StatefulSet")
        self.name = self.node["metadata"]["name"]
        self.spec = self.node["spec"]["template"]["spec"]
        self.container, = self.spec["containers"]
        self.ports = {p["name"]: p["containerPort"] for p in self.container["ports"]}
        self.scheme = self.container["livenessProbe"]["httpGet"].get("scheme", "HTTP").lower()
        names = {v["name"] for v in self.spec["volumes"]}
        self.has_auth = "tokens" in names

    def address(self, ordinal):
        return self.network + str(ordinal)

    def url(self, ordinal, path=""):
        return f"{self.scheme}://{self.address(ordinal)}:{self.ports['http']}{path}"

    def context(self):
        """Believes the authority that the clients of the chart believe, and no other."""
        if self.scheme == "http":
            return None
        volume, = [v for v in self.spec["volumes"] if v["name"] == "client-tls"]
        authority = self.secrets[volume["secret"]["secretName"]]["ca.crt"]
        return ssl.create_default_context(cadata=authority)

    def get(self, ordinal, path, token=chart_secrets.BOOTSTRAP):
        return get(self.url(ordinal, path), token if self.has_auth else None, self.context())

    def in_place(self, text):
        """Names of pods and of the clients' Service become addresses."""
        service = self.node["spec"]["serviceName"]
        text = re.sub(rf"\b{self.name}-(\d+)\.{service}\.default\.svc\.[a-z0-9.]+[a-z]",
                      lambda m: self.address(int(m[1])), text)
        return re.sub(rf"\b{self.name}\.default\.svc\.[a-z0-9.]+[a-z]",
                      lambda m: self.address(self.served_by), text)

    def value(self, variable, fields):
        if "value" in variable:
            return variable["value"]
        source = variable["valueFrom"]
        if "fieldRef" in source:
            return fields[source["fieldRef"]["fieldPath"]]
        return self.secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]

    def environment(self, container, ordinal=None):
        fields = {"metadata.name": f"{self.name}-{ordinal}",
                  "metadata.labels['apps.kubernetes.io/pod-index']": str(ordinal)}
        variables = {"PATH": f"{self.programs}:/usr/bin:/bin"}
        for variable in container.get("env", []):
            variables[variable["name"]] = self.in_place(
                re.sub(r"\$\((\w+)\)", lambda m: variables[m[1]], self.value(variable, fields)))
        return variables

    def command(self, container, variables):
        """As Kubernetes expands it: $(NAME)."""
        return [self.in_place(re.sub(r"\$\((\w+)\)", lambda m: variables[m[1]], word))
                for word in container["command"] + container.get("args", [])]

    def place(self, text, mounts):
        """Where volumes are mounted there are directories."""
        for path, directory in mounts.items():
            text = text.replace(path, directory)
        return text

    def data(self, ordinal):
        return f"{self.directory}/volume-{ordinal}"

    def files(self, volume):
        """Name -> text of what Kubernetes would put there."""
        if "configMap" in volume:
            return find(self.documents, "ConfigMap", volume["configMap"]["name"])["data"]
        if "secret" in volume:
            content = self.secrets[volume["secret"]["secretName"]]
            items = volume["secret"].get("items", [{"key": k, "path": k} for k in content])
            return {item["path"]: content[item["key"]] for item in items}
        return {item["path"]: self.secrets[source["secret"]["name"]][item["key"]]
                for source in volume["projected"]["sources"] for item in source["secret"]["items"]}

    def mount(self, spec, container, place):
        """Where each path of the container is here, the longest first."""
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        mounts = {}
        for mount in container.get("volumeMounts", []):
            name = mount["name"]
            if name in ("data", "backup"):
                continue
            directory = f"{place}/{name}"
            os.makedirs(directory, exist_ok=True)
            mounts[mount["mountPath"]] = directory
        mounts = dict(sorted(mounts.items(), key=lambda m: -len(m[0])))
        for mount in container.get("volumeMounts", []):
            if mount["mountPath"] not in mounts:
                continue
            for name, text in self.files(volumes[mount["name"]]).items():
                with open(f"{mounts[mount['mountPath']]}/{name}", "w", encoding="utf-8") as file:
                    file.write(self.place(self.in_place(text), mounts))
        return mounts

    def start(self, ordinal):
        os.makedirs(self.data(ordinal), exist_ok=True)
        mounts = self.mount(self.spec, self.container, f"{self.directory}/pod-{ordinal}")
        mounts.update({"/var/lib/synod": self.data(ordinal), "0.0.0.0": self.address(ordinal)})
        assert {m["mountPath"] for m in self.container["volumeMounts"]} < set(mounts)
        variables = self.environment(self.container, ordinal)
        arguments = [self.place(a, mounts) for a in self.command(self.container, variables)]
        arguments[0] = f"{self.programs}/{arguments[0]}"
        with open(self.log_file(ordinal), "ab") as log:
            self.processes[ordinal] = subprocess.Popen(
                arguments, env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def log_file(self, ordinal):
        return f"{self.directory}/log-{ordinal}"

    def probe(self, ordinal, kind):
        """The status that the kubelet's probe would see."""
        request = self.container[kind]["httpGet"]
        address = f"{self.address(ordinal)}:{self.ports[request['port']]}"
        scheme = request.get("scheme", "HTTP").lower()
        # The kubelet shows no token and looks at no certificate.
        context = ssl._create_unverified_context() if scheme == "https" else None
        return get(f"{scheme}://{address}{request['path']}", context=context)[0]

    def await_ready(self, *ordinals):
        for ordinal in ordinals:
            eventually(f"pod {ordinal} is ready",
                       lambda o=ordinal: self.probe(o, "readinessProbe") == 200)

    def stop(self, ordinal):
        """As Kubernetes stops a pod; its exit code."""
        process = self.processes.pop(ordinal)
        process.send_signal(signal.SIGTERM)
        return process.wait(self.spec["terminationGracePeriodSeconds"])

    def kill(self, ordinal):
        process = self.processes.pop(ordinal)
        process.kill()
        process.wait()

    def kill_all(self):
        for ordinal in list(self.processes):
            self.kill(ordinal)

    def run_client(self, spec, directory):
        """A pod of the chart that comes to its end; its exit code and what it said."""
        container, = spec["containers"]
        variables = self.environment(container)
        mounts = self.mount(spec, container, f"{self.directory}/client")
        variables = {name: self.place(value, mounts) for name, value in variables.items()}
        done = subprocess.run(self.command(container, variables), env=variables, cwd=directory,
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr
