"""The nodes exactly as the StatefulSet would start them, as processes on loopback: they found a
cluster, grow, are upgraded and backed up, and lose a volume."""

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import unittest

from chart import (alert_rules, dashboard_expressions, documented_metrics, find, manifests,
                   metric_names)
from pods import Pods, eventually, get
from chart_secrets import BOOTSTRAP

PROGRAMS = sys.argv.pop(1)


class PodsTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="synod-pods-")
        self.pods = None

    def tearDown(self):
        if self.pods is not None:
            self.pods.kill_all()
        shutil.rmtree(self.directory)

    def install(self, name):
        self.pods = Pods(manifests(name), PROGRAMS, self.directory)
        replicas = self.pods.node["spec"]["replicas"]
        for ordinal in range(1, replicas + 1):
            self.pods.start(ordinal)
        self.pods.await_ready(*range(1, replicas + 1))

    def members(self, at=1):
        status, text = self.pods.get(at, "/v1/cluster")
        return json.loads(text)["members"] if status == 200 else []

    def voters(self, at=1):
        return {m["id"] for m in self.members(at) if m["voter"]}

    def status(self, ordinal):
        return json.loads(self.pods.get(ordinal, "/v1/status")[1])

    def membership_version(self, ordinal):
        for line in self.pods.get(ordinal, "/metrics")[1].splitlines():
            if line.startswith("synod_membership_version "):
                return float(line.split()[1])
        raise AssertionError("no synod_membership_version")

    def synod(self, ordinal, *arguments):
        code, said = self.pods.run_client({"containers": [{
            "command": ["synod", *arguments],
            "env": [{"name": "SYNOD_ENDPOINTS", "value": self.pods.url(ordinal)}]}]}, self.directory)
        self.assertEqual(code, 0, said)
        return said

    def put(self, ordinal, key, value):
        self.synod(ordinal, "put", key, value)

    def run_hook(self, kind, name=None):
        """A pod of the chart that has to succeed; what it said."""
        spec = find(self.pods.documents, kind, name)["spec"]
        spec = spec.get("jobTemplate", {"spec": spec})["spec"]
        spec = spec.get("template", {"spec": spec})["spec"]
        code, said = self.pods.run_client(spec, self.directory)
        self.assertEqual(code, 0, said)
        return said

    def in_pod(self, ordinal, script):
        """What kubectl exec -- sh -c would do; what it said."""
        container = {**self.pods.container, "command": ["sh", "-ec", script], "args": []}
        container["volumeMounts"] = [m for m in container["volumeMounts"] if m["name"] != "data"]
        variables = self.pods.environment(container, ordinal)
        mounts = self.pods.mount(self.pods.spec, container, f"{self.directory}/exec")
        variables = {n: self.pods.place(v, mounts) for n, v in variables.items()}
        done = subprocess.run(["sh", "-ec", self.pods.place(script, mounts)], env=variables,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def expect_three_with_their_names(self):
        expected = {f"synod-{n}": (n, True) for n in (1, 2, 3)}
        eventually("all have told their names", lambda: expected == {
            m["name"]: (m["id"], m["voter"]) for m in self.members()})
        for ordinal in (1, 2, 3):
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                self.assertEqual(self.pods.probe(ordinal, probe), 200)

    def test_three_pods_found_a_cluster_under_their_own_names(self):
        self.install("default")
        self.expect_three_with_their_names()
        # helm test
        test = find(self.pods.documents, "Pod", "synod-test")["spec"]
        code, said = self.pods.run_client(test, self.directory)
        self.assertEqual(code, 0, said)
        self.assertIn("the cluster serves", said)
        # Without a quorum nobody is ready, all are alive, and nothing restarts them.
        for ordinal in (2, 3):
            self.pods.kill(ordinal)
        eventually("pod 1 is unready", lambda: self.pods.probe(1, "readinessProbe") == 503)
        self.assertEqual(self.pods.probe(1, "livenessProbe"), 200)
        code, said = self.pods.run_client(test, self.directory)
        self.assertNotEqual(code, 0, said)

    def test_an_own_name_and_own_ports(self):
        self.install("names")
        names = {f"coordination-{n}" for n in (1, 2, 3)}
        eventually("all have told their names", lambda: {m["name"] for m in self.members()} == names)
        self.assertEqual({m["client_url"] for m in self.members()},
                         {self.pods.url(n) for n in (1, 2, 3)})

    def test_growing_adds_voters_and_restarts_change_nothing(self):
        self.install("default")
        self.pods.upgrade(manifests("grown"))
        for ordinal in (4, 5):
            self.pods.start(ordinal)
        self.pods.await_ready(4, 5)
        eventually("five voters", lambda: self.voters() == {1, 2, 3, 4, 5})
        before = self.membership_version(1)
        # helm upgrade: first the leader goes to pod 1, then the pods restart from the last on.
        hook = find(self.pods.documents, "Job", "synod-leader-last")["spec"]["template"]["spec"]
        code, said = self.pods.run_client(hook, self.directory)
        self.assertEqual(code, 0, said)
        eventually("pod 1 leads", lambda: self.status(1)["role"] == "leader")
        for ordinal in (5, 4, 3, 2):
            self.assertEqual(self.pods.stop(ordinal), 0)
            self.pods.start(ordinal)
            self.pods.await_ready(ordinal)
            self.assertEqual(self.status(1)["role"], "leader")
        self.assertEqual(self.pods.stop(1), 0)
        eventually("another leads", lambda: self.status(2)["leader"] and self.status(2)["leader"]["id"] != 1)
        self.pods.start(1)
        self.pods.await_ready(1)
        self.assertEqual(self.membership_version(1), before)

    def test_the_hook_before_an_upgrade_does_not_stop_it(self):
        self.install("one")
        self.pods.upgrade(manifests("default"))
        self.pods.kill(1)
        hook = find(self.pods.documents, "Job", "synod-leader-last")["spec"]["template"]["spec"]
        code, said = self.pods.run_client(hook, self.directory)
        self.assertEqual(code, 0, said)
        self.assertIn("leadership stays where it is", said)

    def test_a_lost_volume_comes_back_as_a_new_member(self):
        self.install("default")
        self.put(1, "/kept", "yes")
        self.pods.kill(2)
        shutil.rmtree(self.pods.data(2))
        # As it was it does not run, again and again.
        self.pods.start(2)
        self.assertEqual(self.pods.processes.pop(2).wait(60), 3)
        # The operator says so; the file changes under the pod, no other one restarts.
        self.pods.upgrade(manifests("rejoin"))
        self.pods.start(2)
        self.pods.await_ready(2)
        eventually("the new member votes", lambda: self.voters() == {1, 2, 3, 4})
        code, said = self.pods.run_client({"containers": [{
            "command": ["synod", "member", "remove", "2"],
            "env": [{"name": "SYNOD_ENDPOINTS", "value": self.pods.url(1)}]}]}, self.directory)
        self.assertEqual(code, 0, said)
        self.assertEqual(self.voters(), {1, 3, 4})
        self.assertEqual(json.loads(self.pods.get(2, "/v1/kv/kept")[1])["value"], "yes")

    def test_backups_are_verified_and_old_ones_go(self):
        self.install("five")
        backup = find(self.pods.documents, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        place = f"{self.directory}/backup"
        os.mkdir(place)
        for name in ("synod-20200101T000000Z.snap", "synod-20200102T000000Z.snap", "other"):
            with open(f"{place}/{name}", "w", encoding="utf-8") as file:
                file.write("old")
        code, said = self.pods.run_client(backup, place)
        self.assertEqual(code, 0, said)
        left = sorted(os.listdir(place))
        self.assertEqual(len(left), 3, left)  # two of them, and what is not a backup
        self.assertEqual(left[:2], ["other", "synod-20200102T000000Z.snap"])
        # What cannot be saved drives nothing out.
        for ordinal in (1, 2, 3, 4, 5):
            self.pods.kill(ordinal)
        code, said = self.pods.run_client(backup, place)
        self.assertNotEqual(code, 0)
        self.assertEqual(sorted(os.listdir(place)), left)

    def test_with_tls_and_authentication_everything_of_the_chart_works(self):
        self.install("secure")
        self.expect_three_with_their_names()
        for ordinal in (1, 2, 3):
            for path in ("/v1/status", "/v1/kv/a", "/metrics"):
                self.assertEqual(self.pods.get(ordinal, path, token=None)[0], 401)
        # Neither without TLS nor for whoever believes another authority.
        url = self.pods.url(1, "/livez")
        self.assertEqual(get(url.replace("https", "http"))[0], None)
        self.assertEqual(get(url, context=ssl.create_default_context())[0], None)
        self.assertIn("the cluster serves", self.run_hook("Pod", "synod-test"))
        self.run_hook("Job", "synod-leader-last")
        eventually("pod 1 leads", lambda: self.status(1)["role"] == "leader")
        self.run_hook("CronJob")
        self.assertEqual(len([f for f in os.listdir(self.directory) if f.endswith(".snap")]), 1)
        # As the notes have it.
        listed = self.in_pod(2, "SYNOD_AUTH_TOKEN=$(cat /etc/synod-auth/admin) synod member list")
        self.assertIn("synod-3", listed)
        # Which asks every member where it tells clients to.
        shown = self.in_pod(2, "SYNOD_AUTH_TOKEN=$(cat /etc/synod-auth/admin) synod top --once")
        self.assertIn("3 of 3 nodes answer", shown)

    def test_the_bootstrap_token_is_replaced_and_revoked(self):
        self.install("secure")
        def as_root(*arguments):
            return self.in_pod(1, "export SYNOD_AUTH_TOKEN=$(cat /etc/synod-auth/bootstrap); synod "
                               + " ".join(arguments))
        as_root("auth", "user", "set", "operator", "--role", "root")
        made = json.loads(as_root("auth", "token", "make", "operator", "-o", "json"))
        self.pods.secrets["synod-operator"]["secret"] = made["token"]
        tokens = json.loads(as_root("auth", "token", "list", "-o", "json"))["tokens"]
        first, = [t["id"] for t in tokens if t["user"] == "root"]
        self.in_pod(1, "SYNOD_AUTH_TOKEN=$(cat /etc/synod-auth/admin) synod auth token rm "
                    f"{first}")
        self.assertEqual(self.pods.get(1, "/v1/status", BOOTSTRAP)[0], 401)
        self.assertEqual(self.pods.get(1, "/v1/status", made["token"])[0], 200)
        self.assertIn("the cluster serves", self.run_hook("Pod", "synod-test"))
        # The nodes come back all the same: the file is there for the first start.
        for ordinal in (3, 2, 1):
            self.assertEqual(self.pods.stop(ordinal), 0)
            self.pods.start(ordinal)
            self.pods.await_ready(ordinal)

    def test_pods_join_by_tls_and_token(self):
        self.install("certmanager")
        eventually("five voters", lambda: self.voters() == {1, 2, 3, 4, 5})
        self.assertEqual(self.pods.get(1, "/metrics", token=None)[0], 200)
        self.assertEqual(self.pods.get(1, "/v1/status", token=None)[0], 401)

    def test_a_token_without_tls(self):
        self.install("token")
        self.assertIn("the cluster serves", self.run_hook("Pod", "synod-test"))
        self.assertEqual(self.pods.get(1, "/v1/kv/a", token=None)[0], 401)

    def test_a_live_node_has_every_metric_of_docs_alerts_and_dashboard(self):
        self.install("default")
        self.put(1, "/a", "b")
        eventually("all have told their names",
                   lambda: {m["name"] for m in self.members()} == {"synod-1", "synod-2", "synod-3"})
        exposed = set()
        for line in self.pods.get(1, "/metrics")[1].splitlines():
            if line.startswith("# TYPE "):
                exposed.add(line.split()[2])
        self.assertEqual(exposed, documented_metrics())
        for rule in alert_rules():
            self.assertLessEqual(metric_names(rule["expr"]), exposed, rule["alert"])
        for title, expression in dashboard_expressions():
            self.assertLessEqual(metric_names(expression), exposed, title)


if __name__ == "__main__":
    unittest.main()
