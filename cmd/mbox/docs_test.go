package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutputIsDocumented: docs/OUTPUT.md names every field that testdata has.
func TestOutputIsDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "OUTPUT.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "*.jsonl"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	missing := map[string]bool{}
	var look func(v any)
	look = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				look(x)
			}
		case map[string]any:
			for name, x := range v {
				if !bytes.Contains(page, []byte("`"+name+"`")) && !bytes.Contains(page, []byte("**"+name+"**")) {
					missing[name] = true
				}
				look(x)
			}
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var v any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			look(v)
		}
	}
	for name := range missing {
		t.Errorf("docs/OUTPUT.md does not name %q", name)
	}
}
