"""Writes each rendering as TypeScript whose objects have Kubernetes' types: typescript.py OUT."""

import json
import os
import sys

from chart import manifests, value_sets

PLACES = {"v1": "core/v1", "apps/v1": "apps/v1", "batch/v1": "batch/v1", "policy/v1": "policy/v1",
          "networking.k8s.io/v1": "networking/v1"}
OPERATOR = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1"


def declaration(number, manifest):
    version, kind = manifest["apiVersion"], manifest["kind"]
    if version == "monitoring.coreos.com/v1":
        source = f'import type {{ I{kind} as T{number} }} from "{OPERATOR}/{kind}";'
    else:
        source = f'import type {{ {kind} as T{number} }} from "kubernetes-types/{PLACES[version]}.js";'
    return f"{source}\nexport const o{number}: T{number} = {json.dumps(manifest, indent=1)};\n"


def main():
    out = sys.argv[1]
    for name in value_sets():
        with open(os.path.join(out, f"{name}.ts"), "w", encoding="utf-8") as file:
            for number, manifest in enumerate(manifests(name)):
                file.write(declaration(number, manifest))


main()
