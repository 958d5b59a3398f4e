"""Synod's recipes in one file, for Python 3.9 and later, without dependencies.

The protocol of each is in docs/recipes.md. Everything blocks; use threads for more. One Client a
process is enough: it has one thread that renews leases. Errors are Error(code, outcome, detail).
Endpoints are http:// or, for nodes with TLS, https:// URLs.

    client = Client(["http://127.0.0.1:7301", "http://127.0.0.1:7311"])
    with Lock(client, "/jobs/backup", on_lost=stop).acquire(wait=30) as hold:
        client.put("/report", b"done", fences=hold.fences)
"""

import http.client
import json
import random
import socket
import ssl
import threading
import time
import traceback
import urllib.parse
import uuid

_NOT_AFTER_MS = 15_000
# Said and recorded by the state machine alone, once it has looked for the record of the key: what was
# lost before is decided with it. Other refusals are given by any node, by its own limits, or a proxy.
_DECIDED = ("precondition_failed", "fenced", "lock_unavailable", "lease_not_found", "lock_not_held",
            "not_empty", "managed_node", "leased_parent", "wrong_kind", "held_otherwise",
            "limit_mismatch")
_PAUSE_S = 0.02
_STEP_S = 3  # less than the 5 s after which a place without its client is withdrawn


def now():
    """Seconds on a clock that counts suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def safe_until(sent, remaining_ms, ttl):
    """Until when an answer may be believed: less the drift of two clocks, and a margin."""
    return sent + remaining_ms / 1000 * 0.99 - min(max(ttl / 20, 0.025), 0.5)


def may_pass(status, code):
    """May the same fare better if it is asked again? Nobody answered (0), overload, no leader."""
    # Nobody makes room while a client waits.
    return status in (0, 408, 429, 500, 502, 503, 504) and code != "storage_full"


class Error(Exception):
    """`status`: of the answer that it comes from, or 0; `pause`: how long to wait before another."""

    def __init__(self, code, outcome, detail="", status=0, pause=_PAUSE_S):
        super().__init__(f"{code}: {detail} ({outcome})")
        self.code, self.outcome, self.detail = code, outcome, detail
        self.status, self.pause = status, pause

    @property
    def may_pass(self):
        return may_pass(self.status, self.code)


def _number(text, otherwise):
    """Of a header, which a proxy may have written."""
    return int(text) if str(text or "").isdecimal() else otherwise


def _object(body):
    """None if it is none."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


class Answer:
    """`outcome`: of a refusal that of the whole call, all its attempts; else of what cannot be read."""

    def __init__(self, status, headers, body, sent):
        self.status, self.headers, self.body, self.sent = status, headers, body, sent
        self.outcome = "not_applied"

    @property
    def json(self):
        found = _object(self.body)
        if found is None:  # somebody answered who is no node
            raise self.error("no JSON in the answer")
        return found

    @property
    def problem(self):
        """Of a refusal; empty if it is a proxy's."""
        return (_object(self.body) or {}) if self.status >= 300 else {}

    @property
    def code(self):
        """Of a refusal, by which programs tell them apart; a proxy's is "internal"."""
        return self.problem.get("code", "internal") if self.status >= 300 else ""

    @property
    def revision(self):
        return _number(self.headers.get("Synod-Revision"), 0)

    @property
    def pause(self):
        """How long to wait at least before the same is asked again."""
        told = min(_number(self.headers.get("Retry-After"), 0), 60) if self.status == 429 else 0
        return max(told, _PAUSE_S)

    def error(self, detail=None):
        detail = detail or self.problem.get("detail") or f"status {self.status}"
        return Error(self.code or "internal", self.outcome, detail, self.status, self.pause)

    def ok(self):
        """Itself, a 2xx; raises the Error that it is otherwise."""
        if self.status >= 300:
            raise self.error()
        return self


def _path(path):
    return urllib.parse.quote(path, safe="/-._~@:")


def _value(node):
    import base64

    if node is None:
        return b""
    if "value_base64" in node:
        return base64.b64decode(node["value_base64"])
    return node.get("value", "").encode()


def fence_header(fences):
    return ", ".join(f"{_path(path)}={token}" for path, token in fences)


def _parse_endpoints(urls):
    """[(scheme, host, port)]; all are https or none is: what is kept secret on the way to one would
    be said openly to another."""
    endpoints = []
    for url in urls:
        try:
            parts = urllib.parse.urlsplit(url)
            endpoints.append((parts.scheme, parts.hostname, parts.port))
            good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
            good = good and not (parts.path.strip("/") or parts.query or parts.fragment)
        except ValueError:  # of a port that is none
            good = False
        if not good:
            raise Error("invalid_request", "not_applied", f"{url!r} is no endpoint: http://HOST:PORT"
                        " is one, https://HOST:PORT another")
    if len({scheme for scheme, _, _ in endpoints}) != 1:
        raise Error("invalid_request", "not_applied", "all endpoints are https or none is, and there"
                    " is one at least")
    return endpoints


def _silence(deadline):
    """How long to wait for the next line: a live stream says something every 10 s."""
    return 30 if deadline is None else max(0.001, min(30, deadline - now()))


class Client:
    """`timeout`: of every call that names none, in seconds; attempts go on until then.

    `ssl_context`: whom https believes, and what it shows; else the system's authorities."""

    def __init__(self, endpoints, timeout=10.0, token=None, ssl_context=None):
        self._who = {"Authorization": f"Bearer {token}"} if token else {}
        self._endpoints = _parse_endpoints(endpoints)
        self._ssl_context = ssl_context
        if ssl_context is None and self._endpoints[0][0] == "https":
            self._ssl_context = ssl.create_default_context()
        self._timeout = timeout
        self._first = 0
        self._idle = []  # (endpoint, connection)
        self._lock = threading.Lock()
        self._time = None  # (cluster time, when it was seen)
        self._leases = set()
        self._wake = threading.Condition()
        threading.Thread(target=self._renew_forever, daemon=True).start()

    # One attempt.

    def _connect(self, endpoint, timeout):
        """Fails before anything was sent: OSError."""
        scheme, host, port = self._endpoints[endpoint]
        if scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=timeout,
                                                     context=self._ssl_context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _leave(self, endpoint):
        with self._lock:
            if endpoint == self._first:
                self._first = (endpoint + 1) % len(self._endpoints)

    def _exchange(self, endpoint, method, target, headers, body, timeout):
        connection = None
        with self._lock:
            for i, (where, idle, since) in enumerate(self._idle):
                if where == endpoint:
                    del self._idle[i]
                    connection = idle if now() - since < 60 else None
                    break
        connection = connection or self._connect(endpoint, timeout)
        connection.sock.settimeout(timeout)
        sent = now()
        try:
            connection.request(method, target, body=body, headers={**headers, **self._who})
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read(), sent)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Error("internal", "unknown", str(error)) from error
        if connection.sock is not None:  # else the node said Connection: close
            with self._lock:
                self._idle.append((endpoint, connection, now()))
        self._learn(answer)
        return answer

    def _attempt(self, *request):
        try:
            return self._exchange(*request)
        except OSError as error:
            raise Error("internal", "not_applied", str(error)) from error

    def _learn(self, answer):
        # The first second of a cluster is at 0.
        seen = _number(answer.headers.get("Synod-Time"), -1)
        with self._lock:
            if seen >= 0 and (self._time is None or seen >= self._time[0] or now() - self._time[1] > 60):
                self._time = (seen, now())

    def _not_after(self):
        with self._lock:
            if self._time is None or now() - self._time[1] > 60:
                return None
            return int(self._time[0] + (now() - self._time[1]) * 1000) + _NOT_AFTER_MS

    # A call: attempts until there is an answer.

    def send(self, method, target, body=None, headers=(), timeout=None, attempt=4.0, keyed=None):
        """An Answer, also of a refusal. Raises Error when time is up; `outcome` says what is known.

        `keyed`: under an Idempotency-Key and a Not-After; by default all changes are."""
        change = method not in ("GET", "HEAD")
        keyed = change if keyed is None else keyed
        deadline = now() + (self._timeout if timeout is None else timeout)
        key, not_after, first_sent, maybe, pause = None, None, None, False, _PAUSE_S
        while True:
            endpoint = self._first
            answer, last = None, None
            try:
                left = max(0.001, min(attempt, deadline - now()))
                if keyed and key is None:
                    if self._not_after() is None:
                        try:
                            self._attempt(endpoint, "GET", "/v1/settings", {}, None, left)
                        except Error as error:  # nothing of the call itself was sent
                            raise Error(error.code, "not_applied", error.detail) from error
                    not_after = self._not_after()
                    if not_after is None:  # somebody answered who is no node
                        raise Error("internal", "not_applied", "no cluster time in the answer")
                    key = uuid.uuid4().hex
                sending = dict(headers)
                if keyed:
                    sending["Idempotency-Key"] = key
                    sending["Synod-Not-After"] = str(not_after)
                first_sent = first_sent or now()
                answer = self._attempt(endpoint, method, target, sending, body, left)
            except Error as error:
                last = error
                maybe = maybe or (change and error.outcome == "unknown")
            if answer is not None:
                replayed = answer.headers.get("Synod-Replayed") == "true"
                if replayed:
                    answer.sent = first_sent
                if answer.status < 300:
                    answer.outcome = "unknown" if change else "not_applied"
                    return answer
                problem = answer.problem
                if answer.code == "request_expired" and keyed and not maybe:
                    key = None  # nothing was ever applied under it
                else:
                    # Without a code it is no node that answers.
                    nobody = "code" not in problem and answer.status >= 500
                    maybe = maybe or (change and (nobody or problem.get("outcome") == "unknown"))
                    if not may_pass(answer.status, answer.code):
                        if maybe and not replayed and answer.code not in _DECIDED:
                            answer.outcome = "unknown"
                        return answer
                last = answer.error()
            self._leave(endpoint)
            wait = pause / 2 + random.random() * pause / 2
            wait = max(wait, last.pause)
            if now() + wait >= deadline:
                raise Error(last.code, "unknown" if maybe else "not_applied", last.detail,
                            last.status, last.pause)
            time.sleep(wait)
            pause = min(pause * 2, 1.0)

    def call(self, method, target, body=None, **options):
        """The same, for answers that must be a 2xx."""
        if isinstance(body, dict):
            body = json.dumps(body)
            options["headers"] = {"Content-Type": "application/json"} | dict(options.get("headers", {}))
        return self.send(method, target, body, **options).ok()

    # Nodes.

    def get(self, path):
        """(value, mod_revision, revision of the answer); None for the first two if it is absent."""
        answer = self.send("GET", "/v1/kv" + _path(path))
        if answer.code == "not_found":
            return None, None, answer.revision
        node = answer.ok().json
        return _value(node), node["mod_revision"], answer.revision

    def put(self, path, value, lease=None, if_revision=None, fences=()):
        headers = {"Synod-Fence": fence_header(fences)} if fences else {}
        if if_revision == 0:
            headers["If-None-Match"] = "*"
        elif if_revision is not None:
            headers["If-Match"] = f'"{if_revision}"'
        query = f"?lease={lease}" if lease else ""
        return self.call("PUT", "/v1/kv" + _path(path) + query, value, headers=headers).json

    def delete(self, path, if_revision=None, fences=()):
        headers = {"Synod-Fence": fence_header(fences)} if fences else {}
        if if_revision is not None:
            headers["If-Match"] = f'"{if_revision}"'
        return self.call("DELETE", "/v1/kv" + _path(path), headers=headers).json

    def list(self, path, scope="children", limit=0):
        """({path: node}, revision); nothing below what does not exist."""
        nodes, revision, after = {}, None, ""
        while True:
            target = f"/v1/kv{_path(path)}?list={scope}"
            if limit:
                target += f"&limit={limit}"
            if after:
                target += f"&after={urllib.parse.quote(after)}&at_revision={revision}"
            answer = self.send("GET", target)
            if answer.code == "not_found" and not nodes:
                return {}, answer.revision
            page = answer.ok().json
            revision = page["revision"]
            nodes.update((node["path"], node) for node in page["nodes"])
            after = page.get("next", "")
            if not after or limit:
                return nodes, revision

    def txn(self, tests, then, otherwise=()):
        body = {"if": list(tests), "then": list(then), "else": list(otherwise)}
        return self.call("POST", "/v1/txn", body).json

    def raise_fence(self, path, token):
        """Registers a token, for a storage that cannot keep it; Error("fenced"): a higher one was."""
        return self.call("POST", "/v1/fences" + _path(path), {"token": token}).json["token"]

    def watch(self, path, scope="node", from_revision=None, deadline=None, target=None):
        """Changes for ever, over as many connections as it takes; ends at the deadline.

        Raises Error("compacted") when the history at the resume point is gone: list anew."""
        target = target or f"/v1/watch{_path(path)}?scope={scope}"
        seen = None if from_revision is None else from_revision - 1
        pause = _PAUSE_S
        while deadline is None or now() < deadline:
            endpoint, connection, wait = self._first, None, 0
            headers = {"Accept": "application/x-ndjson", **self._who}
            if seen is not None:
                headers["Last-Event-ID"] = str(seen)
            try:
                connection = self._connect(endpoint, _silence(deadline))
                sock = connection.sock
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
                if response.status != 200:
                    answer = Answer(response.status, response.headers, response.read(), now())
                    if not may_pass(answer.status, answer.code):
                        raise answer.error()
                    wait = answer.pause
                while response.status == 200:
                    line = response.readline()
                    if not line.endswith(b"\n"):
                        break
                    sock.settimeout(_silence(deadline))
                    message = _object(line) or {}
                    pause = _PAUSE_S
                    kind, revision = message.get("type"), message.get("revision", 0)
                    if kind == "compacted":
                        raise Error("compacted", "not_applied", "the history is gone", 410)
                    if kind == "denied":
                        raise Error("permission_denied", "not_applied", "withdrawn", 403)
                    if kind == "overflow":
                        seen = message["resume_from"] - 1
                    elif kind == "created":
                        seen = revision if seen is None else seen
                    elif kind == "progress":
                        seen = max(seen or 0, revision)
                    elif kind == "change" and revision > (-1 if seen is None else seen):
                        seen = revision
                        yield message
            except (OSError, http.client.HTTPException):
                pass
            finally:
                if connection is not None:
                    connection.close()
            self._leave(endpoint)
            wait = max(wait, pause / 2 + random.random() * pause / 2)
            time.sleep(wait if deadline is None else max(0, min(wait, deadline - now())))
            pause = min(pause * 2, 1.0)

    def await_change(self, path, scope, revision, deadline, enough=lambda change: True):
        """Whether such a change came after that revision; if not, the history from there on is gone:
        look again. Raises at the deadline."""
        try:
            for change in self.watch(path, scope, revision + 1, deadline):
                if enough(change):
                    return True
        except Error as error:
            if error.code != "compacted":
                raise
            return False
        raise Error("deadline_exceeded", "not_applied", "waited in vain")

    # Leases.

    def _renew_forever(self):
        while True:
            with self._wake:
                due = min((min(l.renew_at, l.until) for l in self._leases), default=now() + 3600)
                self._wake.wait(max(0, due - now()))
                lost = [l for l in self._leases if now() >= l.until]
                batch = [l for l in self._leases if l not in lost and now() + l.ttl / 12 >= l.renew_at]
            for lease in lost:
                lease._lose()
            if batch:
                self._renew(batch[:100])

    def _renew(self, batch):
        ttl = min(lease.ttl for lease in batch)
        attempt = min(max(ttl / 6, 0.1), 3)
        # One round, so that a lease whose time comes meanwhile is not kept from being given up.
        timeout = max(0.001, min(attempt, min(lease.until for lease in batch) - now()))
        renewed, gone = {}, []
        try:
            answer = self.call("POST", "/v1/leases/keepalive", {"ids": [l.id for l in batch]},
                               keyed=False, timeout=timeout, attempt=timeout)
            renewed = {lease["id"]: lease["remaining_ms"] for lease in answer.json["leases"]}
            gone = answer.json["not_found"]
        except Error:
            pass  # the next round asks the next node
        except Exception:  # the leases need this thread, and their time still ends them
            traceback.print_exc()
        for lease in batch:
            # What was given up by the clock is not revived by a late answer.
            if lease.id in gone or not lease.alive:
                lease._lose()
            elif lease.id in renewed:
                lease.until = max(lease.until, safe_until(answer.sent, renewed[lease.id], lease.ttl))
                lease.renew_at = answer.sent + lease.ttl / 3
            else:
                lease.renew_at = now() + lease.ttl / 12


class Lease:
    """Renewed in the background. `alive` turns false before the cluster can have ended it."""

    def __init__(self, client, ttl=10.0, name="", on_lost=None):
        self._client, self.ttl, self._on_lost = client, ttl, on_lost
        body = {"ttl_ms": int(ttl * 1000), "name": name}
        answer = client.call("POST", "/v1/leases", body)
        self.id = answer.json["id"]
        self.until = safe_until(answer.sent, answer.json["remaining_ms"], ttl)
        self.renew_at = answer.sent + ttl / 3
        self._over = False
        if not self.alive:
            raise Error("lease_not_found", "unknown", "the grant came too late to be believed")
        with client._wake:
            client._leases.add(self)
            client._wake.notify()

    @property
    def alive(self):
        return not self._over and now() < self.until

    def _end(self):
        with self._client._wake:
            was, self._over = self._over, True
            self._client._leases.discard(self)
        return not was

    def _lose(self):
        if self._end() and self._on_lost:
            try:
                self._on_lost()
            except BaseException:  # sys.exit, too: the other leases need this thread
                traceback.print_exc()

    def _abandon(self):
        """What hangs on it goes with it, whatever is still under way; if not now, at its end."""
        try:
            self.revoke()
        except Error:
            pass

    def revoke(self):
        self._end()
        answer = self._client.send("DELETE", f"/v1/leases/{self.id}", keyed=False)
        if answer.code != "lease_not_found":
            answer.ok()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.revoke()


class Hold:
    """One or several locks, or a leadership: as long as `held`."""

    def __init__(self, lease, fences):
        self._lease, self.fences = lease, fences
        self.token = fences[0][1]
        self.lease = lease.id

    @property
    def held(self):
        return self._lease.alive

    def release(self):
        self._lease.revoke()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def _claim(client, target, path, body, wait, ttl, on_lost):
    state = {"granted": False}
    lease = Lease(client, ttl, path, lambda: on_lost() if state["granted"] and on_lost else None)
    try:
        give_up = now() + wait
        while True:
            left = max(0, int((give_up - now()) * 1000))
            asking = dict(body, lease=lease.id, wait_ms=min(left, 86_400_000))
            try:
                answer = client.call("POST", target, asking, keyed=False, timeout=_STEP_S,
                                     attempt=_STEP_S).json
                break
            except Error as error:
                if not error.may_pass or now() + error.pause > give_up + 10:
                    raise
                time.sleep(error.pause)
            if not lease.alive:
                raise Error("lease_not_found", "not_applied", "the place in the queue was lost")
        with client._wake:  # from here on the loss is told to on_lost, before it to the caller
            if not lease.alive:
                raise Error("lease_not_found", "not_applied", "lost before it was known as held")
            state["granted"] = True
        if "holds" in answer:
            return Hold(lease, [(hold["lock"], hold["token"]) for hold in answer["holds"]])
        return Hold(lease, [(path, answer["token"])])
    except BaseException:
        lease._abandon()
        raise


class Lock:
    def __init__(self, client, path, ttl=10.0, value="", on_lost=None, mode="exclusive", limit=1):
        self._client, self._path, self._ttl, self._on_lost = client, path, ttl, on_lost
        self._body = {"mode": mode, "value": value}
        if limit > 1:
            self._body["limit"] = limit

    def acquire(self, wait=0.0):
        return _claim(self._client, f"/v1/locks{_path(self._path)}/acquire", self._path, self._body,
                      wait, self._ttl, self._on_lost)


class RwLock:
    def __init__(self, client, path, **options):
        self.read = Lock(client, path, mode="shared", **options)
        self.write = Lock(client, path, **options)


class Semaphore(Lock):
    def __init__(self, client, path, limit, **options):
        super().__init__(client, path, limit=limit, **options)


class MultiLock:
    def __init__(self, client, paths, ttl=10.0, on_lost=None):
        self._client, self._paths, self._ttl, self._on_lost = client, list(paths), ttl, on_lost

    def acquire(self, wait=0.0):
        return _claim(self._client, "/v1/locks", self._paths[0],
                      {"locks": [{"path": path} for path in self._paths]}, wait, self._ttl,
                      self._on_lost)


class Election:
    def __init__(self, client, path, value="", ttl=10.0, on_lost=None):
        self._client, self._path, self._value = client, path, value
        self._ttl, self._on_lost = ttl, on_lost
        self._target = f"/v1/elections{_path(path)}"

    def campaign(self, wait=0.0):
        return _claim(self._client, self._target + "/campaign", self._path, {"value": self._value},
                      wait, self._ttl, self._on_lost)

    def proclaim(self, leadership, value):
        body = {"token": leadership.token, "value": value}
        self._client.call("POST", self._target + "/proclaim", body)

    def transfer(self, leadership, to):
        self._client.call("POST", self._target + "/transfer", {"token": leadership.token, "to": to})

    def leader(self):
        return self._client.call("GET", self._target).json["leader"]

    def observe(self, deadline=None):
        for message in self._client.watch("", deadline=deadline, target=self._target + "/observe"):
            yield message["leader"]


class Barrier:
    def __init__(self, client, path):
        self._client, self._path = client, path

    def set(self):
        self._client.put(self._path, b"")

    def remove(self):
        answer = self._client.send("DELETE", "/v1/kv" + _path(self._path))
        if answer.code != "not_found":
            answer.ok()

    def wait(self, timeout):
        deadline = now() + timeout
        removed = False
        while not removed:
            value, _, revision = self._client.get(self._path)
            removed = value is None or self._client.await_change(
                self._path, "node", revision, deadline,
                lambda change: any(event["type"] == "delete" for event in change["events"]))


class DoubleBarrier:
    def __init__(self, client, path, count, ttl=10.0, on_lost=None):
        self._client, self._count, self._ttl, self._on_lost = client, count, ttl, on_lost
        self._members, self._ready = path + "/members", path + "/ready"

    def enter(self, timeout):
        deadline = now() + timeout
        self._lease = Lease(self._client, self._ttl, self._members, self._on_lost)
        try:
            create = {"create": {"path": self._members + "/m-", "sequential": True,
                                 "lease": self._lease.id}}
            made = self._client.txn([self._children("==", 0)],
                                    [{"delete": {"path": self._ready}}, create], [create])
            self._place = made["results"][-1]["create"]["path"]
            inside = False
            while not inside:
                seen = self._client.txn(
                    [self._children(">", self._count - 1),
                     {"path": self._ready, "target": "exists", "op": "==", "value": False}],
                    [{"put": {"path": self._ready}}], [{"get": {"path": self._ready}}])
                inside = (seen["succeeded"] or seen["results"][0]["get"] is not None
                          or self._client.await_change(self._ready, "node", seen["revision"], deadline))
            if not self._lease.alive:
                raise Error("lease_not_found", "not_applied", "the place was lost")
        except BaseException:
            self._lease._abandon()
            raise

    def leave(self, timeout):
        deadline = now() + timeout
        leave = {"delete": {"path": self._place}}
        self._client.txn(
            [self._children("==", 1),
             {"path": self._place, "target": "exists", "op": "==", "value": True}],
            [leave, {"delete": {"path": self._ready}}], [leave])
        self._lease.revoke()
        left = False
        while not left:
            nodes, revision = self._client.list(self._members)
            inside = set(nodes)

            def empties(change):
                for event in change["events"]:
                    (inside.add if event["type"] == "put" else inside.discard)(event["path"])
                return not inside

            left = not inside or self._client.await_change(self._members, "children", revision,
                                                           deadline, empties)

    def _children(self, op, value):
        return {"path": self._members, "target": "num_children", "op": op, "value": value}


class Counter:
    def __init__(self, client, path):
        self._client, self._path = client, path

    def get(self):
        return self._read()[0]

    def _read(self):
        value, revision, _ = self._client.get(self._path)
        try:
            return int(value or b"0"), revision
        except ValueError:
            raise Error("precondition_failed", "not_applied", self._path + " holds no number") from None

    def add(self, delta, fences=()):
        while True:
            value, revision = self._read()
            total = value + delta
            try:
                self._client.put(self._path, str(total), None, revision or 0, fences)
                return total
            except Error as error:
                if error.code != "precondition_failed":
                    raise


class Queue:
    def __init__(self, client, path):
        self._client, self._path = client, path

    def put(self, item):
        target = "/v1/kv" + _path(self._path) + "/item-"
        return self._client.call("POST", target, item).json["path"]

    def take(self, timeout):
        deadline = now() + timeout
        while True:
            nodes, revision = self._client.list(self._path, limit=1)
            for path, node in nodes.items():
                try:
                    self._client.delete(path, node["mod_revision"])
                    return _value(node)
                except Error as error:
                    if error.code != "precondition_failed":
                        raise
            if not nodes:
                self._client.await_change(
                    self._path, "children", revision, deadline,
                    lambda change: any(event["type"] == "put" for event in change["events"]))


class Group:
    def __init__(self, client, path):
        self._client, self._path = client, path

    def join(self, name, value=b"", ttl=10.0, on_lost=None):
        lease = Lease(self._client, ttl, f"{self._path}/{name}", on_lost)
        try:
            self._client.put(f"{self._path}/{name}", value, lease.id)
        except BaseException:
            lease._abandon()
            raise
        return lease

    def members(self):
        nodes, _ = self._client.list(self._path)
        return {path.rsplit("/", 1)[1]: _value(node) for path, node in nodes.items()}


class Cache:
    """What is below a path, kept up. `on_event(type, path, node)` for changes after the first list."""

    def __init__(self, client, path, on_event=None):
        self._client, self._path, self._on_event = client, path, on_event
        self._moved = threading.Condition()
        self._nodes, self._closed, self.revision, self.error = {}, False, 0, None
        threading.Thread(target=self._follow, daemon=True).start()

    def all(self):
        with self._moved:
            return {path: _value(node) for path, node in self._nodes.items()}

    def reach(self, revision, timeout):
        """False if it has not come to that revision of its subtree in time; raises what ended it."""
        with self._moved:
            self._moved.wait_for(lambda: self.revision >= revision or self.error, timeout)
            if self.error:
                raise self.error
            return self.revision >= revision

    def close(self):
        self._closed = True

    def _follow(self):
        while not self._closed:
            try:
                nodes, revision = self._client.list(self._path, "subtree")
                events = [("delete", path, None) for path in self._nodes if path not in nodes]
                events += [("put", path, node) for path, node in nodes.items()
                           if self._nodes.get(path, {}).get("mod_revision") != node["mod_revision"]]
                self._move(nodes, revision, events if self.revision else [])
                for change in self._client.watch(self._path, "subtree", revision + 1):
                    if self._closed:
                        return
                    nodes = dict(self._nodes)
                    events = [e for e in change["events"] if e["path"] != self._path]
                    for event in events:
                        if event["type"] == "put":
                            nodes[event["path"]] = event["node"]
                        else:
                            nodes.pop(event["path"], None)
                    self._move(nodes, change["revision"],
                               [(e["type"], e["path"], e.get("node")) for e in events])
            except Error as error:
                # Anew; or the cluster is away, and comes back.
                if error.code not in ("compacted", "internal") and not error.may_pass:
                    with self._moved:
                        self.error = error
                        self._moved.notify_all()
                    return
                if error.code != "compacted":
                    time.sleep(max(0.5, error.pause))
            except Exception:  # an answer that is none: nobody else would tell that this ended
                traceback.print_exc()
                time.sleep(0.5)

    def _move(self, nodes, revision, events):
        with self._moved:
            self._nodes, self.revision = nodes, revision
            self._moved.notify_all()
        for event in events:
            try:
                if self._on_event:
                    self._on_event(*event)
            except BaseException:  # sys.exit, too: the cache needs this thread
                traceback.print_exc()
