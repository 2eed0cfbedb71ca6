package main

import (
	"errors"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// How long a Python process may take to end after SIGTERM, before it is killed.
const grace = 5 * time.Second

// runToEnd runs a command and returns its exit status, or an error if it did not start or a signal ended it.
func runToEnd(command *exec.Cmd) (int, error) {
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = grace
	err := command.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) && exited.Exited() {
		return exited.ExitCode(), nil
	}
	return 0, err
}

// serialised makes a process's two outputs share one gRPC stream, which allows one sender at a time.
func serialised(stdout, stderr io.Writer) (io.Writer, io.Writer) {
	mutex := &sync.Mutex{}
	return &serialisedWriter{mutex, stdout}, &serialisedWriter{mutex, stderr}
}

type serialisedWriter struct {
	mutex  *sync.Mutex
	target io.Writer
}

func (w *serialisedWriter) Write(data []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.target.Write(data)
}
