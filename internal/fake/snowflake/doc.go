// Package snowflake is a fake of Snowflake's service for tests: an HTTP server
// on loopback that the Go driver talks to as it talks to the real one.
//
//	srv := snowflake.Start(t)
//	cfg := gosnowflake.Config{Account: "testacct", User: "ELT", Password: "canary-password",
//		Database: "ELT_DB", Schema: "PUBLIC", Warehouse: "ELT_WH", Role: "ELT_ROLE",
//		Protocol: "http", Host: srv.Host(), Port: srv.PortNumber()}
package snowflake
