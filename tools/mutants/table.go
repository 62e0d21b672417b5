package main

// mutant is a known mistake, and the test that catches it.
type mutant struct {
	name  string
	edits []edit
	where string // package
	test  string // as for go test -run
	says  string // regular expression: what the failing test says
}

// edit replaces a text that stands in its file once.
type edit struct{ file, old, new string }

// mutants are mistakes that were made, here or elsewhere, or that a change could
// make any day.
func mutants() []mutant {
	return []mutant{
		{
			"no second look: what was scanned is taken for pending",
			[]edit{{"sql/queries/look.sql", "{{- if not (or .Has.any .Has.guarded)}}\n      and ({{.Pending}}\n    )\n{{- end}}\n) i", ") i"}},
			"internal/billing/pgstore", "TestClaimersNeverHandOutTwice", `[1-9]\d* of them more than once`,
		},
		{
			"the intent is committed after the request",
			[]edit{
				{
					"internal/billing/engine/intend.go",
					"	committed, err := i.ledger.Commit(context.WithoutCancel(ctx), group, end)\n",
					"	committed, err := i.ledger.Commit(context.WithoutCancel(ctx), nil, end)\n" +
						"	committed.Begun = make(map[billing.InvoiceID]struct{})\n" +
						"	for _, i := range group {\n		committed.Begun[i.InvoiceID] = struct{}{}\n	}\n",
				},
				{
					"internal/billing/engine/send.go",
					"	reply := s.port.Send(ctx, a.request, func() error { return s.permit(a) })\n",
					"	reply := s.port.Send(ctx, a.request, func() error { return s.permit(a) })\n" +
						"	a.intent.DeadlineIn = time.Minute\n" +
						"	_, _ = s.settler.ledger.Commit(context.WithoutCancel(ctx), []billing.Intent{a.intent}, nil)\n",
				},
			},
			"cmd/batch", "TestP1IntentIsCommittedBeforeTheRequest", `[1-9]\d* of them without a committed intent`,
		},
		{
			"what can't be marked is not marked later",
			[]edit{{"sql/queries/settle.sql", "\n       or d.state = 'unmarked' and $5 in ('sent', 'unmarked'))", ")"}},
			"internal/billing/pgstore", "TestP8UnmarkedHoldsUpNothing", `the next run: `,
		},
		{
			"what stays pending though it was marked is taken for sent",
			[]edit{{"internal/billing/pgstore/settle.go", "		w.query(staysPending, stays, keys(invoiceIDs(q.sent)))\n", "		_ = stays\n"}},
			"internal/billing/pgstore", "TestP8UnmarkedHoldsUpNothing/dropped/advisory", `want unmarked: 5`,
		},
		{
			"what the database refuses to mark is not settled at all",
			[]edit{{"internal/billing/pgstore/unmarked.go", "		group[0].Answer = answer\n		return s.unmarked(ctx, group, came, refusedReason(refusal))\n", "		group[0].Answer, came[0] = answer, billing.NotSettled\n		return refusal\n"}},
			"internal/billing/pgstore", "TestP8UnmarkedHoldsUpNothing/by_a_constraint/advisory", `want unmarked: 5`,
		},
		{
			"a claim is released before what it has begun is written down",
			[]edit{{"internal/billing/engine/deliver.go", "		c.await(stuck)\n", ""}},
			"internal/billing/pgstore", "TestP8UnmarkedIsWrittenBeforeItsClaimIsReleased/advisory", `as its claim was released: .*sending`,
		},
		{
			"a row that hangs is taken for a slow table",
			[]edit{{"internal/billing/pgstore/bounds.go", "	return pgerr.FailsOnData(err) || errors.As(err, &slow)\n", "	return pgerr.FailsOnData(err) || errors.As(err, &slow) && slow == nil\n"}},
			"internal/billing/pgstore", "TestP8RowThatHangsStopsNobody/predicate/advisory", `set aside; summary`,
		},
		{
			"who has locked the table ends a run as an error",
			[]edit{{"internal/billing/engine/stop.go", "	case errors.Is(err, billing.ErrTableHeld):\n", "	case errors.Is(err, billing.ErrTableHeld) && s.err != nil:\n"}},
			"internal/billing/pgstore", "TestP8TableHeldEndsARunInTime/row", `exit 1`,
		},
		{
			"what earlier runs left goes before what is new",
			[]edit{{"internal/billing/engine/pass.go", "			case p.turn == newOnes:\n				p.later++\n", ""}},
			"internal/billing/pgstore", "TestP8NewInvoicesComeFirst", `in the order`,
		},
		{
			"what earlier runs left opens the breaker",
			[]edit{{"internal/billing/engine/breaker.go", "	if !untried || b.open ", "	if b.open "}},
			"internal/billing/engine", "TestP8RetriesOfEarlierRunsDoNotOpenTheBreaker", `the billing API|too many consecutive`,
		},
		{
			"an API that refuses every request alike is asked on and on",
			[]edit{{"internal/billing/engine/breaker.go", "	b.refusals[status]++\n", ""}},
			"internal/billing/engine", "TestBreaker", `it opens after 0 replies, want 4`,
		},
		{
			"connections are made as they are needed",
			[]edit{{"cmd/batch/run.go", "	if err := e.store.ConnectAll(ctx); err != nil {\n		return nil, s, nil, err\n	}\n", ""}},
			"cmd/batch", "TestP6TooFewConnections/role", `does not end`,
		},
		{
			"what killed runs left is not looked for",
			[]edit{{"sql/queries/left_over.sql", "    where ($2 or (select exists (select from {{.Schema}}.runs where written_off_by = $1)))\n", "    where $2\n"}},
			"internal/billing/pgstore", "TestP2WhatAKilledRunLeftIsFound", `1:sending 2:sending`,
		},
		{
			"a row that raises is passed over in silence",
			[]edit{{"internal/billing/engine/pass.go", "		p.setAside(c.ID, c.Fault)\n	}\n}\n\n// cut", "	}\n}\n\n// cut"}},
			"internal/billing/pgstore", "TestP8RowThatRaisesStopsNobody", `set aside`,
		},
		{
			"what a fail-over has lost is not written again",
			[]edit{{"internal/billing/engine/failover.go", "f.behind = f.behind || moved", "f.behind = f.behind && moved"}},
			"internal/billing/pgstore", "TestP12RunsLiveThroughALostTail", `was sent [2-9] times`,
		},
		{
			"what a fail-over may have lost beyond the memory is taken for nothing",
			[]edit{{"internal/billing/engine/again.go", "	if !recorded || came", "	if recorded && came"}},
			"internal/billing/pgstore", "TestP12MoreWasLostThanIsRemembered/its_beginning_was_lost$", `exit 0, stopped ""`,
		},
		{
			"a run that died in a fail-over is written off by who waits for it",
			[]edit{{"internal/billing/pgstore/killed.go", "	if l.store.moved.Load() {\n", "	if l.store.moved.Load() && l.name == \"\" {\n"}},
			"internal/billing/pgstore", "TestP12MoreWasLostThanIsRemembered/another", `exit 0, stopped ""`,
		},
		{
			"an id that is given out again is marked by what was sent before",
			[]edit{{"internal/billing/engine/again.go", "err == nil && bytes.Equal(request.SHA256, hash)", "err == nil && len(hash) > 0 || bytes.Equal(request.SHA256, hash)"}},
			"internal/billing/pgstore", "TestP12ALostIDIsAnotherInvoice", `exit 0, stopped ""`,
		},
		{
			"what overlaps with the oldest that is remembered is dropped",
			[]edit{{"internal/billing/engine/memory.go", "!c.sent.After(oldest.acked) || ", ""}},
			"internal/billing/engine", "TestP12WhatWasDroppedIsKnownToStand", `2 are remembered`,
		},
		{
			"a fail-over takes back what a person has decided",
			[]edit{{"internal/billing/engine/fate.go", "case d == nil || d.KeyVersion == int(r.version) && (", "case d == nil || d.KeyVersion == int(r.version) || ("}},
			"internal/billing/engine", "TestP12Fates", `a person has decided`,
		},
		{
			"keys that the API has forgotten repeat what a database has forgotten",
			[]edit{{"internal/billing/engine/forgotten.go", "return die != nil && tooLate(*die)", "return die != nil && die.IsZero()"}},
			"internal/billing/pgstore", "TestP12KeysGrowOldUnderARun", `exit 0`,
		},
		{
			"what a database has forgotten counts as never sent",
			[]edit{{"internal/billing/engine/plan.go", "	return p.failover.repeats() && seen.KeyUse", "	return !p.failover.repeats() && seen.KeyUse"}},
			"internal/billing/engine", "TestP9ARepeatIsTheSameRequest/forgotten$", `it does 1`,
		},
		{
			"whatever a request came to counts as accepted after a fail-over",
			[]edit{{"internal/billing/engine/memory.go", "	if s.State == billing.Sent && s.Reason == \"\" && (", "	if s.State != \"\" && ("}},
			"internal/billing/pgstore", "TestP12WhateverItCameToStandsAgain", `before:`,
		},
		{
			"a commit does not name the timeline",
			[]edit{{"internal/billing/pgstore/failover.go", "		h.timeline = id.Timeline\n", ""}},
			"internal/billing/pgstore", "TestP12RunsLiveThroughALostTail/advisory", `was sent [2-9] times|what was missing is not told`,
		},
		{
			"a fail-over to another timeline of the same number is taken for none",
			[]edit{{"internal/billing/pgstore/failover.go", "now.Timeline == before.timeline && told == before.place() {", "now.Timeline == before.timeline && told != \" \" {"}},
			"internal/billing/pgstore", "TestP12EachWriteAsksForTheRunsRow", `it was left: false`,
		},
		{
			"a commit asks for the timeline's number alone",
			[]edit{{"internal/billing/pgstore/failover.go", "	told.told, told.again = true, false\n", ""}},
			"internal/billing/pgstore", "TestP12EachWriteAsksForTheRunsRow", `got <nil>, want the database was failed over`,
		},
		{
			"what was given back in a database that is gone is left as sent in the next one",
			[]edit{{"internal/billing/engine/giveback.go", "slices.Chunk(f.memory.doubted(), groupEnough) {\n", "slices.Chunk(f.memory.doubted(), groupEnough) {\n		clear(f.memory.unsure)\n"}},
			"internal/billing/engine", "TestP12WhatWasGivenBackMayBeLostToo", `\[\] are given back, want \["1" "2" "3"\]`,
		},
		{
			"what was begun again is given back all the same",
			[]edit{{"internal/billing/engine/memory.go", "		delete(m.unsure, r.id)\n", ""}},
			"internal/billing/engine", "TestP12WhatWasGivenBackMayBeLostToo", `are given back, want \["1" "3" "4"\]`,
		},
		{
			"what this run has written itself makes known what else was lost",
			[]edit{{"internal/billing/engine/again.go", "!f.memory.complete(came.shown) {\n		f.suspected.Store(true)\n", "!f.memory.complete(came.shown) {\n		defer f.suspected.Store(false)\n		f.suspected.Store(true)\n"}},
			"internal/billing/engine", "TestP12ASecondTryDoesNotTrustTheFirst", `are begun, and it is trusted [01] times`,
		},
		{
			"what was seen before others have written theirs again is begun",
			[]edit{{"internal/billing/engine/failover.go", "	case f.holdsBack(): // since", "	case f.holdsBack() && f.behind: // since"}},
			"internal/billing/engine", "TestP12WhatWasSeenBeforeOthersStandIsNotBegun", `"1"\] are begun`,
		},
		{
			"what came to be in doubt is given back for an intent that looks the same",
			[]edit{{"internal/billing/engine/giveback.go", "d == nil || d.State != billing.Sending ||", "d == nil ||"}},
			"internal/billing/engine", "TestP12ADoubtIsNotGivenBack", `"1"\] are given back`,
		},
		{
			"whoever suspects that more is lost has it trusted as others stand",
			[]edit{{"internal/billing/engine/again.go", "		f.others.Store(nil) // whether or not they stand\n", ""}},
			"internal/billing/engine", "TestP12ASuspicionIsNotOvercome/by_a_wait", `it is trusted 1 times`,
		},
		{
			"what another run suspects is not heard",
			[]edit{{"sql/queries/runs_behind.sql", "\n       or lost)", ")"}},
			"internal/billing/pgstore", "TestP12WritingAgainIsForOneServer", `behind are \[\]; more is lost: false`,
		},
		{
			"a fail-over ends the run that waits for others",
			[]edit{{"internal/billing/pgstore/failover.go", "	case told != home.place(): //", "	case told != home.place() && told != \"\": //"}},
			"internal/billing/pgstore", "TestP12WritingAgainIsForOneServer", `others are asked for where nothing is told`,
		},
		{
			"what is written again is divided between two servers",
			[]edit{{"internal/billing/pgstore/failover.go", "timeline: now.Timeline, again: true}", "timeline: now.Timeline}"}},
			"internal/billing/pgstore", "TestP12WritingAgainIsForOneServer", `that all stands is told to another server: <nil>`,
		},
		{
			"the other runs that live through a fail-over are not waited for",
			[]edit{{"internal/billing/engine/again.go", "	f.others.Store(&others{f.since, time.Now().Add(f.linger)})\n", ""}},
			"internal/billing/pgstore", "TestP12MoreWasLostThanIsRemembered/another", `exit 0, stopped ""`,
		},
		{
			"what a run remembers has no bound",
			[]edit{{"internal/billing/engine/memory.go", "rememberMost = 44 << 20", "rememberMost = 440 << 20"}},
			"internal/billing/engine", "TestP12MemoryIsBounded", `twice as much`,
		},
		{
			"a copy of the database passes for the database",
			[]edit{{"internal/billing/identity.go", " && same(i.Database, o.Database)", ""}},
			"cmd/batch", "TestP12ACopyForStaging", `the page shows`,
		},
		{
			"a ledger that was restored passes for the one that was used last",
			[]edit{{"internal/billing/identity.go", " && same(i.Ledger, o.Ledger)", ""}},
			"cmd/batch", "TestP12ARestoredDump", `the page shows`,
		},
		{
			"another cluster passes for the one that was used last",
			[]edit{{"internal/billing/identity.go", "same(i.System, o.System) && same(i.Database, o.Database) && same(i.Ledger, o.Ledger)", "(!same(i.System, o.System) || same(i.Database, o.Database) && same(i.Ledger, o.Ledger))"}},
			"cmd/batch", "TestP12ADumpElsewhere", `the page shows`,
		},
		{
			"a role that may not ask for the system asks for nothing",
			[]edit{{"sql/sql.go", "[][]string{nil, {\"less\"}, {\"less\", \"least\"}}", "[][]string{nil}"}},
			"cmd/batch", "TestP12PartOfTheIdentity", `exit code 0, want 5`,
		},
		{
			"a recovery to an earlier moment is no question",
			[]edit{{"internal/billing/identity.go", "		(anyTimeline || same(i.Timeline, o.Timeline))", "		(anyTimeline || true)"}},
			"cmd/batch", "TestP12ARecoveryToAPointInTime", `exit code 0, want 5`,
		},
		{
			"a planned fail-over is a question",
			[]edit{{"cmd/batch/identity.go", "now.Same(*accepted, !e.config.FailoverLosesCommits)", "now.Same(*accepted, false)"}},
			"cmd/batch", "TestP12NoFalseAlarm", `after a planned fail-over`,
		},
		{
			"a run of a few invoices has the ledger trust the database",
			[]edit{{"cmd/batch/identity.go", "limited := e.config.RunLimit > 0 || len(e.flags.only) > 0 || e.flags.maxPending > 0 || s.Stopped != \"\"", "limited := false"}},
			"cmd/batch", "TestP12AcceptingShowsWhatMayBeBilledTwice", `want 5`,
		},
		{
			"who had the ledger trust a database before is forgotten",
			[]edit{{"sql/queries/accept_identity.sql", "case when accepted_at is null or ", "case when true or "}},
			"cmd/batch", "TestP12AcceptingShowsWhatMayBeBilledTwice", `does not say who before`,
		},
		{
			"a run that is not trusted writes off who died",
			[]edit{{"cmd/batch/run.go", "	if e.forgotten.IsZero() { // else", "	if e.forgotten.IsZero() || true { // else"}},
			"cmd/batch", "TestP12CopyOfTheDatabaseIsNoticed", `1 runs are written off, want 0`,
		},
		{
			"a run that starts in a fail-over does not wait for those that live",
			[]edit{{"cmd/batch/identity.go", "	if err != nil || len(living) == 0 {\n", "	if true || err != nil || len(living) == 0 {\n"}},
			"cmd/batch", "TestP12ARunThatStartsInAFailoverWaits", `exit code 5, want 0`,
		},
		{
			"a new key for each attempt",
			[]edit{{"internal/billing/key.go", "	if inv.Delivery != nil {\n		return Key{Text: inv.Delivery.Key}\n	}\n	return NewKey(ledger, inv.ID)\n", "	return Key{Text: uuid.NewString()}\n"}},
			"internal/billing/pgstore", "TestRetriesWithinTheRunUnderOneKey", `30 keys for 10 invoices`,
		},
		{
			"a key that can't be made again once the ledger has lost it",
			[]edit{{"internal/billing/key.go", "uuid.NewSHA1(ledger, name).String()", "uuid.NewString()"}},
			"cmd/batch", "TestFailoverWithALostTail/advisory", `300 requests with 300 effects`,
		},
		{
			"another key though an attempt was in doubt before it was refused",
			[]edit{{"sql/queries/settle.sql", "least(d.key_use, $8, case when d.doubtful then 0 end)", "case when $8::smallint is null then 0 else 1 end"}, {"sql/queries/resolve.sql", "when $2 = 'in_doubt' then 0 else", "when false then 0 else"}},
			"internal/desk/pgdesk", "TestP1AnotherKeyOnlyAfterAnswers", `use 1, 4:sent`,
		},
		{
			"another key beside a run of an older program",
			[]edit{{"sql/queries/raise_key.sql", "finished_at is null and written_off_at is null and program is null", "false"}},
			"internal/desk/pgdesk", "TestP1NoOtherKeyBesideAnOlderProgram", `2:retry v2`,
		},
		{
			"a late reply of the first effect settles the second",
			[]edit{{"sql/queries/settle.sql", "d.state = 'retry' and (d.doubtful or d.key_use < 2)", "d.state = 'retry'"}},
			"internal/desk/pgdesk", "TestP1AgainIsAnotherDelivery", `the first effect's reply counts for the second`,
		},
		{
			"a key's age begins anew with each attempt that was answered",
			[]edit{{"sql/queries/intend_again.sql", "or d.key_use < 2 and d.first_sent_at", "or false and d.first_sent_at"}},
			"internal/desk/pgdesk", "TestP1AKeyAgesFromItsFirstByte", `the keys of 4 are old`,
		},
		{
			"a role's settings write the values of a request",
			[]edit{{"internal/billing/pgstore/look.go", "		if !s.place.view {\n", "		if s.place.view {\n"}},
			"internal/billing/pgstore", "TestP9SettingsAreNoChange", `columns "02.03.2026 .* JST`,
		},
		{
			"nothing is kept for a repeat",
			[]edit{{"internal/billing/engine/send.go", "s.keeper != nil && known.Idempotent", "false && known.Idempotent"}},
			"internal/billing/pgstore", "TestP9ATouchedRowIsNoDoubt", `of 0 rows something is kept`,
		},
		{
			"what was kept is sent whatever a setting has made of it",
			[]edit{{"internal/billing/engine/recall.go", "if then.changed && (", "if false && ("}, {"internal/billing/engine/plan.go", "known.RequestChanged = unrendered != nil || !s.repeats(seen)", "known.RequestChanged = unrendered != nil"}},
			"internal/billing/pgstore", "TestP9KeptIsNoExcuse", `[1-9] other requests|want of 3 alone|sent`,
		},
		{
			"a credential is kept with the row",
			[]edit{{"internal/billing/billinghttp/keep.go", "			if c.isCredential(m.name) {\n", "			if m.name == \"\" {\n"}},
			"internal/billing/billinghttp", "TestP9KeptMakesTheSameRequest", `kept `,
		},
		{
			"settling without a guard",
			[]edit{{
				"sql/queries/settle.sql",
				"\n  and d.run_id = $2\n  and d.attempt = $3\n" +
					"  and (d.state = 'sending' or (d.state = 'in_doubt' or d.state = 'retry' and (d.doubtful or d.key_use < 2)) and $5 <> 'sending'\n" +
					"       or d.state = 'submitted' and $5 not in ('sending', 'retry')\n" +
					"       or d.state = 'unmarked' and $5 in ('sent', 'unmarked'))",
				"\n  and $2::uuid is not null and $3::integer is not null",
			}},
			"internal/billing/pgstore", "TestSettleIsGuarded", `the first sender settled`,
		},
		{
			"the ledger's fence is ignored",
			[]edit{{"internal/billing/engine/intend.go", "committed.Begun[s.intent.InvoiceID]; !ours {", "committed.Begun[s.intent.InvoiceID]; false && !ours {"}},
			"internal/billing/pgstore", "TestP1FenceHoldsWithoutLocks", `[1-9]\d* of 300 invoices were sent more than once`,
		},
		{
			"one of a group that another run has begun costs the group",
			[]edit{{"internal/billing/pgstore/intend.go", "	return s.intend(ctx, conn, intents, ours, true)\n", "	return s.intend(ctx, conn, intents, ours, false)\n"}},
			"internal/billing/pgstore", "TestP1FenceHoldsOneOfAGroup", `want 1 and 3`,
		},
		{
			"what a group came to is not looked into",
			[]edit{{"internal/billing/pgstore/settle.go", "			if n != int64(len(part)) {\n", "			if n < 0 {\n"}},
			"internal/billing/pgstore", "TestSettleTellsWhatCameOfEach", `settled: \[0 0 1 1 0 0\]`,
		},
		{
			"the request's body can be rewound (GetBody kept)",
			[]edit{rewindable()},
			"internal/billing/billinghttp", "TestRequestsCannotBeRewound", `GetBody is set: true`,
		},
		{
			"GetBody kept, and the gate open for a second writing",
			[]edit{
				rewindable(),
				{"internal/billing/billinghttp/gate.go", "	case g.begun:\n", "	case g.begun && g.sealed:\n"},
			},
			"internal/billing/billinghttp", "TestSendsOnceThoughConnectionBreaks", `3 requests for 2 calls`,
		},
		{
			"redirects are followed",
			[]edit{{
				"internal/billing/billinghttp/send.go", "c.transport.RoundTrip(req)",
				"(&http.Client{Transport: c.transport}).Do(req)",
			}},
			"internal/billing/billinghttp", "TestRedirectsAreNotFollowed", `got .* want unknown \(not followed to `,
		},
		{
			"a server's error counts as sent",
			[]edit{{
				"internal/billing/billinghttp/classify.go",
				"	default:\n		reply.Outcome = billing.Unknown", "	default:\n		reply.Outcome = billing.Accepted",
			}},
			"internal/billing/billinghttp", "TestClassify", `accepted`,
		},
		{
			"sent again though the API has no keys",
			[]edit{{"internal/billing/decide.go", "	case !k.Idempotent:\n", "	case false:\n"}},
			"tools/matrix", "TestWithFailpoints/matrix/after_write/error", `P1: invoice \d+ is sent .* after 2 requests`,
		},
		{
			"keys live for ever",
			[]edit{{"internal/billing/decide.go", "	case !KeyAlive(k.KeyAge, k.KeyTTL):\n", "	case false:\n"}},
			"internal/billing/pgstore", "TestRecoveryNeverGuesses", `1:sent 2:in_doubt 3:sent, want`,
		},
		{
			"a changed body is sent under the old key",
			[]edit{{"internal/billing/decide.go", "	case k.RequestChanged:\n", "	case false:\n"}},
			"internal/billing/pgstore", "TestRecoveryNeverGuesses", `1:in_doubt 2:sent 3:sent, want`,
		},
		{
			"a changed URL is sent under the old key",
			[]edit{{"internal/billing/engine/plan.go", "(seen.RequestSHA256 == nil || slices.Equal(s.intent.RequestSHA256, seen.RequestSHA256))", "true"}},
			"internal/billing/engine", "TestP9ARepeatIsTheSameRequest", `it does`,
		},
		{
			"a look-up asks about something else than was sent",
			[]edit{{"internal/billing/engine/plan.go", "	return seen.LookupSHA256 != nil && !now.LookupByReply && slices.Equal(now.LookupSHA256, seen.LookupSHA256)\n", "	return true\n"}},
			"internal/billing/engine", "TestP9ARepeatIsTheSameRequest", `it does`,
		},
		{
			"a look-up's 404 is believed while the request may still arrive",
			[]edit{{
				"internal/billing/decide.go",
				"	case !k.DeadlinePassed && (k.HasLookup || k.Recovered):\n" +
					"		return Decision{Action: Wait, Next: Sending, Reason: \"its request may still be on its way\"}\n" +
					"	case k.HasLookup && !k.MayLookUp:\n",
				"	case false:\n",
			}},
			"internal/billing/pgstore", "TestLookUpDecides", `before the requests' deadline: 1:sent 2:\w+ 3:in_doubt`,
		},
		{
			"BILLING_LOOKUP_AFTER is ignored",
			[]edit{{"internal/billing/engine/plan.go", "seen.DeadlineIn+p.lookUpAfter <= 0", "seen.DeadlineIn <= 0"}},
			"internal/billing/pgstore", "TestP10NoLookUpBeforeItCantArrive", `asked about map\[1:true`,
		},
		{
			"a person decides while the request may still arrive",
			[]edit{{
				"sql/queries/resolve.sql",
				"when 'in_doubt' then $5 in ('sent', 'retry', 'cancelled') and d.deadline_at + make_interval(secs => $9)",
				"when 'in_doubt' then $5 in ('sent', 'retry', 'cancelled') and d.deadline_at + make_interval(secs => 0 * $9)",
			}},
			"internal/desk/pgdesk", "TestP10NobodyDecidesBeforeItCantArrive", `decided all the same`,
		},
		{
			"the look-up's test is skipped",
			[]edit{{"internal/billing/proof.go", "told, t.Held = true, false", "told = true"}},
			"internal/billing/pgstore", "TestP10LookUpIsTestedBeforeItIsBelieved/acted_to_everything", `sent, want in_doubt`,
		},
		{
			"nothing is asked under a made-up key",
			[]edit{
				{"internal/billing/engine/proof.go", "		if !madeUp {\n", "		if true {\n"},
				{"internal/billing/engine/control.go", "				c.why = p.ignoresKey(ctx, inv, request)\n", ""},
			},
			"internal/billing/pgstore", "TestP10LookUpsIgnoringTheKeyAreNotBelieved", `LookedUp:1`,
		},
		{
			"a look-up is believed without a control",
			[]edit{{"internal/billing/engine/control.go", "more, c.why = billing.JudgeControls(answers); !more", "more, c.why = false, \"\"; !more"}},
			"internal/billing/pgstore", "TestP10LookUpIsTestedBeforeItIsBelieved/absent_to_everything", `sent, want in_doubt`,
		},
		{
			"one control is enough for an absence",
			[]edit{{"internal/billing/engine/ask.go", "after = a.proof.believes(ctx, time.Now())", "after = a.proof.believes(ctx, before.asked.Add(-1))"}},
			"internal/billing/pgstore", "TestP10LookUpIsTestedBeforeItIsBelieved/the_second_control_fails", `sent, want in_doubt`,
		},
		{
			"an absence by the row's own credential counts",
			[]edit{{"internal/billing/engine/ask.go", "	case f.Finding == billing.Absent && s.request.HasRowHeaders():\n", "	case false:\n"}},
			"internal/billing/pgstore", "TestP10AbsenceByTheRowsCredentialDecidesNothing", `LookedUp:1`,
		},
		{
			"look-ups don't count for the rate",
			[]edit{{"internal/billing/engine/pace.go", "	p.next = later(p.next, now.Add(-slack)).Add(every)\n", ""}},
			"internal/billing/engine", "TestLookUpsCountForTheRate", `a look-up does not count`,
		},
		{
			"a refusal after a doubt is taken for one",
			[]edit{{"internal/billing/decide.go", "		if k.Doubtful {\n", "		if false {\n"}},
			"internal/billing/pgstore", "TestP3RefusedAfterADoubtIsADoubt", `1:failed`,
		},
		{
			"a request that is given up is left to the kernel",
			[]edit{{"internal/billing/billinghttp/gate.go", "	setLinger(conn, 0)\n", ""}},
			"internal/billing/billinghttp", "TestAbandonedConnectionDropsWhatHasNotLeft", `bytes came, then <nil>`,
		},
		{
			"a deadline is brought forward though the former sender may live",
			[]edit{{"internal/billing/engine/send.go", "		left = max(left, seen.DeadlineIn-time.Since(a.committed))\n", "		_ = seen\n"}},
			"internal/billing/engine", "TestDeadlineIsTheRequestsOwn", `taken over: 1\d`,
		},
		{
			"a ledger does not follow a key that was widened",
			[]edit{{"internal/billing/pgstore/migrate.go", `return have == "integer" && want == "bigint"`, "return have == want"}},
			"internal/billing/pgstore", "TestMigrateFollowsAWidenedKey", `does not fit`,
		},
		{
			"a second table on the ledger is taken for the first",
			[]edit{{"internal/billing/pgstore/belongs.go", "	if have == want {\n		return nil\n", "	if have == want || have != want {\n		return nil\n"}},
			"internal/billing/pgstore", "TestLedgerBelongsToOneTable", `upgrade_test.go:\d+: <nil>`,
		},
		{
			"what is pending again though sent is nobody's matter",
			[]edit{{"internal/billing/engine/pass.go", "			p.earlier.Sent++\n", "			continue\n"}},
			"internal/billing/pgstore", "TestP11PendingAgainIsOpen", `exit 0, and 1 requests`,
		},
		{
			"207 is taken for accepted",
			[]edit{{"internal/billing/billinghttp/classify.go", "	case status == http.StatusMultiStatus:\n", "	case false:\n"}},
			"internal/billing/billinghttp", "TestP10OddRepliesAreSaid/207$", `Outcome:accepted`,
		},
		{
			"a page that was answered with 200 is sent, and no word of it",
			[]edit{{"internal/billing/billinghttp/judge.go", "c.wantsJSON && isHTML(", "c.wantsJSON && !c.wantsJSON && isHTML("}},
			"internal/billing/billinghttp", "TestP10OddRepliesAreSaid/a_page$", `Outcome:accepted`,
		},
		{
			"an unqualified table follows the search path",
			[]edit{
				{"internal/billing/pgstore/place.go", "Invoices: p.sql(), ID:", "Invoices: b.Invoices.SQL(), ID:"},
				{"internal/advisory/settings.go", `"set local search_path to default; "`, `"set local datestyle to default; "`},
				{"sql/writing.go", "set_config('search_path', null, true)", "set_config('datestyle', null, true)"},
			},
			"cmd/batch", "TestP10LeakedSearchPath", `another tenant's 9 invoices`,
		},
		{
			"a mended refusal keeps its key",
			[]edit{{"internal/billing/resolve.go", "	case !r.Again && !d.KeyReplaced:\n", "	case !r.Again:\n"}},
			"internal/desk/pgdesk", "TestP1AnotherKeyOnlyAfterAnswers", `1:retry v1`,
		},
		{
			"people decide under other settings than the runs'",
			[]edit{{"internal/desk/pgdesk/marking.go", "sql.last != nil && !bytes.Equal(sql.last, now[:])", "sql.last != nil && bytes.Equal(now[:], nil)"}},
			"internal/desk/pgdesk", "TestP2PruneRefusesAnotherRunsSQL", `<nil>, want`,
		},
		{
			"a 401 for a token of the row that stands in the URL is taken for ours",
			[]edit{{"internal/billing/billinghttp/config.go", "		if templates.IsTokenName(name) {\n", "		if name == \"\" {\n"}},
			"internal/billing/billinghttp", "TestTokensOfTheRow/query", `want refused`,
		},
		{
			"nobody listens to the claim's connection",
			[]edit{{"internal/billing/pgstore/claim.go", "	return c.watch.Lost()\n", "	return make(chan struct{})\n"}},
			"internal/billing/pgstore", "TestClaimKnowsOfItsLoss", `the loss was not noticed`,
		},
		{
			"no heartbeat",
			[]edit{{"internal/advisory/watch.go", "			err = w.beat(ctx)\n", "			err = nil\n"}},
			"internal/advisory", "TestWatchNoticesASilentPartition", `heartbeat`,
		},
		{
			"the permit does not ask after the claim's locks",
			[]edit{{"internal/billing/engine/send.go", "	case a.claim.lost():\n", "	case false:\n"}},
			"internal/billing/engine", "TestP5PermitIsWithdrawn", `permit: "", want "request not started: the claim's connection is lost"`,
		},
		{
			"an old intent is sent",
			[]edit{{"internal/billing/engine/send.go", "	case tooLate(a.sendBy):\n", "	case false:\n"}},
			"internal/billing/engine", "TestP5PermitIsWithdrawn", `permit: "", want "request not started: its intent has grown too old"`,
		},
		{
			"the claim's error is ignored",
			[]edit{{
				"internal/billing/engine/produce.go", "			return p.stop.unlessStopped(ctx, fmt.Errorf(\"claim invoices: %w\", err))\n", "			_ = fmt.Errorf(\"claim invoices: %w\", err)\n",
			}},
			"internal/billing/pgstore", "TestFailedClaimSendsNothing", `[1-9]\d* requests without a lock`,
		},
		{
			"locks are freed before the replies",
			[]edit{{"internal/billing/engine/deliver.go", "		c.await(stuck)\n", ""}},
			"internal/billing/pgstore", "TestLocksOutliveTheRequests", `a claim was released with a request in flight`,
		},
		{
			"one of the two locks is enough to recover",
			[]edit{{
				"internal/billing/pgstore/claim.go",
				"claim.Recoverable, err = c.store.rowsFree(ctx, sending)", "claim.Recoverable, err = sending, nil",
			}},
			"internal/billing/pgstore", "TestRecoveryTakesBothLocks", `could be taken over from a live row runner`,
		},
		{
			"a commit of unknown fate is taken for none",
			[]edit{{
				"internal/billing/pgstore/intend.go",
				"if err == nil && broken && len(ours) < len(intents) {", "if err == nil && broken && len(ours) > len(intents) {",
			}},
			"tools/matrix", "TestWithFailpoints/matrix/after_intent_commit/error/.*/no_keys", `in doubt, want 0 at most`,
		},
		{
			"a commit of both whose fate is unknown is taken for none",
			[]edit{{"internal/billing/pgstore/commit.go", "refused := (pgerr.From(err) != nil || errors.Is(err, errStaysPending)) && !connectionLost(err)", "refused := (pgerr.From(err) != nil || errors.Is(err, errStaysPending)) && !connectionLost(err) || connectionLost(err)"}},
			"internal/billing/pgstore", "TestP1BothOfUnknownFate", `PutOff:true`,
		},
		{
			"what could not be begun for a lock is taken for another run's",
			[]edit{{"internal/billing/pgstore/commit.go", "	c = billing.Committed{PutOff: refused}\n", "	c = billing.Committed{}\n"}},
			"internal/billing/pgstore", "TestP8WhatEndsDoesNotWaitForWhatBegins", `PutOff:false`,
		},
		{
			"commits are not waited for (synchronous_commit as the DBA has it)",
			[]edit{{
				"sql/writing.go",
				"case when current_setting('synchronous_commit') in ('off', 'local') then 'on' else current_setting('synchronous_commit') end",
				"current_setting('synchronous_commit')",
			}},
			"internal/billing/pgstore", "TestCommitsOutliveACrash", `after the crash 0 deliveries are sending, want 1`,
		},
		{
			"what a killed runner has begun is left as it is",
			[]edit{{"internal/billing/pgstore/claim.go", "	claim.Recoverable, err = c.store.rowsFree(ctx, sending)\n", "	_ = sending\n"}},
			"cmd/batch", "TestP4ImmediateRecovery/advisory", `exit code 4, want 0`,
		},
		{
			"a survivor waits until a killed runner's request can no longer arrive",
			[]edit{{"internal/billing/decide.go", "	case reason == \"\":\n", "	case reason == \"\" && (k.DeadlinePassed || !k.Recovered):\n"}},
			"cmd/batch", "TestP4ImmediateRecovery/advisory", `exit code 4, want 0`,
		},
		{
			"a run sends on though its lock is lost",
			[]edit{{"internal/billing/engine/runlock.go", "return k.lock != nil && isClosed(k.lock.Lost())", "return k.lock == nil && isClosed(k.lock.Lost())"}},
			"internal/billing/engine", "TestP5SlotsWaitForTheRunLock", `a slot was given out while the run lock was lost`,
		},
		{
			"a run goes on though another has had its lock",
			[]edit{{"internal/billing/pgstore/runlock.go", "	case errors.Is(err, pgx.ErrNoRows):\n		return nil\n	case err != nil:\n		return fmt.Errorf(\"look for runs", "	case err == nil, errors.Is(err, pgx.ErrNoRows):\n		return nil\n	case err != nil:\n		return fmt.Errorf(\"look for runs"}},
			"cmd/batch", "TestP5RunLockHadByAnotherRunMeanwhile/advisory/exclusive_then_shared", `did not say`,
		},
		{
			"a run lock in another database is relied on",
			[]edit{{"internal/billing/pgstore/failover.go", "	case !there.Same(writer, false):\n", "	case !there.Same(writer, false) && err != nil:\n"}},
			"cmd/batch", "TestP6RunLockInAnotherDatabase", `want 5`,
		},
		{
			"locks that keep nobody out are relied on",
			[]edit{{"internal/advisory/prove.go", "	if p.bLocked {\n		return p.unsafe(\"a second", "	if p.bLocked && p.home == \"\" {\n		return p.unsafe(\"a second"}},
			"internal/advisory", "TestProofRefusesFunctionsThatOnlyAnswer", `got <nil>`,
		},
		{
			"a pooler may move a session while it holds its lock",
			[]edit{{"internal/advisory/prove.go", "	if err == nil && now != p.home {", "	if err == nil && now == \"\" {"}},
			"internal/advisory", "TestProofsThroughATransactionPooler", `3_processes`,
		},
		{
			"a standby's locks are relied on",
			[]edit{{"internal/advisory/standby.go", "	if recovery {", "	if recovery && ctx == nil {"}},
			"internal/advisory", "TestRefuseStandby", `pg_is_in_recovery|got `,
		},
		{
			"a MARK_SENT that marks nothing is found out by billing",
			[]edit{{"cmd/batch/run.go", "	if err := e.store.TryMark(ctx); err != nil {\n		return nil, s, nil, err\n	}\n", ""}},
			"cmd/batch", "TestP6MarkSentThatIsDropped", `[1-9]\d* requests, and it says`,
		},
		{
			"what is in hand has no bound",
			[]edit{{"internal/billing/engine/hand.go", "	for h.free < billing.LookMost {", "	for h.free < billing.LookMost && h.fits < 0 {"}},
			"internal/billing/engine", "TestP7WhatIsInHandIsBounded", `looks are in hand, want 8`,
		},
		{
			"a queue that never runs empty grows",
			[]edit{{"internal/billing/engine/queue.go", "	q.attempts = append(slices.Delete(q.attempts, 0, q.next), group...)\n	q.next = 0\n", "	q.attempts = append(slices.Clip(q.attempts), group...)\n"}},
			"internal/billing/engine", "TestP7QueueDoesNotGrow", `room for [1-9]\d* attempts`,
		},
		{
			"a line in the log for each invoice",
			[]edit{{"internal/billing/engine/troubles.go", "	return t.counts[kind] <= linesAtMost", "	return t.counts[kind] > 0"}},
			"internal/billing/engine", "TestP7LogIsBounded", `lines in the log, want`,
		},
		{
			"a claim that finds the lock table full is not made smaller",
			[]edit{{"internal/billing/pgstore/claim.go", "	if advisory.TableFull(err) && len(candidates) > 1 {", "	if advisory.TableFull(err) && len(candidates) > 10_000 {"}},
			"internal/billing/pgstore", "TestClaimShrinksAsTheTableFills", `out of shared memory`,
		},
		{
			"a connection for each request in flight",
			[]edit{{"internal/billing/pgstore/store.go", "	Claims     = 3\n", "	Claims     = 32\n"}},
			"cmd/batch", "TestP7SixConnectionsAtMost/advisory", `connections with 256 requests in flight`,
		},
		{
			"one invoice's long wait is the run's",
			[]edit{{"internal/billing/engine/wall.go", "w.strict || w.row >= wallAfter ||", "w.strict || w.row > 0 ||"}},
			"internal/billing/pgstore", "TestP8LongWaitsHoldBackTheirOwn", `exit 4`,
		},
		{
			"an API that takes no more is asked on and on",
			[]edit{{"internal/billing/engine/wall.go", "		w.over = later(w.over, now.Add(asked))\n		return own, true\n", "		w.over = later(w.over, now.Add(asked))\n"}},
			"internal/billing/pgstore", "TestP8QuotaEndsTheRun/idempotent_true", `requests|exit`,
		},
		{
			"a value's invoices are sent beside each other",
			[]edit{{"internal/billing/engine/oneper.go", "		case now.ID != \"\":\n", "		case now.ID != \"\" && now.State == billing.Cancelled:\n"}},
			"internal/billing/pgstore", "TestP8ADoubtHoldsBackItsOwnValue", `HeldByDoubt:0`,
		},
		{
			"what is open is a success",
			[]edit{{"internal/billing/summary.go", "s.Open+s.Unrendered+s.Unmarked > 0", "s.Unrendered+s.Unmarked > 0"}},
			"internal/billing/pgstore", "TestP11ExitCodeOfWhatIsOpen", `exit code 0, want 3`,
		},
		{
			"a run that a person is needed for counts as the last success",
			[]edit{{"internal/metrics/ending.go", "	if end.Code == billing.ExitDone {\n", "	if end.Code != billing.ExitError {\n"}},
			"internal/metrics", "TestNoEndIsShownBeforeItCame", `metrics of the end, want`,
		},
		{
			"status hides what can't be marked",
			[]edit{{"internal/desk/status_page.go", "	if n := d[billing.Unmarked]; n > 0 {\n", "	if n := d[billing.Unmarked]; n < 0 {\n"}},
			"internal/desk", "TestP11StatusHidesNothingUnmarked", `it shows`,
		},
		{
			"an invoice is marked in a second transaction",
			[]edit{{"internal/billing/pgstore/settle.go", "	if len(q.sent) > 0 {\n		mark, stays", "	if len(q.sent) > 0 {\n		w.batch.Queue(\"commit\")\n		w.batch.Queue(\"begin\")\n		mark, stays"}},
			"internal/billing/pgstore", "TestP8UnmarkedHoldsUpNothing/by_a_constraint/advisory", `want unmarked: 5`,
		},
		{
			"keys that are ignored count as honoured",
			[]edit{{"internal/billing/billinghttp/provekeys.go", "	case len(ids) > 1:", "	case len(ids) > 10:"}},
			"internal/billing/billinghttp", "TestP10ProveKeysTellsHonestKeysFromIgnoredOnes", `leave BILLING_IDEMPOTENT`,
		},
		{
			"a place that the API has refused is tried again at once",
			[]edit{{"internal/billing/engine/throttle.go", "math.Round(rate * t.took.Seconds())", "math.Ceil(rate * t.took.Seconds())"}},
			"internal/billing/engine", "TestP8APlaceThatWasRefusedIsNotTriedAtOnce", `2 requests at once`,
		},
		{
			"who has to wait does not see that others have sent all",
			[]edit{{"internal/billing/engine/produce.go", "	if !p.shared || p.pass.turn == doubtsToo {", "	if true {"}},
			"internal/billing/pgstore", "TestP8WhoWaitsSeesThatOthersHaveSentAll", `the first one sent 0 in`,
		},
		{
			"a quota that has some left has the run wait",
			[]edit{{"internal/billing/billinghttp/patience.go", "err == nil && left > 0 {", "err == nil && left > 1e9 {"}},
			"internal/billing/billinghttp", "TestEveryNoticeIsUnderstood", `some left: 50m0s`,
		},
	}
}

func rewindable() edit {
	const body = "io.NopCloser(bytes.NewReader(m.Body)), int64(len(m.Body))\n"
	return edit{
		"internal/billing/billinghttp/send.go", body,
		body + "		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.Body)), nil }\n",
	}
}
