"""The chart as it was rendered (golden/*.yaml), for the tests beside this file."""

import glob
import json
import os
import re

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CHART = os.path.join(ROOT, "helm/synod")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def value_sets():
    return sorted(os.path.basename(p)[:-5] for p in glob.glob(f"{HERE}/values/*.yaml"))


def manifests(name):
    documents = yaml.safe_load_all(read(f"{HERE}/golden/{name}.yaml"))
    return [document for document in documents if document]


def find(documents, kind, name=None):
    found = [d for d in documents if d["kind"] == kind and name in (None, d["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
    return found[0]


def pod_specs(documents):
    """Every pod that the chart makes: (name of its owner, its metadata, its spec)."""
    for d in documents:
        spec = d.get("spec", {})
        if d["kind"] == "Pod":
            yield d["metadata"]["name"], d["metadata"], spec
        elif d["kind"] in ("StatefulSet", "Job"):
            yield d["metadata"]["name"], spec["template"]["metadata"], spec["template"]["spec"]
        elif d["kind"] == "CronJob":
            template = spec["jobTemplate"]["spec"]["template"]
            yield d["metadata"]["name"], template["metadata"], template["spec"]


def alert_rules():
    return [rule for group in yaml.safe_load(read(f"{CHART}/files/alerts.yaml"))["groups"]
            for rule in group["rules"]]


def dashboard_expressions():
    """(panel's title, expression) of each query of the dashboard."""
    dashboard = json.loads(read(f"{CHART}/files/dashboard.json"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def metric_names(expression):
    """The metrics of this project that an expression asks for, as families."""
    names = re.findall(r"\b(?:synod|process)_[a-z_]+", re.sub(r'"[^"]*"', "", expression))
    return {re.sub(r"_(bucket|sum|count)$", "", n) if "duration" in n else n for n in names}


def documented_settings():
    def names(page, heading):
        section = re.split(rf"^##+ {heading}$", read(f"{ROOT}/docs/{page}"), flags=re.M)[1]
        rows = re.findall(r"^\| (`[^|]*) \|", re.split(r"^##+ ", section, flags=re.M)[0], re.M)
        return set(re.findall(r"`([a-z_.]+)`", " ".join(rows)))
    return names("operations.md", "Settings") | names("api.md", "Settings")


def documented_metrics():
    page = re.split(r"^## Metrics$", read(f"{ROOT}/docs/operations.md"), flags=re.M)[1]
    return set(re.findall(r"^\| `([a-z_]+)` \| (?:counter|gauge|histogram) \|", page, re.M))
