// Command pulumi-language-python lets the Pulumi engine run Python programs, component providers and policy packs.
//
// Pulumi's own host of this name is not published as a Go module, so where its releases cannot be downloaded this
// small one takes its place. It serves the LanguageRuntime protocol; how a virtual environment is found, made and
// asked is left to Pulumi's own toolchain package. What it does not implement (code generation, packing, linking)
// is what no deployment needs.
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

// The script that runs a program against the engine is installed beside this host.
const executorName = "pulumi-language-python-exec"

// An engine that was killed cannot stop its hosts, so each of them looks whether it is still there.
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
	logging.InitLogging(false, 0, false) // its own flags, -v and -logtostderr, win over these
	engine := flag.Arg(flag.NArg() - 1)
	if engine == "" {
		return errors.New("the engine's address is missing; this program is started by pulumi, not by hand")
	}
	executor, err := findExecutor()
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, engine, engineCheckInterval, stop); err != nil {
		return fmt.Errorf("watching the engine at %s: %w", engine, err)
	}
	// Ends the children first: the server's graceful stop waits for the calls that run them.
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

func findExecutor() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program's folder: %w", err)
	}
	executor := filepath.Join(filepath.Dir(self), executorName)
	if _, err := os.Stat(executor); err != nil {
		return "", fmt.Errorf("%s is missing beside %s; run `make setup` again", executorName, self)
	}
	return executor, nil
}
