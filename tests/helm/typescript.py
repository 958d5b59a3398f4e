"""Writes each rendering as TypeScript whose objects have Kubernetes' types: typescript.py OUT."""

import json
import os
import sys

from chart import manifests, value_sets

PLACES = {"v1": "core/v1", "apps/v1": "apps/v1", "batch/v1": "batch/v1", "policy/v1": "policy/v1",
          "networking.k8s.io/v1": "networking/v1"}
OPERATORS = {"monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator",
             "cert-manager.io/v1": "@kubernetes-models/cert-manager"}


def declaration(number, manifest):
    version, kind = manifest["apiVersion"], manifest["kind"]
    if version in OPERATORS:
        package = f"{OPERATORS[version]}/{version}/{kind}"
        source = f'import type {{ I{kind} as T{number} }} from "{package}";'
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
