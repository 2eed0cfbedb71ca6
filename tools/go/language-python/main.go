// Command pulumi-language-python lets the Pulumi engine run Python programs, component providers and policy packs.
//
// It replaces Pulumi's host of the same name, which is not published as a Go module, where Pulumi's release cannot be
// downloaded. It serves the LanguageRuntime protocol, and uses Pulumi's toolchain package for virtual environments. It
// generates and links the SDKs of `pulumi package add`, and leaves out conversion and packing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/logging"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// The script that runs a program, installed beside this host.
const executorName = "pulumi-language-python-exec"

// A killed engine cannot stop its hosts, so each host checks whether the engine still runs.
const engineCheckInterval = 15 * time.Second

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-python:", err)
		os.Exit(1)
	}
}

func serve() error {
	tracing := flag.String("tracing", "", "where the program sends its traces")
	flag.Parse()
	logging.InitLogging(false, 0, false) // the flags -v and -logtostderr take precedence
	engine := flag.Arg(flag.NArg() - 1)
	if engine == "" {
		return errors.New("the engine's address is missing; this program is started by pulumi, not by hand")
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program's folder: %w", err)
	}
	executor := filepath.Join(filepath.Dir(self), executorName)
	if _, err := os.Stat(executor); err != nil {
		return fmt.Errorf("%s is missing beside %s; run `make setup` again", executorName, self)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, engine, engineCheckInterval, stop); err != nil {
		return fmt.Errorf("watching the engine at %s: %w", engine, err)
	}
	// Children end first: the server's graceful stop waits for the calls that run them.
	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(registrar *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(registrar, &host{
				lifetime: ctx, engine: engine, executor: executor, tracing: *tracing,
			})
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serving the language runtime: %w", err)
	}
	// The engine reads the port from the first line of output.
	fmt.Println(server.Port)
	return <-server.Done
}
