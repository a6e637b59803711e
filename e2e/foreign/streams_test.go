package foreign

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// A case plays files of another project's test suite into one of our targets
// and looks at the rows. A query is written over {stream}; rows are compared
// as text, JSON in one canonical form.
type streamCase struct {
	files  []string
	config map[string]any
	fails  bool
	rows   map[string][][]string // query → rows
	states []string              // exact STATE lines, nil: not looked at
	before func(t *testing.T, d database, file int)
}

func rows(lines ...string) [][]string {
	var out [][]string
	for _, l := range lines {
		out = append(out, strings.Split(l, "|"))
	}
	return out
}

// The 20 streams of the Meltano SDK, with what its suite and its users expect.
var sdkCases = map[string]streamCase{
	"array_data": {files: []string{"array_data"}, states: []string{`{"test_array_data":4}`}, rows: map[string][][]string{
		"select id, fruits from {test_array_data} order by id": rows(`1|["apple","orange","pear"]`, `2|["banana","apple"]`, `3|["pear"]`, `4|["orange","banana","apple","pear"]`)}},
	"camelcase": {files: []string{"camelcase"}, rows: map[string][][]string{
		`select "Id", "clientName" from {TestCamelcase} order by 1`: rows("1|Gitter Windows Desktop App", "2|Gitter iOS App")}},
	"camelcase_complex_schema": {files: []string{"camelcase_complex_schema"}, rows: map[string][][]string{
		"select count(*) from {ForecastingTypeToCategory}": rows("0")}},
	"duplicate_records": {files: []string{"duplicate_records"}, rows: map[string][][]string{
		"select id, metric from {test_duplicate_records} order by id": rows("1|100", "2|20")}},
	"encoded_string_data": {files: []string{"encoded_string_data"}, rows: map[string][][]string{
		"select count(*) from {test_strings}":                           rows("11"),
		"select count(*) from {test_strings_in_objects}":                rows("11"),
		"select count(*) from {test_strings_in_arrays}":                 rows("6"),
		"select info from {test_strings} where id in (2,5) order by id": rows("απλή συμβολοσειρά", `quoted "string"`),
		"select info from {test_strings} where id = 10":                 rows(`Double quoting: \u0000 \u0041 \u0001`),
		"select info from {test_strings} where id = 11":                 rows("Control Characters in string: \ufffd A \x01")}},
	"invalid_schema": {files: []string{"invalid_schema"}, fails: true},
	"multiple_state_messages": {files: []string{"multiple_state_messages"}, config: map[string]any{"batch_size_rows": 3},
		states: []string{
			`{"test_multiple_state_messages_a":1,"test_multiple_state_messages_b":0}`,
			`{"test_multiple_state_messages_a":3,"test_multiple_state_messages_b":2}`,
			`{"test_multiple_state_messages_a":5,"test_multiple_state_messages_b":6}`},
		rows: map[string][][]string{
			"select count(*), sum(metric) from {test_multiple_state_messages_a}": rows("6|2100"),
			"select count(*), sum(metric) from {test_multiple_state_messages_b}": rows("6|2310")}},
	"no_primary_keys": {files: []string{"no_primary_keys", "no_primary_keys_append"}, rows: map[string][][]string{
		"select id, metric from {test_no_pk} order by metric": rows("1|11", "2|22", "3|33", "1|101", "2|202", "3|303", "4|404", "5|505")}},
	"optional_attributes": {files: []string{"optional_attributes"}, rows: map[string][][]string{
		"select id, optional from {test_optional_attributes} order by id": rows("1|This is optional", "2|"+null, "3|Also optional", "4|"+null)}},
	"pk_updates": {files: []string{"pk_updates"}, rows: map[string][][]string{
		"select id, name, email from {example_stream} order by id": rows("1|Alice|alice@example.com", "2|Bob|bob@example.com")}},
	"record_before_schema":             {files: []string{"record_before_schema"}, fails: true},
	"record_missing_fields":            {files: []string{"record_missing_fields"}, states: []string{}, rows: map[string][][]string{"select id, optional from {record_missing_fields} order by id": rows("1|now you see me", "2|"+null)}},
	"record_missing_key_property":      {files: []string{"record_missing_key_property"}, fails: true},
	"record_missing_required_property": {files: []string{"record_missing_required_property"}, config: map[string]any{"validate_records": true}, fails: true},
	"schema_no_properties": {files: []string{"schema_no_properties"}, rows: map[string][][]string{
		"select object_store from {test_object_schema_with_properties} order by 1": rows(`{"id":1,"metric":187}`, `{"id":2,"metric":203}`),
		"select object_store from {test_object_schema_no_properties} order by 1":   rows(`{"id":1,"metric":1}`, `{"id":2,"metric":2}`)}},
	"schema_updates": {files: []string{"schema_updates"}, rows: map[string][][]string{
		"select id, a1, a2, a4, a5, a6 from {test_schema_updates} where id in (1, 5) order by id": rows(
			strings.Join([]string{"1", "101", "string1", null, null, null}, "|"), `5|105|string5|{"id":3,"value":33}|["apple"]|985`),
		"select count(*), count(a3), count(a6) from {test_schema_updates}": rows("6|5|2")}},
	"special_chars_in_attributes": {files: []string{"special_chars_in_attributes"}, rows: map[string][][]string{
		`select "_id", d from {test:SpecialChars!in?attributes}`: rows(`a2e98886|{"env":"prod","agent:type":"desktop","agent:os:version":"10.13.1"}`)}},
	"user_location": {files: []string{"user_location_data", "user_location_upsert_data"}, rows: map[string][][]string{
		"select id, name from {test_users} order by id":     rows("1|Johny", "2|George", "3|Jacob", "4|Josh", "5|Jim", "8|Thomas", "12|Paul", "13|Mary"),
		"select id, name from {test_locations} order by id": rows("1|Philly", "2|NY", "3|San Francisco", "6|Colorado", "8|Boston"),
		"select id, user_id, location_id, info from {test_user_in_location} order by id": rows(
			`1|1|4|{"weather":"rainy","mood":"sad"}`, `2|2|3|{"weather":"sunny","mood":"satisfied"}`, `3|1|3|{"weather":"sunny","mood":"happy"}`,
			`6|3|2|{"weather":"sunny","mood":"happy"}`, `14|4|1|{"weather":"cloudy","mood":"ok"}`)}},
}

func TestStreamsOfTheSDK(t *testing.T) {
	bin := venv(t, "singer-sdk[testing]")
	folder := filepath.Dir(packaged(t, bin, "singer_sdk/testing/target_test_streams/array_data.singer"))
	found, err := filepath.Glob(filepath.Join(folder, "*.singer"))
	if err != nil || len(found) != 20 {
		t.Fatalf("the SDK brings %d streams, this test knows 20", len(found))
	}
	play(t, folder, sdkCases, found)
}

// The streams of MeltanoLabs' target-postgres, with what its tests expect.
var meltanoLabsCases = map[string]streamCase{
	"array_data":               {files: []string{"array_data"}, rows: map[string][][]string{"select fruits from {test_carts} where id = 1": rows(`["apple","orange","pear"]`), "select count(*) from {test_carts}": rows("4")}},
	"camelcase":                {files: []string{"camelcase"}, rows: map[string][][]string{`select count(*) from {TestCamelcase}`: rows("2")}},
	"camelcase_complex_schema": {files: []string{"camelcase_complex_schema"}},
	"commits": {files: []string{"commits"}, rows: map[string][][]string{
		"select count(*) from {commits}":                                  rows("30"),
		"select legacy_id, parent_ids from {commits} where id = 'MX-SON'": rows(`24|["PA-KY"]`)}},
	"duplicate_records": {files: []string{"duplicate_records"}, rows: map[string][][]string{"select id, metric from {test_duplicate_records} order by id": rows("1|100", "2|20")}},
	"encoded_strings": {files: []string{"encoded_strings"}, rows: map[string][][]string{
		"select info from {test_strings} where id = 1":              rows("simple string 2837"),
		"select count(*) from {test_strings}":                       rows("11"),
		"select info from {test_strings_in_objects} where id = 1":   rows(`{"name":"simple","value":"simple string 2837"}`),
		"select strings from {test_strings_in_arrays} where id = 1": rows(`["simple string","απλή συμβολοσειρά","简单的字串"]`)}},
	"invalid_schema":                   {files: []string{"invalid_schema"}, fails: true},
	"jsonb_data":                       {files: []string{"jsonb_data"}, rows: map[string][][]string{"select id, event_data from {test_jsonb_data} order by id": rows("1|"+null, `2|{"test":{"test_name":"test_value"}}`)}},
	"large_int":                        {files: []string{"large_int"}, rows: map[string][][]string{"select max(id) from {test_large_int}": rows("99999999999999999")}},
	"large_numeric_primary_key":        {files: []string{"large_numeric_primary_key"}, rows: map[string][][]string{"select id from {test_large_numeric_primary_key}": rows("34639314995")}},
	"missing_value":                    {files: []string{"missing_value"}, rows: map[string][][]string{"select count(*) from {test_missing_value}": rows("5")}},
	"multiple_schema_messages":         {files: []string{"multiple_schema_messages"}, rows: map[string][][]string{"select count(*), sum(metric) from {test_multiple_schema_messages}": rows("6|2100")}},
	"multiple_state_messages":          {files: []string{"multiple_state_messages"}, rows: map[string][][]string{"select count(*) from {test_multiple_state_messages_a}": rows("6"), "select count(*) from {test_multiple_state_messages_b}": rows("6")}},
	"new_array_column":                 {files: []string{"new_array_column"}, rows: map[string][][]string{"select id, arr from {test_new_array_column}": rows("1|" + null)}},
	"optional_attributes":              {files: []string{"optional_attributes"}, rows: map[string][][]string{"select id, optional from {test_optional_attributes} where id = 1": rows("1|This is optional"), "select count(*) from {test_optional_attributes}": rows("4")}},
	"record_before_schema":             {files: []string{"record_before_schema"}, fails: true},
	"record_missing_key_property":      {files: []string{"record_missing_key_property"}, fails: true},
	"record_missing_required_property": {files: []string{"record_missing_required_property"}, config: map[string]any{"validate_records": true}, fails: true},
	"reserved_keywords":                {files: []string{"reserved_keywords"}, rows: map[string][][]string{`select "SELECT", "ORDER" from {reserved_keywords}`: rows("data|data")}},
	"schema_no_properties":             {files: []string{"schema_no_properties"}, rows: map[string][][]string{"select count(*) from {test_object_schema_with_properties}": rows("2"), "select count(*) from {test_object_schema_no_properties}": rows("2")}},
	"schema_updates":                   {files: []string{"schema_updates"}, rows: map[string][][]string{"select count(*) from {test_schema_updates}": rows("6")}},
	"special_chars_in_attributes":      {files: []string{"special_chars_in_attributes"}, rows: map[string][][]string{"select count(*) from {test:SpecialChars!in?attributes}": rows("1")}},
	"tap_aapl":                         {files: []string{"tap_aapl"}, rows: map[string][][]string{"select count(*) from {aapl}": rows("1")}},
	"tap_countries":                    {files: []string{"tap_countries"}, rows: map[string][][]string{"select count(*) from {continents}": rows("7")}},
	"no_pk":                            {files: []string{"test_no_pk", "test_no_pk_append", "test_no_pk", "test_no_pk_append"}, rows: map[string][][]string{"select count(*) from {test_no_pk}": rows("16")}},
	"no_type":                          {files: []string{"test_no_type"}, rows: map[string][][]string{"select count(*) from {test_no_type}": rows("15")}},
	"uppercase_stream_name_with_column_alter": {files: []string{"uppercase_stream_name_with_column_alter"}, rows: map[string][][]string{
		`select "Id", "clientNumber" from {Uppercase_stream_name_with_column_alter} order by 1`: rows("1|1", "2|2")}},
	"user_location": {files: []string{"user_location_data", "user_location_upsert_data"}, rows: map[string][][]string{"select count(*) from {test_users}": rows("8")}},
	"base16_not_interpreted": {files: []string{"base16_content_encoding_not_interpreted"}, rows: map[string][][]string{
		"select contract_address from {test_base_16_encoding_not_interpreted} where id = 'empty_0x_str'": rows("0x")}},
	"base16_interpreted": {files: []string{"base16_content_encoding_interpreted"}, config: map[string]any{"interpret_content_encoding": true}, rows: map[string][][]string{
		"select lower(hex(contract_address)), lower(hex(raw_event_data)) from {test_base_16_encoding_interpreted} where id = 'test_handle_odd_and_even_number_of_chars'": rows("a1|0a12")}},
	"activate_version_uppercase": {files: []string{"test_activate_version_uppercase_stream_name"}, config: map[string]any{"hard_delete": true}, rows: map[string][][]string{"select count(*) from {Account}": rows("7")}},
	"activate_version_hard": {files: []string{"test_activate_version_hard", "test_activate_version_hard"}, config: map[string]any{"hard_delete": true},
		before: byHand("test_activate_version_hard", 1), rows: map[string][][]string{"select count(*) from {test_activate_version_hard}": rows("7")}},
	"activate_version_soft": {files: []string{"test_activate_version_soft", "test_activate_version_soft_with_delete", "test_activate_version_soft_with_delete"},
		before: byHand("test_activate_version_soft", 2), rows: map[string][][]string{
			"select count(*) from {test_activate_version_soft}":                                   rows("9"),
			"select count(*) from {test_activate_version_soft} where _sdc_deleted_at is not null": rows("3")}},
	"activate_version_deletes": {files: []string{"test_activate_version_deletes_data_properly", "test_activate_version_deletes_data_properly_2"}, config: map[string]any{"hard_delete": true},
		before: byHand("test_activate_version_deletes_data_properly", 1), rows: map[string][][]string{"select count(*) from {test_activate_version_deletes_data_properly}": rows("0")}},
}

// byHand adds two rows before the given file, as somebody with a SQL prompt would.
func byHand(stream string, file int) func(*testing.T, database, int) {
	return func(t *testing.T, d database, n int) {
		if n == file {
			d.exec(t, `insert into `+d.table(stream)+` (code, "name") values ('Manual1', 'Meltano'), ('Manual2', 'Meltano')`)
		}
	}
}

func TestStreamsOfMeltanoLabsTargetPostgres(t *testing.T) {
	bin := venv(t, "meltanolabs-target-postgres")
	folder := filepath.Dir(packaged(t, bin, "target_postgres/tests/data_files/array_data.singer"))
	found, err := filepath.Glob(filepath.Join(folder, "*.singer"))
	if err != nil || len(found) != 38 {
		t.Fatalf("the target brings %d streams, this test knows 38", len(found))
	}
	play(t, folder, meltanoLabsCases, found)
}

func play(t *testing.T, folder string, cases map[string]streamCase, files []string) {
	used := map[string]bool{}
	for _, c := range cases {
		for _, f := range c.files {
			used[f] = true
		}
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".singer"); !used[name] {
			t.Errorf("no case plays %s", name)
		}
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, d := range destinations(t) {
				t.Run(d.name(), func(t *testing.T) { c.run(t, folder, d) })
			}
		})
	}
}

func (c streamCase) run(t *testing.T, folder string, d database) {
	dir := t.TempDir()
	config := d.config(t)
	maps.Copy(config, c.config)
	path := write(t, dir, "config.json", jsonText(t, config))
	var last result
	for n, file := range c.files {
		if c.before != nil {
			c.before(t, d, n)
		}
		input, err := os.ReadFile(filepath.Join(folder, file+".singer"))
		if err != nil {
			t.Fatal(err)
		}
		last = command(t, dir, nil, input, elt, "target", "target-"+d.name(), "--config", path)
		if c.fails {
			if last.code == 0 {
				t.Fatalf("%s is accepted", file)
			}
			return
		}
		if last.code != 0 {
			t.Fatalf("%s: exit %d\n%s", file, last.code, last.stderr)
		}
	}
	if c.states != nil {
		var got []string
		for _, l := range last.lines() {
			got = append(got, strings.ReplaceAll(l, " ", ""))
		}
		if fmt.Sprint(got) != fmt.Sprint(c.states) {
			t.Errorf("STATE lines are %q, want %q", got, c.states)
		}
	}
	for q, want := range c.rows {
		got := d.query(t, dialect(q, d))
		for _, line := range got {
			for i := range line {
				line[i] = canonical(line[i])
			}
		}
		for _, line := range want {
			for i := range line {
				line[i] = canonical(line[i])
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %q\nwant %q", q, got, want)
		}
	}
}

// dialect puts the destination's table names and functions into a query.
func dialect(q string, d database) string {
	for {
		open := strings.Index(q, "{")
		if open < 0 {
			break
		}
		end := open + strings.Index(q[open:], "}")
		q = q[:open] + d.table(q[open+1:end]) + q[end+1:]
	}
	if d.name() == "postgres" {
		q = strings.ReplaceAll(q, "lower(hex(", "lower(encode(")
		q = strings.ReplaceAll(q, "_address))", "_address, 'hex'))")
		q = strings.ReplaceAll(q, "_data))", "_data, 'hex'))")
	}
	return q
}

// canonical makes JSON comparable: no spaces, sorted keys (jsonb sorts them
// its own way).
func canonical(v string) string {
	if v == "" || v[0] != '{' && v[0] != '[' {
		return v
	}
	return normalJSON(v)
}
