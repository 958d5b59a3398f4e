/* The core of Synod's consensus for the model checker spin: is one value ever decided for a slot,
 * whatever the order, delay and loss of messages?
 *
 * Nodes        Four. Nodes 0, 1 and 2 vote; node 3 waits to replace node 2. A ballot is one campaign
 *              of the node that owns it; nodes 0 and 2 propose.
 * Values       The number of the ballot that first proposed it, or CFG: the one change of the voters,
 *              in force for the slots above its own. A majority of the old voters and one of the new
 *              need not meet.
 * Messages     No queues: what was sent stays. A proposal may be accepted at any later moment or
 *              never, a vote counted at any later moment or never. A promise is counted when it is
 *              made, or lost: a candidate does nothing else meanwhile.
 * Restart      To others it is a leader that does nothing any more, since what a node tells them is
 *              durable before. Once a run a node loses promise, votes and what it learned: it never
 *              votes again.
 * Checked      Nobody decides another value for a slot than somebody else did.
 * Not here     Progress (elections, stickiness, hand-over), snapshots, a second change, the votes of
 *              learners, values lost before they are durable (the simulator has all of these).
 *
 * Every macro NO_... takes one rule away and must give a counterexample: CMakeLists.txt.
 */
#ifndef BALLOTS
#define BALLOTS 3
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#define NODES 4
#define CFG 9

/* Sets of nodes are bits. */
#define OLD 7  /* nodes 0, 1 and 2 */
#define NEW 11 /* nodes 0, 1 and 3 */
#define BIT(n) (1 << (n))
#define COUNT(m) (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1) + (((m) >> 3) & 1))
#define MAJORITY(m) (COUNT(m) >= 2) /* of three voters, before and after the change */
#define MAX(x, y) ((x) > (y) -> (x) : (y))

#define OWNER(b) ((b) == 2 -> 2 : 0)

typedef Row {
  byte at[SLOTS]
}

/* A node; all of it is on disk. Votes stand at the slots from `learned` on; those below are known
 * to be chosen. A vote is the ballot in which it was given: its value is proposal[ballot]. */
byte promised[NODES];
byte learned[NODES];
Row vote[NODES];
byte quarantined;
bool wiped;

/* A ballot. `done` counts the slots that its leader knows to be chosen; it is the commit it sends. */
mtype = { idle, prepare, lead, over };
mtype phase[BALLOTS + 1] = idle;
byte base[BALLOTS + 1];  /* the first slot that is not chosen as far as was told */
byte done[BALLOTS + 1];
byte told[BALLOTS + 1];  /* who promised; behind a change: who promised again */
byte gate[BALLOTS + 1];  /* 0, or the slot above a change, where the leader waits */
Row bound[BALLOTS + 1];  /* the highest ballot in which a vote was reported */
Row proposal[BALLOTS + 1];
Row votes[BALLOTS + 1];

byte decided[SLOTS];
hidden byte t, n, f; /* within one step */

/* What the log of ballot b's leader has at slot x, and so: is the change in force there? */
#define LOG(b, x) (proposal[b].at[x] != 0 -> proposal[b].at[x] : decided[x])
#if SLOTS == 2
#define CHANGED(x) ((x) > 0 && decided[0] == CFG)
#define CHANGED_IN_LOG(b, x) ((x) > 0 && LOG(b, 0) == CFG)
#else
#define CHANGED(x) (((x) > 0 && decided[0] == CFG) || ((x) > 1 && decided[1] == CFG))
#define CHANGED_IN_LOG(b, x) (((x) > 0 && LOG(b, 0) == CFG) || ((x) > 1 && LOG(b, 1) == CFG))
#endif
#define VOTERS(x) (CHANGED(x) -> NEW : OLD)

#ifdef NO_BARRIER
/* The leader pipelines over a change and counts all its slots by the voters it began with. */
#define VOTERS_OF(b, x) VOTERS(base[b])
#else
#define VOTERS_OF(b, x) (CHANGED_IN_LOG(b, x) -> NEW : OLD)
#endif

#define FIRST_OPEN(b) MAX(base[b], learned[OWNER(b)])
#ifdef NO_REEVALUATION
byte asked[BALLOTS + 1]; /* the voters whose majority lets the candidate lead */
#define PROMISERS(b) asked[b]
#else
#define PROMISERS(b) VOTERS(FIRST_OPEN(b))
#endif

/* Leads, as far as it knows. */
#define LEADS(i) (promised[i] != 0 && OWNER(promised[i]) == i && phase[promised[i]] == lead)
#define MAY_VOTE(i) ((quarantined & BIT(i)) == 0)
/* A leader or candidate whose own acceptor promised another ballot has stepped down. */
#define ACTIVE(b) (promised[OWNER(b)] == b)

#if SLOTS == 2
#define CLEAR(row) row.at[0] = 0; row.at[1] = 0
#else
#define CLEAR(row) row.at[0] = 0; row.at[1] = 0; row.at[2] = 0
#endif

/* Nobody counts for the ballot any more; its proposals and its commit may still be under way. */
inline End(x) {
  phase[x] = over;
  base[x] = 0;
  told[x] = 0;
  gate[x] = 0;
  CLEAR(bound[x]);
  CLEAR(votes[x])
}

inline Raise(i, b) {
  t = 1;
  do
  :: t < b ->
    if
    :: OWNER(t) == i && promised[i] == t -> End(t)
    :: else
    fi;
    t++
  :: else -> break
  od;
  promised[i] = b
}

inline Learn(i, upto) {
  t = learned[i];
  do
  :: t < upto ->
    vote[i].at[t] = 0;
    t++
  :: else -> break
  od;
  learned[i] = MAX(learned[i], upto)
}

/* Node i tells ballot b of its votes from slot x on. */
inline Report(i, b, x) {
  t = x;
  do
  :: t < SLOTS ->
#ifdef NO_HIGHEST_VOTE
    bound[b].at[t] = (vote[i].at[t] != 0 -> vote[i].at[t] : bound[b].at[t]);
#else
    bound[b].at[t] = MAX(bound[b].at[t], vote[i].at[t]);
#endif
    t++
  :: else -> break
  od;
  t = 0
}

inline Decide(x, value) {
  assert(decided[x] == 0 || decided[x] == value);
  decided[x] = value
}

/* Ballot b proposes from slot x on: what is bound, else a value of its own, or the change, above
 * which it stops. To propose at once loses nothing: nobody need accept at once. */
inline Propose(b, x) {
  s = x;
  do
  :: s < SLOTS ->
    if
    :: bound[b].at[s] != 0 -> proposal[b].at[s] = proposal[bound[b].at[s]].at[s]
    :: bound[b].at[s] == 0 -> proposal[b].at[s] = b
    :: bound[b].at[s] == 0 && s < SLOTS - 1 && !CHANGED_IN_LOG(b, s) -> proposal[b].at[s] = CFG
    fi;
    bound[b].at[s] = 0;
#ifndef NO_BARRIER
    if
    :: proposal[b].at[s] == CFG && !CHANGED_IN_LOG(b, s) ->
      gate[b] = s + 1;
      break
    :: else
    fi;
#endif
    s++
  :: else -> break
  od;
  s = 0
}

/* Ballot b, of its owner o. */
proctype Leader(byte b; byte o) {
  byte s;
end:
  do
  /* Campaigns, if it votes in its own configuration. Its own promise is durable before anybody
   * hears of the ballot. */
  :: d_step {
      phase[b] == idle && promised[o] < b && MAY_VOTE(o) &&
      (VOTERS(learned[o]) & BIT(o)) != 0 ->
      Raise(o, b);
      phase[b] = prepare;
      base[b] = learned[o];
#ifdef NO_REEVALUATION
      asked[b] = VOTERS(base[b]);
#endif
      told[b] = BIT(o);
      Report(o, b, base[b])
    }
  /* Has a majority: fetches what is chosen and proposes the rest. */
  :: atomic {
      phase[b] == prepare && ACTIVE(b) && MAJORITY(told[b] & PROMISERS(b)) ->
      d_step {
        phase[b] = lead;
        told[b] = 0;
        base[b] = FIRST_OPEN(b);
        done[b] = base[b];
        Learn(o, base[b])
      };
      Propose(b, base[b])
    }
  /* Counts the votes of its next slot. */
  :: d_step {
      phase[b] == lead && ACTIVE(b) && done[b] < SLOTS && proposal[b].at[done[b]] != 0 &&
      MAJORITY(votes[b].at[done[b]] & VOTERS_OF(b, done[b])) ->
      Decide(done[b], proposal[b].at[done[b]]);
      votes[b].at[done[b]] = 0;
      done[b] = done[b] + 1;
      Learn(o, done[b])
    }
  /* The change is chosen, a majority of the new voters promised again, and one has it on disk. */
  :: atomic {
      phase[b] == lead && ACTIVE(b) && gate[b] != 0 && done[b] >= gate[b] &&
#ifndef NO_NEW_PREPARE
      MAJORITY(told[b] & NEW) &&
#endif
      (learned[0] >= gate[b]) + (learned[1] >= gate[b]) + (learned[3] >= gate[b]) >= 2 ->
      gate[b] = 0;
      told[b] = 0;
      Propose(b, done[b])
    }
  od
}

#define ASKED(voters) \
  (MAY_VOTE(i) && promised[i] <= b && ACTIVE(b) && ((voters) & BIT(i) & ~told[b]) != 0)

#ifdef NO_RAISE_ON_ACCEPT
#define RAISE_ON_ACCEPT
#else
#define RAISE_ON_ACCEPT Raise(i, b);
#endif

/* The proposal of slot x. Where the value is known to be chosen the answer needs no write; another
 * value there is one of an older ballot, which nobody waits for. */
#define ACCEPT(x)                                                                              \
  d_step {                                                                                     \
    proposal[b].at[x] != 0 && MAY_VOTE(i) && promised[i] <= b && vote[i].at[x] != b &&         \
    (x >= learned[i] || decided[x] == proposal[b].at[x]) &&                                    \
    (VOTERS_OF(b, x) & BIT(i)) != 0 ->                                                         \
    RAISE_ON_ACCEPT                                                                            \
    if                                                                                         \
    :: x >= learned[i] -> vote[i].at[x] = b                                                    \
    :: else                                                                                    \
    fi;                                                                                        \
    if                                                                                         \
    :: phase[b] == lead && x >= done[b] -> votes[b].at[x] = votes[b].at[x] | BIT(i)            \
    :: else                                                                                    \
    fi                                                                                         \
  }

/* What node i makes of the messages of ballot b. */
proctype Link(byte i; byte b) {
end:
  do
  /* Promises; the answer is lost. */
  :: d_step { phase[b] == prepare && ASKED(PROMISERS(b)) && promised[i] < b -> Raise(i, b) }
  :: d_step {
      phase[b] == prepare && ASKED(PROMISERS(b)) ->
      Raise(i, b);
      told[b] = told[b] | BIT(i);
      base[b] = MAX(base[b], learned[i]);
      Report(i, b, learned[i])
    }
  /* Promises again, for the slots above the change. What it reports as chosen the leader fetches. */
  :: d_step {
      phase[b] == lead && gate[b] != 0 && done[b] >= gate[b] && ASKED(NEW) ->
      Raise(i, b);
      told[b] = told[b] | BIT(i);
#ifndef NO_LEARNED_IN_NEW_PREPARE
      done[b] = MAX(done[b], learned[i]);
      n = OWNER(b);
      Learn(n, done[b]);
#endif
      f = MAX(gate[b], learned[i]);
      Report(i, b, f)
    }
  :: ACCEPT(0)
  :: ACCEPT(1)
#if SLOTS > 2
  :: ACCEPT(2)
#endif
  /* Learns from the commit: only the vote of that very ballot is what was chosen. */
  :: d_step {
      promised[i] == b && MAY_VOTE(i) && learned[i] < done[b] &&
#ifdef NO_BALLOT_AT_COMMIT
      vote[i].at[learned[i]] != 0 ->
#else
      vote[i].at[learned[i]] == b ->
#endif
      Decide(learned[i], proposal[vote[i].at[learned[i]]].at[learned[i]]);
      Learn(i, learned[i] + 1)
    }
  od
}

proctype Node(byte i) {
end:
  do
  /* Fetches an entry that another node knows to be chosen; a leader does not ask. */
  :: d_step {
      MAY_VOTE(i) && !LEADS(i) && learned[i] < SLOTS &&
      (learned[0] > learned[i] || learned[1] > learned[i] || learned[2] > learned[i] ||
       learned[3] > learned[i]) ->
      Learn(i, learned[i] + 1)
    }
  /* Starts with an empty disk. */
  :: d_step {
      !wiped && promised[i] != 0 ->
      wiped = true;
      t = 1;
      do
      :: t <= BALLOTS ->
        if
        :: OWNER(t) == i && promised[i] == t -> End(t)
        :: else
        fi;
        t++
      :: else -> break
      od;
      promised[i] = 0;
      learned[i] = 0;
      CLEAR(vote[i]);
#ifndef NO_QUARANTINE
      quarantined = quarantined | BIT(i)
#endif
    }
  od
}

init {
  byte i;
  byte b;
  atomic {
    for (b : 1 .. BALLOTS) {
      run Leader(b, OWNER(b));
      for (i : 0 .. NODES - 1) {
        run Link(i, b)
      }
    }
    for (i : 0 .. NODES - 1) {
      run Node(i)
    }
    i = 0;
    b = 0
  }
}
