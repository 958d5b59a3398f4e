// Every recipe of docs/recipes/synod.ts against a cluster; prints the name of each that holds.
import { Answer, Barrier, Cache, Client, Counter, DoubleBarrier, Election, Group, Lease, Lock, Moment, MultiLock, Queue,
         RwLock, Semaphore, SendOptions, SynodError, safeUntil } from "../../docs/recipes/synod.js";

declare const process: { argv: string[]; env: Record<string, string>; exit(code: number): never };
declare const gc: () => void;

const endpoints = process.env.SYNOD_ENDPOINTS.split(",");
// For machines that are busy with other tests, too.
const LONG_MS = 60_000;
// Node's fetch may forget its signal once garbage was collected (nodejs/undici#3644): it always is.
setInterval(gc, 20);
const client = new Client(endpoints, LONG_MS);
const other = new Client([...endpoints].reverse(), LONG_MS);

// Every acquire's answer comes when the lease is over; nothing is renewed.
class Late extends Client {
  private over = () => {};
  private readonly ended = new Promise<void>((done) => (this.over = done));
  async call(method: string, target: string, body?: string | object, o: SendOptions = {}): Promise<Answer> {
    if (target.endsWith("/keepalive")) throw new SynodError("internal", "unknown");
    const answer = await super.call(method, target, body, o);
    if (target.endsWith("/acquire")) await this.ended;
    return answer;
  }
  drop(lease: Lease) {
    super.drop(lease);
    this.over();
  }
}

function expect(condition: boolean, what: string) {
  if (!condition) throw new Error(what);
}

async function errorOf(act: Promise<unknown>): Promise<SynodError> {
  try {
    await act;
  } catch (error) {
    if (error instanceof SynodError) return error;
    throw error;
  }
  throw new Error("no SynodError");
}
async function refused(code: string, act: Promise<unknown>) {
  const error = await errorOf(act);
  expect(error.code === code, String(error));
}
async function fails(outcome: string, act: Promise<unknown>) {
  const error = await errorOf(act);
  expect(error.outcome === outcome, String(error));
}

// No answer, or one of this status and with this code.
type Step = "lost" | [status: number, code?: string, replayed?: "replayed"];

// Nodes that answer to each of some targets what `script` has, one after the other, the last for ever; what they were
// asked, and when.
type Reply = [status: number, body: object | string, headers?: Record<string, string>];
async function withNodes(script: Record<string, Reply[]>, act: (asked: [target: string, at: number][]) => Promise<void>) {
  const real = globalThis.fetch;
  const asked: [string, number][] = [];
  const all: Record<string, Reply[]> = {
    "/v1/settings": [[200, {}]],
    "/v1/leases": [[201, { id: 7, remaining_ms: 6_000 }]],
    "/v1/leases/7": [[200, {}]],
    "/v1/leases/keepalive": [[200, RENEWED]],
    ...script,
  };
  globalThis.fetch = async (target) => {
    const path = new URL(String(target)).pathname;
    asked.push([path, performance.now()]);
    const steps = all[path];
    const [status, body, headers] = steps.length > 1 ? steps.shift()! : steps[0];
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return new Response(text, { status, headers: { "Synod-Time": "1000", ...headers } });
  };
  try {
    await act(asked);
  } finally {
    globalThis.fetch = real;
  }
}
const RENEWED = { leases: [{ id: 7, remaining_ms: 6_000 }], not_found: [] };
const HELD = { lock: "/a", token: 12, lease: 7 };
const lonely = () => new Client(["http://nobody:1"], LONG_MS);

// What becomes of a change whose attempts end as the script says.
async function outcomeOf(script: Step[]): Promise<string> {
  const real = globalThis.fetch;
  globalThis.fetch = async (target, o) => {
    if (String(target).endsWith("/v1/settings"))
      return new Response("{}", { headers: { "Synod-Time": "1000" } });
    const step = script.shift()!;
    if (step === "lost") throw new Error("it broke");
    const [status, code, replayed] = step;
    // As fetch does: what followed a redirect would be taken for the answer.
    if (status === 302 && o?.redirect !== "manual") return new Response("{}", { status: 200 });
    const body = code ? JSON.stringify({ code, outcome: "not_applied" }) : "<html>";
    return new Response(body, { status, headers: replayed ? { "Synod-Replayed": "true" } : {} });
  };
  try {
    await new Client(["http://nobody:1"], 1_000).put("/a", "x");
    return "applied";
  } catch (error) {
    return (error as SynodError).outcome;
  } finally {
    globalThis.fetch = real;
  }
}

const checks: Record<string, () => Promise<void>> = {
  async outcomes() {
    // What an attempt that got no answer has left unknown, only the record of its key decides.
    const rows: [string, Step[]][] = [
      ["not_applied", [[413, "too_large"]]],
      ["unknown", ["lost", [413, "too_large"]]],
      ["unknown", ["lost", [404, "not_found"]]],
      ["unknown", ["lost", [404]]],
      ["not_applied", [[302]]],
      ["unknown", ["lost", [302]]],
      ["unknown", ["lost", [403, "permission_denied"]]],
      ["unknown", ["lost", [503, "storage_full"]]],
      ["unknown", [[502], [404]]],
      ["unknown", [[501]]],
      ["not_applied", [[501, "not_implemented"]]],
      ["not_applied", ["lost", [412, "precondition_failed"]]],
      ["not_applied", ["lost", [404, "not_found", "replayed"]]],
      ["unknown", ["lost", [201]]],
      ["applied", ["lost", [201, "none"]]],
    ];
    for (const [outcome, script] of rows) {
      const what = JSON.stringify(script);
      const got = await outcomeOf(script);
      expect(got === outcome, `${what}: ${got}`);
    }
  },
  // A proxy answers, as if it were a node.
  async strange_answers() {
    const html: Reply = [200, "<html>"];
    const script: Record<string, Reply[]> = {
      "/v1/kv/a": [html], "/v1/kv/b": [[404, "<html>"]], "/v1/kv/c": [[403, "null"]],
      "/v1/kv/d": [[200, { value: "many", mod_revision: 2 }]],
      "/v1/kv/e": [[429, "", { "Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT" }], [200, { path: "/e" }]],
      "/v1/leases/keepalive": [html, [200, "null"], [200, { leases: 1 }], [200, RENEWED], html],
    };
    await withNodes(script, async (asked) => {
      const mine = lonely();
      let lost = () => {};
      const over = new Promise<void>((done) => (lost = done));
      const lease = await Lease.grant(mine, { ttlMs: 6_000, onLost: () => {
        lost();
        throw new Error("a bug of the user's");
      } });
      await fails("unknown", mine.put("/a", "x"));
      await fails("not_applied", mine.get("/a"));
      await refused("internal", mine.get("/b"));
      await refused("internal", mine.list("/b"));
      await refused("internal", new Barrier(mine, "/b").remove());
      await refused("internal", mine.put("/c", "x"));
      await refused("internal", mine.follow("/v1/kv/b").next());
      await refused("precondition_failed", new Counter(mine, "/d").get());
      await mine.put("/e", "x");
      const renewals = () => asked.filter(([target]) => target === "/v1/leases/keepalive").length;
      while (renewals() < 5) {
        expect(lease.alive, "alive");
        await new Promise((done) => setTimeout(done, 20));
      }
      // Renewed by one of five only; and by none from here on.
      expect(lease.alive, "alive still");
      await over;
      expect(!lease.alive, "lost");
    });
  },
  async claims() {
    const acquire = "/v1/locks/a/acquire";
    // What passes is asked again, when the node says; the place is kept by the lease.
    for (const code of ["rate_limited", "overloaded"])
      await withNodes({ [acquire]: [[429, { code }, { "Retry-After": "4" }], [200, HELD]] }, async (asked) => {
        const hold = await new Lock(lonely(), "/a", { ttlMs: 6_000 }).acquire(LONG_MS);
        await hold.release();
        const [first, second] = asked.filter(([target]) => target === acquire).map(([, at]) => at);
        expect(hold.token === 12 && second - first >= 3_990, `after ${second - first} ms`);
      });
    // All else ends the wait, at once.
    const rows: [string, Reply][] = [
      ["storage_full", [503, { code: "storage_full" }]], ["not_implemented", [501, { code: "not_implemented" }]],
      ["internal", [302, ""]], ["internal", [404, "<html>"]], ["internal", [200, "<html>"]],
    ];
    for (const [code, answer] of rows)
      await withNodes({ [acquire]: [answer] }, async (asked) => {
        await refused(code, new Lock(lonely(), "/a", { ttlMs: 6_000 }).acquire(LONG_MS));
        const targets = asked.map(([target]) => target);
        expect(targets.filter((target) => target === acquire).length === 1, `${code}: ${targets}`);
        expect(targets.at(-1) === "/v1/leases/7", `${code}: ${targets}`);
      });
  },
  async endpoints() {
    const lists = [["localhost:7301"], ["127.0.0.1:7301"], ["ftp://localhost:7301"], ["http://"], ["http:localhost:7301"],
                   ["http://localhost:many"], ["http://localhost:7301/?a"], [],
                   ["http://localhost:7301", "https://localhost:7311"]];
    for (const list of lists) await refused("invalid_request", (async () => new Client(list))());
    const real = globalThis.fetch;
    const asked: string[] = [];
    globalThis.fetch = async (target) => {
      asked.push(String(target));
      return new Response("{}", { headers: { "Synod-Time": "1000" } });
    };
    await new Client(["https://localhost:7301/"]).get("/a");
    globalThis.fetch = real;
    expect(asked.join() === "https://localhost:7301/v1/kv/a", asked.join());
  },
  async tls() {
    // By names that the compiler does not follow: it has no types of Node's.
    const load = (module: string) => import(module);
    const { createServer } = await load("node:https");
    const { readFileSync } = await load("node:fs");
    const read = (variable: string) => readFileSync(process.env[variable]);
    const tokens: string[] = [];
    const node = async (cert: string, key: string) => {
      const server = createServer({ cert: read(cert), key: read(key) }, (request: any, response: any) => {
        tokens.push(request.headers.authorization);
        response.setHeader("Synod-Time", "1000");
        const watches = request.url.startsWith("/v1/watch");
        response.end(JSON.stringify(watches ? { type: "change", revision: 3, events: [] } : { path: "/a" }) + "\n");
      });
      await new Promise<void>((done) => server.listen(0, "localhost", done));
      return server;
    };
    const urlOf = (server: any) => `https://localhost:${server.address().port}`;
    const believed = await node("SYNOD_TEST_CERT", "SYNOD_TEST_KEY");
    const mine = new Client([urlOf(believed)], LONG_MS, "secret");
    await mine.put("/a", "x");
    expect((await mine.watch("/a").next()).value.revision === 3, "watched");
    const seen = tokens.length;
    expect(seen >= 3 && tokens.every((token) => token === "Bearer secret"), tokens.join());
    // Signed by nobody whom NODE_EXTRA_CA_CERTS names.
    const stranger = await node("SYNOD_TEST_STRANGERS_CERT", "SYNOD_TEST_STRANGERS_KEY");
    await fails("not_applied", new Client([urlOf(stranger)], 1_000, "secret").put("/a", "x"));
    expect(tokens.length === seen, "a stranger heard a token");
    for (const server of [believed, stranger]) server.close();
  },
  // The history is gone while somebody waits: looks again.
  async compacted() {
    const gone: Reply = [200, '{"type":"compacted","compact_revision":9}\n'];
    const none = { nodes: [], revision: 2 }, one = { path: "/q/1", value: "x", mod_revision: 11 };
    const waits = { succeeded: false, revision: 2, results: [{ get: null }] };
    const script: Record<string, Reply[]> = {
      "/v1/kv/b": [[200, { value: "", mod_revision: 2 }], [404, { code: "not_found" }]],
      "/v1/watch/b": [gone], "/v1/watch/q": [gone], "/v1/watch/d/ready": [gone], "/v1/watch/d/members": [gone],
      "/v1/kv/q": [[200, none], [200, { nodes: [one], revision: 11 }]],
      "/v1/kv/q/1": [[200, { deleted: 1 }]],
      "/v1/txn": [[200, { succeeded: true, revision: 2, results: [{ create: { path: "/d/members/m-1" } }] }],
                  [200, waits], [200, { ...waits, results: [{ get: {} }] }], [200, { succeeded: true }]],
      "/v1/kv/d/members": [[200, { nodes: [one], revision: 2 }], [200, none]],
    };
    await withNodes(script, async () => {
      await new Barrier(lonely(), "/b").wait(LONG_MS);
      expect((await new Queue(lonely(), "/q").take(LONG_MS)) === "x", "taken");
      const together = new DoubleBarrier(lonely(), "/d", 2, { ttlMs: 6_000 });
      await together.enter(LONG_MS);
      await together.leave(LONG_MS);
    });
  },
  // It outlives what its user's function throws, and tells what ended it.
  async a_cache_of_much_trouble() {
    const nodes = { nodes: [{ path: "/a/b", value: "x", mod_revision: 2 }], revision: 2 };
    const gone = { type: "change", revision: 3, events: [{ type: "delete", path: "/a/b" }] };
    const script: Record<string, Reply[]> = {
      "/v1/kv/a": [[501, "<html>"], [200, "null"], [200, { nodes: 1 }], [200, nodes]],
      "/v1/watch/a": [[200, JSON.stringify(gone) + "\n"], [429, { code: "rate_limited" }, { "Retry-After": "1" }],
                      [200, '{"type":"denied"}\n']],
    };
    await withNodes(script, async () => {
      const told: string[] = [];
      let lost = (_: SynodError) => {};
      const over = new Promise<SynodError>((done) => (lost = done));
      const onEvent = (type: string, path: string) => {
        told.push(`${type} ${path}`);
        throw new Error("a bug of the user's");
      };
      const cache = new Cache(lonely(), "/a", onEvent, lost);
      expect((await over).code === "permission_denied", "denied");
      expect(told.join() === "delete /a/b" && cache.nodes.size === 0, told.join());
    });
    // Nobody waits for `ready`: that it is refused ends no process.
    await withNodes({ "/v1/kv/a": [[403, { code: "permission_denied" }]] }, async () => {
      await new Promise<SynodError>((lost) => new Cache(lonely(), "/a", undefined, lost));
    });
  },
  async lock() {
    const hold = await new Lock(client, "/ts/lock", { value: "me" }).acquire(LONG_MS);
    expect(hold.held, "held");
    await client.put("/ts/data", "x", { fences: hold.fences });
    await refused("lock_unavailable", new Lock(other, "/ts/lock").acquire());
    const waiting = new Lock(other, "/ts/lock").acquire(LONG_MS);
    await hold.release();
    const second = await waiting;
    expect(second.token > hold.token && !hold.held, "the second token is higher");
    await refused("fenced", client.put("/ts/data", "late", { fences: hold.fences }));
    expect((await client.raiseFence("/ts/bucket", second.token)) === second.token, "raised");
    await refused("fenced", other.raiseFence("/ts/bucket", hold.token));
    await second.release();
  },
  async rw_lock() {
    const rw = new RwLock(client, "/ts/rw");
    const readers = [await rw.read.acquire(LONG_MS), await rw.read.acquire(LONG_MS)];
    await refused("lock_unavailable", rw.write.acquire());
    for (const reader of readers) await reader.release();
    await (await rw.write.acquire(LONG_MS)).release();
  },
  async semaphore() {
    const licences = new Semaphore(client, "/ts/licences", 2);
    const held = [await licences.acquire(), await licences.acquire()];
    await refused("lock_unavailable", licences.acquire());
    await held[0].release();
    await (await licences.acquire(LONG_MS)).release();
    await held[1].release();
  },
  async multi_lock() {
    const part = await new Lock(other, "/ts/b").acquire(LONG_MS);
    await refused("lock_unavailable", new MultiLock(client, ["/ts/a", "/ts/b"]).acquire());
    await part.release();
    const hold = await new MultiLock(client, ["/ts/a", "/ts/b"]).acquire(LONG_MS);
    expect(hold.fences.length === 2, "two fences");
    await client.put("/ts/data", "both", { fences: hold.fences });
    await hold.release();
  },
  async election() {
    const mine = new Election(client, "/ts/leader", { value: "a" });
    const seen = new Election(other, "/ts/leader").observe(new Moment().plus(LONG_MS));
    const next = async () => (await seen.next()).value?.value;
    expect((await next()) === undefined, "nobody leads");
    const leadership = await mine.campaign(LONG_MS);
    await mine.proclaim(leadership, "a again");
    const waiting = new Election(other, "/ts/leader", { value: "b" }).campaign(LONG_MS);
    expect((await next()) === "a" && (await next()) === "a again", "seen");
    await leadership.release();
    const following = await waiting;
    await refused("fenced", mine.proclaim(leadership, "late"));
    expect((await mine.leader()).token === following.token, "the next leads");
    await following.release();
  },
  async barrier() {
    const sign = new Barrier(client, "/ts/sign");
    await sign.set();
    await refused("deadline_exceeded", new Barrier(other, "/ts/sign").wait(300));
    const waiting = new Barrier(other, "/ts/sign").wait(LONG_MS);
    await sign.remove();
    await waiting;
  },
  async double_barrier() {
    const here = new DoubleBarrier(client, "/ts/both", 2), there = new DoubleBarrier(other, "/ts/both", 2);
    for (let round = 0; round < 2; ++round) {
      await Promise.all([here.enter(LONG_MS), there.enter(LONG_MS)]);
      await Promise.all([here.leave(LONG_MS), there.leave(LONG_MS)]);
    }
    await refused("deadline_exceeded", here.enter(300));
  },
  async counter() {
    const add = async (by: Client) => {
      for (let i = 0; i < 20; ++i) await new Counter(by, "/ts/n").add(1);
    };
    await Promise.all([add(client), add(other)]);
    expect((await new Counter(client, "/ts/n").get()) === 40, "all are counted");
  },
  async work_queue() {
    const jobs = new Queue(client, "/ts/jobs");
    const first = new Queue(other, "/ts/jobs").take(LONG_MS);
    for (const item of ["a", "b", "c"]) await jobs.put(item);
    expect((await first) === "a" && (await jobs.take(LONG_MS)) === "b", "in order");
    expect((await jobs.take(LONG_MS)) === "c", "in order");
    await refused("deadline_exceeded", jobs.take(300));
  },
  async group_and_cache() {
    const events: string[] = [];
    let told = () => {};
    const cache = new Cache(other, "/ts/group", (type, path) => {
      events.push(`${type} ${path}`);
      told();
    });
    await cache.ready;
    const group = new Group(client, "/ts/group");
    const one = await group.join("one", "10.0.0.1");
    await group.join("two", "10.0.0.2");
    expect((await group.members()).get("one") === "10.0.0.1", "a member");
    await one.revoke();
    while (events.length < 3) await new Promise<void>((done) => (told = done));
    expect(events.join() === "put /ts/group/one,put /ts/group/two,delete /ts/group/one", events.join());
    expect([...cache.nodes.keys()].join() === "/ts/group/two", "the cache follows");
    cache.close();
  },
  async late_grant() {
    // What was lost before its grant was heard of is no hold, and nobody is told of its loss.
    let losses = 0;
    const lost = new Lock(new Late(endpoints, LONG_MS), "/ts/late", { ttlMs: 1_000, onLost: () => ++losses });
    await refused("lease_not_found", lost.acquire());
    expect(losses === 0, "not held, not lost");
  },
  async loss() {
    // The cluster ends the lease: told once, and not claimed any more.
    let losses = 0, told = () => {};
    const lost = new Promise<void>((done) => (told = done));
    const onLost = () => {
      ++losses;
      told();
    };
    const hold = await new Lock(client, "/ts/lost", { onLost }).acquire(LONG_MS);
    await other.send("DELETE", `/v1/leases/${hold.lease}`);
    await lost;
    expect(!hold.held && losses === 1, "lost once");
    // A wall clock or a steady clock that has come so far ends the belief, whichever does.
    const until = safeUntil(new Moment(100, 1_000), 10_000, 10_000);
    expect(until.steady === 9_500 && until.wall === 10_400, "less drift and margin");
    expect(new Moment(performance.now() + 9_000, Date.now() - 1).left() < 0, "by the wall clock");
    expect(new Moment(performance.now() - 1, Date.now() + 9_000).left() < 0, "by the steady clock");
  },
};

const { argv } = process;
for (const [name, check] of Object.entries(checks)) {
  if (argv.length > 2 && !argv.includes(name)) continue;
  await check();
  console.log(name);
}
process.exit(0);
