/*
 * A ledger that loses its tail: a primary, an asynchronous standby, and a fail-over that
 * forgets what was committed last. One invoice, two runs that share it, and those that are
 * started after them. README.md says how to read it; check.sh explores it.
 *
 *   P1        the invoice has one effect at most
 *   QUIET     nobody is asked where every run lives and nothing was lost
 *   KEYS      the API honours keys, and forgets them after a while; else it has none
 *   M_*       a rule is broken; X_* an assumption about the world is dropped
 */
#ifndef FAILOVERS
#define FAILOVERS 2
#endif
#ifndef STARTS
#define STARTS 2        /* how many runs are started after the first two */
#endif

mtype = { none, sending, sent };
mtype = { START, LOOK, INTEND, SEND, SETTLE, STAND, AWAIT, FINISH, STOPPED };

/* The database. The standby has what it had at some moment before. */
typedef database {
    mtype invoice = none;       /* its delivery */
    byte trusted;               /* the timeline that the ledger trusts; 0: none yet */
    byte seen[2];               /* of each unfinished run: the timeline that it has told last; 0: there is no such run */
    byte left                   /* of those that died before; the oldest */
};
database now, standby;
byte timeline = 1;

bit fresh;                      /* a run has begun, and the standby does not know it yet */
byte effects;
bit key_known, keys_old;

typedef runner {
    mtype at = START;
    byte timeline;              /* what its commits name */
    mtype remembers = none;
    mtype after;                /* where it goes on once all stands */
    bit repeats                 /* what looks untried counts as sent before */
};
runner r[2];
byte failovers = FAILOVERS, starts = STARTS;
bit asked;                      /* a person */

inline copy(to, from) {
    to.invoice = from.invoice; to.trusted = from.trusted;
    to.seen[0] = from.seen[0]; to.seen[1] = from.seen[1]; to.left = from.left
}

inline check() { assert(effects <= 1) }

/* Commits name the timeline: on another one nothing is written. */
#ifdef M_NO_TIMELINE
#define moved(i) false
#else
#define moved(i) (r[i].timeline != timeline)
#endif
#define old(seen) (seen != 0 && seen != timeline)
#define others_behind(i) (old(now.seen[1 - i]) || old(now.left))

/* May a run send what the database calls untried? With keys, while the API remembers them. */
#ifdef KEYS
#ifdef M_KEYS_OLD
#define harmless true
#else
#define harmless (!keys_old)
#endif
#else
#define harmless false
#endif

/* What is not needed any more is forgotten: fewer states to visit. */
inline ends(i) { r[i].at = STOPPED; r[i].timeline = 0; r[i].remembers = none; r[i].after = 0; r[i].repeats = 0 }

inline forget(i) {
    if
    :: harmless -> r[i].repeats = 1; r[i].at = r[i].after
    :: else -> asked = 1; ends(i)
    fi
}

proctype run_(byte i) {
end:
    do
    :: atomic { r[i].at == START ->
        r[i].timeline = timeline; r[i].remembers = none; r[i].after = LOOK;
        if :: now.seen[i] != 0 && !old(now.left) -> now.left = now.seen[i] :: else fi;
        now.seen[i] = 0;
        if      /* it writes off whoever died, but not where that one may have sent what is lost */
#ifdef M_WRITE_OFF
        :: true
#else
        :: now.trusted == timeline
#endif
            -> now.left = 0
        :: else
        fi;
        if
        :: now.trusted == 0 || now.trusted == timeline ->
            now.trusted = timeline; now.seen[i] = timeline; fresh = 1; r[i].at = LOOK;
            printf("run %d starts on timeline %d\n", i, timeline)
        :: else ->      /* those that live were waited for, or LINGER is over */
            forget(i); printf("run %d finds timeline %d\n", i, timeline);
            if :: r[i].at == LOOK -> now.seen[i] = timeline; fresh = 1 :: else fi;
#ifdef M_ACCEPT
            now.trusted = timeline
#endif
        fi }

    :: atomic { r[i].at == LOOK && now.invoice == none -> r[i].at = INTEND }
    :: atomic { r[i].at == LOOK && now.invoice == sent -> r[i].at = FINISH }
    /* It is another one's, or was left: whose outcome is not known is not sent again. */
    :: atomic { r[i].at == LOOK && now.invoice == sending -> r[i].at = FINISH }

    :: atomic { r[i].at == INTEND ->
        if
        :: moved(i) -> r[i].after = LOOK; r[i].at = STAND
        :: !moved(i) && r[i].repeats && !harmless -> asked = 1; ends(i)
        :: !moved(i) && !(r[i].repeats && !harmless) && now.invoice == none ->      /* the primary key is the fence */
            now.invoice = sending; r[i].remembers = sending; r[i].at = SEND; printf("run %d intends\n", i)
        :: else -> r[i].at = LOOK
        fi }

    /* It need not know of a fail-over yet. */
    :: atomic { r[i].at == SEND ->
        if
        :: key_known
        :: else -> effects++;
#ifdef KEYS
            key_known = 1
#endif
        fi;
        printf("run %d sends (effects: %d)\n", i, effects); check(); r[i].at = SETTLE }

    :: atomic { r[i].at == SETTLE ->
        if
        :: moved(i) -> r[i].after = SETTLE; r[i].at = STAND
        :: else ->
            if :: now.invoice == sending -> now.invoice = sent :: else fi;
            r[i].remembers = sent; r[i].at = FINISH
        fi }

    /* It writes again what it remembers, and tells so. */
    :: atomic { r[i].at == STAND ->
#ifndef M_NOT_WRITTEN
        if
        :: r[i].remembers == sent || now.invoice == none -> now.invoice = (r[i].remembers == none -> now.invoice : r[i].remembers)
        :: else
        fi;
#endif
        now.seen[i] = timeline; r[i].timeline = timeline; r[i].at = AWAIT; printf("run %d writes again on timeline %d\n", i, timeline) }

    /* And waits for the other one, LINGER at most. */
    :: atomic { r[i].at == AWAIT ->
        if
        :: moved(i) -> r[i].at = STAND
#ifdef M_NO_WAIT
        :: else -> now.trusted = timeline; r[i].at = r[i].after
#else
        :: !moved(i) && !others_behind(i) -> r[i].at = r[i].after; if :: !r[i].repeats -> now.trusted = timeline :: else fi
#ifndef QUIET
        :: !moved(i) && others_behind(i) -> forget(i)
#endif
#endif
        fi }

    :: atomic { r[i].at == FINISH ->
        if
        :: moved(i) -> r[i].after = FINISH; r[i].at = STAND
        :: else -> now.seen[i] = 0; ends(i)
        fi }

#ifndef QUIET
    /* It dies; what is on its way arrives or does not. */
    :: atomic { r[i].at != START && r[i].at != STOPPED -> ends(i); printf("run %d dies\n", i) }
    :: atomic { r[i].at == STOPPED && starts > 0 -> starts--; r[i].at = START }
#endif
    od
}

/* No run is lost with its own row; X_JOINED: one that joined in the lost moments is. */
#ifdef X_JOINED
#define joined true
#else
#define joined (!fresh)
#endif

#ifdef QUIET
#define lost_nothing (now.invoice == standby.invoice && now.trusted == standby.trusted && now.seen[0] == standby.seen[0] && now.seen[1] == standby.seen[1] && r[0].at != START && r[1].at != START)
#else
#define lost_nothing true
#endif

active proctype world() {
end_world:
    do
    :: atomic { (now.invoice != standby.invoice || now.trusted != standby.trusted || now.seen[0] != standby.seen[0] || now.seen[1] != standby.seen[1] || now.left != standby.left) ->
        fresh = 0; copy(standby, now); printf("the standby has it all\n") }
    :: atomic { failovers > 0 && joined && lost_nothing -> failovers--; fresh = 0; copy(now, standby); timeline++; printf("fail-over to timeline %d\n", timeline) }
#ifdef KEYS
    /* The margin: whoever judged the key young has been heard by now. */
    :: atomic { !keys_old && key_known -> keys_old = 1 }
    :: atomic { keys_old && key_known && r[0].at != SEND && r[1].at != SEND -> key_known = 0; printf("API: forgets the key\n") }
#endif
    /* A person adopts what the API's own list has, once nothing is under way, and accepts the database. */
    :: atomic { asked && r[0].at == STOPPED && r[1].at == STOPPED ->
        asked = 0; if :: effects > 0 -> now.invoice = sent :: else fi;
        now.trusted = timeline; now.seen[0] = 0; now.seen[1] = 0; now.left = 0; printf("person: adopts, and accepts\n") }
#ifdef QUIET
    :: asked -> assert(false)
#endif
    od
}

init { atomic { run run_(0); run run_(1) } }
