// Go's net/http.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"time"
)

const text = `{"title":"größer","n":1}`

var (
	content = make([]byte, 10<<20)
	caller  http.Client
	fresh   int
)

func check(ok bool, what string, about ...any) {
	if !ok {
		fmt.Fprintln(os.Stderr, what, fmt.Sprint(about...))
		os.Exit(1)
	}
}

// ask sends a request and returns its answer's fields and content.
func ask(method, url string, body io.Reader, fields ...string) (http.Header, []byte) {
	request, err := http.NewRequest(method, url, body)
	check(err == nil, url, err)
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if !info.Reused {
			fresh++
		}
	}}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	answer, err := caller.Do(request)
	check(err == nil, url, err)
	defer answer.Body.Close()
	seen, err := io.ReadAll(answer.Body)
	check(err == nil, url, err)
	check(answer.StatusCode == 200, url, answer.Status, string(seen))
	return answer.Header, seen
}

func succeeded(seen []byte) bool {
	var shape struct{ Success bool }
	return json.Unmarshal(seen, &shape) == nil && shape.Success
}

func main() {
	api, mode := os.Args[1], os.Args[2]
	echo := api + "/_simulator/echo"
	for i := range content {
		content[i] = byte(i % 251)
	}
	caller = http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives:     mode == "close",
		ExpectContinueTimeout: 30 * time.Second,
	}}
	for i := 0; i < 3; i++ {
		_, seen := ask("GET", api+"/workspaces", nil)
		check(succeeded(seen), "workspaces", string(seen))
	}
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		fields, seen := ask(method, echo, strings.NewReader(text), "Content-Type", "application/json")
		check(string(seen) == text, method, string(seen))
		check(fields.Get("X-Echo-Method") == method, method, fields)
	}
	_, seen := ask("HEAD", api+"/workspaces", nil)
	check(len(seen) == 0, "HEAD", len(seen))
	_, seen = ask("GET", api+"/_simulator/gzip", nil)
	check(succeeded(seen), "gzip", string(seen))
	for _, query := range []string{"n=10485760", "n=10485760&chunked=1"} {
		_, seen = ask("GET", api+"/_simulator/bytes?"+query, nil)
		check(bytes.Equal(seen, content), "download", len(seen))
	}
	_, seen = ask("POST", echo, bytes.NewReader(content))
	check(bytes.Equal(seen, content), "upload", len(seen))
	// A reader of unknown length goes in chunks.
	_, seen = ask("POST", echo, io.MultiReader(bytes.NewReader(content)))
	check(bytes.Equal(seen, content), "chunked upload", len(seen))
	_, seen = ask("POST", echo, bytes.NewReader(content), "Expect", "100-continue")
	check(bytes.Equal(seen, content), "upload that waits", len(seen))
	if mode == "keep-alive" {
		check(fresh == 1, "connections", fresh)
	}
	var all sync.WaitGroup
	for i := 0; i < 50; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			answer, err := caller.Get(api + "/workspaces")
			check(err == nil, "together", err)
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			check(answer.StatusCode == 200, "together", answer.Status)
		}()
	}
	all.Wait()
}
