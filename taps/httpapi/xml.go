package httpapi

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/row"
)

// An XML document's elements are named by Path as members of JSON are, from
// the root element on and without their namespaces: $.Envelope.Body.Result.row.
// As JSON an element is null when it is empty or xsi:nil, a text when it has
// nothing but text, else an object: attributes are members that begin with @,
// children are members (a list where one name comes several times), text
// beside them is #text.

// Elements refuses a path that cannot name elements.
func (p Path) Elements() error {
	for i, s := range p.steps {
		if s.name == "" && (!s.each || i < len(p.steps)-1) {
			return fault.New(fault.BadConfig, "the path %q has a number or [*] inside, which XML answers do not know", p.text).WithHint("name elements: $.Envelope.Body.Result.row; all that have the name are taken")
		}
	}
	if len(p.names()) == 0 {
		return fault.New(fault.BadConfig, "records_path is missing").WithHint("XML answers need it: $.rows.row names all elements row inside the root rows")
	}
	return nil
}

// names are the elements of a path.
func (p Path) names() (names []string) {
	for _, s := range p.steps {
		if s.name != "" {
			names = append(names, s.name)
		}
	}
	return names
}

// XMLRecords calls visit with each element at the path, as a JSON object;
// lists are paths inside a record ("lines.line") of elements that are lists
// though they come once. Memory holds one record. A document in which the
// path's parents are missing is an error.
func XMLRecords(in io.Reader, p Path, lists []string, cell func(dst []byte, column, text string) []byte, visit func(record []byte) error) error {
	want := p.names()
	x := &xmlReader{d: xml.NewDecoder(in), lists: lists, cell: cell}
	x.d.CharsetReader = charset
	deepest, instead := 0, ""
	err := x.walk(func(path []string, start xml.StartElement) (bool, error) {
		same := 0
		for same < min(len(path), len(want)) && path[same] == want[same] {
			same++
		}
		if same == len(path) && same > deepest {
			deepest, instead = same, ""
		} else if same == deepest && len(path) == same+1 && instead == "" {
			instead = path[same]
		}
		if same < len(want) || len(path) > len(want) {
			return false, nil
		}
		record, err := x.element(nil, start, "")
		if err == nil && record[0] != '{' { // a bare text or nothing
			record = append(append([]byte(`{"#text":`), record...), '}')
		}
		if err == nil {
			err = visit(record)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if deepest < len(want)-1 {
		found := "nothing"
		if instead != "" {
			found = "<" + instead + ">"
		}
		return fault.New(fault.BadInput, "there is nothing at %s: the answer has %s where <%s> was expected", p.text, found, want[deepest]).
			WithKind(fault.KindShape).WithHint("the shape of the answer changed, or records_path is wrong")
	}
	return nil
}

// XMLValue is the first element at the path as JSON, nil when there is none
// or it is null.
func XMLValue(in io.Reader, p Path) (value []byte, err error) {
	want := p.names()
	attribute := ""
	if len(want) > 0 && strings.HasPrefix(want[len(want)-1], "@") {
		attribute, want = want[len(want)-1][1:], want[:len(want)-1]
	}
	x := &xmlReader{d: xml.NewDecoder(in), cell: StringCell}
	x.d.CharsetReader = charset
	err = x.walk(func(path []string, start xml.StartElement) (bool, error) {
		if !slices.Equal(path, want) {
			return false, nil
		}
		if attribute != "" {
			for _, a := range start.Attr {
				if a.Name.Local == attribute {
					value = row.AppendJSONString(nil, []byte(a.Value))
				}
			}
			return false, errDone
		}
		got, err := x.element(nil, start, "")
		if err == nil && string(got) != "null" {
			value = got
		}
		if err == nil {
			err = errDone
		}
		return true, err
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return value, err
}

type xmlReader struct {
	d     *xml.Decoder
	lists []string
	cell  func(dst []byte, column, text string) []byte
}

func charset(name string, in io.Reader) (io.Reader, error) {
	if strings.EqualFold(name, "utf-8") || strings.EqualFold(name, "us-ascii") {
		return in, nil
	}
	return nil, fault.New(fault.BadInput, "the XML text is written in %s, not UTF-8", name)
}

// walk calls enter with each element and where it is; enter says that it has
// read the element to its end.
func (x *xmlReader) walk(enter func(path []string, start xml.StartElement) (bool, error)) error {
	var path []string
	root := false
	for {
		token, err := x.d.Token()
		if errors.Is(err, io.EOF) {
			if !root {
				return fault.New(fault.BadInput, "the answer is no XML: it is empty").WithKind(fault.KindShape)
			}
			return nil
		}
		if err != nil {
			return broken(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			root = true
			path = append(path, t.Name.Local)
			done, err := enter(path, t)
			if err != nil {
				return err
			}
			if done {
				path = path[:len(path)-1]
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.Directive:
			// A document type could define entities; Go knows none but XML's own.
		}
	}
}

func broken(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.BadInput, err, "the answer is no XML").WithKind(fault.KindShape).WithHint("set response to json, csv or ndjson if that is what comes, or check the path")
}

// element appends an element as JSON; at is where it is in its record.
func (x *xmlReader) element(dst []byte, start xml.StartElement, at string) ([]byte, error) {
	var names []string
	parts := map[string][][]byte{}
	add := func(name string, value []byte) {
		if parts[name] == nil {
			names = append(names, name)
		}
		parts[name] = append(parts[name], value)
	}
	null := false
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Local == "xmlns":
		case a.Name.Local == "nil" && strings.HasSuffix(a.Name.Space, "/XMLSchema-instance"):
			null = a.Value == "true" || a.Value == "1"
		case strings.HasSuffix(a.Name.Space, "/XMLSchema-instance"):
		default:
			add("@"+a.Name.Local, row.AppendJSONString(nil, []byte(a.Value)))
		}
	}
	var text strings.Builder
	for {
		token, err := x.d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, broken(err)
		}
		switch t := token.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			name := t.Name.Local
			if at != "" {
				name = at + "." + name
			}
			value, err := x.element(nil, t, name)
			if err != nil {
				return nil, err
			}
			add(t.Name.Local, value)
		case xml.EndElement:
			return x.object(dst, at, names, parts, text.String(), null), nil
		}
	}
}

func (x *xmlReader) object(dst []byte, at string, names []string, parts map[string][][]byte, text string, null bool) []byte {
	if len(names) == 0 {
		if null || text == "" {
			return append(dst, "null"...)
		}
		return x.cell(dst, at, text)
	}
	dst = append(dst, '{')
	for n, name := range names {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = append(row.AppendJSONString(dst, []byte(name)), ':')
		full := name
		if at != "" {
			full = at + "." + name
		}
		values := parts[name]
		if len(values) == 1 && !slices.Contains(x.lists, full) {
			dst = append(dst, values[0]...)
			continue
		}
		dst = append(dst, '[')
		for i, v := range values {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, v...)
		}
		dst = append(dst, ']')
	}
	if text = strings.TrimSpace(text); text != "" {
		dst = fmt.Appendf(dst, `,"#text":%s`, row.AppendJSONString(nil, []byte(text)))
	}
	return append(dst, '}')
}
