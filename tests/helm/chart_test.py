"""Rules that every rendering of the chart keeps: no helm, no cluster, no network."""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

from chart import (CHART, HERE, ROOT, alert_rules, dashboard_expressions, documented_metrics,
                   documented_settings, find, manifests, metric_names, pod_specs, read, value_sets)
from pods import Pods

SYNODD = os.path.join(sys.argv.pop(1), "synodd")
NOT_OF_THE_CHART = {
    # Arguments of the pods.
    "data_dir", "id", "name", "client", "peer", "advertise_client", "advertise_peer",
    # For measuring.
    "debug_no_checkpoints", "debug_clock_permille",
    # It follows from the file of the bootstrap token.
    "auth.required",
    # The kubelet's probes have no certificate to show.
    "tls.client.require_certificate"}


def merged(values, changes):
    if not isinstance(values, dict) or not isinstance(changes, dict):
        return changes
    return {**values, **{k: merged(values.get(k), v) for k, v in changes.items()}}


def node_settings(documents):
    """Name -> value of what the file of the nodes sets."""
    def flat(content, prefix=""):
        for key, value in content.items():
            if isinstance(value, dict):
                yield from flat(value, f"{prefix}{key}.")
            else:
                yield prefix + key, value
    name = find(documents, "StatefulSet")["metadata"]["name"]
    return dict(flat(yaml.safe_load(find(documents, "ConfigMap", name)["data"]["synod.yaml"])))


class ValuesTest(unittest.TestCase):
    def setUp(self):
        self.schema = json.loads(read(f"{CHART}/values.schema.json"))
        self.defaults = yaml.safe_load(read(f"{CHART}/values.yaml"))

    def complaints(self, changes):
        values = merged(self.defaults, changes or {})
        return list(jsonschema.Draft7Validator(self.schema).iter_errors(values))

    def test_the_schema_takes_the_defaults_and_every_set(self):
        jsonschema.Draft7Validator.check_schema(self.schema)
        self.assertEqual(self.complaints({}), [])
        for name in value_sets():
            with self.subTest(name):
                self.assertEqual(self.complaints(yaml.safe_load(read(f"{HERE}/values/{name}.yaml"))), [])

    def test_the_schema_refuses_what_is_wrong(self):
        files = glob.glob(f"{HERE}/refused/*.yaml")
        self.assertGreater(len(files), 10)
        for file in files:
            with self.subTest(os.path.basename(file)):
                self.assertEqual(len(self.complaints(yaml.safe_load(read(file)))), 1)

    def test_the_schema_knows_the_values_and_no_others(self):
        def compare(schema, values, path):
            if schema.get("additionalProperties") is not False or path == "settings":
                return
            known = set(schema["properties"]) - {"global"}
            self.assertEqual(known, set(values), path or "top level")
            for key in known:
                if isinstance(values[key], dict):
                    compare(schema["properties"][key], values[key], key)
        compare(self.schema, self.defaults, "")

    def test_the_schema_has_every_documented_setting(self):
        def names(schema, prefix=""):
            for key, of in schema["properties"].items():
                if of.get("type") == "object":
                    yield from names(of, f"{prefix}{key}.")
                else:
                    yield prefix + key
        set_by_values = set(names(self.schema["properties"]["settings"]))
        set_by_the_chart = {name for values in value_sets() for name in node_settings(manifests(values))}
        self.assertEqual(set_by_values | set_by_the_chart, documented_settings() - NOT_OF_THE_CHART)


class ManifestsTest(unittest.TestCase):
    def each(self):
        return [(name, manifests(name)) for name in value_sets()]

    def nodes(self, documents):
        return find(documents, "StatefulSet")["spec"]

    def test_every_set_is_rendered(self):
        self.assertGreaterEqual(len(value_sets()), 6)
        for _, documents in self.each():
            self.assertGreater(len(documents), 5)

    def test_pods_have_no_rights(self):
        for _, documents in self.each():
            for owner, _, spec in pod_specs(documents):
                self.assertFalse(spec["automountServiceAccountToken"], owner)
                self.assertFalse(spec["enableServiceLinks"], owner)
                security = spec["securityContext"]
                self.assertTrue(security["runAsNonRoot"], owner)
                self.assertGreater(security["runAsUser"], 0, owner)
                self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"}, owner)
                self.assertNotIn("initContainers", spec)
                for container in spec["containers"]:
                    self.assertEqual(container["securityContext"],
                                     {"allowPrivilegeEscalation": False,
                                      "readOnlyRootFilesystem": True,
                                      "capabilities": {"drop": ["ALL"]}}, owner)
                    self.assertIn("memory", container["resources"]["requests"], owner)
                for key in ("hostNetwork", "hostPID", "hostIPC"):
                    self.assertNotIn(key, spec)

    def test_probes_never_restart_a_node_for_want_of_a_quorum(self):
        for _, documents in self.each():
            container, = self.nodes(documents)["template"]["spec"]["containers"]
            self.assertEqual(container["startupProbe"]["httpGet"]["path"], "/livez")
            self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/livez")
            self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/readyz")
            startup = container["startupProbe"]
            self.assertGreaterEqual(startup["periodSeconds"] * startup["failureThreshold"], 600)

    def test_nodes_start_together_keep_their_volumes_and_roll_one_by_one(self):
        for _, documents in self.each():
            spec = self.nodes(documents)
            self.assertEqual(spec["podManagementPolicy"], "Parallel")
            self.assertEqual(spec["updateStrategy"], {"type": "RollingUpdate"})
            self.assertEqual(spec["ordinals"], {"start": 1})
            self.assertEqual([c["metadata"]["name"] for c in spec["volumeClaimTemplates"]], ["data"])
            self.assertEqual(spec["persistentVolumeClaimRetentionPolicy"],
                             {"whenDeleted": "Retain", "whenScaled": "Retain"})
            pod = spec["template"]["spec"]
            stop = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], stop + 10)

    def test_selectors_find_the_nodes_and_nothing_else(self):
        for _, documents in self.each():
            spec = self.nodes(documents)
            wanted = spec["selector"]["matchLabels"]
            # Never changed by an upgrade, which Kubernetes would refuse.
            self.assertEqual(wanted, {"app.kubernetes.io/name": "synod",
                                      "app.kubernetes.io/instance": "synod",
                                      "app.kubernetes.io/component": "node"})
            selectors = [d["spec"]["selector"] for d in documents if d["kind"] == "Service"]
            selectors += [d["spec"]["selector"]["matchLabels"] for d in documents
                          if d["kind"] == "PodDisruptionBudget"]
            selectors += [d["spec"]["podSelector"]["matchLabels"] for d in documents
                          if d["kind"] == "NetworkPolicy"]
            self.assertEqual(selectors, [wanted] * len(selectors))
            for owner, metadata, _ in pod_specs(documents):
                is_node = wanted.items() <= metadata["labels"].items()
                self.assertEqual(is_node, owner == find(documents, "StatefulSet")["metadata"]["name"])

    def test_services_for_peers_clients_and_reads(self):
        for _, documents in self.each():
            name = find(documents, "StatefulSet")["metadata"]["name"]
            peers = find(documents, "Service", f"{name}-peers")["spec"]
            self.assertEqual(peers["clusterIP"], "None")
            self.assertTrue(peers["publishNotReadyAddresses"])
            self.assertEqual(self.nodes(documents)["serviceName"], f"{name}-peers")
            self.assertTrue(find(documents, "Service", f"{name}-reads")["spec"]["publishNotReadyAddresses"])
            self.assertNotIn("publishNotReadyAddresses", find(documents, "Service", name)["spec"])

    def test_the_command_line_in_a_pod_asks_that_pod(self):
        for name, documents in self.each():
            with self.subTest(name):
                container, = self.nodes(documents)["template"]["spec"]["containers"]
                own, = (e["value"] for e in container["env"] if e["name"] == "SYNOD_ENDPOINTS")
                self.assertIn(f"--advertise-client={own}", container["args"])

    def test_one_disruption_at_a_time(self):
        budgets = 0
        for _, documents in self.each():
            for d in documents:
                if d["kind"] == "PodDisruptionBudget":
                    budgets += 1
                    self.assertEqual(d["spec"]["maxUnavailable"], 1)
        self.assertEqual(budgets, len(value_sets()) - 1)  # all but one.yaml

    def test_nodes_keep_apart(self):
        for name, documents in self.each():
            spec = self.nodes(documents)["template"]["spec"]
            affinity = spec["affinity"]["podAntiAffinity"]
            if name == "one":
                term = affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
            else:
                term, = affinity["requiredDuringSchedulingIgnoredDuringExecution"]
            self.assertEqual(term["topologyKey"], "kubernetes.io/hostname")
            self.assertEqual(term["labelSelector"], self.nodes(documents)["selector"])
            spread, = spec["topologySpreadConstraints"]
            self.assertEqual(spread["topologyKey"], "topology.kubernetes.io/zone")

    def test_peers_reach_the_peer_port_and_nobody_else_does(self):
        for name, documents in self.each():
            if name == "one":
                continue
            policy = find(documents, "NetworkPolicy")["spec"]
            self.assertEqual(sorted(policy["policyTypes"]), ["Egress", "Ingress"])
            port = 8302 if name == "names" else 7302
            rules = [rule for rule in policy["ingress"] if {"port": port} in rule["ports"]]
            self.assertEqual([rule["from"] for rule in rules], [[{"podSelector": policy["podSelector"]}]])

    def test_the_file_of_the_nodes_is_valid(self):
        for name, documents in self.each():
            with tempfile.TemporaryDirectory() as directory:
                pods = Pods(documents, ".", directory)
                path = pods.mount(pods.spec, pods.container, directory)["/etc/synod"] + "/synod.yaml"
                for ordinal in range(1, self.nodes(documents)["replicas"] + 1):
                    check = subprocess.run(
                        [SYNODD, "--check-config", f"--config={path}", "--data-dir=/x",
                         f"--id={ordinal}", "--client=0.0.0.0:7301", "--peer=0.0.0.0:7302"],
                        env={}, capture_output=True, text=True, check=False)
                    self.assertEqual(check.returncode, 0, f"{name}: {check.stderr}")

    def test_what_is_open_is_said_to_be(self):
        for name, documents in self.each():
            with self.subTest(name):
                settings = node_settings(documents)
                closed = "auth.bootstrap_token_file" in settings and "tls.peer.ca_file" in settings
                self.assertEqual(settings.get("insecure_open", False), not closed)

    def test_with_tls_nothing_goes_in_the_clear(self):
        found = 0
        for name, documents in self.each():
            settings = node_settings(documents)
            if "tls.client.cert_file" not in settings:
                continue
            found += 1
            with self.subTest(name):
                self.assertNotIn("http://", json.dumps(documents))
                pod = self.nodes(documents)["template"]["spec"]
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    self.assertEqual(pod["containers"][0][probe]["httpGet"]["scheme"], "HTTPS")
                files = {f for f in settings.values() if str(f).startswith("/etc/synod-")}
                mounted = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"]]
                self.assertTrue(all(os.path.dirname(f) in mounted for f in files), files)
                for document in documents:
                    if document["kind"] == "ServiceMonitor":
                        endpoint, = document["spec"]["endpoints"]
                        self.assertEqual(endpoint["scheme"], "https")
                        self.assertEqual(endpoint["tlsConfig"]["serverName"],
                                         "synod.default.svc.cluster.local")
        self.assertEqual(found, 2)

    def test_who_asks_a_node_shows_a_token_that_no_manifest_holds(self):
        for name in ("secure", "certmanager", "token"):
            documents = manifests(name)
            with self.subTest(name):
                self.assertNotIn("Secret", [d["kind"] for d in documents])
                for owner, metadata, spec in pod_specs(documents):
                    if metadata["labels"]["app.kubernetes.io/component"] == "node":
                        continue
                    token, = [v for v in spec["containers"][0]["env"] if v["name"] == "SYNOD_AUTH_TOKEN"]
                    self.assertIn("secretKeyRef", token["valueFrom"], owner)
        endpoint, = find(manifests("secure"), "ServiceMonitor")["spec"]["endpoints"]
        self.assertEqual(endpoint["authorization"]["credentials"]["name"], "synod-prometheus")
        self.assertNotIn("authorization",
                         find(manifests("certmanager"), "ServiceMonitor")["spec"]["endpoints"][0])

    def test_certificates_name_the_nodes_and_the_services(self):
        documents = manifests("certmanager")
        def certificate(name):
            return find(documents, "Certificate", name)["spec"]
        pods = "*.synod-peers.default.svc.cluster.local"
        self.assertEqual(certificate("synod-peer")["dnsNames"], [pods])
        self.assertLessEqual({"server auth", "client auth"}, set(certificate("synod-peer")["usages"]))
        self.assertLessEqual({pods, "synod.default.svc.cluster.local", "synod", "synod.example.com",
                              "synod-reads.default.svc.cluster.local"},
                             set(certificate("synod-client")["dnsNames"]))
        self.assertEqual(certificate("synod-client")["issuerRef"],
                         {"kind": "ClusterIssuer", "name": "internal"})
        # The authority that nodes believe of each other signs what the chart asks for, and is
        # nobody's besides.
        self.assertEqual(certificate("synod-peer")["issuerRef"], {"kind": "Issuer", "name": "synod"})
        self.assertEqual(find(documents, "Issuer", "synod")["spec"],
                         {"ca": {"secretName": certificate("synod-authority")["secretName"]}})
        # What is made is what is mounted.
        volumes = self.nodes(documents)["template"]["spec"]["volumes"]
        secrets = {v["secret"]["secretName"] for v in volumes if "secret" in v}
        self.assertEqual(secrets, {certificate(n)["secretName"] for n in ("synod-peer", "synod-client")})

    def test_only_settings_restart_nodes(self):
        def template(name):
            return self.nodes(manifests(name))["template"]
        self.assertEqual(template("default"), template("rejoin"))
        self.assertEqual(template("default"), template("grown"))
        self.assertNotEqual(template("default")["metadata"]["annotations"],
                            template("one")["metadata"]["annotations"])


class MonitoringTest(unittest.TestCase):
    def test_alerts_and_dashboard_ask_for_documented_metrics(self):
        known = documented_metrics()
        self.assertGreater(len(known), 80)
        for rule in alert_rules():
            self.assertLessEqual(metric_names(rule["expr"]), known, rule["alert"])
        for title, expression in dashboard_expressions():
            self.assertLessEqual(metric_names(expression), known, title)

    def test_every_alert_has_a_runbook_and_every_runbook_its_alert(self):
        page = read(f"{ROOT}/docs/operations.md")
        headings = {h.lower() for h in re.findall(r"^### (Synod\w+)$", page, re.M)}
        linked = set()
        for rule in alert_rules():
            self.assertIn(rule["labels"]["severity"], ("page", "ticket"))
            self.assertEqual(set(rule["annotations"]), {"summary", "runbook_url"})
            target, anchor = rule["annotations"]["runbook_url"].split("#")
            self.assertEqual(target, "docs/operations.md")
            self.assertEqual(anchor, rule["alert"].lower())
            linked.add(anchor)
        self.assertEqual(linked, headings)
        self.assertGreater(len(linked), 10)

    def test_the_chart_carries_the_rules_and_the_dashboard(self):
        documents = manifests("five")
        rules = find(documents, "PrometheusRule")["spec"]
        links = [r["annotations"]["runbook_url"] for g in rules["groups"] for r in g["rules"]]
        self.assertEqual([r["alert"] for g in rules["groups"] for r in g["rules"]],
                         [r["alert"] for r in alert_rules()])
        self.assertTrue(all(l.startswith("https://example.com/docs/operations.md#") for l in links))
        carried = json.loads(find(documents, "ConfigMap", "synod-dashboard")["data"]["synod.json"])
        self.assertEqual(carried, json.loads(read(f"{CHART}/files/dashboard.json")))

    def test_panels_are_whole(self):
        dashboard = json.loads(read(f"{CHART}/files/dashboard.json"))
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        cells = set()
        for panel in dashboard["panels"]:
            self.assertEqual(panel.get("datasource", {}).get("uid", "${datasource}"), "${datasource}")
            p = panel["gridPos"]
            area = {(x, y) for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])}
            self.assertFalse(area & cells, panel["title"])
            self.assertLessEqual(p["x"] + p["w"], 24)
            cells |= area


if __name__ == "__main__":
    unittest.main()
