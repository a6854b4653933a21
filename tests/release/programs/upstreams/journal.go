package main

import (
	"log"
	"os"
)

// A file with one line per event: "begun ID", "processed ID" or "cut ID". Each line is one write at the end of
// the file, so several processes can share it.
type journal struct{ file *os.File }

func openJournal(name string) journal {
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	return journal{file}
}

func (j journal) record(event, id string) {
	if _, err := j.file.WriteString(event + " " + id + "\n"); err != nil {
		log.Fatal(err)
	}
}
