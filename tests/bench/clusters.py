"""Clusters on loopback, of Synod and of those that people would pick instead, all started alike.

A Cluster has `nodes` processes with data in fresh directories; every method that waits ends with
TimeoutError after a minute. Used by compare.py, from one thread.
"""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

WAIT_S = 60


def eventually(what, condition):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            result = condition()
            if result is not None and result is not False:
                return result
        except (OSError, http.client.HTTPException, ValueError, struct.error):
            pass
        time.sleep(0.005)
    raise TimeoutError(f"{what}: not within {WAIT_S} s")


def http_call(address, method, path, body=None, timeout=0.25):
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Cluster:
    name = ""
    base = 0  # first port
    environment = {}
    warm_up_s = 0  # of writes, before anything is measured

    # `hosts`: of the nodes, where they are not on 127.0.0.1; `prefixes`: words before a node's command.
    def __init__(self, nodes, scratch, hosts=None, prefixes=None):
        self.nodes = nodes
        self.hosts = hosts or ["127.0.0.1"] * nodes
        self.prefixes = prefixes or [[]] * nodes
        self.root = tempfile.mkdtemp(prefix=f"bench-{self.name}.", dir=scratch)
        self.processes = [None] * nodes

    def __enter__(self):
        try:
            for i in range(self.nodes):
                self.start(i)
            for i in range(self.nodes):
                self.wait_for(i)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for process in self.processes:
            if process is not None:
                process.kill()
                process.wait()
        shutil.rmtree(self.root)

    def start(self, i):
        directory = os.path.join(self.root, str(i))
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(self.root, f"{i}.log"), "ab") as log:
            self.processes[i] = subprocess.Popen(
                self.prefixes[i] + self.command(i, directory), stdout=log, stderr=log, cwd=directory,
                env={**os.environ, **self.environment})

    def kill(self, i):
        self.processes[i].send_signal(signal.SIGKILL)
        self.processes[i].wait()

    def pause(self, i):
        self.processes[i].send_signal(signal.SIGSTOP)

    def resume(self, i):
        self.processes[i].send_signal(signal.SIGCONT)

    def check(self):
        """Another cluster may have the ports."""
        for i, process in enumerate(self.processes):
            if process.poll() is not None:
                raise RuntimeError(f"node {i} of {self.name} has ended: see {self.root}/{i}.log")

    def pids(self):
        return [process.pid for process in self.processes]

    def resident_mib(self, i):
        with open(f"/proc/{self.processes[i].pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024

    def cpu_s(self):
        """What the nodes have run on a processor."""
        ticks = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                ticks += sum(map(int, stat.read().rpartition(")")[2].split()[11:13]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def rest(self):
        """Waits, a minute at most, until what they have left to do takes little."""
        for _ in range(2 * WAIT_S):
            before = self.cpu_s()
            time.sleep(0.5)
            if self.cpu_s() - before < 0.05 * self.nodes:
                break

    def port(self, i):
        return self.base + 10 * i

    def address(self, i, offset=0):
        return f"{self.hosts[i]}:{self.port(i) + offset}"

    def endpoints(self):
        return ",".join(self.address(i) for i in range(self.nodes))

    def wait_for(self, i):
        def ask():
            self.check()
            return self.read(i)
        eventually(f"node {i} of {self.name}", ask)

    def leader(self):
        def ask():
            return next((i for i in range(self.nodes) if self.leads(i)), None)
        return eventually(f"a leader of {self.name}", ask)

    # Drops the history, where there is one.
    def compact(self):
        pass

    # True if node i answered as it should within 250 ms.
    def read(self, i):
        raise NotImplementedError

    def write(self, i):
        raise NotImplementedError


class Synod(Cluster):
    name = "synod"
    base = 24301
    # Addresses other than those of loopback are in a network that nobody else can reach.
    environment = {"SYNOD_INSECURE_OPEN": "true"}

    def __init__(self, nodes, scratch, synodd, **more):
        super().__init__(nodes, scratch, **more)
        self.synodd = synodd

    def command(self, i, directory):
        members = ",".join(f"{k + 1}={self.address(k, 1)}" for k in range(self.nodes))
        return [self.synodd, "--data-dir", directory, "--id", str(i + 1), "--client", self.address(i),
                "--peer", self.address(i, 1), "--initial-cluster", members]
    def leads(self, i):
        return json.loads(http_call(self.address(i), "GET", "/v1/status")[1])["role"] == "leader"

    def read(self, i):
        return http_call(self.address(i), "GET", "/v1/kv/")[0] == 200

    def write(self, i):
        return http_call(self.address(i), "PUT", "/v1/kv/probe", b"x")[0] in (200, 201)

    def compact(self):
        revision = json.loads(http_call(self.address(0), "GET", "/v1/status")[1])["revision"]
        status, body = http_call(self.address(0), "POST", "/v1/compact",
                                 json.dumps({"revision": revision}), WAIT_S)
        if status != 200:
            raise RuntimeError(f"compaction: {body}")


class Etcd(Cluster):
    name = "etcd"
    base = 24401
    warm_up_s = 5
    installed = shutil.which("etcd") is not None

    def command(self, i, directory):
        peer = [f"http://{self.address(k, 1)}" for k in range(self.nodes)]
        client = f"http://{self.address(i)}"
        members = ",".join(f"n{k}={url}" for k, url in enumerate(peer))
        return ["etcd", "--name", f"n{i}", "--data-dir", directory, "--listen-client-urls", client,
                "--advertise-client-urls", client, "--listen-peer-urls", peer[i],
                "--initial-advertise-peer-urls", peer[i], "--initial-cluster", members,
                "--quota-backend-bytes", str(8 << 30), "--logger", "zap", "--log-level", "warn"]

    def call(self, i, path, body):
        return http_call(self.address(i), "POST", path, json.dumps(body))

    def leads(self, i):
        status = json.loads(self.call(i, "/v3/maintenance/status", {})[1])
        return status["leader"] == status["header"]["member_id"]

    def read(self, i):
        return self.call(i, "/v3/kv/range", {"key": base64.b64encode(b"probe").decode()})[0] == 200

    def write(self, i):
        key = base64.b64encode(b"probe").decode()
        return self.call(i, "/v3/kv/put", {"key": key, "value": key})[0] == 200

    def compact(self):
        revision = json.loads(self.call(0, "/v3/maintenance/status", {})[1])["header"]["revision"]
        status, body = http_call(self.address(0), "POST", "/v3/kv/compaction",
                                 json.dumps({"revision": revision, "physical": True}), WAIT_S)
        if status != 200:
            raise RuntimeError(f"compaction: {body}")


class ZooKeeper(Cluster):
    name = "zookeeper"
    base = 24501
    warm_up_s = 60  # Its writes get cheaper for so long: it compiles while it runs.
    jar = "/usr/share/java/zookeeper.jar"
    installed = os.path.exists(jar) and shutil.which("java") is not None
    heap = "1000m"

    def command(self, i, directory):
        lines = ["tickTime=2000", "initLimit=10", "syncLimit=5", f"dataDir={directory}",
                 f"clientPort={self.port(i)}", f"clientPortAddress={self.hosts[i]}", "maxClientCnxns=0",
                 "admin.enableServer=false", "4lw.commands.whitelist=srvr"]
        if self.nodes > 1:
            lines += [f"server.{k + 1}={self.address(k, 1)}:{self.port(k) + 2}"
                      for k in range(self.nodes)]
        with open(os.path.join(directory, "zoo.cfg"), "w", encoding="ascii") as config:
            config.write("\n".join(lines) + "\n")
        with open(os.path.join(directory, "myid"), "w", encoding="ascii") as config:
            config.write(str(i + 1))
        with open(os.path.join(directory, "log4j.properties"), "w", encoding="ascii") as config:
            config.write("log4j.rootLogger=OFF\n")
        return ["java", f"-Xmx{self.heap}", "-cp", f"{directory}:{self.jar}",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                os.path.join(directory, "zoo.cfg")]

    def mode(self, i):
        with socket.create_connection((self.hosts[i], self.port(i)), 2) as connection:
            connection.sendall(b"srvr")
            answer = b""
            while part := connection.recv(4096):
                answer += part
        return answer.decode().partition("Mode: ")[2].split("\n")[0]

    def leads(self, i):
        return self.mode(i) in ("leader", "standalone")

    def read(self, i):
        return self.mode(i) != ""

    def write(self, i):
        def receive(connection):
            data = b""
            while len(data) < 4 or len(data) < 4 + struct.unpack(">i", data[:4])[0]:
                part = connection.recv(4096)
                if not part:
                    raise OSError("it hung up")
                data += part
            return data
        def frame(body):
            return struct.pack(">i", len(body)) + body
        def text(data):
            return struct.pack(">i", len(data)) + data
        with socket.create_connection((self.hosts[i], self.port(i)), 0.25) as connection:
            connection.sendall(frame(struct.pack(">iqiq", 0, 0, 30000, 0) + text(bytes(16)) + b"\0"))
            receive(connection)
            acl = struct.pack(">ii", 1, 31) + text(b"world") + text(b"anyone")
            # A name with a number behind it, so that every attempt is another node.
            connection.sendall(frame(struct.pack(">ii", 1, 1) + text(b"/probe") + text(b"x") + acl +
                                     struct.pack(">i", 2)))
            return struct.unpack(">i", receive(connection)[16:20])[0] == 0
