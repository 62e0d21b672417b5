/*
 * Billonce's protocol for one invoice: two runners, a person, a billing API, a
 * clock. See README.md for the mapping to the code and for what is left out.
 *
 * API (one):      KEYS     it honours idempotency keys
 *                 FORGETS  as KEYS, but it forgets them after their time to live
 *                 NOKEYS   it has none
 *   with either:  LOOKUP   it can be asked whether it acted
 *                 REUSED   (KEYS) it may hold another request under our key: 422
 *                 LATER    (LOOKUP) it answers 202, and acts or refuses later
 *                 LIES     (LOOKUP) the look-up may say the same of everything, until it is
 *                          mended; or it begins to know nothing
 * Property:       P1 P2 P3 P9 L, or LIVE with -a -f; P2 with NOCLOCK is P4
 * Mutants:        M_*    a rule of the protocol is broken on purpose
 * Found:          FOUND_* the code as it was when this model was written
 * Limits:         X_*    an assumption about the world is dropped
 */

#if defined(KEYS) || defined(FORGETS)
#define API_KEYS 1
#else
#define API_KEYS 0
#endif
#if API_KEYS || defined(M_RESEND)
#define IDEMPOTENT 1            /* BILLING_IDEMPOTENT */
#else
#define IDEMPOTENT 0
#endif
#ifdef LOOKUP
#define HAS_LOOKUP 1            /* BILLING_LOOKUP_URL */
#else
#define HAS_LOOKUP 0
#endif

/*
 * How many faults, of any kinds, in any order: a runner dies; a claim's connection
 * vanishes, unnoticed at first; a commit is answered by an error, made or not; a
 * reply is lost; 5xx; 429; a request is dropped; a permit is withdrawn; an intent
 * grows too old; a look-up does not tell; the invoice or the settings change; the key
 * nears its end. When they are spent, faults have stopped.
 */
#ifndef FAULTS
#define FAULTS 3
#endif
#ifndef DECISIONS
#define DECISIONS 2             /* of the person */
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 12             /* no execution that these faults allow needs more */
#endif

#ifdef P1
#define P1_holds(x) assert(x)
#else
#define P1_holds(x) skip
#endif
#ifdef P2
#define P2_holds(x) assert(x)
#else
#define P2_holds(x) skip
#endif
#ifdef P3
#define P3_holds(x) assert(x)
#else
#define P3_holds(x) skip
#endif
#ifdef P9
#define P9_holds(x) assert(x)
#else
#define P9_holds(x) skip
#endif
#ifdef L
#define L_holds(x) assert(x)
#else
#define L_holds(x) skip
#endif

mtype = {
    none,                                               /* no row, no request, no outcome */
    sending, sent, failed, retry, in_doubt, cancelled,  /* states of a delivery */
    submitted,                                          /* state and outcome: taken with a 202 */
    accepted, refused, not_sent, unknown,               /* outcomes */
    reused, not_asked,                                  /* Reply.KeyReused, Reply.NotAsked */
    no_byte,                                            /* not_sent, since no byte of the request left */
    flying,                                             /* a request on its way */
    advisory, row,                                      /* lock strategies */
    /* where a runner is */
    SCAN, LOCK, SECOND_LOCK, LOOK, LOOK_UP, INTEND, INTEND_AGAIN, SEND, WRITE,
    SETTLE, SETTLE_RECOVERED, MARK, RELEASE, LINGER, ASK, CONTROL,
    honest, says_acted, says_absent                     /* what a look-up says, of anything */
};

#define NOBODY 9

typedef Delivery {
    mtype state = none;
    byte attempt;
    byte run_id;
    bit doubtful;
    bit key_old;            /* the key's age is within the margin of its time to live, or beyond */
    bit row_changed;        /* since the attempt that may have had its effect: the invoice … */
    bit settings_changed;   /* … or what else makes its request */
    bit kept;               /* what that attempt was made from */
    bit deadline_passed     /* no request of the last attempt can still be on its way */
}

/* --- the database ---------------------------------------------------------- */
Delivery ledger;
bit marked;                 /* the invoice is not pending any more */
byte advisory_lock = NOBODY;
byte row_lock = NOBODY;

/* --- the API, and the network in front of it -------------------------------- */
byte effects;               /* how often it has billed the customer */
bit key_known;              /* it remembers our key */
bit foreign_key_use;        /* it holds another request under our key */
#ifdef LATER
byte taken;                 /* requests that it has answered with a 202 and not decided yet */
bit rejected;               /* it has refused what it had taken */
#else
#define taken 0
#define rejected 0
#endif
#ifdef LIES
mtype look_up = honest;
bit look_up_changed;
#endif
mtype request[2] = none;    /* a runner's request: none, flying, or what came of it */
byte orphans;               /* requests on their way whose reply nobody waits for */

/* --- the runners ------------------------------------------------------------ */
typedef Runner {
    mtype at = SCAN;
    mtype strategy;
    byte run_id;
    byte scanned;           /* the attempt that the scan found `sending`; 0: none */
    bit recoverable;        /* Claim.Recoverable */
    Delivery seen;          /* the second look */
    byte attempt;           /* of its own intent */
    bit doubtful;           /* attempt.doubtful: an earlier attempt may have had its effect */
    bit ours;               /* what Intend has collected */
    bit too_old;            /* its intent's sendBy has certainly passed */
    bit lost;               /* the claim's locks are gone; it need not have noticed */
    mtype next;             /* a recovered delivery's next state */
    bit excluded;           /* for the judge: its reply has excluded an effect, once */
    bit other;              /* for the judge: its repeat is another request than was sent */
    bit fruitless           /* the claim found nothing it could do: held, or waiting */
}
Runner r[2];

/* --- faults left, and what only the judge knows ------------------------------ */
byte faults = FAULTS, decisions = DECISIONS;
bit key_aged, edited, lock_was_lost, died;
byte uncertain;             /* requests written whose effect nobody has excluded since */

#define worth       (!marked && (ledger.state == none || ledger.state == retry || ledger.state == sending))
#define at_rest     (ledger.state == sent || ledger.state == failed || ledger.state == in_doubt || ledger.state == cancelled)
#define in_flight   (orphans > 0 || request[0] == flying || request[1] == flying)
/* A runner that decided to send while the key was young, and has not written yet. */
#define judged(i)   ((r[i].at == INTEND && r[i].doubtful) || r[i].at == INTEND_AGAIN || r[i].at == SEND || r[i].at == WRITE)
#define alive(i, n, a) (r[i].run_id == n && r[i].attempt == a && \
                     (r[i].at == SEND || r[i].at == WRITE || r[i].at == SETTLE))

/* What must hold at every instant; evaluated after everything that moves money or words. */
inline check() {
    P1_holds(effects <= 1);
    P1_holds(ledger.state != sent || effects == 1);
    P3_holds(ledger.state != sent || effects > 0);
    P3_holds(marked == (ledger.state == sent));
    P3_holds(ledger.state != failed || effects == 0);
    P3_holds(ledger.state != cancelled || effects == 0)
}

inline clear_seen(i) {
    r[i].seen.state = none; r[i].seen.attempt = 0; r[i].seen.run_id = 0; r[i].seen.doubtful = 0;
    r[i].seen.key_old = 0; r[i].seen.row_changed = 0; r[i].seen.settings_changed = 0; r[i].seen.kept = 0; r[i].seen.deadline_passed = 0
}

inline free_locks(i) {
    if :: advisory_lock == i -> advisory_lock = NOBODY :: else fi;
    if :: row_lock == i -> row_lock = NOBODY :: else fi
}

/* A claim is over; nothing of it is remembered. */
inline forget_claim(i) {
    free_locks(i);
    clear_seen(i);
    r[i].scanned = 0; r[i].recoverable = 0;
    r[i].attempt = 0; r[i].doubtful = 0; r[i].ours = 0; r[i].too_old = 0; r[i].lost = 0; r[i].excluded = 0; r[i].other = 0;
    r[i].next = none
}

/* --- Decide (decide.go) ------------------------------------------------------ */
#ifdef M_AGE_IGNORED
#define young(d) 1
#else
#define young(d) (!d.key_old)
#endif
/* doubt: can an unknown outcome not be cleared by the same request again? */
#define other_row(d) (d.row_changed && !d.kept)      /* made from what was kept, it is the same */
#ifdef M_KEPT_ANYTHING
#define another(d) other_row(d)
#else
#define another(d) (other_row(d) || d.settings_changed)
#endif
#define doubt(d) (!IDEMPOTENT || another(d) || !young(d))
#ifdef M_EARLY_LOOKUP
#define waits(d) (!d.deadline_passed && !HAS_LOOKUP)
#else
#define waits(d) (!d.deadline_passed)
#endif

/* of a reply (attempt.settlement): next state, and the doubtful flag */
mtype next; bit next_doubtful, next_kept;   /* used within one atomic step only */
inline decide(i) {
    next_doubtful = r[i].doubtful;
#ifdef M_NOT_KEPT
    next_kept = 0;
#else
    next_kept = (IDEMPOTENT && request[i] == unknown);
#endif
    if
    :: request[i] == accepted -> next = sent
#ifdef M_SUBMITTED_SENT
    :: request[i] == submitted -> next = sent
#else
    :: request[i] == submitted -> next = submitted
#endif
    :: request[i] == refused ->
#ifdef FOUND_REFUSED
        next = failed
#else
        if
        :: r[i].doubtful -> next = in_doubt
        :: else -> next = failed
        fi
#endif
    :: request[i] == not_sent || request[i] == no_byte || request[i] == not_asked -> next = retry
    :: request[i] == reused ->
        next_doubtful = 1;
#ifdef FOUND_REUSED
        if
        :: HAS_LOOKUP -> next = sending
        :: else -> next = in_doubt
        fi
#else
        next = in_doubt
#endif
    :: request[i] == unknown ->
        if
        :: IDEMPOTENT && !(r[i].doubtful && !young(ledger)) -> next = retry
        :: else ->
            if
            :: HAS_LOOKUP -> next = sending
            :: else -> next = in_doubt
            fi
        fi;
        next_doubtful = 1
    fi
}

/* --- settle.sql -------------------------------------------------------------- */
#ifdef M_NO_GUARD
#define guard(n, a, to) (ledger.state != none)
#else
#define guard(n, a, to) (ledger.run_id == n && ledger.attempt == a && (ledger.state == sending || \
                         ((ledger.state == retry || ledger.state == in_doubt) && to != sending) || \
                         (ledger.state == submitted && to != sending && to != SUBMITTED_NOT)))
#ifdef M_SUBMITTED_AGAIN
#define SUBMITTED_NOT none
#else
#define SUBMITTED_NOT retry
#endif
#endif
inline settle(whose, which, onto, dbt) {
    if
    :: guard(whose, which, onto) ->
        ledger.state = onto; ledger.doubtful = dbt;
        ledger.kept = ((onto == retry || onto == sending || onto == in_doubt) && (ledger.kept || next_kept));
        if
        :: onto == sent ->
#ifndef M_MARK_APART
            marked = 1;
#endif
            check()
        :: else -> check()
        fi
    :: else     /* taken over by another run: its record stands */
    fi
}
/* For the judge: a refusal or a 429, written down, excludes the effect of that request. */
inline exclude(i) {
    if
    :: (request[i] == refused || request[i] == not_sent) && !r[i].excluded && uncertain > 0 &&
       ledger.run_id == r[i].run_id && ledger.attempt == r[i].attempt -> uncertain--; r[i].excluded = 1
    :: else
    fi
}
/* Marking the invoice waits for its row, which a `row` claim may hold. */
#define may_mark(i) (row_lock == NOBODY || row_lock == i)

#ifdef LIVE
/* PostgreSQL serves whoever waits for a row first: SKIP LOCKED does not overtake. */
#define queued(i) ((r[i].at == SETTLE && request[i] == accepted) || (r[i].at == SETTLE_RECOVERED && r[i].next == sent))
#else
#define queued(i) 0
#endif

/* --- intend_new.sql, intend_again.sql ------------------------------------------ */
#ifdef M_NO_FENCE
#define fence(i) 1
#else
#define fence(i) ((r[i].seen.state == none && ledger.state == none) || \
                  (r[i].seen.state != none && ledger.state == r[i].seen.state && \
                   ledger.attempt == r[i].seen.attempt && ledger.run_id == r[i].seen.run_id))
#endif
inline intend(i) {
    if
    :: fence(i) ->
        P2_holds(ledger.attempt < ATTEMPTS);
        if :: ledger.doubtful || ledger.state == sending -> ledger.doubtful = 1
           :: else -> ledger.key_old = 0; ledger.row_changed = 0; ledger.settings_changed = 0; ledger.kept = 0; ledger.doubtful = 0
        fi;
        ledger.state = sending;
        ledger.attempt = r[i].attempt;
        ledger.run_id = r[i].run_id;
        ledger.deadline_passed = 0;
        check();
        r[i].ours = 1
    :: else
    fi
}
/* intended.sql: after a commit whose fate is unknown */
inline read_back(i) {
    if
    :: !r[i].ours && ledger.state == sending && ledger.attempt == r[i].attempt && ledger.run_id == r[i].run_id -> r[i].ours = 1
    :: else
    fi
}
inline after_intend(i) {
    clear_seen(i);
    if
    :: r[i].ours ->
        r[i].ours = 0;
#ifdef M_LATE_INTENT
        r[i].at = SETTLE
#else
        r[i].at = SEND
#endif
    :: else ->      /* the fence held: another run is at it */
#ifdef M_LATE_INTENT
        if :: request[i] == flying -> request[i] = none; orphans++ :: else -> request[i] = none fi;
#endif
        r[i].at = RELEASE
    fi
}

/* --- one runner: run after run, a crash begins a new one -------------------------- */
inline write(i) {
    printf("runner %d: writes its request, attempt %d\n", i, r[i].attempt);
    P9_holds(!r[i].other);
#ifdef NOKEYS
    P1_holds(uncertain == 0);
    if :: uncertain < 2 -> uncertain++ :: else fi;
#endif
    request[i] = flying;
    r[i].too_old = 0;
#ifdef M_LATE_INTENT
    r[i].at = INTEND
#else
    r[i].at = SETTLE
#endif
}

#ifdef P2
#define NOTHING_DONE LINGER
/* Something a pass could do: the locks are free, and Decide would not wait. */
#define mine_free(i)  (r[i].strategy == advisory -> advisory_lock == NOBODY : row_lock == NOBODY)
#define both_free     (advisory_lock == NOBODY && row_lock == NOBODY)
#define would_wait    ((ledger.state == sending || ledger.doubtful) && doubt(ledger) && waits(ledger))
#define reason_to_look(i) (!worth || (mine_free(i) && (ledger.state != sending || both_free) && !would_wait))
#else
#define NOTHING_DONE SCAN       /* polling */
#endif

proctype runner(byte i) {
end_runner:
    do
    /* Scan: no lock, stale at once. sift keeps what a claim could do something for. */
    :: atomic { r[i].at == SCAN && worth ->
        r[i].scanned = (ledger.state == sending -> ledger.attempt : 0);
#ifdef M_NO_LOOK
        r[i].seen.state = ledger.state; r[i].seen.attempt = ledger.attempt; r[i].seen.run_id = ledger.run_id;
        r[i].seen.doubtful = ledger.doubtful; r[i].seen.key_old = ledger.key_old;
        r[i].seen.row_changed = ledger.row_changed; r[i].seen.settings_changed = ledger.settings_changed;
        r[i].seen.kept = ledger.kept; r[i].seen.deadline_passed = ledger.deadline_passed;
#endif
        printf("runner %d: scan\n", i);
        r[i].at = LOCK }

    /* Lock: the strategy's own lock. */
    :: atomic { r[i].at == LOCK ->
        if
        :: r[i].strategy == advisory && advisory_lock == NOBODY ->
            advisory_lock = i; printf("runner %d: lock (advisory)\n", i);
            r[i].at = (r[i].scanned > 0 -> SECOND_LOCK : LOOK)
        :: r[i].strategy == row && row_lock == NOBODY && !marked && !queued(1-i) ->
            row_lock = i; printf("runner %d: lock (row)\n", i);
            r[i].at = (r[i].scanned > 0 -> SECOND_LOCK : LOOK)
        :: else -> forget_claim(i); r[i].at = NOTHING_DONE
        fi }

    /* A `sending` delivery is recoverable only with the other strategy's lock, too. */
    :: atomic { r[i].at == SECOND_LOCK ->
        if
#ifdef M_ONE_LOCK
        :: true -> r[i].recoverable = 1; r[i].at = LOOK
#else
        :: r[i].strategy == advisory ->     /* rowsFree: a probe, on the writer's connection */
            r[i].recoverable = (row_lock == NOBODY && !marked); r[i].at = LOOK
        :: r[i].strategy == row && !r[i].lost ->    /* keysHeld */
            if
            :: advisory_lock == NOBODY -> advisory_lock = i; r[i].recoverable = 1
            :: else
            fi;
            r[i].at = LOOK
        :: r[i].strategy == row && r[i].lost -> forget_claim(i); r[i].at = NOTHING_DONE
#endif
        fi }

    /* Look again, and plan (planOne, mayTry, Decide of a recovered delivery). */
    :: atomic { r[i].at == LOOK ->
#ifndef M_NO_LOOK
        r[i].seen.state = ledger.state; r[i].seen.attempt = ledger.attempt; r[i].seen.run_id = ledger.run_id;
        r[i].seen.doubtful = ledger.doubtful; r[i].seen.key_old = ledger.key_old;
        r[i].seen.row_changed = ledger.row_changed; r[i].seen.settings_changed = ledger.settings_changed;
        r[i].seen.kept = ledger.kept; r[i].seen.deadline_passed = ledger.deadline_passed;
#endif
        printf("runner %d: look\n", i);
#ifndef FOUND_RECOVERABLE
        /* Both locks were free for the `sending` that was scanned, and for no other. */
        r[i].recoverable = r[i].recoverable && r[i].seen.attempt == r[i].scanned;
#endif
        r[i].attempt = r[i].seen.attempt + 1;
        if
#ifndef M_NO_LOOK
        :: marked -> r[i].at = RELEASE
        :: else ->
#else
        :: true ->
#endif
            if
            :: r[i].seen.state == none || (r[i].seen.state == retry && !r[i].seen.doubtful) ->
                r[i].at = INTEND
            :: r[i].seen.state == sending && !r[i].recoverable ->   /* held by another */
                r[i].fruitless = 1; r[i].at = RELEASE
            :: (r[i].seen.state == retry && r[i].seen.doubtful) || (r[i].seen.state == sending && r[i].recoverable) ->
                if
                :: r[i].seen.state == sending ->
                    L_holds(lock_was_lost || !alive(1-i, r[i].seen.run_id, r[i].seen.attempt))
                :: else
                fi;
                /* A touched row makes no doubt of what its own sender has settled. */
                P9_holds(!IDEMPOTENT || !other_row(r[i].seen) || died || lock_was_lost);
                if
                :: !doubt(r[i].seen) -> r[i].doubtful = 1; r[i].at = INTEND;
                    r[i].other = (other_row(r[i].seen) || r[i].seen.settings_changed)
                :: doubt(r[i].seen) && waits(r[i].seen) -> r[i].fruitless = 1; r[i].at = RELEASE
                :: doubt(r[i].seen) && !waits(r[i].seen) && HAS_LOOKUP -> r[i].at = LOOK_UP
                :: doubt(r[i].seen) && !waits(r[i].seen) && !HAS_LOOKUP ->
                    r[i].next = in_doubt; r[i].at = SETTLE_RECOVERED
                fi
            :: else -> r[i].at = RELEASE
            fi
        fi;
#ifdef M_LATE_INTENT
        if :: r[i].at == INTEND -> r[i].at = SEND :: else fi;
#endif
        /* What is not needed any more is forgotten: fewer states to visit. */
        if :: r[i].at != INTEND && r[i].at != SEND -> r[i].attempt = 0 :: else fi;
        if :: r[i].at == RELEASE -> clear_seen(i) :: else fi;
        r[i].seen.doubtful = 0; r[i].seen.key_old = 0; r[i].seen.row_changed = 0; r[i].seen.settings_changed = 0; r[i].seen.kept = 0; r[i].seen.deadline_passed = 0;
        r[i].scanned = 0; r[i].recoverable = 0 }

    /* Ask the API. Its answer is settled under the former sender's guard. */
#ifdef LIES
    /* The test, of invoices that were never sent, and a control, of one that was accepted. */
    :: atomic { r[i].at == LOOK_UP ->
        r[i].at = ASK;
#ifndef M_NO_TEST
        if :: look_up == says_acted -> r[i].at = SETTLE_RECOVERED :: else fi;
#endif
#ifndef M_NO_CONTROL
        if :: look_up == says_absent -> r[i].at = SETTLE_RECOVERED :: else fi;
#endif
        if :: r[i].at == SETTLE_RECOVERED -> r[i].next = in_doubt; printf("runner %d: the look-up is not believed\n", i) :: else fi }
    :: atomic { r[i].at == ASK ->
        if
        :: look_up == says_acted || (look_up == honest && effects > 0) -> r[i].next = sent; r[i].at = SETTLE_RECOVERED
        :: look_up == says_absent || (look_up == honest && effects == 0) -> r[i].next = retry; r[i].at = CONTROL
        :: faults > 0 -> faults--; r[i].next = in_doubt; r[i].at = SETTLE_RECOVERED
        fi;
        printf("runner %d: look-up says %e\n", i, r[i].next) }
    /* What is absent counts only between two controls. */
    :: atomic { r[i].at == CONTROL ->
#if !defined(M_NO_CONTROL) && !defined(M_ONE_CONTROL)
        if :: look_up == says_absent -> r[i].next = in_doubt :: else fi;
#endif
        if :: r[i].next == retry -> uncertain = 0 :: else fi;
        r[i].at = SETTLE_RECOVERED }
#else
    :: atomic { r[i].at == LOOK_UP ->
        if
        :: effects > 0 -> r[i].next = sent
        :: effects == 0 && taken > 0 -> r[i].next = submitted
        :: effects == 0 && taken == 0 && rejected -> r[i].next = failed; uncertain = 0
        :: effects == 0 && taken == 0 && !rejected -> r[i].next = retry; uncertain = 0
        :: faults > 0 -> faults--; r[i].next = in_doubt
        fi;
        printf("runner %d: look-up says %e\n", i, r[i].next);
        r[i].at = SETTLE_RECOVERED }
#endif

    :: atomic { r[i].at == SETTLE_RECOVERED && (r[i].next != sent || may_mark(i)) ->
        printf("runner %d: settle what was recovered: %e\n", i, r[i].next);
        settle(r[i].seen.run_id, r[i].seen.attempt, r[i].next, (r[i].next == in_doubt));
#ifdef M_MARK_APART
        r[i].at = (ledger.state == sent -> MARK : RELEASE)
#else
        r[i].at = RELEASE
#endif
        }

    /* Intent: committed before the first byte. */
    :: atomic { r[i].at == INTEND ->
        if
        :: intend(i); printf("runner %d: intend attempt %d (ours: %d)\n", i, r[i].attempt, r[i].ours); after_intend(i)
        :: faults > 0 ->       /* committed, but the answer was lost */
            faults--; intend(i); printf("runner %d: intend attempt %d, committed (%d), but it is not told\n", i, r[i].attempt, r[i].ours);
#ifndef FOUND_OURS
            r[i].ours = 0;
#endif
            r[i].at = INTEND_AGAIN
        :: faults > 0 && fence(i) ->       /* RETURNING was read, then the transaction was rolled back */
            faults--; printf("runner %d: intend attempt %d, rolled back after RETURNING\n", i, r[i].attempt);
#ifdef FOUND_OURS
            r[i].ours = 1;
#endif
            r[i].at = INTEND_AGAIN
        fi }
    :: atomic { r[i].at == INTEND_AGAIN ->
        intend(i); read_back(i); printf("runner %d: intend attempt %d again (ours: %d)\n", i, r[i].attempt, r[i].ours);
        after_intend(i) }

    /* Send: the permit, and the first byte. */
    :: atomic { r[i].at == SEND && !r[i].too_old ->
#ifdef X_PAUSE
        r[i].at = WRITE }       /* the process stands still between the two */
    :: atomic { r[i].at == WRITE ->
#endif
        write(i) }
    :: atomic { r[i].at == SEND && (r[i].too_old || r[i].lost) ->
        printf("runner %d: permit refused\n", i);
        request[i] = not_asked; r[i].too_old = 0; r[i].at = SETTLE }
    :: atomic { r[i].at == SEND && faults > 0 ->    /* too old, stopping: permit refused; or no byte left: DNS, TLS */
        faults--; r[i].too_old = 0; r[i].at = SETTLE;
        if :: request[i] = not_asked :: request[i] = no_byte fi;
        printf("runner %d: %e\n", i, request[i]) }

    /* The reply's loss, while the request is still on its way. */
    :: atomic { r[i].at == SETTLE && request[i] == flying && faults > 0 ->
        faults--; orphans++; request[i] = unknown; printf("runner %d: time-out\n", i) }

    /* Settle: ledger and invoice in one transaction; `row`: with the locks' end. */
    :: atomic { r[i].at == SETTLE && request[i] != flying && (request[i] != accepted || may_mark(i)) ->
        decide(i);
        exclude(i); settle(r[i].run_id, r[i].attempt, next, next_doubtful);
        printf("runner %d: %e, settle %e; the ledger says %e, attempt %d\n", i, request[i], next, ledger.state, ledger.attempt);
        if
#ifdef M_MARK_APART
        :: ledger.state == sent && !marked -> r[i].at = MARK
#endif
        :: else ->
            if
            :: r[i].strategy == row && !r[i].lost -> forget_claim(i); r[i].at = SCAN
            :: else -> r[i].at = RELEASE; r[i].attempt = 0; r[i].doubtful = 0; r[i].excluded = 0
            fi
        fi;
        request[i] = none; next = none; next_doubtful = 0; next_kept = 0 }
    :: atomic { r[i].at == SETTLE && request[i] != flying && faults > 0 && (request[i] != accepted || may_mark(i)) ->
        faults--; decide(i);
        exclude(i); settle(r[i].run_id, r[i].attempt, next, next_doubtful);
        printf("runner %d: %e, settle %e, but it is not told\n", i, request[i], next);
        next = none; next_doubtful = 0; next_kept = 0 }        /* and settles again */
#ifdef M_MARK_APART
    :: atomic { r[i].at == MARK ->
        if :: ledger.state == sent -> marked = 1 :: else fi;
        r[i].attempt = 0; r[i].doubtful = 0;
        r[i].at = RELEASE }
#endif

    :: atomic { r[i].at == RELEASE ->
        printf("runner %d: release\n", i);
        forget_claim(i);
        r[i].at = (r[i].fruitless -> NOTHING_DONE : SCAN); r[i].fruitless = 0 }

    /* Linger: look again. For P2 it waits for a reason to, so that whoever is stuck stands still. */
#ifdef P2
    :: atomic { r[i].at == LINGER && reason_to_look(i) -> r[i].at = SCAN }
#endif

    /* Faults: the process dies; the claim's connection goes. */
    :: atomic { faults > 0 && r[i].at != SCAN && r[i].at != LOCK && r[i].at != LINGER ->
        faults--; printf("runner %d: dies\n", i);
#ifdef P9
        died = 1;
#endif
        if :: request[i] == flying -> orphans++ :: else fi;
        request[i] = none;
        forget_claim(i); r[i].fruitless = 0; r[i].run_id = r[i].run_id + 2; r[i].at = SCAN }
    :: atomic { faults > 0 && (advisory_lock == i || row_lock == i) ->
        faults--; printf("runner %d: its claim's connection is gone, unnoticed\n", i);
        lock_was_lost = 1; free_locks(i); r[i].lost = 1 }
    od
}

/* --- the API ------------------------------------------------------------------- */
inline act() {
#ifdef LATER
    if
    :: API_KEYS && key_known        /* the first 202 again */
    :: else ->
        if :: taken < 2 -> taken++ :: else fi;
        rejected = 0; key_known = API_KEYS;
        printf("API: takes it\n")
    fi
#else
    if
#ifndef M_NEW_KEY
    :: API_KEYS && key_known        /* the first reply again */
#endif
    :: else ->
        if :: effects < 2 -> effects++ :: else fi;
        key_known = API_KEYS;
        printf("API: acts (effects: %d)\n", effects);
        check()
    fi
#endif
}
#ifdef LATER
#define DONE submitted
#else
#define DONE accepted
#endif

inline arrive(i) {
    if
    :: API_KEYS && foreign_key_use -> request[i] = reused
    :: else ->
        if
        :: act(); request[i] = DONE
        :: faults > 0 -> faults--; act(); request[i] = unknown        /* acts, then 5xx or a reset */
        :: faults > 0 -> faults--; request[i] = unknown               /* dropped, or 5xx instead */
        :: faults > 0 -> faults--; request[i] = not_sent              /* 429 */
        :: !key_known || faults > 0 ->      /* 4xx; of what it has done already only by a fault in front: 401 … */
            if :: key_known -> faults-- :: else fi;
            request[i] = refused
        fi
    fi;
    printf("API: to runner %d: %e\n", i, request[i])
}

active proctype api() {
#ifdef REUSED
    if :: foreign_key_use = 1 :: skip fi;
#endif
end_api:
    do
    :: atomic { request[0] == flying -> arrive(0) }
    :: atomic { request[1] == flying -> arrive(1) }
    :: atomic { orphans > 0 ->
        orphans--;
        if
        :: !foreign_key_use -> act()
        :: true -> printf("API: a request nobody waits for is lost or refused\n")
        fi }
#ifdef LATER
    :: atomic { taken > 0 ->
        taken--;
        if
        :: if :: effects < 2 -> effects++ :: else fi; printf("API: acts on what it has taken (effects: %d)\n", effects); check()
        :: effects == 0 -> rejected = 1; printf("API: refuses what it has taken\n")
        fi }
#endif
    od
}

#ifdef LATER
/*
 * submitted.go: what was taken is asked about, with no claim and no lock, by any run. The
 * answer is settled under the guard of the attempt that was read before the question.
 */
proctype asker() {
    byte run_id, attempt;
    mtype answer;
end_asker:
    do
    :: atomic { ledger.state == submitted && (effects > 0 || (rejected && taken == 0) || faults > 0) ->
        run_id = ledger.run_id; attempt = ledger.attempt };
        atomic {
            if
            :: effects > 0 -> answer = sent
            :: effects == 0 && taken == 0 && rejected -> answer = failed
            :: faults > 0 ->        /* it is absent there, or BILLING_SUBMITTED_FOR is over */
                faults--;
#ifdef M_SUBMITTED_AGAIN
                answer = retry
#else
                answer = in_doubt
#endif
            :: else -> answer = submitted
            fi;
            printf("asker: the look-up says %e\n", answer) };
        atomic { answer != sent || row_lock == NOBODY ->
            if :: answer == failed && guard(run_id, attempt, failed) -> uncertain = 0 :: else fi;
            settle(run_id, attempt, answer, (answer == in_doubt));
            printf("asker: settles %e; the ledger says %e\n", answer, ledger.state);
            run_id = 0; attempt = 0; answer = none }
    od
}
#endif

/* --- the clock, and the user's application ---------------------------------------- */
#ifdef FOUND_MARGIN
#define margin_is_over 1
#else
#define margin_is_over (!judged(0) && !judged(1) && !in_flight)
#endif

#define about_to_send(i) ((r[i].at == SEND || r[i].at == INTEND_AGAIN) && !r[i].too_old)

active proctype clock() {
end_clock:
    do
    :: false -> skip
#ifndef NOCLOCK
    /* deadline_at: later than every sendBy before it plus the request's own time-out */
    :: atomic { (ledger.state == in_doubt || ((ledger.state == sending || ledger.state == retry) && doubt(ledger))) && !ledger.deadline_passed && !in_flight &&
               (faults > 0 || (!about_to_send(0) && !about_to_send(1))) ->
        ledger.deadline_passed = 1; printf("clock: the deadline has passed\n");
        if :: about_to_send(0) || about_to_send(1) -> faults-- :: else fi;      /* a runner stood still for so long */
        if :: about_to_send(0) -> r[0].too_old = 1 :: else fi;
        if :: about_to_send(1) -> r[1].too_old = 1 :: else fi }
#endif
#ifdef FORGETS
    :: atomic { faults > 0 && !key_aged && ledger.state != none && ledger.state != sent ->
        faults--; key_aged = 1; ledger.key_old = 1; printf("clock: the key's age nears its time to live\n") }
    /* The margin: whoever judged the key young has been heard by now. */
    :: atomic { key_known && ledger.key_old && margin_is_over -> key_known = 0; printf("API: forgets the key\n") }
#endif
#ifdef LIES
    :: atomic { !look_up_changed && look_up != honest ->
        look_up_changed = 1; look_up = honest; printf("user: mends the look-up\n") }
    :: atomic { !look_up_changed && look_up == honest && faults > 0 ->
        faults--; look_up_changed = 1; look_up = says_absent; printf("user: breaks the look-up\n") }
#endif
#if API_KEYS && !defined(NOCLOCK)
    :: atomic { faults > 0 && !edited && (ledger.state == sending || ledger.state == retry) ->
        faults--; edited = 1;
        if
        :: ledger.row_changed = 1; printf("user: changes the invoice\n")
        :: ledger.settings_changed = 1; printf("user: changes the settings\n")
        fi }
#endif
    od
}

/* --- the person: batch resolve ------------------------------------------------------ */
#ifdef M_EARLY_RESOLVE
#define books_are_final 1
#else
#define books_are_final (ledger.deadline_passed && taken == 0)
#endif
#ifdef M_BLIND_RESOLVE
#define as_looked_up 1
#else
#define as_looked_up (ledger.attempt == attempt)
#endif
active proctype person() {
    byte attempt;       /* which one the person has looked up in the API's books */
    bit acted;
end_person:
    do
    :: atomic { ledger.state == in_doubt && decisions > 0 && books_are_final -> attempt = ledger.attempt; acted = (effects > 0) };
        atomic { !acted || row_lock == NOBODY ->
            decisions--;
            if
            :: ledger.state == in_doubt && as_looked_up ->
                if
                :: acted -> ledger.state = sent; marked = 1
                :: !acted -> ledger.state = retry; ledger.doubtful = 0; uncertain = 0
                :: !acted -> ledger.state = cancelled
                fi;
                printf("person: resolves as %e\n", ledger.state);
                check()
            :: else
            fi;
            attempt = 0; acted = 0 }
    :: atomic { ledger.state == failed && decisions > 0 ->
        decisions--; ledger.state = retry; printf("person: tries the failed one again\n"); check() }
#if defined(P2) || defined(LIVE)
    :: atomic { decisions > 0 -> decisions = 0 }        /* goes home */
#endif
    od
}

#ifdef P2
/* Nothing can move any more: is the invoice forgotten? */
active proctype stillness() {
end_stillness:
    timeout -> assert(at_rest)
}
#endif

init {
    atomic {
        if
        :: r[0].strategy = advisory; r[1].strategy = advisory
#ifndef UNMIXED
        :: r[0].strategy = advisory; r[1].strategy = row
#endif
        :: r[0].strategy = row; r[1].strategy = row
        fi;
#ifdef LIES
        if :: look_up = honest :: look_up = says_acted :: look_up = says_absent fi;
#endif
        r[1].run_id = 1;
        run runner(0); run runner(1)
#ifdef LATER
        ; run asker()
#endif
    }
}

#ifdef LIVE
ltl live { <>[] at_rest }
#endif
