#!/usr/bin/env bash
# Checks the model exhaustively: that the protocol keeps its promises with every
# kind of API, and that each mutant breaks the promise it must break.
#   check.sh         two or three faults an execution; about two minutes on one core
#   check.sh deep    one fault more, two decisions of the person; seven minutes, 1.3 GB
# Exit code 1 if anything is not as expected, 2 if a tool is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
for tool in spin gcc; do
    command -v "$tool" >/dev/null && continue
    echo "check.sh needs $tool: apt-get update && apt-get install -y --no-install-recommends spin gcc libc6-dev" >&2
    exit 2
done
more=0 decisions=1 optimise=-O0      # small spaces are searched before an optimiser is done
case ${1-} in
    '') ;;
    deep) more=1 decisions=2 optimise=-O2 ;;
    *) echo "usage: check.sh [deep]" >&2; exit 2 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0 total=0 began=$SECONDS model=billonce

# explore FLAGS OPTIONS MACRO…: one exploration; sets verdict, states, megabytes, seconds
explore() {
    local flags=$1 options=$2 start end
    shift 2
    start=$(date +%s%N)
    rm -f pan.* pan
    # shellcheck disable=SC2086
    spin "${@/#/-D}" -a "$here/$model.pml" >spin.out 2>&1 || { cat spin.out >&2; exit 1; }
    # shellcheck disable=SC2086
    gcc $flags -w -DMEMLIM=2000 -DNOREDUCE -o pan pan.c
    # shellcheck disable=SC2086
    ./pan $options >out 2>&1 || true
    end=$(date +%s%N)
    seconds=$(awk "BEGIN { printf \"%.1f\", ($end - $start) / 1e9 }")
    states=$(awk '/states, stored/ { print $1; exit }' out)
    megabytes=$(awk '/total actual memory usage/ { print int($1 + 0.5); exit }' out)
    # The assertion's own words begin with what tells the properties apart.
    case $(cat out) in
        *'errors: 0'*'unreached'* | *'errors: 0'*'elapsed'*)
            if grep -qE 'Search not completed|max search depth too small|memory limit|truncated' out; then verdict=incomplete; else verdict=holds; fi ;;
        *'acceptance cycle'* | *'assertion violated'* | *'invalid end state'*) verdict=violated ;;
        *) verdict=incomplete ;;
    esac
}

# expect VERDICT "WHAT" PROPERTIES FLAGS OPTIONS MACRO…
expect() {
    local want=$1 what=$2 properties=$3 flags=$4 options=$5 mark=
    shift 5
    explore "$flags" "$options" "$@"
    if [ "$verdict" != "$want" ]; then mark="   <== expected: $want"; failed=$((failed + 1)); fi
    total=$((total + 1))
    printf '%-52s %-9s %-9s %9s %6s %6s%s\n' "$what" "$properties" "$verdict" "${states%.*}" "$megabytes" "$seconds" "$mark"
}

safety="$optimise -DSAFETY -DNOFAIR"    # assertions, at every state
liveness="$optimise -DNFAIR=3"          # cycles, under weak fairness
quick="-O0 -DSAFETY -DNOFAIR"
deeply="-m1000000 -w24"

heading() { printf '\n%-52s %-9s %-9s %9s %6s %6s\n' "$1" property verdict states MB s; }

heading "The protocol (F: faults an execution)"
while read -r faults kind; do
    faults=$((faults + more))
    # shellcheck disable=SC2086
    expect holds "$kind, F=$faults" P1,P3,L "$safety" "$deeply" $kind P1 P3 L FAULTS=$faults DECISIONS=$decisions
done <<'.'
2 KEYS
2 FORGETS
2 FORGETS LOOKUP
2 KEYS LOOKUP REUSED
3 NOKEYS
2 NOKEYS LOOKUP
2 NOKEYS LOOKUP LATER
1 KEYS LOOKUP LATER
2 NOKEYS LOOKUP LIES
1 FORGETS LOOKUP LIES
.
while read -r faults kind; do
    faults=$((faults + more))
    # shellcheck disable=SC2086
    expect holds "$kind, F=$faults" P2 "$safety" "$deeply" $kind P2 FAULTS=$faults DECISIONS=$decisions
done <<'.'
2 KEYS
2 FORGETS
1 FORGETS LOOKUP
1 KEYS LOOKUP REUSED
2 NOKEYS
2 NOKEYS LOOKUP
1 NOKEYS LOOKUP LATER
1 KEYS LOOKUP LATER
1 NOKEYS LOOKUP LIES
.
expect holds "KEYS, F=$((2 + more))" P9 "$safety" "$deeply" KEYS P9 FAULTS=$((2 + more)) DECISIONS=$decisions
expect holds "KEYS, F=2, the clock stands still" P4 "$safety" "$deeply" KEYS P2 NOCLOCK FAULTS=2 DECISIONS=$decisions
for kind in KEYS FORGETS NOKEYS "NOKEYS LOOKUP"; do
    # shellcheck disable=SC2086
    expect holds "$kind, F=$((1 + more)), one strategy" P2-live "$liveness" "-a -f $deeply" $kind LIVE UNMIXED FAULTS=$((1 + more)) DECISIONS=0
done

heading "Mutants: a rule is broken on purpose"
mutant() { # WHAT PROPERTY MACRO…
    local what=$1 property=$2
    shift 2
    expect violated "$what" "$property" "$quick" "-m100000 -w20" "$@" "$property" FAULTS=2 DECISIONS=1
}
mutant "no fence: the intent overwrites what is there" P1 NOKEYS M_NO_FENCE
expect violated "no second look and no fence, no fault at all" P1 "$quick" "-m100000 -w20" NOKEYS P1 M_NO_LOOK M_NO_FENCE FAULTS=0 DECISIONS=0
expect holds "no second look, the fence alone" P1 "$quick" "-m1000000 -w22" NOKEYS P1 M_NO_LOOK FAULTS=2 DECISIONS=1
mutant "the intent after the send" P1 NOKEYS M_LATE_INTENT
mutant "a new key for each attempt" P1 KEYS M_NEW_KEY
mutant "a 202 taken for the act" P3 NOKEYS LOOKUP LATER M_SUBMITTED_SENT
mutant "sent again though the API has taken it" P1 NOKEYS LOOKUP LATER M_SUBMITTED_AGAIN
mutant "nothing is kept of what a request was made from" P9 KEYS M_NOT_KEPT
mutant "what was kept is sent under other settings" P9 KEYS M_KEPT_ANYTHING
mutant "the look-up is believed untested" P3 NOKEYS LOOKUP LIES M_NO_TEST
mutant "the look-up is believed without a control" P1 NOKEYS LOOKUP LIES M_NO_CONTROL
mutant "one control for what is absent" P1 NOKEYS LOOKUP LIES M_ONE_CONTROL
mutant "no guard on settle" P3 NOKEYS M_NO_GUARD
mutant "sent again though the API is not idempotent" P1 NOKEYS M_RESEND
mutant "the look-up before the deadline" P1 NOKEYS LOOKUP M_EARLY_LOOKUP
mutant "the key's age ignored" P1 FORGETS M_AGE_IGNORED
mutant "the invoice marked in a second transaction" P3 NOKEYS M_MARK_APART
mutant "recovery under one of the two locks" L KEYS M_ONE_LOCK
expect violated "no deadline ever passes: stuck in sending" P2 "$quick" "-m100000 -w20" NOKEYS P2 NOCLOCK FAULTS=1 DECISIONS=0
mutant "a person resolves before the deadline" P1 NOKEYS M_EARLY_RESOLVE
mutant "resolve without a guard on the attempt" P1 NOKEYS M_BLIND_RESOLVE

heading "Found by this model: README, \"Findings\""
mutant "1: a rolled back intent passes for our own" P1 NOKEYS FOUND_OURS
mutant "2: a refused repeat is failed, though in doubt" P3 KEYS FOUND_REFUSED
mutant "3: the key's margin is shorter than an intent's life" P1 FORGETS FOUND_MARGIN
mutant "4: 422 with a look-up: the same request for ever" P2 KEYS LOOKUP REUSED FOUND_REUSED
mutant "5: recoverable, but another attempt by now" L KEYS FOUND_RECOVERABLE

heading "Limits: an assumption about the world is dropped"
mutant "a process stands still between permit and write" P1 NOKEYS X_PAUSE
expect violated "both strategies polling in step for ever" P2-live "$liveness" "-a -f -m1000000 -w20" KEYS LIVE FAULTS=1 DECISIONS=0

model=failover
heading "A ledger that loses its tail: failover.pml"
expect holds "KEYS" P1 "$quick" "-m1000000 -w20" KEYS FAILOVERS=1 STARTS=$((1 + more))
expect holds "NOKEYS" P1 "$quick" "-m1000000 -w20" FAILOVERS=2 STARTS=$((1 + more))
expect holds "nothing is lost: nobody is asked" quiet "$quick" "-m1000000 -w20" QUIET
forgets() { # WHAT MACRO…
    local what=$1
    shift
    expect violated "$what" P1 "$quick" "-m100000 -w18" "$@" FAILOVERS=1 STARTS=1
}
forgets "what is remembered is not written again" M_NOT_WRITTEN
forgets "a commit does not name the timeline" M_NO_TIMELINE
forgets "the other run is not waited for" M_NO_WAIT
forgets "a run that is refused accepts" M_ACCEPT
forgets "the age of lost requests' keys is ignored" KEYS M_KEYS_OLD
forgets "who died is written off by a run that was not trusted" KEYS M_WRITE_OFF
forgets "limit: a run that joined is lost with its row" X_JOINED

printf '\n%d explorations in %d s: ' "$total" "$((SECONDS - began))"
if [ "$failed" -gt 0 ]; then echo "$failed not as expected"; exit 1; fi
echo "all as expected"
