"""Pods of a rendered chart as processes of this machine: the commands, arguments, environment and
files that Kubernetes would give them, with addresses of 127.0.0.0/8 in the place of names."""

import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from chart import find

START_SECONDS = 60


def eventually(what, condition, seconds=START_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def get(url):
    """Status and text of an answer; None and "" if there is none."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
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

    def upgrade(self, documents):
        """What the next starts are made of."""
        self.documents = documents
        self.node = find(documents, "StatefulSet")
        self.name = self.node["metadata"]["name"]
        self.spec = self.node["spec"]["template"]["spec"]
        self.container, = self.spec["containers"]
        self.ports = {p["name"]: p["containerPort"] for p in self.container["ports"]}

    def address(self, ordinal):
        return self.network + str(ordinal)

    def url(self, ordinal, path=""):
        return f"http://{self.address(ordinal)}:{self.ports['http']}{path}"

    def in_place(self, text):
        """Names of pods and of the clients' Service become addresses."""
        service = self.node["spec"]["serviceName"]
        text = re.sub(rf"\b{self.name}-(\d+)\.{service}\.default\.svc\.[a-z0-9.]+[a-z]",
                      lambda m: self.address(int(m[1])), text)
        return re.sub(rf"\b{self.name}\.default\.svc\.[a-z0-9.]+[a-z]",
                      lambda m: self.address(self.served_by), text)

    def environment(self, container, ordinal=None):
        fields = {"metadata.name": f"{self.name}-{ordinal}",
                  "metadata.labels['apps.kubernetes.io/pod-index']": str(ordinal)}
        variables = {"PATH": f"{self.programs}:/usr/bin:/bin"}
        for variable in container.get("env", []):
            value = variable["value"] if "value" in variable else \
                fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            variables[variable["name"]] = self.in_place(value)
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

    def start(self, ordinal):
        files = find(self.documents, "ConfigMap", self.name)["data"]
        config = f"{self.directory}/config-{ordinal}"
        for directory in (config, self.data(ordinal)):
            os.makedirs(directory, exist_ok=True)
        for name, text in files.items():
            with open(f"{config}/{name}", "w", encoding="utf-8") as file:
                file.write(self.in_place(text))
        mounts = {"/etc/synod": config, "/var/lib/synod": self.data(ordinal),
                  "0.0.0.0": self.address(ordinal)}
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
        return get(f"http://{address}{request['path']}")[0]

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
        done = subprocess.run(self.command(container, variables), env=variables, cwd=directory,
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr
