package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Longest time for one request; what is not answered by then hangs.
const patience = 40 * time.Second

// What became of a request.
type outcome struct {
	request
	// answered, wrong (another content than expected), refused (an answer of the sidecar), unexpected (any other
	// status), broken (no whole answer), hung.
	Outcome string `json:"outcome"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Hint    string `json:"hint"`
	Detail  string `json:"detail"`
	// Whether the connection had served before, and the time in milliseconds.
	Reused  bool  `json:"reused"`
	Callers int   `json:"callers"`
	Took    int64 `json:"took"`
}

// Sends requests over keep-alive connections with 1, 16 and 64 callers, and writes what became of each one.
func callers(arguments []string) {
	flags := flag.NewFlagSet("callers", flag.ExitOnError)
	address := flags.String("address", "", "of the sidecar")
	requests := flags.Int("requests", 300, "in all")
	mix := flags.String("mix", "usual", "usual, slow or early")
	answers := flags.Int("answers", 60_000, "bytes of the largest answer")
	contents := flags.Int("contents", 1<<20, "bytes of the largest content")
	output := flags.String("output", "", "file")
	flags.Parse(arguments)
	file, err := os.Create(*output)
	if err != nil {
		log.Fatal(err)
	}
	run := run{address: *address, mix: *mix, answers: *answers, contents: *contents, requests: *requests, results: json.NewEncoder(file)}
	few, some := *requests/25, *requests*9/25
	run.phase(1, few)
	run.phase(16, few+some)
	run.phase(64, *requests)
	if err := file.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("done")
}

type run struct {
	address  string
	mix      string
	answers  int
	contents int
	requests int
	next     atomic.Int64
	mutex    sync.Mutex
	results  *json.Encoder
	done     int
}

// Sends the requests up to number `end` with so many callers at a time.
func (r *run) phase(callers, end int) {
	var all sync.WaitGroup
	for number := 0; number < callers; number++ {
		all.Add(1)
		go func() {
			defer all.Done()
			caller := caller{address: r.address}
			defer caller.close()
			for {
				index := r.next.Add(1) - 1
				if index >= int64(end) {
					return
				}
				began := time.Now()
				outcome := caller.send(requestAt(int(index), r.mix, r.answers, r.contents))
				outcome.Callers = callers
				outcome.Took = time.Since(began).Milliseconds()
				r.record(outcome)
			}
		}()
	}
	all.Wait()
	r.next.Store(int64(end)) // each caller took one number too many
}

func (r *run) record(outcome outcome) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := r.results.Encode(outcome); err != nil {
		log.Fatal(err)
	}
	r.done++
	if quarter := r.requests / 4; quarter == 0 || r.done%quarter == 0 {
		fmt.Println("answered", r.done)
	}
}

// A client that reads while it writes, and never repeats a request.
type caller struct {
	address    string
	connection net.Conn
	reader     *bufio.Reader
}

func (c *caller) close() {
	if c.connection != nil {
		c.connection.Close()
		c.connection = nil
	}
}

func (c *caller) send(request request) outcome {
	result := outcome{request: request, Reused: c.connection != nil}
	if c.connection == nil {
		connection, err := net.Dial("tcp", c.address)
		if err != nil {
			result.Outcome, result.Detail = "broken", err.Error()
			return result
		}
		c.connection, c.reader = connection, bufio.NewReader(connection)
	}
	c.connection.SetDeadline(time.Now().Add(patience))
	written := make(chan error, 1)
	go func(connection net.Conn) { written <- request.write(connection, c.address) }(c.connection)
	stays := c.receive(&result)
	if !stays {
		c.close()
	}
	if err := <-written; err != nil {
		c.close()
	}
	return result
}

// Whether the connection may serve again.
func (c *caller) receive(result *outcome) bool {
	response, err := http.ReadResponse(c.reader, &http.Request{Method: result.Method})
	if err != nil {
		result.fails(err)
		return false
	}
	content, err := io.ReadAll(response.Body)
	result.Status = response.StatusCode
	if err != nil {
		result.fails(fmt.Errorf("after %d bytes of content: %w", len(content), err))
		return false
	}
	result.judge(response, string(content))
	return !response.Close
}

func (o *outcome) fails(err error) {
	var timeout net.Error
	o.Outcome, o.Detail = "broken", err.Error()
	if errors.As(err, &timeout) && timeout.Timeout() {
		o.Outcome = "hung"
	}
}

func (o *outcome) judge(response *http.Response, content string) {
	var refusal struct{ Error struct{ Code, Hint string } }
	o.Outcome = "answered"
	switch {
	case o.Status != o.Expected:
		o.Outcome, o.Detail = "unexpected", content
		if strings.Contains(response.Header.Get("Proxy-Status"), "webwork-sidecar") &&
			json.Unmarshal([]byte(content), &refusal) == nil && refusal.Error.Code != "" {
			o.Outcome, o.Code, o.Hint = "refused", refusal.Error.Code, refusal.Error.Hint
		}
	case o.Expected == http.StatusOK && !o.Early && content != o.answer():
		o.Outcome, o.Detail = "wrong", fmt.Sprintf("%d bytes: %.100q", len(content), content)
	}
}

// A request, made from its number alone: the same in every run.
type request struct {
	ID     string `json:"id"`
	Method string `json:"method"`
	Size   int    `json:"size"`
	// Whether the server answers before it reads the content.
	Early    bool `json:"early"`
	Expected int  `json:"expected"`
	target   string
	filler   int
	chunked  bool
	pause    time.Duration
}

func requestAt(index int, mix string, answers, contents int) request {
	dice := func(sides int) int {
		digest := sha256.Sum256([]byte(fmt.Sprint(index, sides)))
		return (int(digest[0])<<8 | int(digest[1])) % sides
	}
	request := request{ID: fmt.Sprintf("request-%d", index), Method: "POST", Expected: http.StatusOK}
	switch kind := dice(100); {
	case kind < 35:
		request.Method = "GET"
	case kind < 50:
	case kind < 80:
		request.Size = 1 << 10
	case kind < 97:
		request.Size = 60_000
	default:
		request.Size = contents
	}
	request.chunked = request.Size > 0 && dice(7) == 0
	if request.Size > 0 && dice(11) == 0 {
		request.pause = 5 * time.Millisecond
	}
	if mix == "early" && request.Method == "POST" && dice(2) == 0 {
		request.Early = true
		request.Expected = []int{200, 401, 413}[dice(3)]
		request.target = fmt.Sprintf("/api/v2/early/%d?id=%s", request.Expected, request.ID)
		if request.Size > 0 && dice(5) < 2 {
			request.pause = 5 * time.Millisecond
		}
		return request
	}
	slow := 0
	if mix == "slow" && dice(4) == 0 {
		slow = 20 + dice(180)
	}
	request.filler = []int{0, 0, 1 << 10, 1 << 10, answers}[dice(5)]
	request.target = fmt.Sprintf("/api/v2/echo?id=%s&answer=%d&stream=%d&slow=%d",
		request.ID, request.filler, dice(3)/2, slow)
	return request
}

func (r request) content() string {
	return repeated(r.ID, r.Size)
}

func (r request) answer() string {
	digest := sha256.Sum256([]byte(r.content()))
	return answerTo(r.ID, int64(r.Size), digest[:], r.filler)
}

func (r request) write(connection net.Conn, host string) error {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.target, host)
	content := r.content()
	switch {
	case r.chunked:
		head += "Transfer-Encoding: chunked\r\n"
		half := len(content) / 2
		content = fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
			half, content[:half], len(content)-half, content[half:])
	case r.Method == "POST":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(content))
	}
	head += "\r\n"
	if r.pause == 0 {
		_, err := io.WriteString(connection, head+content)
		return err
	}
	if _, err := io.WriteString(connection, head); err != nil {
		return err
	}
	time.Sleep(r.pause)
	_, err := io.WriteString(connection, content)
	return err
}
