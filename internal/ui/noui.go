//go:build noui

package ui

import (
	"io/fs"
	"testing/fstest"
)

// Built says whether the pages are in this binary.
const Built = false

const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>elt</title>
<h1>This elt was built without its pages</h1>
<p>It was built with the tag <code>noui</code>. The API is at <a href="/api/v1/openapi.json">/api/v1</a>, and every command
takes <code>--server</code>.</p>
</html>
`

func files() fs.FS { return fstest.MapFS{"index.html": {Data: []byte(page)}} }
