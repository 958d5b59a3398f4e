// Synod's recipes in one file, for Node 18 and later (also Deno and Bun), without dependencies.
//
// The protocol of each is in docs/recipes.md. One Client a process is enough; it renews all leases.
// Errors are SynodError with code, outcome and detail. Endpoints are http:// or, for nodes with TLS, https:// URLs; whom
// https believes is the runtime's to say (Node: NODE_EXTRA_CA_CERTS=ca.pem).
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
const PAUSE_MS = 20;
const STEP_MS = 3_000; // less than the 5 s after which a place without its client is withdrawn
const SILENCE_MS = 30_000; // a live stream says something every 10 s

export type Outcome = "not_applied" | "unknown";
export type Fence = { path: string; token: number };
export type Scope = "node" | "children" | "subtree";
type Json = any;

// May the same fare better if it is asked again? Nobody answered (0), overload, no leader.
export function mayPass(status: number, code: string): boolean {
  // Nobody makes room while a client waits.
  return [0, 408, 429, 500, 502, 503, 504].includes(status) && code !== "storage_full";
}

// `status`: of the answer that it comes from, or 0; `pauseMs`: how long to wait before another.
export class SynodError extends Error {
  constructor(readonly code: string, readonly outcome: Outcome, readonly detail = "", readonly status = 0,
              readonly pauseMs = PAUSE_MS) {
    super(`${code}: ${detail} (${outcome})`);
  }
  get mayPass(): boolean {
    return mayPass(this.status, this.code);
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

function objectOf(text: string): Json | undefined {
  try {
    const parsed = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null && !Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

// Runs what a user gave; the client lives on whatever it throws.
function tell(what: () => void) {
  try {
    what();
  } catch (error) {
    console.error(error);
  }
}

export class Answer {
  outcome: Outcome = "not_applied"; // of a refusal that of the whole call, all its attempts; else of what cannot be read
  private parsed: Json | undefined;
  constructor(readonly status: number, private headers: Headers, text: string, public sent: Moment) {
    this.parsed = objectOf(text);
  }
  get json(): Json {
    return this.parsed ?? {};
  }
  // Of a refusal, by which programs tell them apart; a proxy's is "internal".
  get code(): string {
    return this.status < 300 ? "" : (this.json.code ?? "internal");
  }
  get revision(): number {
    return Number(this.headers.get("synod-revision")) || 0;
  }
  get replayed(): boolean {
    return this.headers.get("synod-replayed") === "true";
  }
  // How long to wait at least before the same is asked again.
  get pauseMs(): number {
    const told = this.status === 429 ? Math.min(Number(this.headers.get("retry-after")) || 0, 60) : 0;
    return Math.max(1000 * told, PAUSE_MS);
  }
  error(detail?: string): SynodError {
    return new SynodError(this.code || "internal", this.outcome, detail ?? this.json.detail ?? `status ${this.status}`,
                          this.status, this.pauseMs);
  }
  // Itself, a 2xx of a node; throws the error that it is otherwise.
  ok(): Answer {
    if (this.status >= 300) throw this.error();
    if (!this.parsed) throw this.error("no JSON in the answer");
    return this;
  }
}

// All are https or none is: what is kept secret on the way to one would be said openly to another.
function parseEndpoints(urls: string[]): string[] {
  const parsed = urls.map((text) => {
    try {
      const url = new URL(text);
      const good = ["http:", "https:"].includes(url.protocol) && !url.username && !url.search && !url.hash;
      if (good && url.host && /^https?:\/\//i.test(text)) return url;
    } catch {
      // Said below.
    }
    throw new SynodError("invalid_request", "not_applied",
                         `'${text}' is no endpoint: http://HOST:PORT is one, https://HOST:PORT another`);
  });
  if (new Set(parsed.map((url) => url.protocol)).size !== 1)
    throw new SynodError("invalid_request", "not_applied",
                         "all endpoints are https or none is, and there is one at least");
  return parsed.map((url) => url.href.replace(/\/$/, ""));
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

  private endpoints: string[];
  private who: Record<string, string>; // shown with every request

  // `timeoutMs`: of every call that names none; attempts go on until then.
  constructor(endpoints: string[], private timeoutMs = 10_000, token?: string) {
    this.endpoints = parseEndpoints(endpoints);
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
      response = await limit.of(fetch(this.endpoints[endpoint] + target,
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
    return new Answer(response.status, response.headers, text, sent);
  }

  // An Answer, also of a refusal. Throws when time is up; `outcome` says what is known then.
  async send(method: string, target: string, body?: string, o: SendOptions = {}): Promise<Answer> {
    const change = method !== "GET";
    const keyed = o.keyed ?? change;
    const deadline = new Moment().plus(o.timeoutMs ?? this.timeoutMs);
    let key = "", notAfter = 0, maybe = false, wait = PAUSE_MS;
    let firstSent: Moment | undefined;
    for (;;) {
      const endpoint = this.first;
      let last = new SynodError("internal", "not_applied");
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
        const answer = await this.attempt(endpoint, method, target, headers, body, ms);
        // Nobody knows which attempt ran.
        if (answer.replayed) answer.sent = firstSent;
        if (answer.status < 300) {
          answer.outcome = change ? "unknown" : "not_applied";
          return answer;
        }
        if (answer.code === "request_expired" && keyed && !maybe) {
          key = ""; // nothing was ever applied under it
        } else {
          // Without a code it is no node that answers.
          const nobody = !answer.json.code && answer.status >= 500;
          maybe ||= change && (nobody || answer.json.outcome === "unknown");
          if (!mayPass(answer.status, answer.code)) {
            if (maybe && !answer.replayed && !DECIDED.includes(answer.code)) answer.outcome = "unknown";
            return answer;
          }
        }
        last = answer.error();
      } catch (error) {
        if (!(error instanceof SynodError)) throw error;
        last = error;
        maybe ||= change && error.outcome === "unknown";
      }
      this.leave(endpoint);
      const ms = Math.max(wait / 2 + (Math.random() * wait) / 2, last.pauseMs);
      if (deadline.left() <= ms)
        throw new SynodError(last.code, maybe ? "unknown" : "not_applied", last.detail, last.status, last.pauseMs);
      await pause(ms);
      wait = Math.min(wait * 2, 1_000);
    }
  }

  // The same, for answers that must be a 2xx.
  async call(method: string, target: string, body?: string | object, o: SendOptions = {}): Promise<Answer> {
    const json = typeof body === "object";
    const headers = json ? { "Content-Type": "application/json", ...o.headers } : o.headers;
    const text = json ? JSON.stringify(body) : (body as string | undefined);
    return (await this.send(method, target, text, { ...o, headers })).ok();
  }

  // Nodes.

  async get(path: string): Promise<{ node?: Json; revision: number }> {
    const answer = await this.send("GET", "/v1/kv" + encodePath(path));
    if (answer.code === "not_found") return { revision: answer.revision };
    return { node: answer.ok().json, revision: answer.revision };
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
      if (answer.code === "not_found" && nodes.size === 0) return { nodes, revision: answer.revision };
      revision = answer.ok().json.revision;
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
    let wait = PAUSE_MS;
    while (!deadline || deadline.left() > 0) {
      const endpoint = this.first;
      const limit = new Limit();
      let atLeast = 0;
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
        const response = await limit.of(fetch(this.endpoints[endpoint] + target,
                                              { headers: { ...headers, ...this.who }, redirect: "manual",
                                                signal: limit.signal }));
        if (response.status !== 200) {
          const text = await limit.of(response.text());
          const answer = new Answer(response.status, response.headers, text, new Moment());
          if (!mayPass(answer.status, answer.code)) throw answer.error();
          atLeast = answer.pauseMs;
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
              const message = objectOf(line);
              if (!message) continue;
              wait = PAUSE_MS;
              if (message.type === "compacted")
                throw new SynodError("compacted", "not_applied", "the history is gone", 410);
              if (message.type === "denied") throw new SynodError("permission_denied", "not_applied", "withdrawn", 403);
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
      const ms = Math.max(wait / 2 + (Math.random() * wait) / 2, atLeast);
      await pause(Math.max(0, Math.min(ms, deadline?.left() ?? ms)));
      wait = Math.min(wait * 2, 1_000);
    }
  }

  // Whether such a change came after that revision; if not, the history from there on is gone: look again. Throws at the
  // deadline.
  async awaitChange(path: string, scope: Scope, revision: number, deadline: Moment,
                    enough: (change: Json) => boolean = () => true): Promise<boolean> {
    try {
      for await (const change of this.watch(path, scope, revision + 1, deadline)) if (enough(change)) return true;
    } catch (error) {
      if ((error as SynodError).code !== "compacted") throw error;
      return false;
    }
    throw new SynodError("deadline_exceeded", "not_applied", "waited in vain");
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
    const renewed = new Map<number, number>();
    let sent = new Moment();
    let gone: number[] = [];
    try {
      const ttl = Math.min(...batch.map((lease) => lease.ttlMs));
      const ms = Math.min(Math.max(ttl / 6, 100), 3_000);
      const answer = await this.call("POST", "/v1/leases/keepalive", { ids: batch.map((lease) => lease.id) },
                                     { keyed: false, timeoutMs: ms, attemptMs: ms });
      sent = answer.sent;
      for (const lease of answer.json.leases) renewed.set(lease.id, lease.remaining_ms);
      gone = [...answer.json.not_found];
    } catch {
      // The next round asks the next node.
    }
    this.renewing = false;
    for (const lease of batch) {
      const remaining = renewed.get(lease.id);
      // What was given up by the clock is not revived by a late answer.
      if (gone.includes(lease.id) || !lease.alive) {
        lease.lose();
      } else if (remaining !== undefined) {
        const until = safeUntil(sent, remaining, lease.ttlMs);
        if (until.left() > lease.until.left()) lease.until = until;
        lease.renewAt = sent.plus(lease.ttlMs / 3);
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
    tell(() => this.onLost?.());
  }

  async revoke(): Promise<void> {
    this.over = true;
    this.client.drop(this);
    const answer = await this.client.send("DELETE", `/v1/leases/${this.id}`, undefined, { keyed: false });
    if (answer.code !== "lease_not_found") answer.ok();
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
        if (!(error instanceof SynodError) || !error.mayPass || giveUp.left() + 10_000 < error.pauseMs) throw error;
        await pause(error.pauseMs);
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

export class Barrier {
  constructor(private client: Client, private path: string) {}
  async set(): Promise<void> {
    await this.client.put(this.path, "");
  }
  async remove(): Promise<void> {
    const answer = await this.client.send("DELETE", "/v1/kv" + encodePath(this.path));
    if (answer.code !== "not_found") answer.ok();
  }
  async wait(timeoutMs: number): Promise<void> {
    const deadline = new Moment().plus(timeoutMs);
    const removes = (change: Json) => change.events.some((event: Json) => event.type === "delete");
    for (let removed = false; !removed; ) {
      const { node, revision } = await this.client.get(this.path);
      removed = !node || (await this.client.awaitChange(this.path, "node", revision, deadline, removes));
    }
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
      for (let inside = false; !inside; ) {
        const seen = await this.client.txn(
          [this.children(">", this.count - 1), { path: this.ready, target: "exists", op: "==", value: false }],
          [{ put: { path: this.ready } }], [{ get: { path: this.ready } }]);
        inside = seen.succeeded || seen.results[0].get !== null ||
                 (await this.client.awaitChange(this.ready, "node", seen.revision, deadline));
      }
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
    for (let left = false; !left; ) {
      const { nodes, revision } = await this.client.list(this.members);
      const inside = new Set(nodes.keys());
      const empties = (change: Json) => {
        for (const event of change.events) {
          if (event.type === "put") inside.add(event.path);
          else inside.delete(event.path);
        }
        return inside.size === 0;
      };
      left = inside.size === 0 ||
             (await this.client.awaitChange(this.members, "children", revision, deadline, empties));
    }
  }
  private children(op: string, value: number): object {
    return { path: this.members, target: "num_children", op, value };
  }
}

export class Counter {
  constructor(private client: Client, private path: string) {}
  async get(): Promise<number> {
    return (await this.read()).value;
  }
  private async read(): Promise<{ value: number; revision: number }> {
    const { node } = await this.client.get(this.path);
    const value = Number(valueOf(node) || "0");
    if (!Number.isSafeInteger(value))
      throw new SynodError("precondition_failed", "not_applied", `${this.path} holds no number`);
    return { value, revision: node?.mod_revision ?? 0 };
  }
  async add(delta: number, fences: Fence[] = []): Promise<number> {
    for (;;) {
      const { value, revision } = await this.read();
      const sum = value + delta;
      try {
        await this.client.put(this.path, `${sum}`, { ifRevision: revision, fences });
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
    const puts = (change: Json) => change.events.some((event: Json) => event.type === "put");
    for (;;) {
      const { nodes, revision } = await this.client.list(this.path, "children", 1);
      for (const [path, node] of nodes) {
        try {
          await this.client.delete(path, { ifRevision: node.mod_revision });
          return valueOf(node);
        } catch (error) {
          if ((error as SynodError).code !== "precondition_failed") throw error;
        }
      }
      if (nodes.size === 0) await this.client.awaitChange(this.path, "children", revision, deadline, puts);
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
    this.ready.catch(() => undefined); // who does not wait for it is told by onLost
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
          for (const path of old.keys()) if (!nodes.has(path)) tell(() => this.onEvent?.("delete", path));
          for (const [path, node] of nodes)
            if (old.get(path)?.mod_revision !== node.mod_revision) tell(() => this.onEvent?.("put", path, node));
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
          for (const event of events) tell(() => this.onEvent?.(event.type, event.path, event.node));
        }
      } catch (error) {
        // Anew; or the cluster is away, and comes back; or it was an answer that is none.
        const trouble = error instanceof SynodError ? error : new SynodError("internal", "not_applied", String(error));
        if (!["compacted", "internal"].includes(trouble.code) && !trouble.mayPass) {
          failed(trouble);
          tell(() => this.onLost?.(trouble));
          return;
        }
        if (trouble.code !== "compacted") await pause(Math.max(500, trouble.pauseMs));
      }
    }
  }
}
