"""A real Prometheus scrapes the chart's pods: what promtool says of /metrics, every query of the
dashboard, and the alert of a node that dies and returns. prometheus_test.py PROGRAMS PROMETHEUS."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import yaml

from chart import CHART, dashboard_expressions, manifests, read
from pods import Pods, eventually, get

PROGRAMS, PROMETHEUS = sys.argv.pop(1), os.path.abspath(sys.argv.pop(1))


class PrometheusTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="synod-prometheus-")
        cls.pods = Pods(manifests("default"), PROGRAMS, cls.directory)
        for ordinal in (1, 2, 3):
            cls.pods.start(ordinal)
        cls.pods.await_ready(1, 2, 3)
        cls.url = f"http://{cls.pods.address(9)}:9090"
        cls.process = cls.start_prometheus()
        eventually("Prometheus is ready", lambda: get(f"{cls.url}/-/ready")[0] == 200)

    @classmethod
    def start_prometheus(cls):
        # The rules as they are, but nobody waits half a minute here.
        rules = yaml.safe_load(read(f"{CHART}/files/alerts.yaml"))
        for group in rules["groups"]:
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "2s"
        config = {"global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
                  "rule_files": ["alerts.yaml"],
                  "scrape_configs": [{"job_name": "synod", "static_configs": [
                      {"targets": [cls.pods.url(n)[len("http://"):] for n in (1, 2, 3)]}]}]}
        for name, content in (("alerts.yaml", rules), ("prometheus.yaml", config)):
            with open(f"{cls.directory}/{name}", "w", encoding="utf-8") as file:
                yaml.safe_dump(content, file)
        with open(f"{cls.directory}/prometheus.log", "w", encoding="utf-8") as log:
            return subprocess.Popen(
                [f"{PROMETHEUS}/prometheus", f"--config.file={cls.directory}/prometheus.yaml",
                 f"--storage.tsdb.path={cls.directory}/tsdb",
                 f"--web.listen-address={cls.url[len('http://'):]}"], stdout=log, stderr=log)

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.wait()
        cls.pods.kill_all()
        shutil.rmtree(cls.directory)

    def ask(self, expression):
        query = urllib.parse.urlencode({"query": expression})
        status, text = get(f"{self.url}/api/v1/query?{query}")
        self.assertEqual(status, 200, text)
        return json.loads(text)["data"]["result"]

    def firing(self):
        status, text = get(f"{self.url}/api/v1/alerts")
        self.assertEqual(status, 200)
        return {(a["labels"]["alertname"], a["labels"].get("member"))
                for a in json.loads(text)["data"]["alerts"] if a["state"] == "firing"}

    def test_metrics_are_clean(self):
        for ordinal in (1, 2, 3):
            text = get(self.pods.url(ordinal, "/metrics"))[1]
            check = subprocess.run([f"{PROMETHEUS}/promtool", "check", "metrics"], input=text,
                                   capture_output=True, text=True, check=False)
            self.assertEqual((check.returncode, check.stdout + check.stderr), (0, ""))

    def test_every_query_of_the_dashboard_finds_something(self):
        eventually("three scrapes", lambda: self.ask("count_over_time(synod_ready[1m]) > 3"))
        may_be_empty = {"Refused"}
        for title, expression in dashboard_expressions():
            expression = (expression.replace("$__rate_interval", "1m").replace("$namespace", ".*")
                          .replace("$job", "synod"))
            if title not in may_be_empty:
                self.assertTrue(self.ask(expression), f"{title}: {expression}")

    def test_the_death_of_a_node_is_told_and_its_return_too(self):
        eventually("all are scraped", lambda: len(self.ask("synod_ready == 1")) == 3)
        self.assertEqual(self.firing(), set())
        leader = next(n for n in (1, 2, 3)
                      if json.loads(get(self.pods.url(n, "/v1/status"))[1])["role"] == "leader")
        self.pods.kill(leader)
        expected = {("SynodMemberDown", str(leader)), ("SynodNoFaultTolerated", None)}
        eventually(f"{expected} fire", lambda: self.firing() == expected)
        self.pods.start(leader)
        self.pods.await_ready(leader)
        eventually("nothing fires", lambda: self.firing() == set())
        # And a quorum that goes.
        others = [n for n in (1, 2, 3) if n != leader]
        for ordinal in others:
            self.pods.kill(ordinal)
        eventually("nobody leads", lambda: ("SynodNoLeader", None) in self.firing())
        for ordinal in others:
            self.pods.start(ordinal)
        self.pods.await_ready(1, 2, 3)
        eventually("nothing fires again", lambda: self.firing() == set())


if __name__ == "__main__":
    unittest.main()
