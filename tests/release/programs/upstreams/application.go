package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The application that every server runs or forwards to. It journals each request, so that the test can compare
// what was processed with what callers were told.
type application struct{ journal journal }

func (a application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	id := query.Get("id")
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/v2/early/"):
		a.early(w, id, strings.TrimPrefix(r.URL.Path, "/api/v2/early/"))
	case r.URL.Path == "/api/v2/echo":
		a.echo(w, r, id)
	default:
		io.WriteString(w, "{}\n") // the test and the sidecar ask whether anybody is there
	}
}

func (a application) echo(w http.ResponseWriter, r *http.Request, id string) {
	a.journal.record("begun", id)
	digest := sha256.New()
	length, err := io.Copy(digest, r.Body)
	if err != nil {
		a.journal.record("cut", id)
		panic(http.ErrAbortHandler)
	}
	slow := time.Duration(number(r, "slow")) * time.Millisecond
	time.Sleep(slow)
	a.journal.record("processed", id)
	answer := answerTo(id, length, digest.Sum(nil), number(r, "answer"))
	if number(r, "stream") == 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		io.WriteString(w, answer)
		return
	}
	half := len(answer) / 2
	io.WriteString(w, answer[:half])
	w.(http.Flusher).Flush()
	time.Sleep(slow / 2)
	io.WriteString(w, answer[half:])
}

// Answers before the content is read.
func (a application) early(w http.ResponseWriter, id, status string) {
	code, err := strconv.Atoi(status)
	if err != nil {
		code = http.StatusNotFound
	}
	a.journal.record("processed", id)
	w.WriteHeader(code)
	fmt.Fprintf(w, "early %s\n", id)
}

// One line about the request, and filler of the length that was asked for.
func answerTo(id string, length int64, digest []byte, filler int) string {
	return fmt.Sprintf("%s %d %x\n", id, length, digest) + repeated(id, filler)
}

func repeated(id string, length int) string {
	return strings.Repeat(id, length/len(id)+1)[:length]
}

func number(r *http.Request, name string) int {
	value, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return 0
	}
	return value
}
