// Package messages holds what a user sees when a Singer stream is played into
// a target: one sentence per case, in testdata/*.txt, each followed by the
// messages, the exit and the rows. Every case runs the binary on a fresh
// PostgreSQL database and on a fresh SQLite file, unless it names one.
//
// # Notation
//
//	# A sentence opens a case.
//	only postgres                 it makes sense on one destination only
//	config {"hard_delete": true}  settings added for the runs that follow; null takes one away
//	env NAME=value                and environment
//	args --config ENV             and arguments
//	sql create table …            executed in the destination; {s} is stream s's table
//
//	schema STREAM {properties} key key
//	record STREAM {record} [version]
//	activate STREAM version
//	state VALUE
//	> any line                    as it is
//	>> "any bytes"                a Go string, no line end added
//
//	ok                            plays what stands above into the target: exit 0
//	fails 1 "a null key"          exit code, and a part of what it says
//	says "text"                   the last run said that, too
//	out VALUE                     it printed this line; all of its lines are listed
//
//	? select … from {s}           rows, in order; pg? and lite? on one destination
//	= 1|text|∅                    columns by "|", NULL is ∅, JSON in any spelling
//	types s                       columns and types in PostgreSQL, those of _sdc_ left out
//	= id bigint
//
// The files of $DIR are made in newPlayer. A stream's name in a message writes ␠ for a space.
package messages
