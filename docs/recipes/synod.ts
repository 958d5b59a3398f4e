// Synod's recipes in one file, for Node 18 and later (also Deno and Bun), without dependencies.
//
// The protocol of each is in docs/recipes.md. One Client a process is enough; it renews all leases.
// Errors are SynodError with code, outcome and detail.
//
//     const client = new Client(["http://127.0.0.1:7301", "http://127.0.0.1:7311"]);
//     const hold = await new Lock(client, "/jobs/backup", { onLost: stop }).acquire(30_000);
//     await client.put("/report", "done", { fences: hold.fences });
//     await hold.release();

const NOT_AFTER_MS = 15_000;
const TIME_AGE_MS = 60_000;
// Said and recorded by the state machine alone, once it has looked for the record of the key: what was lost
// before is decided with it. Other refusals are given by any node, by its own limits, or by a proxy.
const DECIDED = ["precondition_failed", "fenced", "lock_unavailable", "lease_not_found", "lock_not_held", "not_empty",
                 "managed_node", "leased_parent", "wrong_kind", "held_otherwise", "limit_mismatch"];
const AGAIN = [408, 429, 500, 502, 503, 504];
const STEP_MS = 3_000; // less than the 5 s after which a place without its client is withdrawn
const SILENCE_MS = 30_000; // a live stream says something every 10 s

export type Outcome = "not_applied" | "unknown";
export type Fence = { path: string; token: number };
export type Scope = "node" | "children" | "subtree";
type Json = any;

export class SynodError extends Error {
  constructor(readonly code: string, readonly outcome: Outcome, readonly detail = "") {
    super(`${code}: ${detail} (${outcome})`);
  }
}

// No clock of JavaScript both counts suspend and never steps: so there are two, and what has to end
// by one of them has ended.
export class Moment {
  constructor(readonly steady = performance.now(), readonly wall = Date.now()) {}
  plus(ms: number): Moment {
    return new Moment(this.steady + ms, this.wall + ms);
  }
  // How long until then; not more than either clock says.
  left(): number {
    return Math.min(this.steady - performance.now(), this.wall - Date.now());
  }
}

// Until when an answer may be believed: less the drift of two clocks, and a margin.
export function safeUntil(sent: Moment, remainingMs: number, ttlMs: number): Moment {
  return sent.plus(remainingMs * 0.99 - Math.min(Math.max(ttlMs / 20, 25), 500));
}

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));

// Ends what is waited for. The signal alone would not do: Node's fetch may forget it once garbage was
// collected (nodejs/undici#3644), and then waits for ever.
class Limit {
  private abort = new AbortController();
  private reject!: (why: Error) => void;
  private ended = new Promise<never>((_, reject) => (this.reject = reject));
  readonly signal = this.abort.signal;
  constructor() {
    this.ended.catch(() => undefined);
  }
  of<T>(what: Promise<T>): Promise<T> {
    return Promise.race([what, this.ended]);
  }
  end() {
    this.abort.abort();
    this.reject(new Error("it took too long"));
  }
}
// 128 bits that nobody else draws; they need not be secret.
const uniqueKey = () =>
  Array.from({ length: 4 }, () => Math.floor(Math.random() * 2 ** 32).toString(16).padStart(8, "0")).join("");
const encodePath = (path: string) => path.split("/").map(encodeURIComponent).join("/");
const fenceHeader = (fences: Fence[]) =>
  fences.map((fence) => `${encodePath(fence.path)}=${fence.token}`).join(", ");

export function valueOf(node: Json): string {
  if (node?.value_base64 !== undefined) return atob(node.value_base64);
  return node?.value ?? "";
}

export interface Answer {
  status: number;
  json: Json;
  revision: number;
  sent: Moment;
  outcome: Outcome; // of a refusal: that of the whole call, all its attempts
}

export interface SendOptions {
  headers?: Record<string, string>;
  timeoutMs?: number;
  attemptMs?: number;
  keyed?: boolean; // by default all changes are
}

export interface WriteOptions {
  lease?: number;
  ifRevision?: number; // 0: must not exist
  fences?: Fence[];
}

export class Client {
  private first = 0;
  private time?: { cluster: number; seen: Moment };
  private leases = new Set<Lease>();
  private renewing = false;
  private timer?: ReturnType<typeof setTimeout>;

  private who: Record<string, string>; // shown with every request

  // `timeoutMs`: of every call that names none; attempts go on until then.
  constructor(private endpoints: string[], private timeoutMs = 10_000, token?: string) {
    this.who = token ? { Authorization: `Bearer ${token}` } : {};
  }

  private leave(endpoint: number) {
    if (endpoint === this.first) this.first = (endpoint + 1) % this.endpoints.length;
  }

  private timeAge(): number {
    return this.time ? -this.time.seen.left() : Infinity;
  }

  private async attempt(endpoint: number, method: string, target: string,
                        headers: Record<string, string>, body: string | undefined, ms: number) {
    const sent = new Moment();
    const limit = new Limit();
    const timer = setTimeout(() => limit.end(), Math.max(1, ms));
    let response: Response, text: string;
    try {
      // No node redirects. What another host says of it is not the answer to a change.
      response = await limit.of(fetch(this.endpoints[endpoint].replace(/\/$/, "") + target,
                                      { method, headers: { ...headers, ...this.who }, body, redirect: "manual",
                                        signal: limit.signal }));
      text = await limit.of(response.text());
    } catch (error) {
      // Refused: nothing was sent. Of all else nobody knows.
      const refused = (error as Json)?.cause?.code === "ECONNREFUSED";
      throw new SynodError("internal", refused ? "not_applied" : "unknown", String(error));
    } finally {
      clearTimeout(timer);
    }
    // The first second of a cluster is at 0.
    const cluster = Number(response.headers.get("synod-time") ?? -1);
    if (cluster >= 0 && (!this.time || cluster >= this.time.cluster || this.timeAge() > TIME_AGE_MS))
      this.time = { cluster, seen: new Moment() };
    let json: Json = {};
    try {
      json = JSON.parse(text);
    } catch {
      // No body, or not from a node.
    }
    const answer: Answer = { status: response.status, json, sent, outcome: "not_applied",
                             revision: Number(response.headers.get("synod-revision") ?? 0) };
    return { answer, response };
  }

  // An Answer, also of a refusal. Throws when time is up; `outcome` says what is known then.
  async send(method: string, target: string, body?: string, o: SendOptions = {}): Promise<Answer> {
    const change = method !== "GET";
    const keyed = o.keyed ?? change;
    const deadline = new Moment().plus(o.timeoutMs ?? this.timeoutMs);
    let key = "", notAfter = 0, maybe = false, wait = 20;
    let firstSent: Moment | undefined;
    for (;;) {
      const endpoint = this.first;
      let last = new SynodError("internal", "not_applied");
      let overloaded = 0;
      try {
        const ms = Math.min(o.attemptMs ?? 4_000, deadline.left());
        const headers: Record<string, string> = { ...o.headers };
        if (keyed && !key) {
          if (this.timeAge() > TIME_AGE_MS)
            await this.attempt(endpoint, "GET", "/v1/settings", {}, undefined, ms).catch((error) => {
              throw new SynodError(error.code, "not_applied", error.detail);
            });
          if (!this.time) // somebody answered who is no node
            throw new SynodError("internal", "not_applied", "no cluster time in the answer");
          key = uniqueKey();
          notAfter = Math.floor(this.time.cluster + this.timeAge()) + NOT_AFTER_MS;
        }
        if (keyed) Object.assign(headers, { "Idempotency-Key": key, "Synod-Not-After": `${notAfter}` });
        firstSent ??= new Moment();
        const { answer, response } = await this.attempt(endpoint, method, target, headers, body, ms);
        const replayed = response.headers.get("synod-replayed") === "true";
        // Nobody knows which attempt ran.
        if (replayed) answer.sent = firstSent;
        if (response.ok) return answer;
        const code: string = answer.json.code ?? "internal";
        last = new SynodError(code, "not_applied", answer.json.detail ?? "");
        if (code === "request_expired" && keyed && !maybe) {
          key = ""; // nothing was ever applied under it
        } else {
          // Without a code it is no node that answers.
          const nobody = !answer.json.code && answer.status >= 500;
          maybe ||= change && (nobody || answer.json.outcome === "unknown");
          if (!AGAIN.includes(answer.status) || code === "storage_full") {
            if (maybe && !replayed && !DECIDED.includes(code)) answer.outcome = "unknown";
            return answer;
          }
          if (answer.status === 429)
            overloaded = 1000 * Number(response.headers.get("retry-after") ?? 0);
        }
      } catch (error) {
        if (!(error instanceof SynodError)) throw error;
        last = error;
        maybe ||= change && error.outcome === "unknown";
      }
      this.leave(endpoint);
      const ms = Math.max(wait / 2 + (Math.random() * wait) / 2, overloaded);
      if (deadline.left() <= ms)
        throw new SynodError(last.code, maybe ? "unknown" : "not_applied", last.detail);
      await pause(ms);
      wait = Math.min(wait * 2, 1_000);
    }
  }

  // The same, for answers that must be a 2xx.
  async call(method: string, target: string, body?: string | object, o: SendOptions = {}): Promise<Answer> {
    const json = typeof body === "object";
    const headers = json ? { "Content-Type": "application/json", ...o.headers } : o.headers;
    const answer = await this.send(method, target, json ? JSON.stringify(body) : (body as string | undefined),
                                   { ...o, headers });
    if (answer.status >= 300)
      throw new SynodError(answer.json.code ?? "internal", answer.outcome, answer.json.detail ?? "");
    return answer;
  }

  // Nodes.

  async get(path: string): Promise<{ node?: Json; revision: number }> {
    const answer = await this.send("GET", "/v1/kv" + encodePath(path));
    if (answer.status === 404) return { revision: answer.revision };
    if (answer.status !== 200) throw new SynodError(answer.json.code, "not_applied", answer.json.detail);
    return { node: answer.json, revision: answer.revision };
  }

  private static guards(o: WriteOptions): Record<string, string> {
    const headers: Record<string, string> = {};
    if (o.fences?.length) headers["Synod-Fence"] = fenceHeader(o.fences);
    if (o.ifRevision === 0) headers["If-None-Match"] = "*";
    else if (o.ifRevision !== undefined) headers["If-Match"] = `"${o.ifRevision}"`;
    return headers;
  }

  async put(path: string, value: string, o: WriteOptions = {}): Promise<Json> {
    const query = o.lease ? `?lease=${o.lease}` : "";
    return (await this.call("PUT", "/v1/kv" + encodePath(path) + query, value,
                            { headers: { "Content-Type": "application/octet-stream", ...Client.guards(o) } })).json;
  }

  async append(prefix: string, value: string): Promise<string> {
    return (await this.call("POST", "/v1/kv" + encodePath(prefix), value)).json.path;
  }

  async delete(path: string, o: WriteOptions = {}): Promise<Json> {
    return (await this.call("DELETE", "/v1/kv" + encodePath(path), undefined, { headers: Client.guards(o) })).json;
  }

  // Nothing below what does not exist.
  async list(path: string, scope: Scope = "children", limit = 0): Promise<{ nodes: Map<string, Json>; revision: number }> {
    const nodes = new Map<string, Json>();
    let after = "", revision = 0;
    for (;;) {
      let target = `/v1/kv${encodePath(path)}?list=${scope}`;
      if (limit) target += `&limit=${limit}`;
      if (after) target += `&after=${encodeURIComponent(after)}&at_revision=${revision}`;
      const answer = await this.send("GET", target);
      if (answer.status === 404 && nodes.size === 0) return { nodes, revision: answer.revision };
      if (answer.status !== 200) throw new SynodError(answer.json.code, "not_applied", answer.json.detail);
      revision = answer.json.revision;
      for (const node of answer.json.nodes) nodes.set(node.path, node);
      after = answer.json.next ?? "";
      if (!after || limit) return { nodes, revision };
    }
  }

  async txn(tests: object[], then: object[], otherwise: object[] = []): Promise<Json> {
    return (await this.call("POST", "/v1/txn", { if: tests, then, else: otherwise })).json;
  }

  // Registers a token, for a storage that cannot keep it; `fenced`: a higher one was.
  async raiseFence(path: string, token: number): Promise<number> {
    return (await this.call("POST", `/v1/fences${encodePath(path)}`, { token })).json.token;
  }

  watch(path: string, scope: Scope = "node", fromRevision?: number, deadline?: Moment): AsyncGenerator<Json> {
    return this.follow(`/v1/watch${encodePath(path)}?scope=${scope}`, fromRevision, deadline);
  }

  // Changes, over as many connections as it takes; ends at the deadline. Throws `compacted` when the
  // history at the resume point is gone: list anew.
  async *follow(target: string, fromRevision?: number, deadline?: Moment): AsyncGenerator<Json> {
    let seen = fromRevision === undefined ? undefined : fromRevision - 1;
    let wait = 20;
    while (!deadline || deadline.left() > 0) {
      const endpoint = this.first;
      const limit = new Limit();
      let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
      const end = () => {
        limit.end();
        reader?.cancel().catch(() => undefined); // and a read that waits is done
      };
      let timer: ReturnType<typeof setTimeout> | undefined;
      const arm = () => {
        clearTimeout(timer);
        timer = setTimeout(end, Math.max(1, Math.min(SILENCE_MS, deadline?.left() ?? SILENCE_MS)));
      };
      try {
        arm();
        const headers: Record<string, string> = { Accept: "application/x-ndjson" };
        if (seen !== undefined) headers["Last-Event-ID"] = `${seen}`;
        const response = await limit.of(fetch(this.endpoints[endpoint].replace(/\/$/, "") + target,
                                              { headers: { ...headers, ...this.who }, signal: limit.signal }));
        if (response.status !== 200) {
          const problem = (await limit.of(response.json())) as Json;
          if (!AGAIN.includes(response.status))
            throw new SynodError(problem.code ?? "internal", "not_applied", problem.detail);
        } else {
          reader = response.body!.getReader();
          const decoder = new TextDecoder();
          for (let text = ""; ; ) {
            const { done, value } = await reader.read();
            if (done) break;
            arm();
            text += decoder.decode(value, { stream: true });
            const lines = text.split("\n");
            text = lines.pop()!;
            for (const line of lines) {
              if (!line.trim()) continue;
              const message = JSON.parse(line);
              wait = 20;
              if (message.type === "compacted") throw new SynodError("compacted", "not_applied", "the history is gone");
              if (message.type === "denied") throw new SynodError("permission_denied", "not_applied", "withdrawn");
              if (message.type === "overflow") seen = message.resume_from - 1;
              else if (message.type === "created") seen ??= message.revision;
              else if (message.type === "progress") seen = Math.max(seen ?? 0, message.revision);
              else if (message.type === "change" && message.revision > (seen ?? -1)) {
                seen = message.revision;
                yield message;
              }
            }
          }
        }
      } catch (error) {
        if (error instanceof SynodError) throw error;
      } finally {
        clearTimeout(timer);
        end();
      }
      this.leave(endpoint);
      await pause(wait / 2 + (Math.random() * wait) / 2);
      wait = Math.min(wait * 2, 1_000);
    }
  }

  // Leases: all of them by one timer.

  keep(lease: Lease) {
    this.leases.add(lease);
    this.arm();
  }

  drop(lease: Lease) {
    this.leases.delete(lease);
    this.arm();
  }

  private arm() {
    clearTimeout(this.timer);
    if (this.leases.size === 0) return;
    const due = [...this.leases].map((lease) =>
      Math.min(lease.until.left(), this.renewing ? Infinity : lease.renewAt.left()));
    this.timer = setTimeout(() => this.tick(), Math.max(0, Math.min(...due)));
  }

  private tick() {
    for (const lease of [...this.leases]) if (!lease.alive) lease.lose();
    const batch = [...this.leases].filter((lease) => lease.renewAt.left() <= lease.ttlMs / 12).slice(0, 100);
    if (batch.length > 0 && !this.renewing) void this.renew(batch);
    this.arm();
  }

  private async renew(batch: Lease[]) {
    this.renewing = true;
    let answer: Answer | undefined;
    try {
      const ttl = Math.min(...batch.map((lease) => lease.ttlMs));
      const ms = Math.min(Math.max(ttl / 6, 100), 3_000);
      answer = await this.call("POST", "/v1/leases/keepalive", { ids: batch.map((lease) => lease.id) },
                               { keyed: false, timeoutMs: ms, attemptMs: ms });
    } catch {
      // The next round asks the next node.
    }
    this.renewing = false;
    const renewed = new Map<number, number>(
      (answer?.json.leases ?? []).map((lease: Json) => [lease.id, lease.remaining_ms]));
    const gone: number[] = answer?.json.not_found ?? [];
    for (const lease of batch) {
      const remaining = renewed.get(lease.id);
      // What was given up by the clock is not revived by a late answer.
      if (gone.includes(lease.id) || !lease.alive) {
        lease.lose();
      } else if (remaining !== undefined) {
        const until = safeUntil(answer!.sent, remaining, lease.ttlMs);
        if (until.left() > lease.until.left()) lease.until = until;
        lease.renewAt = answer!.sent.plus(lease.ttlMs / 3);
      } else {
        lease.renewAt = new Moment().plus(lease.ttlMs / 12);
      }
    }
    this.arm();
  }
}

export interface LeaseOptions {
  ttlMs?: number;
  name?: string;
  onLost?: () => void;
}

// Renewed in the background. `alive` turns false before the cluster can have ended it.
export class Lease {
  renewAt: Moment;
  private over = false;

  private constructor(private client: Client, readonly id: number, readonly ttlMs: number,
                      public until: Moment, sent: Moment, private onLost?: () => void) {
    this.renewAt = sent.plus(ttlMs / 3);
  }

  static async grant(client: Client, o: LeaseOptions = {}): Promise<Lease> {
    const ttl = o.ttlMs ?? 10_000;
    const answer = await client.call("POST", "/v1/leases", { ttl_ms: ttl, name: o.name ?? "" });
    const until = safeUntil(answer.sent, answer.json.remaining_ms, ttl);
    const lease = new Lease(client, answer.json.id, ttl, until, answer.sent, o.onLost);
    if (!lease.alive) throw new SynodError("lease_not_found", "unknown", "the grant came too late to be believed");
    client.keep(lease);
    return lease;
  }

  get alive(): boolean {
    return !this.over && this.until.left() > 0;
  }

  lose() {
    if (this.over) return;
    this.over = true;
    this.client.drop(this);
    this.onLost?.();
  }

  async revoke(): Promise<void> {
    this.over = true;
    this.client.drop(this);
    const answer = await this.client.send("DELETE", `/v1/leases/${this.id}`, undefined, { keyed: false });
    if (answer.status !== 200 && answer.status !== 404)
      throw new SynodError("internal", "unknown", "not revoked; it ends by itself");
  }
}

// One or several locks, or a leadership: as long as `held`.
export class Hold {
  constructor(private of: Lease, readonly fences: Fence[]) {}
  get token(): number {
    return this.fences[0].token;
  }
  get lease(): number {
    return this.of.id;
  }
  get held(): boolean {
    return this.of.alive;
  }
  release(): Promise<void> {
    return this.of.revoke();
  }
}

export interface HoldOptions {
  ttlMs?: number;
  value?: string;
  onLost?: () => void;
}

async function claim(client: Client, target: string, path: string, body: object, waitMs: number,
                     o: HoldOptions): Promise<Hold> {
  let granted = false;
  const onLost = () => {
    if (granted) o.onLost?.();
  };
  const lease = await Lease.grant(client, { ttlMs: o.ttlMs, name: path, onLost });
  try {
    const giveUp = new Moment().plus(waitMs);
    for (;;) {
      const left = Math.max(0, Math.floor(giveUp.left()));
      try {
        const answer = await client.call("POST", target, { ...body, lease: lease.id, wait_ms: Math.min(left, 86_400_000) },
                                         { keyed: false, timeoutMs: STEP_MS, attemptMs: STEP_MS });
        if (!lease.alive) break;
        granted = true; // from here on the loss is told to onLost, before it to the caller
        const holds = answer.json.holds ?? [{ lock: path, token: answer.json.token }];
        return new Hold(lease, holds.map((hold: Json) => ({ path: hold.lock, token: hold.token })));
      } catch (error) {
        const again = ["internal", "deadline_exceeded", "no_leader", "no_quorum", "not_ready", "shutting_down",
                       "overloaded", "request_timeout"];
        if (!(error instanceof SynodError) || !again.includes(error.code) || giveUp.left() < -10_000) throw error;
      }
      if (!lease.alive) break;
    }
    throw new SynodError("lease_not_found", "not_applied", "lost before it was known as held");
  } catch (error) {
    // With the lease goes the place, whatever is still under way.
    await lease.revoke().catch(() => undefined);
    throw error;
  }
}

export class Lock {
  constructor(private client: Client, private path: string, private options: HoldOptions = {},
              private mode: "exclusive" | "shared" = "exclusive", private limit = 1) {}
  acquire(waitMs = 0): Promise<Hold> {
    const body: Json = { mode: this.mode, value: this.options.value ?? "" };
    if (this.limit > 1) body.limit = this.limit;
    return claim(this.client, `/v1/locks${encodePath(this.path)}/acquire`, this.path, body, waitMs, this.options);
  }
}

export class RwLock {
  readonly read: Lock;
  readonly write: Lock;
  constructor(client: Client, path: string, options: HoldOptions = {}) {
    this.read = new Lock(client, path, options, "shared");
    this.write = new Lock(client, path, options);
  }
}

export class Semaphore extends Lock {
  constructor(client: Client, path: string, limit: number, options: HoldOptions = {}) {
    super(client, path, options, "exclusive", limit);
  }
}

export class MultiLock {
  constructor(private client: Client, private paths: string[], private options: HoldOptions = {}) {}
  acquire(waitMs = 0): Promise<Hold> {
    const locks = this.paths.map((path) => ({ path }));
    return claim(this.client, "/v1/locks", this.paths[0], { locks }, waitMs, this.options);
  }
}

export class Election {
  private target: string;
  constructor(private client: Client, private path: string, private options: HoldOptions = {}) {
    this.target = `/v1/elections${encodePath(path)}`;
  }
  campaign(waitMs = 0): Promise<Hold> {
    return claim(this.client, this.target + "/campaign", this.path, { value: this.options.value ?? "" }, waitMs,
                 this.options);
  }
  async proclaim(leadership: Hold, value: string): Promise<void> {
    await this.client.call("POST", this.target + "/proclaim", { token: leadership.token, value });
  }
  async transfer(leadership: Hold, to: number): Promise<void> {
    await this.client.call("POST", this.target + "/transfer", { token: leadership.token, to });
  }
  async leader(): Promise<Json> {
    return (await this.client.call("GET", this.target)).json.leader;
  }
  async *observe(deadline?: Moment): AsyncGenerator<Json> {
    for await (const message of this.client.follow(this.target + "/observe", undefined, deadline)) yield message.leader;
  }
}

const tooLate = (detail: string) => new SynodError("deadline_exceeded", "not_applied", detail);

export class Barrier {
  constructor(private client: Client, private path: string) {}
  async set(): Promise<void> {
    await this.client.put(this.path, "");
  }
  async remove(): Promise<void> {
    const answer = await this.client.send("DELETE", "/v1/kv" + encodePath(this.path));
    if (answer.status !== 200 && answer.status !== 404) throw new SynodError("internal", answer.outcome, "not removed");
  }
  async wait(timeoutMs: number): Promise<void> {
    const deadline = new Moment().plus(timeoutMs);
    const { node, revision } = await this.client.get(this.path);
    if (!node) return;
    for await (const change of this.client.watch(this.path, "node", revision + 1, deadline))
      if (change.events.some((event: Json) => event.type === "delete")) return;
    throw tooLate("waited in vain");
  }
}

export class DoubleBarrier {
  private members: string;
  private ready: string;
  private lease?: Lease;
  private place = "";
  constructor(private client: Client, path: string, private count: number, private options: LeaseOptions = {}) {
    this.members = path + "/members";
    this.ready = path + "/ready";
  }
  async enter(timeoutMs: number): Promise<void> {
    const deadline = new Moment().plus(timeoutMs);
    const lease = (this.lease = await Lease.grant(this.client, this.options));
    try {
      const create = { create: { path: this.members + "/m-", sequential: true, lease: lease.id } };
      const made = await this.client.txn([this.children("==", 0)], [{ delete: { path: this.ready } }, create], [create]);
      this.place = made.results.at(-1).create.path;
      const seen = await this.client.txn(
        [this.children(">", this.count - 1), { path: this.ready, target: "exists", op: "==", value: false }],
        [{ put: { path: this.ready } }], [{ get: { path: this.ready } }]);
      let inside = seen.succeeded || seen.results[0].get !== null;
      if (!inside)
        for await (const _ of this.client.watch(this.ready, "node", seen.revision + 1, deadline)) {
          inside = true;
          break;
        }
      if (!inside) throw tooLate("waited in vain");
      if (!lease.alive) throw new SynodError("lease_not_found", "not_applied", "the place was lost");
    } catch (error) {
      await lease.revoke().catch(() => undefined);
      throw error;
    }
  }
  async leave(timeoutMs: number): Promise<void> {
    const deadline = new Moment().plus(timeoutMs);
    const leave = { delete: { path: this.place } };
    await this.client.txn(
      [this.children("==", 1), { path: this.place, target: "exists", op: "==", value: true }],
      [leave, { delete: { path: this.ready } }], [leave]);
    await this.lease?.revoke();
    const { nodes, revision } = await this.client.list(this.members);
    const inside = new Set(nodes.keys());
    if (inside.size === 0) return;
    for await (const change of this.client.watch(this.members, "children", revision + 1, deadline)) {
      for (const event of change.events) {
        if (event.type === "put") inside.add(event.path);
        else inside.delete(event.path);
      }
      if (inside.size === 0) return;
    }
    throw tooLate("not all have left");
  }
  private children(op: string, value: number): object {
    return { path: this.members, target: "num_children", op, value };
  }
}

export class Counter {
  constructor(private client: Client, private path: string) {}
  async get(): Promise<number> {
    return Number(valueOf((await this.client.get(this.path)).node) || "0");
  }
  async add(delta: number, fences: Fence[] = []): Promise<number> {
    for (;;) {
      const { node } = await this.client.get(this.path);
      const sum = Number(valueOf(node) || "0") + delta;
      try {
        await this.client.put(this.path, `${sum}`, { ifRevision: node?.mod_revision ?? 0, fences });
        return sum;
      } catch (error) {
        if ((error as SynodError).code !== "precondition_failed") throw error;
      }
    }
  }
}

export class Queue {
  constructor(private client: Client, private path: string) {}
  put(item: string): Promise<string> {
    return this.client.append(this.path + "/item-", item);
  }
  async take(timeoutMs: number): Promise<string> {
    const deadline = new Moment().plus(timeoutMs);
    next: for (;;) {
      const { nodes, revision } = await this.client.list(this.path, "children", 1);
      for (const [path, node] of nodes) {
        try {
          await this.client.delete(path, { ifRevision: node.mod_revision });
          return valueOf(node);
        } catch (error) {
          if ((error as SynodError).code !== "precondition_failed") throw error;
        }
      }
      if (nodes.size > 0) continue;
      for await (const change of this.client.watch(this.path, "children", revision + 1, deadline))
        if (change.events.some((event: Json) => event.type === "put")) continue next;
      throw tooLate("nothing came");
    }
  }
}

export class Group {
  constructor(private client: Client, private path: string) {}
  async join(name: string, value = "", options: LeaseOptions = {}): Promise<Lease> {
    const lease = await Lease.grant(this.client, { name: `${this.path}/${name}`, ...options });
    try {
      await this.client.put(`${this.path}/${name}`, value, { lease: lease.id });
      return lease;
    } catch (error) {
      await lease.revoke().catch(() => undefined);
      throw error;
    }
  }
  async members(): Promise<Map<string, string>> {
    const { nodes } = await this.client.list(this.path);
    return new Map([...nodes].map(([path, node]) => [path.slice(path.lastIndexOf("/") + 1), valueOf(node)]));
  }
}

// What is below a path, kept up. `onEvent` is told of changes after the first list.
export class Cache {
  nodes = new Map<string, Json>();
  revision = 0;
  private closed = false;
  readonly ready: Promise<void>;
  constructor(private client: Client, private path: string,
              private onEvent?: (type: "put" | "delete", path: string, node?: Json) => void,
              private onLost?: (error: SynodError) => void) {
    this.ready = new Promise((done, failed) => void this.follow(done, failed));
  }
  close() {
    this.closed = true;
  }
  private async follow(ready: () => void, failed: (error: unknown) => void) {
    while (!this.closed) {
      try {
        const { nodes, revision } = await this.client.list(this.path, "subtree");
        const first = this.revision === 0;
        const old = this.nodes;
        this.nodes = nodes;
        this.revision = revision;
        if (!first) {
          for (const path of old.keys()) if (!nodes.has(path)) this.onEvent?.("delete", path);
          for (const [path, node] of nodes)
            if (old.get(path)?.mod_revision !== node.mod_revision) this.onEvent?.("put", path, node);
        }
        ready();
        for await (const change of this.client.watch(this.path, "subtree", revision + 1)) {
          if (this.closed) return;
          const events = change.events.filter((event: Json) => event.path !== this.path);
          for (const event of events) {
            if (event.type === "put") this.nodes.set(event.path, event.node);
            else this.nodes.delete(event.path);
          }
          this.revision = change.revision;
          for (const event of events) this.onEvent?.(event.type, event.path, event.node);
        }
      } catch (error) {
        const code = (error as SynodError).code;
        if (["permission_denied", "invalid_path", "unauthenticated"].includes(code)) {
          failed(error);
          this.onLost?.(error as SynodError);
          return;
        }
        if (code !== "compacted") await pause(500);
      }
    }
  }
}
