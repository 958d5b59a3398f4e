"""What the Secrets of a rendered chart would hold, made by openssl for addresses of this machine."""

import os
import subprocess

BOOTSTRAP = "the-bootstrap-token-of-this-test"


def openssl(*arguments, **options):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, **options)


class Authority:
    """Signs certificates that name addresses."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        os.makedirs(directory, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", "2", "-subj", f"/CN={name}", "-keyout", self.file("key"), "-out", self.file("crt"))

    def file(self, kind):
        return f"{self.directory}/{self.name}.{kind}"

    def secret(self, addresses):
        leaf = f"{self.directory}/leaf"
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=node", "-keyout", f"{leaf}.key", "-out", f"{leaf}.csr")
        names = ",".join(f"IP:{address}" for address in addresses)
        openssl("x509", "-req", "-in", f"{leaf}.csr", "-CA", self.file("crt"), "-CAkey",
                self.file("key"), "-CAcreateserial", "-days", "2", "-out", f"{leaf}.crt",
                "-extfile", "/dev/stdin", input=f"subjectAltName={names}\n".encode())
        content = {}
        for key, path in (("tls.crt", f"{leaf}.crt"), ("tls.key", f"{leaf}.key"),
                          ("ca.crt", self.file("crt"))):
            with open(path, encoding="utf-8") as file:
                content[key] = file.read()
        return content


def make(volumes, addresses, directory):
    """Secret's name -> key -> text, for every Secret that these volumes of a node take."""
    secrets = {}
    for volume in volumes:
        if "secret" in volume:
            authority = Authority(directory, volume["name"])
            secrets[volume["secret"]["secretName"]] = authority.secret(addresses)
        for source in volume.get("projected", {}).get("sources", []):
            keys = [item["key"] for item in source["secret"]["items"]]
            secrets.setdefault(source["secret"]["name"], {}).update({k: BOOTSTRAP for k in keys})
    return secrets
