package pressure

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

type settings struct {
	Line int  `json:"line"` // bytes of a record; the longest comes once, others make 10 GB
	Fast bool `json:"fast"`
}

func config() (s settings) {
	for i, arg := range os.Args {
		if arg == "--config" {
			raw, err := os.ReadFile(os.Args[i+1])
			if err == nil {
				err = json.Unmarshal(raw, &s)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
	return s
}

// flood is tap-flood.
func flood() {
	s := config()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	fmt.Fprintln(out, `{"type":"SCHEMA","stream":"flood","key_properties":["id"],"schema":{"type":"object","properties":{"id":{"type":"integer"},"pad":{"type":"string"}}}}`)
	pad := bytes.Repeat([]byte("x"), s.Line)
	times := int(10e9) / s.Line
	if s.Line > 1<<20 {
		times = 1
	}
	var id []byte
	for i := range times {
		out.WriteString(`{"type":"RECORD","stream":"flood","record":{"id":`)
		id = strconv.AppendInt(id[:0], int64(i), 10)
		out.Write(id)
		out.WriteString(`,"pad":"`)
		out.Write(pad)
		out.WriteString("\"}}\n")
		if i%1000 == 0 {
			fmt.Fprintf(out, `{"type":"STATE","value":{"bookmarks":{"flood":{"id":%d}}}}`+"\n", i)
		}
	}
}

// slow is target-slow: it takes so many bytes a second and prints each STATE;
// in the end it says how many letters x there were.
func slow() {
	s := config()
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	began, n, x, line := time.Now(), 0, 0, make([]byte, 0, 4096)
	for {
		part, err := in.ReadSlice('\n')
		n, x = n+len(part), x+bytes.Count(part, []byte("x"))
		if len(line) < 4096 { // a STATE fits; nobody needs the rest of a long line
			line = append(line, part...)
		}
		if err == nil && bytes.HasPrefix(line, []byte(`{"type":"STATE","value":`)) {
			os.Stdout.Write(append(bytes.TrimSuffix(line[len(`{"type":"STATE","value":`):], []byte("}\n")), '\n'))
		}
		if err == nil {
			line = line[:0]
		}
		if err == io.EOF {
			break
		}
		if !s.Fast {
			time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / rate)))
		}
	}
	fmt.Fprintln(os.Stderr, "INFO bytes read, x:", x)
}
