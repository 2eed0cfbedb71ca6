package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/protobuf/types/known/emptypb"
)

// The executor's exit status if it has already shown the program's error.
const alreadyReported = 32

// host answers the engine's LanguageRuntime calls. Every process it starts ends with the call that started it, and
// with the host.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	lifetime context.Context
	engine   string
	executor string
	tracing  string
}

// callContext ends with the call or with the host, whichever is first.
func (h *host) callContext(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(h.lifetime, cancel)
	return ctx, func() { stop(); cancel() }
}

func (h *host) Handshake(context.Context, *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (h *host) GetRequiredPackages(
	ctx context.Context, request *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	python, err := pythonFor(request.Info)
	if err != nil {
		return nil, err
	}
	packages, err := requiredPackages(ctx, python)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetRequiredPackagesResponse{Packages: packages}, nil
}

// Run runs a program until it ends. Its output goes to the engine through this process's output.
func (h *host) Run(call context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, done := h.callContext(call)
	defer done()
	python, err := pythonFor(request.Info)
	if err != nil {
		return nil, err
	}
	command, err := python.Command(ctx, append([]string{"-u", h.executor}, executorArguments(request, h.engine, h.tracing)...)...)
	if err != nil {
		return nil, fmt.Errorf("finding Python: %w", err)
	}
	command.Env = append(command.Environ(), configVariables(request)...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	status, err := runToEnd(command)
	switch {
	case err != nil:
		return &pulumirpc.RunResponse{Error: "the Python program could not be started: " + err.Error()}, nil
	case status == alreadyReported:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case status != 0:
		return &pulumirpc.RunResponse{Error: "the Python program exited with status " + strconv.Itoa(status)}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

// RunPlugin runs a policy pack or a component provider until the engine ends the call.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	ctx, done := h.callContext(stream.Context())
	defer done()
	python, err := pythonFor(request.Info)
	if err != nil {
		return err
	}
	command, err := python.Command(ctx, pluginArguments(request)...)
	if err != nil {
		return fmt.Errorf("finding Python: %w", err)
	}
	folder, err := python.VirtualEnvPath(ctx)
	if err != nil {
		return fmt.Errorf("finding the virtual environment: %w", err)
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return fmt.Errorf("opening the plugin's output: %w", err)
	}
	command.Dir, command.Env = request.Pwd, request.Env
	if folder != "" {
		command.Env = toolchain.ActivateVirtualEnv(request.Env, folder)
	}
	command.Stdout, command.Stderr = serialised(stdout, stderr)
	status, err := runToEnd(command)
	if err != nil {
		return errors.Join(fmt.Errorf("running the plugin in %s: %w", request.Info.GetProgramDirectory(), err), closer.Close())
	}
	if err := closer.Close(); err != nil {
		return fmt.Errorf("closing the plugin's output: %w", err)
	}
	return stream.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(status)},
	})
}

func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	ctx, done := h.callContext(stream.Context())
	defer done()
	python, err := pythonFor(request.Info)
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, false)
	if err != nil {
		return fmt.Errorf("opening the installer's output: %w", err)
	}
	stdout, stderr = serialised(stdout, stderr)
	installed := python.InstallDependencies(ctx, request.Info.GetProgramDirectory(),
		request.UseLanguageVersionTools, true, stdout, stderr)
	return errors.Join(installed, closer.Close())
}

func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	python, err := pythonFor(request.Info)
	if err != nil {
		return nil, err
	}
	executable, version, err := about(ctx, python)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: executable, Version: version}, nil
}

func (h *host) GetProgramDependencies(
	ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	python, err := pythonFor(request.Info)
	if err != nil {
		return nil, err
	}
	installed, err := python.ListPackages(ctx, request.TransitiveDependencies)
	if err != nil {
		return nil, fmt.Errorf("listing the installed packages: %w", err)
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, each := range installed {
		response.Dependencies = append(response.Dependencies,
			&pulumirpc.DependencyInfo{Name: each.Name, Version: each.Version})
	}
	return response, nil
}
