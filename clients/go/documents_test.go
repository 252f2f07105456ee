package samegate_test

import (
	"os"
	"strings"
	"testing"
)

func TestDocumentsShowTheseExamples(t *testing.T) {
	examples := lines(read(t, "example_test.go"))
	for _, document := range []string{"README.md", "../../docs/clients/go.md"} {
		blocks := strings.Split(read(t, document), "```go\n")[1:]
		equal(t, len(blocks) > 1, true)
		for _, block := range blocks {
			code, _, _ := strings.Cut(block, "```")
			if !strings.Contains(examples, lines(code)) {
				t.Errorf("%s: not in example_test.go:\n%s", document, code)
			}
		}
	}
}

func TestDocumentsRequireTheVersionOfTheGateway(t *testing.T) {
	_, manifest, _ := strings.Cut(read(t, "../../Cargo.toml"), "\nversion = \"")
	version, _, _ := strings.Cut(manifest, "\"")
	for _, document := range []string{"README.md", "../../docs/clients/go.md"} {
		equal(t, strings.Contains(read(t, document), "require samegate v"+version+"\n"), true)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// lines returns a text without the indentation of its lines.
func lines(text string) string {
	made := &strings.Builder{}
	for line := range strings.Lines(text) {
		made.WriteString(strings.TrimLeft(line, "\t"))
	}
	return made.String()
}
