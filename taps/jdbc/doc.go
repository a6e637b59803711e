// Package jdbc is tap-jdbc: it reads any database for which the user has a
// JDBC driver.
//
// A Java process, the bridge, loads the driver. Its classes are ours, built
// from bridge/*.java by bridge/build, embedded here, and handed to Java as a
// jar that is unlinked as soon as Java has it open (launch.go). We ask on its
// standard input, where credentials and queries go too (invariant 10: never
// an argument, never its environment), and it answers in frames (bridge.go):
// rows come as the tuples of package row, laid out in Java, so that here only
// decimals are converted (rows.go). A plan (plan.go) joins what the catalog
// says of a stream with its bookmark, and the statements for it (query.go)
// hold values as parameters.
package jdbc

//go:generate sh bridge/build
