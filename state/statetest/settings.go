package statetest

import "testing"

func settings(t *testing.T, e env) {
	if _, ok, err := e.Setting(e.ctx, "tap-x", "user"); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	must(t, e.PutSetting(e.ctx, "tap-x", "user", "a"))
	must(t, e.PutSetting(e.ctx, "tap-x", "user", "b"))
	must(t, e.PutSetting(e.ctx, "tap-x", "empty", ""))
	must(t, e.PutSetting(e.ctx, "tap-y", "user", "c"))
	if v, ok, err := e.Setting(e.ctx, "tap-x", "empty"); v != "" || !ok || err != nil {
		t.Fatalf("%q, %v, %v", v, ok, err)
	}
	all, err := e.SettingsIn(e.ctx, "tap-x")
	must(t, err)
	if len(all) != 2 || all["user"] != "b" {
		t.Fatal(all)
	}
	must(t, e.DeleteSetting(e.ctx, "tap-x", "user"))
	must(t, e.DeleteSetting(e.ctx, "tap-x", "user"))
	if _, ok, _ := e.Setting(e.ctx, "tap-x", "user"); ok {
		t.Fatal("deleted, and there")
	}
}
